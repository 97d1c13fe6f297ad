"""What a claim costs with ten million items waiting, beside ten thousand: claim time and the daemon's speed."""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import time
from contextlib import closing
from typing import TYPE_CHECKING

import psutil

from bench.lab import record
from bench.lab.contestant import Snqd
from bench.lab.processes import fine_cpu_seconds
from bench.lab.session import Session
from bench.peers.snqd_app import QUEUE
from snqd.config.schema import Config, StoreConfig
from snqd.items import QueueName, new_item
from snqd.stores.outcomes import Done, Lane
from snqd.wiring.stores import open_store

if TYPE_CHECKING:
    from snqd.items import Item
    from snqd.stores.base import Store

PURPOSE = "Backlog: a claim of 100 with the ack of the last 100, and the drain by 2 workers, with few and many waiting"
COLUMNS = [
    ("claim ms", "claim_ms"),
    ("slowest claim ms", "claim_worst_ms"),
    ("server CPU ms a claim", "server_ms"),
    ("drain, items/s", "drain"),
    ("table and indexes, MiB", "size_mib"),
]
LANE = Lane((QueueName(QUEUE),), 100)
CLAIMS = 30
"""Claims in one repetition: 3,000 items, so that even the small backlog stays one."""
WINDOW = (1_000, 9_000)
"""The daemon's speed is taken between these two items, which the small backlog has too."""
LOAD_POSTGRES = """
insert into queue_item (queue, frame, created, available_at)
select %(queue)s, convert_to(format('{"i": %%s, "t": 0.0, "s": 0.0, "pad": "%%s"}', n, repeat('x', 150)), 'UTF8'),
  now() - make_interval(secs => (%(items)s - n) * 0.001), now() - make_interval(secs => (%(items)s - n) * 0.001)
from generate_series(1, %(items)s) as n
"""
LOAD_SQLITE = """
with recursive counted (n) as (select 1 union all select n + 1 from counted where n < :items)
insert into queue_item (queue, frame, created, available_at)
select :queue, cast(printf('{"i": %d, "t": 0.0, "s": 0.0, "pad": "%s"}', n, :pad) as blob), at, at
from (select n, :now - (:items - n) * 0.001 as at from counted)
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=10_000_000, help="the large backlog (default %(default)s)")
    with Session("backlog", PURPOSE, parser, reps=10) as session:
        session.start_postgres()
        sizes = (10_000, 200_000 if session.quick else session.options.items)
        for name, store in (("PostgreSQL", "postgres"), ("SQLite", "sqlite")):
            if not session.wants(name):
                continue
            backlogs = [Backlog(session, f"{name}, {size:,} waiting", store, size) for size in sizes]
            for backlog in backlogs:
                backlog.load()
            for _ in session.rounds():
                session.wait_for_quiet()
                claim_in_turn(backlogs)
                for backlog in backlogs:
                    backlog.drain()
            for backlog in backlogs:
                backlog.daemon.remove()
        report(session, sizes)


class Backlog:
    """A store with `size` items waiting, kept near that number."""

    def __init__(self, session: Session, name: str, store: str, size: int) -> None:
        self.session, self.name, self.size = session, name, size
        self.daemon = Snqd(session, name, store)

    def load(self) -> None:
        """Put the items in with one statement, one millisecond of age apart, and settle."""
        self.daemon.prepare()
        begun = time.monotonic()
        if self.daemon.store == "postgres":
            assert self.session.cluster is not None
            with self.session.cluster.connect(self.daemon.database) as connection:
                connection.execute(LOAD_POSTGRES, {"queue": QUEUE, "items": self.size})
            self.session.cluster.settle(self.daemon.database)
        else:
            connection_to_file = sqlite3.connect(self.daemon.file, isolation_level=None)
            parameters = {"queue": QUEUE, "items": self.size, "pad": record.PAD, "now": time.time()}
            connection_to_file.execute(LOAD_SQLITE, parameters)
            connection_to_file.execute("pragma wal_checkpoint(truncate)")
            connection_to_file.close()
        self.session.say(f"  {self.name}: loaded in {time.monotonic() - begun:.0f} s")

    def open_store(self) -> Store:
        store = open_store(Config(store=StoreConfig(url=self.daemon.url)), claimant="bench")
        store.connect()
        return store

    def server(self) -> list[psutil.Process]:
        """The server process of the store that `open_store` opened."""
        if self.daemon.store == "sqlite":
            return []
        with self.daemon.connect() as connection:
            sql = "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
            return [psutil.Process(pid) for (pid,) in connection.execute(sql)]

    def drain(self) -> None:
        """One repetition of the daemon: items a second within the window."""
        self.daemon.record.unlink(missing_ok=True)
        self.session.wait_for_quiet()
        self.daemon.start()
        try:
            complete = self.daemon.wait_for_records(WINDOW[1])
        finally:
            self.daemon.stop()
        if complete:
            ends = sorted(event.at for event in record.read(self.daemon.record)[: WINDOW[1]])
            rate = (WINDOW[1] - WINDOW[0]) / (ends[-1] - ends[WINDOW[0]])
            self.session.add(self.name, drain=rate, size_mib=self._mebibytes())
        with closing(self.open_store()) as store:
            self.top_up(store)

    def top_up(self, store: Store) -> None:
        """Fill the small backlog up again; the large one does not notice."""
        missing = self.size - self.daemon.count() if self.size <= 100_000 else 0
        if missing > 0:
            store.enqueue_many(new_item(QUEUE, record.payload(number)) for number in range(missing))

    def _mebibytes(self) -> float:
        if self.daemon.store == "sqlite":
            return self.daemon.file.stat().st_size / 2**20
        with self.daemon.connect() as connection:
            return float(connection.execute("select pg_total_relation_size('queue_item')").fetchone()[0]) / 2**20


def claim_in_turn(backlogs: list[Backlog]) -> None:
    """Exchanges in the stores of all backlogs in turn, so that a drifting machine meets them alike.

    Each acks the last hundred items and claims the next, durable.
    """
    stores = [backlog.open_store() for backlog in backlogs]
    servers = [backlog.server() for backlog in backlogs]
    used = [fine_cpu_seconds(server) for server in servers]
    held: list[list[Item]] = [[] for _ in stores]
    took: list[list[float]] = [[] for _ in stores]
    for _ in range(CLAIMS):
        for position, store in enumerate(stores):
            begun = time.perf_counter()
            held[position] = store.exchange([Done(item) for item in held[position]], [LANE]).claimed
            took[position].append((time.perf_counter() - begun) * 1000)
    used = [fine_cpu_seconds(server) - before for server, before in zip(servers, used, strict=True)]
    for backlog, store, items, times, cpu in zip(backlogs, stores, held, took, used, strict=True):
        store.exchange([Done(item) for item in items], [])
        backlog.top_up(store)
        store.close()
        steady = times[5:]  # the first ones prepare statements and warm caches
        backlog.session.add(
            backlog.name,
            claim_ms=statistics.median(steady),
            claim_worst_ms=max(steady),
            server_ms=cpu / CLAIMS * 1000 if cpu else None,
        )


def report(session: Session, sizes: tuple[int, int]) -> None:
    session.title(note=f"Default settings. Drain: between item {WINDOW[0]:,} and {WINDOW[1]:,} after the start.")
    session.table(COLUMNS)
    for name in ("PostgreSQL", "SQLite"):
        few, many = (f"{name}, {size:,} waiting" for size in sizes)
        session.target(f"{name}: claim time, many / few", session.ratio(many, few, "claim_ms"), "≤", 1.2)
        session.target(f"{name}: drain rate, few / many", session.ratio(few, many, "drain"), "≤", 1.2)


if __name__ == "__main__":
    main()
