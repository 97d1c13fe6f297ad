"""Pauses on PostgreSQL: the migration, what the statements read, and what a worker knows of them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from snqd.items import QueueName, SiteName
from snqd.stores.outcomes import Done
from snqd.stores.pauses import LOOK_SECONDS
from snqd.stores.postgres import floors
from snqd.stores.postgres import pauses as subject
from snqd.stores.records import ItemFilter
from snqd.stores.sql import migrations
from tests.support.postgres import fresh_database
from tests.support.stores import claim, claim_one, lane, new

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snqd.stores.postgres.store import PostgresStore
    from tests.support.postgres import Cluster, Database

pytestmark = pytest.mark.pg
A = SiteName("a")


@pytest.fixture
def store(pg_database: Database) -> Iterator[PostgresStore]:
    store = pg_database.store()
    store.connect()
    yield store
    store.close()


@pytest.fixture
def statements(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked of the server, as it goes."""
    found: list[str] = []
    asked = type(store._connection).execute

    def execute(connection: Any, query: Any, *arguments: Any, **more: Any) -> Any:
        found.append(str(query))
        return asked(connection, query, *arguments, **more)

    monkeypatch.setattr(type(store._connection), "execute", execute)
    return found


def test_the_tables_of_the_release_before_are_upgraded_with_what_waits_in_them(pg_cluster: Cluster) -> None:
    with fresh_database(pg_cluster, "template0") as database:
        store = database.store()
        first, *others = migrations("postgres")
        with database.connect() as connection:
            connection.execute("drop role if exists worker; create role worker login")
            connection.execute("create table snqd_migration (name text primary key, applied timestamptz default now())")
            connection.execute("insert into snqd_migration (name) values ('0001_items_and_dead_letters')")
            with connection.transaction():
                connection.execute(first.sql.encode())
            connection.execute("grant select, insert, update, delete on queue_item, dead_letter to worker")
            connection.execute("grant select on snqd_migration to worker; grant usage on sequence snqd_token to worker")
            connection.execute("insert into queue_item (queue, frame) values ('mail', '1'), ('mail', '2')")

        assert store.schema_upgrade() == [migration.name for migration in others]
        store.close()

        worker = database.store(url=f"{database.url}&user=worker")
        worker.connect()
        assert claim_one(worker).frame == b"1"
        worker.pause(QueueName("mail"), None, author="ada")
        assert claim(worker) == []
        worker.close()
        with database.connect() as connection:
            connection.execute("drop owned by worker; drop role worker")


def test_the_upgrade_is_one_transaction_for_someone_who_runs_it_by_hand(pg_cluster: Cluster) -> None:
    with fresh_database(pg_cluster, "template0") as database, database.connect() as connection:
        with connection.transaction():
            for migration in migrations("postgres"):
                connection.execute(migration.sql.encode())

        assert connection.execute("select count(*) from queue_pause").fetchone() == (0,)


def test_while_nothing_is_paused_a_claim_asks_for_pauses_twice_a_second(
    store: PostgresStore, statements: list[str]
) -> None:
    store.enqueue_many(new() for _ in range(100))
    began = time.monotonic()
    for _ in range(100):
        store.exchange([Done(item) for item in claim(store, limit=1)], [])
    seconds = time.monotonic() - began

    asked = sum("from queue_pause" in statement for statement in statements)
    assert 1 <= asked <= 1 + seconds / LOOK_SECONDS


@pytest.fixture
def backlog(store: PostgresStore, pg_database: Database) -> PostgresStore:
    """Half of many items are of a paused site, and statistics are from when the table was empty."""
    with pg_database.connect() as connection:
        connection.execute("alter table queue_item set (autovacuum_enabled = off)")
        connection.execute("analyze queue_item")
    store.enqueue_many(new(f"q{number % 3}", site="ab"[number % 2], priority=number % 2) for number in range(30_000))
    store.pause(None, A, author="ada")
    return store


@pytest.mark.parametrize(
    ("query", "parameters", "moved"),
    [
        (subject._CLEAR_WAY, {"queues": None, "rows": 100, "limit": 2000}, 300),
        (subject._CLEAR_WAY, {"queues": "{q1}", "rows": 100, "limit": 2000}, 100),
        (subject._CLEAR_WAY, {"queues": None, "rows": 2000, "limit": 50}, 50),
        (subject._BRING_BACK, {"limit": 2000}, 0),
        (subject._SET_ASIDE, {"ids": "{1,2}", "tokens": "{1}"}, 0),
    ],
)
def test_care_reads_the_heads_of_queues_only(
    backlog: PostgresStore, query: str, parameters: dict[str, Any], moved: int
) -> None:
    with backlog._connection.transaction(force_rollback=True):
        row = backlog._connection.execute(
            f"explain (analyze, buffers, format json) {query}".encode(), parameters
        ).fetchone()
    assert row is not None
    (plan,) = row[0] if isinstance(row[0], list) else json.loads(row[0])
    found = list(nodes(plan["Plan"]))

    assert {node["Node Type"] for node in found} & {"Seq Scan", "Bitmap Heap Scan", "Hash Join", "Merge Join"} == set()
    on_items = [node for node in found if node.get("Relation Name") == "queue_item" and "Scan" in node["Node Type"]]
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in on_items) <= 3 * moved + 1000
    tid_scans = [node for node in on_items if node["Node Type"] == "Tid Scan"]
    assert sum(node["Actual Rows"] for node in tid_scans) == moved


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def test_a_claim_beside_many_that_are_set_aside_reads_what_it_takes(backlog: PostgresStore) -> None:
    while backlog.keep_pauses().has_more:
        pass
    assert sum(facts.paused for facts in backlog.counts()) == 15_000

    found = backlog.exchange([], [lane("q0", "q1", "q2", limit=100)])

    assert (len(found.claimed), found.aside) == (100, 0)
    assert {item.site for item in found.claimed} == {"b"}


def test_an_item_that_another_host_set_aside_too_late_comes_back(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its claim began before the resume was committed and ended after it."""
    monkeypatch.setattr(subject, "_CHECK_SECONDS", 0.0)
    store.enqueue([new(site="a")])
    store.keep_pauses()
    store._connection.execute("update queue_item set state = 'paused'")
    assert [record.state for record in store.find(ItemFilter())] == ["ready"], "as no pause covers it"

    assert store.keep_pauses().back == 1

    assert len(claim(store)) == 1


def test_what_is_resumed_is_claimed_at_once_although_it_lies_below_the_floor(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With many dead rows claims begin where the last one ended; a look at everything is far away here."""
    monkeypatch.setattr(floors, "MANY_DEAD_ROWS", 0)
    monkeypatch.setattr(floors, "FULL_CLAIM_SHARE", 1e9)
    monkeypatch.setattr(floors, "FULL_CLAIM_SECONDS", 3600.0)
    clock = time.time()
    store.enqueue([new(site="a", available_at=clock - 100.0), new(site="b", available_at=clock - 50.0)])
    store.pause(None, A, author="ada")
    assert [item.site for item in store.exchange([], [lane()]).claimed] == ["b"]
    assert claim(store) == []

    store.resume(None, A, author="ada")

    assert [item.site for item in claim(store)] == ["a"]
