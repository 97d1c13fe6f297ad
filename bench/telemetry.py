"""What telemetry costs: the fastest configuration with everything on, beside the same with everything off.

Off is `telemetry.enabled = false`: no hub, and workers that count nothing.
"""

from __future__ import annotations

import json
import signal
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from bench.drain_postgres import BEST
from bench.lab import processes, record
from bench.lab.contestant import Snqd
from bench.lab.machine import ROOT
from bench.lab.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator

PURPOSE = (
    "Telemetry: draining with the ledger, hub, statsd, one subscriber at 4 frames/s and the flight recorder, "
    "beside none of them"
)
COLUMNS = [
    ("items/s", "rate"),
    ("CPU of the daemon, µs an item", "daemon_us"),
    ("CPU of the server, µs an item", "server_us"),
    ("hub, % of a core", "hub"),
]
STORES = {"postgres": "PostgreSQL", "sqlite": "SQLite"}
FRAMES_PER_SECOND = 4.0
WORKERS = 2
SETTLE_SECONDS = 3.0


def main() -> None:
    with Session("telemetry", PURPOSE, reps=10) as session:
        session.start_postgres()
        items = 50_000 if session.quick else 400_000
        pairs = {store: (off(session, store), on(session, store)) for store in STORES}
        for turn in session.rounds():
            for pair in pairs.values():
                # Which of the two comes first changes from round to round: a machine that drifts favours neither.
                for contestant in pair if turn % 2 else reversed(pair):
                    if session.wants(contestant.name):
                        measure(contestant, items, is_on=contestant is pair[1])
        report(session)


def off(session: Session, store: str) -> Snqd:
    return Snqd(session, f"{STORES[store]}, off", store, {**BEST, "telemetry": {"enabled": False}})


def on(session: Session, store: str) -> Snqd:
    name = f"{STORES[store]}, on"
    hub, statsd = processes.free_port(), processes.free_port()
    contestant = Snqd(session, name, store)
    settings = {
        **BEST,
        "telemetry": {
            "listen": f"127.0.0.1:{hub}",
            "statsd": f"127.0.0.1:{statsd}",
            "record_file": str(contestant.home / "flight.rec"),
        },
    }
    return Snqd(session, name, store, settings)


def measure(contestant: Snqd, items: int, *, is_on: bool) -> None:
    """One repetition. The first item of each worker takes `SETTLE_SECONDS`: by then the hub has started."""
    contestant.prepare()
    contestant.call("load", WORKERS, SETTLE_SECONDS)
    contestant.call("load", items, 0.0)
    if contestant.session.cluster is not None and contestant.store == "postgres":
        contestant.session.cluster.settle(contestant.database)
    contestant.session.wait_for_quiet()
    with listening(contestant) if is_on else nullcontext():
        roots = contestant.start()
        try:
            if not contestant.wait_for_records(2 * WORKERS):
                return
            servers, hubs = contestant.servers(), contestant.hubs()
            begun, hub = time.monotonic(), processes.fine_cpu_seconds(hubs)
            daemon, server = processes.fine_cpu_seconds(roots), processes.fine_cpu_seconds(servers)
            seen = record.count(contestant.record)
            if not contestant.wait_for_records(items + WORKERS):
                return
            daemon, server = processes.fine_cpu_seconds(roots) - daemon, processes.fine_cpu_seconds(servers) - server
            seen = record.count(contestant.record) - seen
            hub = (processes.fine_cpu_seconds(hubs) - hub) / (time.monotonic() - begun)
        finally:
            contestant.stop()
    times = sorted(event.at for event in record.read(contestant.record))[2 * WORKERS :]
    contestant.remove()
    contestant.session.add(
        contestant.name,
        rate=(len(times) - 1) / (times[-1] - times[0]),
        daemon_us=daemon / seen * 1e6,
        server_us=server / seen * 1e6 if servers else None,
        hub=hub * 100 if hubs else None,
    )


@contextmanager
def listening(contestant: Snqd) -> Iterator[None]:
    """A subscriber and a statsd server beside the run: no part of the daemon, and yet they share its processors."""
    text = contestant.config.read_text()
    hub, statsd = (_setting(text, key) for key in ("listen", "statsd"))
    command = [sys.executable, "-m", "bench.lab.listener", hub, str(FRAMES_PER_SECOND), statsd.rpartition(":")[2]]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as listener:
        try:
            yield
        finally:
            listener.send_signal(signal.SIGTERM)
            assert listener.stdout is not None
            got: dict[str, Any] = json.loads(listener.stdout.read() or "{}")
    contestant.session.say(f"  {contestant.name}: the listener got {got}")


def _setting(text: str, key: str) -> str:
    (line,) = [line for line in text.splitlines() if line.startswith(f"{key} = ")]
    return str(json.loads(line.partition(" = ")[2]))


def report(session: Session) -> None:
    session.title(
        note="best settings of bench.drain_postgres; on and off follow each other at once, in an order that changes "
        "from round to round."
    )
    session.table(COLUMNS)
    for name in STORES.values():
        session.target(f"{name}: throughput on / off", session.ratio(f"{name}, on", f"{name}, off", "rate"), "≥", 0.98)
        on_us, off_us = (session.median(f"{name}, {state}", "daemon_us") for state in ("on", "off"))
        if on_us and off_us:
            session.print(f"- {name}: processor time of the daemon on / off: {on_us / off_us:.3f}")
        spread = session.values(f"{name}, off", "rate")
        if len(spread) > 1:
            noise = statistics.stdev(spread) / statistics.mean(spread)
            session.print(f"- {name}: spread of the runs that are off: {noise:.1%} (one standard deviation)")


if __name__ == "__main__":
    main()
