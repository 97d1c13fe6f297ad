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
from snqd.stores.outcomes import Lane, Released
from snqd.wiring.stores import open_store

if TYPE_CHECKING:
    from snqd.stores.base import Store

PURPOSE = "Sustained: 2 workers drain what one process enqueues, at half of the top speed, PostgreSQL"
LANE = Lane((QueueName(QUEUE),), 100)
SAMPLE_SECONDS = 10.0
PROBES = 20
REPETITIONS = 13
"""Drains before the run, and pairs after it: longer than a minute, so that vacuums come at their usual rate."""
QUARTER = 0.25
"""The part of the run whose median is its begin or its end: a single minute can be another program's."""
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
        fresh = Snqd(session, "snqd with fresh tables", "postgres")
        fresh.prepare()
        pairs = [(drain(fresh, session.quick), drain(daemon, session.quick)) for _ in range(REPETITIONS)]
        session.say("  fresh tables and these, items/s: " + " ".join(f"{a:,.0f}:{b:,.0f}" for a, b in pairs))
        newborn, after = (statistics.median(rates) for rates in zip(*pairs, strict=True))
        session.title(
            note=f"Top speed {number(before)} items/s before and {number(after)} after, {number(newborn)} with fresh "
            f"tables drained in turn with these; fed {number(rate)}/s."
        )
        session.table(COLUMNS, first="minute")
        report(session, statistics.median(new / old for new, old in pairs))


def top_speed(daemon: Snqd, quick: bool) -> float:
    """Items a second, median of some drains."""
    found = [drain(daemon, quick) for _ in range(REPETITIONS)]
    daemon.session.say("  top speed, items/s: " + " ".join(number(rate) for rate in found))
    return statistics.median(found)


def drain(daemon: Snqd, quick: bool) -> float:
    """Items a second of one drain, loaded into the tables as they are: nothing is vacuumed before."""
    items = 30_000 if quick else 150_000
    daemon.record.unlink(missing_ok=True)
    daemon.call("load", items, 0.0)
    daemon.start()
    daemon.wait_for_records(items)
    daemon.stop()
    times = [event.at for event in record.read(daemon.record)]
    return (len(times) - 1) / (max(times) - times[0])


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


def report(session: Session, slowdown: float) -> None:
    """The targets. A machine's speed drifts in 20 minutes, so top speed is compared with fresh tables, turn by turn."""
    minutes = session.contestants("rate")
    session.target("top speed, fresh tables / these, in turn", slowdown, "≤", 1.1)
    quarter = max(1, round(len(minutes) * QUARTER))
    first, last = minutes[:quarter], minutes[-quarter:]
    for what, key in (("claim time", "claim_ms"), ("wait p50", "wait_p50"), ("table", "table_mib")):
        ratio = median_of(session, last, key) / median_of(session, first, key)
        session.target(f"{what}, last quarter / first", ratio, "≤", 1.2)
    ratio = median_of(session, first, "rate") / median_of(session, last, "rate")
    session.target("handled, first quarter / last", ratio, "≤", 1.1)


def median_of(session: Session, minutes: list[str], key: str) -> float:
    """Over the samples of some minutes."""
    return statistics.median(value for minute in minutes for value in session.values(minute, key))


if __name__ == "__main__":
    main()
