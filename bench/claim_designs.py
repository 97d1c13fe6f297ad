"""Claim designs on snqd's own PostgreSQL table: which one to build on, in figures.

    .venv/bin/python bench/claim_designs.py [--items 20000] [--rounds 3] [--batches 10,100,256] [--processes 1,2]

Each design drains the same items from a freshly loaded, vacuumed table, on a private server with stock settings (fsync
on) in a temporary folder. Rounds are interleaved, because the speed of a machine drifts; the table shows medians (best)
in items/s, and ratios to the first design.

    two       claim by UPDATE, ack by DELETE: two statements, two commits per batch
    lock      rows stay locked by an open transaction, DELETE and commit when they are done
    one       one statement acks the last batch and claims the next (rows found again by ctid)
    one/id    the same, rows found again by primary key
    store     PostgresStore.exchange: `one` with everything that Python does for it
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import statistics
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

sys.path.insert(0, str(Path(__file__).parents[1]))

from snqd.config.schema import StoreConfig
from snqd.items import NewItem, QueueName
from snqd.stores.outcomes import Done, Lane
from snqd.stores.postgres.enqueue import enqueue_many
from snqd.stores.postgres.floors import LOWEST
from snqd.stores.postgres.store import PostgresStore
from snqd.stores.postgres.texts import number_array
from snqd.stores.sql import queries
from tests.support.postgres import fresh_database, make_template, running_cluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.synchronize import Barrier

SQL = queries("postgres")
QUEUE = QueueName("mail")
FRAME = b'{"payload": "' + b"x" * 185 + b'"}'
BY_ID = SQL["claim"].replace("ctid = any", "id = any").replace("select ctid from", "select id from")
assert BY_ID.count("ctid") == 0
PICK = (
    "select id, site, queue, codec, frame, attempts, crash_attempts, date_part('epoch', created), "
    "date_part('epoch', available_at), priority from queue_item where queue = %(queue)s and state = 'ready' "
    "order by priority, available_at, id limit %(limit)s for update skip locked"
)
DELETE = "delete from queue_item where id = any(%(ids)s::bigint[])"

Connection = psycopg.Connection[Any]


def wish(batch: int) -> dict[str, Any]:
    floor = {"floor_priority": LOWEST.priority, "floor_at": LOWEST.available_at, "floor_id": LOWEST.id}
    return {"claimant": f"bench/{os.getpid()}", "lease": 60.0, "queue": QUEUE, "limit": batch, **floor}


def session(url: str) -> Connection:
    connection: Connection = psycopg.connect(url, autocommit=True, prepare_threshold=0)
    connection.execute(SQL["pin_plans"])
    return connection


def two(url: str, batch: int) -> Iterator[int]:
    connection = session(url)
    cursor = connection.cursor(binary=True)
    while rows := cursor.execute(SQL["claim"], wish(batch)).fetchall():
        parameters = {
            "ids": number_array([row[0] for row in rows]),
            "tokens": number_array({row[1] for row in rows}),
        }
        yield len(cursor.execute(SQL["finish"], parameters).fetchall())


def lock(url: str, batch: int) -> Iterator[int]:
    connection = session(url)
    cursor = connection.cursor(binary=True)
    while True:
        cursor.execute("begin")
        rows = cursor.execute(PICK, wish(batch)).fetchall()
        if rows:
            cursor.execute(DELETE, {"ids": number_array([row[0] for row in rows])})
        cursor.execute("commit")
        if not rows:
            return
        yield len(rows)


def one(url: str, batch: int, claim: str = SQL["claim"]) -> Iterator[int]:
    connection = session(url)
    cursor = connection.cursor(binary=True)
    exchange = f"{SQL['finish_and']}\n{claim}\n{SQL['finish_and_end']}"
    rows = cursor.execute(claim, wish(batch)).fetchall()
    while rows:
        first = 2 if len(rows[0]) > 11 else 0
        done = {
            "ids": number_array([row[first] for row in rows]),
            "tokens": number_array({row[first + 1] for row in rows}),
            "expected": len(rows),
        }
        rows = cursor.execute(exchange, {**wish(batch), **done}).fetchall()
        yield rows[0][0]
        if rows[0][2] is None:
            return


def one_by_id(url: str, batch: int) -> Iterator[int]:
    return one(url, batch, BY_ID)


def store(url: str, batch: int) -> Iterator[int]:
    engine = PostgresStore(StoreConfig(url=url))
    engine.claimant = f"bench/{os.getpid()}"
    engine.connect()
    lanes = [Lane((QUEUE,), batch)]
    exchanged = engine.exchange([], lanes)
    while exchanged.claimed:
        done = [Done(item) for item in exchanged.claimed]
        exchanged = engine.exchange(done, lanes)
        yield len(done) - len(exchanged.lost)
    engine.close()


DESIGNS: dict[str, Callable[[str, int], Iterator[int]]] = {
    "two": two,
    "lock": lock,
    "one": one,
    "one/id": one_by_id,
    "store": store,
}


def drain(design: str, url: str, batch: int, start: Barrier, answers: Any) -> None:
    start.wait()
    began = time.monotonic()
    count = sum(DESIGNS[design](url, batch))
    answers.put((count, began, time.monotonic()))


def run(design: str, url: str, batch: int, processes: int, items: int) -> float:
    """Items per second, from the first claim to the last ack."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("truncate queue_item")
        enqueue_many(connection, (NewItem(QUEUE, FRAME) for _ in range(items)))
        connection.execute("vacuum analyze queue_item")
        connection.execute("checkpoint")
    start = multiprocessing.Barrier(processes)
    answers: Any = multiprocessing.Queue()
    workers = [
        multiprocessing.Process(target=drain, args=(design, url, batch, start, answers)) for _ in range(processes)
    ]
    for worker in workers:
        worker.start()
    told = [answers.get(timeout=120) for _ in workers]
    for worker in workers:
        worker.join()
    assert sum(count for count, _began, _ended in told) == items, "items were lost or handled twice"
    seconds: float = max(ended for _, _, ended in told) - min(began for _, began, _ in told)
    return items / seconds


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batches", type=numbers, default=[10, 100, 256])
    parser.add_argument("--processes", type=numbers, default=[1, 2])
    parser.add_argument("--json", type=Path, help="append one line per run")
    options = parser.parse_args()
    rates: dict[tuple[int, int, str], list[float]] = {}
    with running_cluster({}) as cluster:
        make_template(cluster)
        with fresh_database(cluster) as database:
            version = database.connect().info.server_version
            for _ in range(options.rounds):
                for processes in options.processes:
                    for batch in options.batches:
                        items = min(options.items, batch * 400)
                        for design in DESIGNS:
                            rate = run(design, database.url, batch, processes, items)
                            rates.setdefault((processes, batch, design), []).append(rate)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    print(f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}, ", end="")
    print(f"PostgreSQL {version // 10000}.{version % 10000} with stock settings, frames of {len(FRAME)} bytes\n")
    print("| processes | batch | " + " | ".join(DESIGNS) + " |")
    print("| --- | --- |" + " --- |" * len(DESIGNS))
    for processes in options.processes:
        for batch in options.batches:
            first = statistics.median(rates[processes, batch, "two"])
            cells = []
            for design in DESIGNS:
                told = rates[processes, batch, design]
                middle = statistics.median(told)
                cells.append(f"{middle:,.0f} ({max(told):,.0f}) x{middle / first:.2f}")
            print(f"| {processes} | {batch} | " + " | ".join(cells) + " |")
    if options.json:
        with options.json.open("a") as file:
            for (processes, batch, design), told in rates.items():
                file.write(json.dumps({"processes": processes, "batch": batch, "design": design, "rates": told}) + "\n")


if __name__ == "__main__":
    main()
