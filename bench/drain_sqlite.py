"""How fast two workers empty a SQLite queue of no-op items, beside huey and the bare claim-and-ack loop."""

from __future__ import annotations

from bench.bare import sqlite as bare
from bench.lab.contestant import Contestant, Huey, Snqd
from bench.lab.drain import COLUMNS, drain
from bench.lab.session import Session

PURPOSE = "Drain, SQLite with synchronous=FULL: 2 workers, no-op handlers, payloads of about 200 bytes"
BEST = {"store": {"batch_limit": 1000, "prefetch_seconds": 0.2}}


def main() -> None:
    with Session("drain_sqlite", PURPOSE, reps=5) as session:
        scale = 0.1 if session.quick else 1.0
        contestants: list[tuple[Contestant, int]] = [
            (Snqd(session, "snqd, best", "sqlite", BEST), 200_000),
            (Huey(session, "huey-sqlite, best", "sqlite", 2, Huey.BEST), 15_000),
            (Snqd(session, "snqd, defaults", "sqlite"), 200_000),
            (Huey(session, "huey-sqlite, defaults", "sqlite"), 15_000),
        ]
        for _ in session.rounds():
            for contestant, items in contestants:
                if session.wants(contestant.name):
                    drain(contestant, int(items * scale))
            for batch in (100, 1000):
                if session.wants(f"bare, batch {batch}"):
                    session.wait_for_quiet()
                    file = session.folder / "bare.db"
                    session.add(f"bare, batch {batch}", **bare.drain(file, int(200_000 * scale), batch))
        report(session)


def report(session: Session) -> None:
    session.title(
        note="snqd best = batch_limit 1000, prefetch 0.2 s; huey best = 2 quiet consumers (at most once: it deletes "
        "an item as it takes it); bare = one transaction acks a batch and claims the next, 2 processes, no handler."
    )
    session.table(COLUMNS)
    session.target("snqd best / huey-sqlite best", session.ratio("snqd, best", "huey-sqlite, best", "rate"), "≥", 10.0)
    session.print(f"- snqd best / bare loop at 100: {_shown(session)}")


def _shown(session: Session) -> str:
    ratio = session.ratio("snqd, best", "bare, batch 100", "rate")
    return "not measured" if ratio is None else f"{ratio:.2f}"


if __name__ == "__main__":
    main()
