"""What telemetry costs: two daemons race on one machine, one with everything on, the other with everything off.

Off is `telemetry.enabled = false`: no hub, and workers that count nothing. The two run at the same time, each with
more items than the race needs, and what each has handled is read at the same two moments: whatever else the machine
does, and however fast it is just then, it is the same for both.

A race hides one thing: the processor time of the hub is taken from both. A daemon that is alone pays it all, so the
ratio is multiplied by the part of the machine that the hub leaves.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

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
    ("items/s, of both at once", "rate"),
    ("CPU of the daemon, µs an item", "daemon_us"),
    ("hub, % of a core", "hub"),
]
RATIO_COLUMNS = [("in the race", "race"), ("with the hub's share", "ratio")]
STORES = {"postgres": "PostgreSQL", "sqlite": "SQLite"}
FRAMES_PER_SECOND = 4.0
WORKERS = 2
SETTLE_SECONDS = 3.0


def main() -> None:
    with Session("telemetry", PURPOSE, reps=10) as session:
        session.start_postgres()
        items = 50_000 if session.quick else 500_000
        pairs = {store: (on(session, store), off(session, store)) for store in STORES}
        for turn in session.rounds():
            for store, (seen, unseen) in pairs.items():
                if session.wants(STORES[store]):
                    race(seen, unseen, items, is_seen_first=bool(turn % 2))
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


def race(seen: Snqd, unseen: Snqd, items: int, *, is_seen_first: bool) -> None:
    """One repetition. The first item of each worker takes `SETTLE_SECONDS`: by then the hub has started."""
    session, both = seen.session, (seen, unseen)
    for contestant in both:
        contestant.prepare()
        contestant.call("load", WORKERS, SETTLE_SECONDS)
        contestant.call("load", items, 0.0)
        if session.cluster is not None and contestant.store == "postgres":
            session.cluster.settle(contestant.database)
    session.wait_for_quiet()
    with listening(seen):
        try:
            for contestant in both if is_seen_first else reversed(both):
                contestant.start()
            begin, end = items // 20, items * 19 // 20  # neither has the machine for itself in between
            if not all(contestant.wait_for_records(begin) for contestant in both):
                return
            before = [Reading.of(contestant) for contestant in both]
            while max(record.count(contestant.record) for contestant in both) < end:
                if not all(program.is_running() for contestant in both for program in contestant.roots):
                    return
                time.sleep(0.005)
            after = [Reading.of(contestant) for contestant in both]
        finally:
            for contestant in both:
                contestant.stop()
    for contestant in both:
        contestant.remove()
    spans = [late - early for early, late in zip(before, after, strict=True)]
    for contestant, span in zip(both, spans, strict=True):
        hub = span.hub / span.at * 100 if contestant is seen else None
        session.add(contestant.name, rate=span.handled / span.at, daemon_us=span.daemon / span.handled * 1e6, hub=hub)
    ratio = spans[0].handled / spans[1].handled
    left = 1 - spans[0].hub / spans[0].at / (os.cpu_count() or 1)
    session.add(f"{STORES[seen.store]}: on / off", race=ratio, ratio=ratio * left)


class Reading(NamedTuple):
    """How far a contestant is: epoch seconds, items, and seconds of processor time of the daemon and of its hub."""

    at: float
    handled: int
    daemon: float
    hub: float

    @classmethod
    def of(cls, contestant: Snqd) -> Reading:
        return cls(
            time.monotonic(),
            record.count(contestant.record),
            processes.fine_cpu_seconds(contestant.roots),
            processes.fine_cpu_seconds(contestant.hubs()),
        )

    def __sub__(self, early: Reading) -> Reading:
        return Reading(*(late - before for late, before in zip(self, early, strict=True)))


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
        note="best settings of bench.drain_postgres; on and off run at the same time. With the hub's share: the ratio "
        "of the race, less what the hub takes of the processors, half of which the other daemon pays in a race."
    )
    session.table(COLUMNS)
    session.print("")
    session.table(RATIO_COLUMNS)
    for store in STORES.values():
        name = f"{store}: on / off"
        session.target(f"{store}: throughput on / off", session.median(name, "ratio"), "≥", 0.98)
        values = session.values(name, "ratio")
        if len(values) > 1:
            error = statistics.stdev(values) / len(values) ** 0.5
            session.print(f"- {store}: standard error of that: {error:.3f}, of {len(values)} races")


if __name__ == "__main__":
    main()
