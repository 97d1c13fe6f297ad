"""How fast two workers empty a PostgreSQL queue of no-op items, beside pgqueuer and the bare claim-and-ack loop."""

from __future__ import annotations

from bench.bare import postgres as bare
from bench.lab.contestant import Contestant, Pgqueuer, Snqd
from bench.lab.drain import COLUMNS, drain
from bench.lab.session import Session

PURPOSE = "Drain, PostgreSQL: 2 workers, no-op handlers, payloads of about 200 bytes, every commit durable"
BEST = {"store": {"batch_limit": 2000, "prefetch_seconds": 0.2}}


def main() -> None:
    with Session("drain_postgres", PURPOSE, reps=5) as session:
        cluster = session.start_postgres()
        scale = 0.1 if session.quick else 1.0
        contestants: list[tuple[Contestant, int]] = [
            (Snqd(session, "snqd, best", "postgres", BEST), 200_000),
            (Pgqueuer(session, "pgqueuer, best", 2, 500), 60_000),
            (Snqd(session, "snqd, defaults", "postgres"), 200_000),
            (Pgqueuer(session, "pgqueuer, defaults"), 20_000),
        ]
        for _ in session.rounds():
            for contestant, items in contestants:
                if session.wants(contestant.name):
                    drain(contestant, int(items * scale))
            for batch in (100, 1000):
                if session.wants(f"bare, batch {batch}"):
                    session.wait_for_quiet()
                    session.add(f"bare, batch {batch}", **bare.drain(cluster, int(200_000 * scale), batch))
        report(session)


def report(session: Session) -> None:
    session.title(
        note="snqd best = batch_limit 2000, prefetch 0.2 s; pgqueuer best = 2 programs, batch 500, asyncpg; "
        "bare = one statement acks a batch and claims the next, 2 processes, no handler."
    )
    session.table(COLUMNS)
    best = "snqd, best"
    session.target("snqd best / pgqueuer best", session.ratio(best, "pgqueuer, best", "rate"), "≥", 2.0)
    session.target("snqd best / bare loop at 100", session.ratio(best, "bare, batch 100", "rate"), "≥", 0.5)
    defaults = session.ratio("snqd, defaults", "pgqueuer, defaults", "rate")
    session.target("snqd defaults / pgqueuer defaults", defaults, "≥", 5.0)


if __name__ == "__main__":
    main()
