"""How soon an idle worker picks up an item: from before the enqueue call to the handler's first line."""

from __future__ import annotations

import time

from bench.bare import postgres as bare
from bench.lab import record
from bench.lab.contestant import Contestant, Huey, Pgqueuer, Snqd
from bench.lab.session import Session, percentile

PURPOSE = "Pick-up: milliseconds from the start of the enqueue call to the handler's first line, idle workers"
PACE_SECONDS = 0.02
RATIOS = (("p50", 1.27), ("p99", 1.67))
"""The targets of 2 and 4 ms were set where the bare loop takes 1.57 and 2.40 ms; elsewhere the ratios count."""
COLUMNS = [("p50 ms", "p50"), ("p95 ms", "p95"), ("p99 ms", "p99"), ("max ms", "worst"), ("items", "items")]


def main() -> None:
    with Session("pickup", PURPOSE) as session:
        cluster = session.start_postgres()
        count = 100 if session.quick else 500
        contestants: list[Contestant] = [
            Snqd(session, "snqd, PostgreSQL", "postgres"),
            Snqd(session, "snqd, SQLite", "sqlite"),
            Pgqueuer(session, "pgqueuer"),
            Huey(session, "huey, PostgreSQL", "postgres"),
            Huey(session, "huey, SQLite", "sqlite"),
        ]
        for _ in session.rounds():
            if session.wants("bare loop"):
                session.wait_for_quiet()
                note(session, "bare loop, PostgreSQL", bare.pickup(cluster, count + 10, PACE_SECONDS)[10:])
            for contestant in contestants:
                if session.wants(contestant.name):
                    pick_up(contestant, count)
        report(session)


def pick_up(contestant: Contestant, count: int) -> None:
    """One repetition: an idle worker that has run an item before; then one item every 20 ms."""
    contestant.prepare()
    contestant.session.wait_for_quiet()
    contestant.start()
    try:
        contestant.call("each", 1, 0.0, -2)
        if not contestant.wait_for_records(1):
            return
        time.sleep(2.0)
        contestant.call("each", count, PACE_SECONDS, 0)
        until = time.monotonic() + 15
        while len(waited := found(contestant)) < count and time.monotonic() < until:
            time.sleep(0.05)
    finally:
        contestant.stop()
    contestant.remove()
    note(contestant.session, contestant.name, waited)


def found(contestant: Contestant) -> list[float]:
    """Milliseconds of every item seen; those with negative numbers only warm up."""
    return [(event.at - event.sent) * 1000 for event in record.read(contestant.record) if event.number >= 0]


def note(session: Session, name: str, waited: list[float]) -> None:
    if waited:
        p50, p95, p99 = (percentile(waited, fraction) for fraction in (0.5, 0.95, 0.99))
        session.add(name, p50=p50, p95=p95, p99=p99, worst=max(waited), items=len(waited))


def report(session: Session) -> None:
    session.title(
        note="One item every 20 ms, default settings. bare loop = INSERT with pg_notify, LISTEN on a connection of its "
        "own, claim up to 10, ack."
    )
    session.table(COLUMNS)
    session.target("snqd on PostgreSQL, p50", session.median("snqd, PostgreSQL", "p50"), "≤", 2.0, " ms")
    session.target("snqd on PostgreSQL, p99", session.median("snqd, PostgreSQL", "p99"), "≤", 4.0, " ms")
    session.target("snqd on SQLite, p50", session.median("snqd, SQLite", "p50"), "≤", 3.0, " ms")
    for share, bound in RATIOS:
        ratio = session.ratio("snqd, PostgreSQL", "bare loop, PostgreSQL", share)
        session.target(f"snqd on PostgreSQL / bare loop, {share}", ratio, "≤", bound)


if __name__ == "__main__":
    main()
