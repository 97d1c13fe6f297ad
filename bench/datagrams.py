"""How many datagrams a monitor gets at 100 and at 10,000 items a second: as many as there are things to tell."""

from __future__ import annotations

import select
import time

from bench.lab import processes, record
from bench.lab.contestant import Snqd
from bench.lab.session import Session
from snqd.telemetry.feed import Feed
from snqd.telemetry.fleet import Fleet

PURPOSE = "Datagrams to one subscriber at 4 frames/s, while 2 workers handle items at a steady rate, SQLite"
RATES = (0, 100, 1_000, 10_000)
COLUMNS = [
    ("handled/s", "handled"),
    ("datagrams/s", "datagrams"),
    ("bytes/s", "bytes"),
    ("lost", "lost"),
]
SETTLE_SECONDS = 3.0


def main() -> None:
    with Session("datagrams", PURPOSE) as session:
        address = f"127.0.0.1:{processes.free_port()}"
        settings = {"telemetry": {"listen": address}}
        daemon = Snqd(session, "snqd", "sqlite", settings)
        for _ in session.rounds():
            for rate in RATES:
                measure(daemon, address, rate, 3.0 if session.quick else 20.0)
        session.title(note="bytes of the datagrams' payload.")
        session.table(COLUMNS, first="items/s")
        few, many = (f"{rate:,}" for rate in (RATES[1], RATES[-1]))
        session.target("datagrams at 10,000 items/s over 100", session.ratio(many, few, "datagrams"), "≤", 1.2)


def measure(daemon: Snqd, address: str, rate: int, seconds: float) -> None:
    """One repetition: let it settle, then count what comes for so long."""
    daemon.prepare()
    daemon.session.wait_for_quiet()
    daemon.start()
    feeder = daemon.begin_call("feed", float(rate), seconds + 3 * SETTLE_SECONDS) if rate else None
    taken = [0, 0]

    def count(_at: float, data: bytes) -> None:
        taken[0] += 1
        taken[1] += len(data)

    fleet = Fleet()
    try:
        with Feed([address], fleet=fleet, frames_per_second=4.0, on_datagram=count) as feed:
            listen(feed, 2 * SETTLE_SECONDS)
            taken[:] = [0, 0]
            before, begun = record.count(daemon.record), time.monotonic()
            listen(feed, seconds)
            took = time.monotonic() - begun
            handled = record.count(daemon.record) - before
    finally:
        if feeder is not None:
            feeder.terminate()
            feeder.wait()
        daemon.stop()
    daemon.session.add(
        f"{rate:,}",
        handled=handled / took,
        datagrams=taken[0] / took,
        bytes=taken[1] / took,
        lost=sum(view.lost for view in fleet.daemons.values()),
    )


def listen(feed: Feed, seconds: float) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        select.select([feed], [], [], min(left, feed.turn()))


if __name__ == "__main__":
    main()
