"""Dead letters at scale on PostgreSQL: pages go by index whatever statistics say; those of an older snqd get groups."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from snqd.stores.corrections import Correction, Kind
from snqd.stores.fingerprint import fingerprint
from snqd.stores.outcomes import DeadLettered, DeadReason
from snqd.stores.postgres import dead, filters
from snqd.stores.records import ItemFilter
from tests.stores.test_postgres_plans import explain
from tests.support.stores import claim, new

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snqd.stores.postgres.store import PostgresStore
    from tests.support.postgres import Database

pytestmark = pytest.mark.pg

LETTERS = 30_000
FILL = """
insert into dead_letter (id, site, queue, frame, codec, priority, created, available_at, attempts, crash_attempts,
  reason, error, traceback, fingerprint, died)
select n, 's' || n % 1000, 'q' || n % 10, '{}', 'json', 0, now(), now(), 10, 0,
  'attempts', 'E: ' || n, repeat('x', 900), 'f' || n % 40,
  now() - make_interval(secs => 30000 - n)
from generate_series(1, 30000) as n
"""
FILTERS = {
    "all": ItemFilter(),
    "queue": ItemFilter(queue="q3"),
    "site": ItemFilter(site="s3"),
    "group": ItemFilter(fingerprint="f3"),
    "queue and site": ItemFilter(queue="q3", site="s3"),
    "ids": ItemFilter(ids=(7, 8, 29_000)),
}


@pytest.fixture
def store(pg_database: Database) -> Iterator[PostgresStore]:
    store = pg_database.store()
    store.connect()
    yield store
    store.close()


@pytest.fixture(params=["statistics of an empty table", "statistics as they should be"])
def full(request: pytest.FixtureRequest, store: PostgresStore, pg_database: Database) -> PostgresStore:
    with pg_database.connect() as connection:
        connection.execute("alter table dead_letter set (autovacuum_enabled = off)")
        connection.execute("analyze dead_letter")
        connection.execute(FILL)
        if "should be" in request.param:
            connection.execute("vacuum analyze dead_letter")
    return store


def read(store: PostgresStore, sql: str, parameters: dict[str, Any]) -> tuple[set[str], int]:
    """The kinds of nodes that touch tables, and the pages that were read."""
    with dead.by_index(store._connection):
        plan = explain(store, sql, parameters)
    kinds = {node["Node Type"] for node in plan if node.get("Relation Name") == "dead_letter"}
    return kinds, plan[0]["Shared Hit Blocks"] + plan[0]["Shared Read Blocks"]


@pytest.mark.parametrize("name", FILTERS)
def test_a_page_reads_little_more_than_it_tells(full: PostgresStore, name: str) -> None:
    sql, parameters = filters.dead(dead._PAGE, replace(FILTERS[name], limit=100))
    first = {**parameters, "died": float("inf"), "id": 0}
    (middle,) = full.dead_page(ItemFilter(ids=(15_000,)))

    for place in (first, {**parameters, "died": middle.place.at, "id": middle.place.id}):
        kinds, pages = read(full, sql, place)

        assert "Seq Scan" not in kinds, kinds
        assert pages < 700, "a hundred letters, each on a page of its own at worst, and a sort of one site's"


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("kind", [Kind.REPLAY, Kind.DISCARD_DEAD])
def test_a_step_finds_its_letters_by_index(full: PostgresStore, kind: Kind, name: str) -> None:
    sql, parameters = filters.dead(dead._SQL[f"step_{kind}"], FILTERS[name])
    values = {**parameters, "limit": 10, "died": 0.0, "id": -1, "number": 0}

    kinds, pages = read(full, sql, values)

    assert "Seq Scan" not in kinds, kinds
    assert pages < 900


def test_groups_are_counted_in_the_index(store: PostgresStore, pg_database: Database) -> None:
    with pg_database.connect() as connection:
        connection.execute(FILL)
        connection.execute("vacuum analyze dead_letter")

    with dead.unpinned(store._connection):
        plan = explain(store, *_groups(ItemFilter(limit=20)))

    scans = [node for node in plan if node.get("Relation Name") == "dead_letter"]
    assert {node["Node Type"] for node in scans} <= {"Index Only Scan", "Index Scan"}
    assert plan[0]["Shared Hit Blocks"] + plan[0]["Shared Read Blocks"] < 1500, "the table has 4,000 pages"
    assert sum(group.count for group in store.dead_groups(ItemFilter())) == LETTERS


def _groups(wanted: ItemFilter) -> tuple[str, dict[str, Any]]:
    sql, parameters = filters.dead(dead._SQL["groups"], wanted)
    return sql, {**parameters, "names": 3}


def test_letters_without_a_fingerprint_are_given_one_in_small_steps(
    store: PostgresStore, pg_database: Database
) -> None:
    store.enqueue_many([new() for _ in range(25)])
    store.exchange([DeadLettered(item, DeadReason.ATTEMPTS, f"E: {item.id}", "tb") for item in claim(store)], [])
    with pg_database.connect() as connection:
        connection.execute("update dead_letter set fingerprint = null")  # as an older worker leaves them
    assert store.dead_groups(ItemFilter()) == []

    steps = [store.name_some(10) for _ in range(4)]

    assert steps == [10, 10, 5, 0]
    (group,) = store.dead_groups(ItemFilter())
    assert (group.fingerprint, group.count) == (fingerprint("E: 1", "tb"), 25)


def test_letters_that_another_is_changing_are_passed_over(store: PostgresStore, pg_database: Database) -> None:
    store.enqueue_many([new() for _ in range(3)])
    store.exchange([DeadLettered(item, DeadReason.ATTEMPTS, "x") for item in claim(store)], [])
    with pg_database.connect() as other, other.transaction():
        ((held,),) = other.execute("select id from dead_letter order by id limit 1 for update").fetchall()

        step = store.step(Correction(Kind.DISCARD_DEAD, ItemFilter()), None, 10)

        assert step.changed == 2
    assert [letter.id for letter in store.find_dead(ItemFilter())] == [held]
