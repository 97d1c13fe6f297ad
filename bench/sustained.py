"""Enqueuing and draining for a long time at half of the top speed: does it end as fast as it began?"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from typing import TYPE_CHECKING

from bench.lab import record
from bench.lab.contestant import Snqd
from bench.lab.session import Session, number, percentile
from bench.peers.snqd_app import QUEUE
from snqd.config.schema import Config, StoreConfig
from snqd.items import QueueName
from snqd.stores.base import Lane, Released
from snqd.wiring import open_store

if TYPE_CHECKING:
    from snqd.stores.base import Store

PURPOSE = "Sustained: 2 workers drain what one process enqueues, at half of the top speed, PostgreSQL"
LANE = Lane((QueueName(QUEUE),), 100)
SAMPLE_SECONDS = 10.0
PROBES = 20
STATISTICS = """
select pg_relation_size('queue_item'), pg_indexes_size('queue_item'), n_dead_tup, autovacuum_count + vacuum_count
from pg_stat_user_tables where relname = 'queue_item'
"""
COLUMNS = [
    ("handled/s", "rate"),
    ("wait p50 ms", "wait_p50"),
    ("wait p99 ms", "wait_p99"),
    ("claim ms", "claim_ms"),
    ("table MiB", "table_mib"),
    ("indexes MiB", "index_mib"),
    ("dead rows", "dead_rows"),
    ("vacuums so far", "vacuums"),
]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=20.0, help="length of the run (default %(default)s)")
    with Session("sustained", PURPOSE, parser, reps=1) as session:
        session.start_postgres()
        minutes = 1.0 if session.quick else session.options.minutes
        daemon = Snqd(session, "snqd", "postgres")
        daemon.prepare()
        before = top_speed(daemon, session.quick)
        rate = before / 2
        session.say(f"top speed {before:,.0f}/s; {minutes:g} minutes at {rate:,.0f}/s")
        sustain(daemon, rate, minutes * 60)
        after = top_speed(daemon, session.quick)
        session.title(
            note=f"Top speed {number(before)} items/s before and {number(after)} after; fed {number(rate)}/s."
        )
        session.table(COLUMNS, first="minute")
        report(session, before, after)


def top_speed(daemon: Snqd, quick: bool) -> float:
    """Items a second, median of some, loaded into the tables as they are: nothing is vacuumed before.

    Together they take longer than a minute, so that autovacuum comes at its usual rate, before the run and after it.
    """
    found = []
    items, repetitions = (30_000, 3) if quick else (150_000, 13)
    for _ in range(repetitions):
        daemon.record.unlink(missing_ok=True)
        daemon.call("load", items, 0.0)
        daemon.start()
        daemon.wait_for_records(items)
        daemon.stop()
        times = [event.at for event in record.read(daemon.record)]
        found.append((len(times) - 1) / (max(times) - times[0]))
    daemon.session.say("  top speed, items/s: " + " ".join(number(rate) for rate in found))
    return statistics.median(found)


def sustain(daemon: Snqd, rate: float, seconds: float) -> None:
    """Feed and drain; a sample every ten seconds goes to its minute's row."""
    daemon.record.unlink(missing_ok=True)
    daemon.start()
    store = open_store(Config(store=StoreConfig(url=daemon.url)), claimant="bench probe")
    store.connect()
    feeder = daemon.begin_call("feed", rate, seconds)
    try:
        daemon.wait_for_records(1)
        begun, last, seen = time.monotonic(), time.monotonic(), record.count(daemon.record)
        while (passed := time.monotonic() - begun) < seconds - SAMPLE_SECONDS / 2:
            time.sleep(max(0.0, last + SAMPLE_SECONDS - time.monotonic()))
            now, total = time.monotonic(), record.count(daemon.record)
            waited = latest_waits(daemon)
            figures = tables(daemon) | {"claim_ms": claim_milliseconds(store)}
            daemon.session.add(
                f"{int(passed // 60) + 1}",
                rate=(total - seen) / (now - last),
                wait_p50=percentile(waited, 0.5),
                wait_p99=percentile(waited, 0.99),
                **figures,
            )
            last, seen = now, total
        feeder.wait()
        daemon.wait_until_acked(60)
    finally:
        feeder.kill()
        feeder.wait()
        store.close()
        daemon.stop()


def claim_milliseconds(store: Store) -> float:
    """Median time of a claim made beside the workers; what it gets goes back at once."""
    took = []
    for _ in range(PROBES):
        begun = time.perf_counter()
        claimed = store.exchange([], [LANE]).claimed
        took.append((time.perf_counter() - begun) * 1000)
        if claimed:
            store.exchange([Released(item) for item in claimed], [])
        time.sleep(0.02)
    return statistics.median(took)


def latest_waits(daemon: Snqd, count: int = 20_000) -> list[float]:
    """Milliseconds from enqueue call to handler of the last items, read from the end of a large file."""
    size = record.RECORD.size
    with daemon.record.open("rb") as file:
        end = os.fstat(file.fileno()).st_size // size * size
        file.seek(max(0, end - count * size))
        raw = file.read(min(end, count * size))
    return [(at - sent) * 1000 for _kind, _pid, _number, sent, at in record.RECORD.iter_unpack(raw)]


def tables(daemon: Snqd) -> dict[str, float]:
    with daemon.connect() as connection:
        table, indexes, dead, vacuums = connection.execute(STATISTICS).fetchone()
    return {"table_mib": table / 2**20, "index_mib": indexes / 2**20, "dead_rows": dead, "vacuums": vacuums}


def report(session: Session, before: float, after: float) -> None:
    minutes = session.contestants("rate")
    if not minutes:
        return
    session.target("top speed, before / after", before / after, "≤", 1.1)
    last = minutes[-1]
    for what, key in (("claim time", "claim_ms"), ("wait p50", "wait_p50")):
        session.target(f"{what}, last minute / first", of_medians(session, last, minutes[0], key), "≤", 1.2)
    session.target("handled, first minute / last", of_medians(session, minutes[0], last, "rate"), "≤", 1.1)


def of_medians(session: Session, over: str, under: str, key: str) -> float | None:
    above, below = session.median(over, key), session.median(under, key)
    return above / below if above and below else None


if __name__ == "__main__":
    main()
