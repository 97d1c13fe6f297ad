"""Fairness: how alike sites are served, and what a claim costs whatever waits."""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import time
from collections import Counter
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import psycopg

from bench.lab.session import Session
from snqd.config.schema import StoreConfig
from snqd.items import NewItem, QueueName, SiteName
from snqd.stores.limits import NO_LIMITS, Limit, Limits, SiteLimits
from snqd.stores.outcomes import Done, Lane
from snqd.stores.postgres.store import PostgresStore
from snqd.stores.sqlite.store import SqliteStore
from tests.support.fairness import fair_shares, jain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from snqd.items import Item
    from snqd.stores.base import Store

PURPOSE = "Fairness: one worker's claims of 100 items from one queue, each with the acks of the one before"
COST_COLUMNS = [
    ("ms a claim, in turns", "turns_ms"),
    ("pages or steps an item", "work"),
    ("ms a claim, one site alone", "alone_ms"),
]
LIMIT_COLUMNS = [
    ("pages or steps an item, without limits", "plain"),
    ("with limits of another queue", "elsewhere"),
    ("with a limit of each site", "limited"),
    ("with weights", "weighted"),
]
FAIR_COLUMNS = [
    ("Jain index, 50 sites", "jain"),
    ("the same without turns", "jain_plain"),
    ("claims until B starts behind 100,000 of A", "claims"),
]
QUEUE = QueueName("mail")
LIMIT = 100
LANES = [Lane((QUEUE,), LIMIT)]
FRAME = b'{"payload": "' + b"x" * 185 + b'"}'
SITES = 50
WARM_CLAIMS = 20
SMALL = 10_000

POSTGRES_LOAD = """
insert into queue_item (queue, site, frame, token)
select 'mail', 's' || lpad((number %% %s)::text, 5, '0'), %s, -1 from generate_series(1, %s) as number
"""
SQLITE_LOAD = """
INSERT INTO queue_item (queue, site, frame)
WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < :items)
SELECT 'mail', printf('s%05d', n % :sites), :frame FROM number
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=10_000_000, help="the larger number that waits")
    parser.add_argument("--claims", type=int, default=300, help="claims that are measured (default %(default)s)")
    with Session("fairness", PURPOSE, parser, reps=1) as session:
        session.start_postgres()
        sizes = (SMALL, 200_000 if session.quick else session.options.items)
        claims = 60 if session.quick else session.options.claims
        for _ in session.rounds():
            for place in (Postgres(session), Sqlite(session)):
                if not session.wants(place.name):
                    continue
                for items in sizes:
                    for sites in (10, 10_000):
                        measure_cost(session, place, items, sites, min(claims, items // LIMIT // 2))
                measure_limits(session, place)
                measure_fairness(session, place, 20_000 if session.quick else 200_000)
        report(session, sizes)


class Postgres:
    name = "PostgreSQL"

    def __init__(self, session: Session) -> None:
        assert session.cluster is not None
        self._cluster = session.cluster
        self._url = ""

    def fresh(self) -> Store:
        self._url = self._cluster.recreate("fairness")
        store = PostgresStore(StoreConfig(url=self._url))
        store.schema_upgrade()
        _connect(store)
        return store

    def load(self, items: int, sites: int) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(POSTGRES_LOAD, (sites, FRAME, items))
        self._cluster.settle("fairness")

    def work(self, store: Store) -> float:
        """Pages that an item of the next claim costs, by the server's own account."""
        assert isinstance(store, PostgresStore)
        before = self._pages(store)
        store.exchange([], LANES)
        return (self._pages(store) - before) / LIMIT

    def _pages(self, store: PostgresStore) -> int:
        sql = """
            select coalesce(sum(heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit), 0)
            from pg_statio_user_tables where relname = 'queue_item'
        """
        store._connection.execute("select pg_stat_force_next_flush()")
        with psycopg.connect(self._url, autocommit=True) as connection:
            row = connection.execute(sql).fetchone()
        assert row is not None
        return int(row[0])

    def remove(self) -> None:
        self._cluster.drop("fairness")


class Sqlite:
    name = "SQLite"

    def __init__(self, session: Session) -> None:
        self._path: Path = session.folder / "fairness.db"

    def fresh(self) -> Store:
        self.remove()
        store = SqliteStore(StoreConfig(url=f"sqlite:///{self._path}"))
        _connect(store)
        return store

    def load(self, items: int, sites: int) -> None:
        with closing(sqlite3.connect(self._path, isolation_level=None)) as connection:
            connection.execute(SQLITE_LOAD, {"items": items, "sites": sites, "frame": FRAME})

    def work(self, store: Store) -> float:
        """Steps of SQLite's virtual machine that an item of the next claim costs, to the hundred."""
        assert isinstance(store, SqliteStore)
        raw, hundreds = store._live.raw, Counter[str]()
        raw.set_progress_handler(partial(hundreds.update, ("steps",)), 100)
        store.exchange([], LANES)
        raw.set_progress_handler(None, 100)
        return hundreds["steps"] * 100 / LIMIT

    def remove(self) -> None:
        for path in self._path.parent.glob(f"{self._path.name}*"):
            path.unlink()


def _connect(store: Store) -> None:
    store.claimant = "host/bench.1/1.1/bench"
    store.connect()


def work(store: Store, claims: int) -> Iterator[tuple[list[Item], float]]:
    """What each claim brings, and the milliseconds that it takes with the acks of the last one."""
    batch: list[Item] = []
    for _ in range(claims):
        began = time.perf_counter()
        batch = store.exchange([Done(item) for item in batch], LANES).claimed
        yield batch, (time.perf_counter() - began) * 1000


def measure_cost(session: Session, place: Postgres | Sqlite, items: int, sites: int, claims: int) -> None:
    """Of claims in turns; and for the smallest, in plain order, of as many items that are of one site."""
    figures = {}
    for what, number in (("turns", sites), ("alone", 1)):
        if what == "alone" and (items, sites) != (SMALL, 10):
            continue
        store = place.fresh()
        place.load(items, number)
        for _batch, _took in work(store, min(WARM_CLAIMS, claims)):
            pass
        session.wait_for_quiet()
        took = [took for batch, took in work(store, claims) if len(batch) == LIMIT]
        figures[f"{what}_ms"] = statistics.median(took)
        if what == "turns":
            figures["work"] = place.work(store)
        store.close()
        place.remove()
    session.add(f"{place.name}, {items:,} items, {sites:,} sites", **figures)


def measure_limits(session: Session, place: Postgres | Sqlite) -> None:
    """What a claim from 10,000 items of 10 sites costs, each kind on its own fresh store."""
    kinds = {
        "plain": NO_LIMITS,
        "elsewhere": Limits({"other": Limit(5)}),
        "limited": Limits(each_site={QUEUE: Limit(10 * LIMIT)}),
        "weighted": Limits(sites={"s00001": SiteLimits(weight=3)}),
    }
    figures = {}
    for kind, limits in kinds.items():
        store = place.fresh()
        store.limits = limits
        place.load(SMALL, 10)
        for _batch, _took in work(store, WARM_CLAIMS):
            pass
        figures[kind] = place.work(store)
        store.close()
        place.remove()
    session.add(f"{place.name}, {SMALL:,} items, 10 sites", **figures)


def measure_fairness(session: Session, place: Postgres | Sqlite, items: int) -> None:
    """Zipf-distributed load; then a flood of one site with one item of another behind it."""
    store = place.fresh()
    whole = sum(1 / number for number in range(1, SITES + 1))
    loads = Counter({f"s{number:02}": round(items / whole / number) for number in range(1, SITES + 1)})
    store.enqueue_many(NewItem(QUEUE, FRAME, site=SiteName(site)) for site, load in loads.items() for _ in range(load))
    done: Counter[str] = Counter()
    for batch, _took in work(store, items // LIMIT // 3):
        done.update(item.site for item in batch)
    store.close()

    store = place.fresh()
    store.enqueue_many(NewItem(QUEUE, FRAME, site=SiteName("a")) for _ in range(100_000))
    for _ in work(store, 10):
        pass
    store.enqueue([NewItem(QUEUE, FRAME, site=SiteName("b"))])
    batches = (batch for batch, _took in work(store, 1000))
    claims = next(number for number, batch in enumerate(batches, 1) if any(item.site == "b" for item in batch))
    store.close()
    place.remove()
    plain, left = Counter[str](), done.total()
    for site, load in loads.items():  # as they were stored
        plain[site] = min(load, left)
        left -= plain[site]
    session.add(place.name, jain=index(loads, done), jain_plain=index(loads, plain), claims=claims)


def index(loads: Counter[str], done: Counter[str]) -> float:
    """Jain's index of what each site got, in terms of its max-min share."""
    return jain([done[site] / share for site, share in fair_shares(loads, done.total()).items()])


def report(session: Session, sizes: tuple[int, int]) -> None:
    session.title(
        note="Pages: what a claim touches of the table and its indexes in PostgreSQL, an item; for SQLite, steps of "
        "its virtual machine. Jain's index is that of what a site got over its max-min share, when a third is done."
    )
    session.table(COST_COLUMNS, key="turns_ms")
    session.table(LIMIT_COLUMNS, first="store", key="plain")
    session.table(FAIR_COLUMNS, first="store", key="jain")
    for place in ("PostgreSQL", "SQLite"):
        small = session.median(f"{place}, {sizes[0]:,} items, 10 sites", "work")
        large = session.median(f"{place}, {sizes[1]:,} items, 10,000 sites", "work")
        ratio = large / small if small and large else None
        session.target(
            f"{place}: what a claim touches with {sizes[1]:,} items and 10,000 sites / 10,000 and 10", ratio, "≤", 2.0
        )
        unset, elsewhere = (
            session.median(f"{place}, {SMALL:,} items, 10 sites", kind) for kind in ("plain", "elsewhere")
        )
        ratio = elsewhere / unset if elsewhere and unset else None
        session.target(f"{place}: the same with limits of another queue / without", ratio, "≤", 1.05)
        session.target(f"{place}: Jain index over {SITES} sites", session.median(place, "jain"), "≥", 0.95)
        session.target(f"{place}: claims until B starts", session.median(place, "claims"), "≤", 2.0)


if __name__ == "__main__":
    main()
