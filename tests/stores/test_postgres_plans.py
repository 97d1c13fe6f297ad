"""A claim goes by index, however many items wait, whatever statistics say, and however many dead rows lie before it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from snqd.items import Item, ItemId, QueueName, SiteName
from snqd.stores.outcomes import Done, Released
from snqd.stores.postgres import floors
from snqd.stores.postgres.claims import Plan
from snqd.stores.postgres.floors import LOWEST, Floor, Floors
from snqd.stores.sql import queries
from tests.support.postgres import wait_for
from tests.support.stores import claim, frames, lane, new

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snqd.stores.postgres.store import PostgresStore
    from tests.support.postgres import Database

SQL = queries("postgres")
BACKLOG = 50_000


@pytest.fixture
def store(pg_database: Database) -> Iterator[PostgresStore]:
    store = pg_database.store()
    store.connect()
    yield store
    store.close()


@pytest.fixture
def backlog(store: PostgresStore, pg_database: Database) -> PostgresStore:
    """Fifty thousand items, and statistics that were taken when the table was empty: the worst case, and the usual."""
    with pg_database.connect() as connection:
        connection.execute("alter table queue_item set (autovacuum_enabled = off)")
        connection.execute("analyze queue_item")
    store.enqueue_many(new(f"q{number % 5}", priority=number % 3) for number in range(BACKLOG))
    return store


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def explain(store: PostgresStore, query: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    with store._connection.transaction(force_rollback=True):
        row = store._connection.execute(
            f"explain (analyze, buffers, format json) {query}".encode(), parameters
        ).fetchone()
    assert row is not None
    found = row[0] if isinstance(row[0], list) else json.loads(row[0])
    return list(nodes(found[0]["Plan"]))


def wish(store: PostgresStore, *queues: str) -> dict[str, Any]:
    return store._claims.wish(Plan(lane(*queues, limit=100), None, True, True, (), 0.0))


@pytest.mark.pg
@pytest.mark.parametrize("queues", [("q1",), ("q0", "q1", "q2", "nothing")], ids=["one queue", "several"])
def test_a_claim_reads_and_locks_only_what_it_takes(backlog: PostgresStore, queues: tuple[str, ...]) -> None:
    query = SQL["claim"] if len(queues) == 1 else SQL["claim_lane"]

    plan = explain(backlog, query, wish(backlog, *queues))

    kinds = {node["Node Type"] for node in plan}
    assert "Seq Scan" not in kinds
    assert "Bitmap Heap Scan" not in kinds
    assert max(node["Actual Rows"] * node["Actual Loops"] for node in plan if node["Node Type"] == "LockRows") == 100
    assert all(node["Actual Rows"] <= 4 for node in plan if node["Node Type"] == "Sort")  # queues, never items
    assert plan[0]["Shared Hit Blocks"] + plan[0]["Shared Read Blocks"] < 2500  # 100 rows, each moved in 5 indexes


@pytest.mark.pg
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("finish", {"ids": "{1,2,3}", "tokens": "{1}"}),
        ("renew", {"ids": "{1,2,3}", "tokens": "{1}", "lease": 60.0}),
        ("promote", {"limit": 100}),
        ("next_due", {}),
        ("reclaim", {"limit": 100}),
        ("claimants", {}),
        ("release_unheld", {"claimant": "nobody", "held": "{}"}),
        ("release_all", {"claimant": "nobody"}),
        ("blamed", {"ids": "{1,2,3}", "claimant": "nobody"}),
        ("retry", {"told": '[{"id": 1, "token": 1, "delay": 1, "error": ""}]', "history_limit": 20}),
        ("release", {"told": '[{"id": 1, "token": 1, "delay": 1, "note": ""}]'}),
        (
            "dead_letter",
            {"told": '[{"id": 1, "token": 1, "reason": "x", "error": "", "crashes": 0}]', "history_limit": 20},
        ),
        ("crashed", {"told": '[{"id": 1, "token": 1, "error": "", "crashes": 1}]', "history_limit": 20}),
        ("unhandled_queues", {"handled": "{q0}"}),
        ("transaction", {"id": 1, "token": 1}),
        ("pauses", {}),
        ("look", {"queues": "{q1}", "belows": "{m}", "beyond_all": "~", "flows": 256, "items": 16}),
        (
            "claim_shares",
            {"queues": "{q1}", "priorities": "{1}", "sites": "{default}", "counts": "{3}"}
            | {"claimant": "w", "lease": 60.0, "is_limited": True},
        ),
        ("spend", {"queues": "{q1}", "sites": '{""}', "seconds": "{1}"}),
        ("forget_buckets", {}),
    ],
)
def test_no_statement_of_a_worker_walks_the_table(
    backlog: PostgresStore, name: str, parameters: dict[str, Any]
) -> None:
    plan = explain(backlog, SQL[name], parameters)

    of_items = [node for node in plan if node.get("Relation Name") != "queue_bucket"]  # that one is read whole
    assert {node["Node Type"] for node in of_items} & {
        "Seq Scan",
        "Bitmap Heap Scan",
        "Hash Join",
        "Merge Join",
    } == set()
    assert plan[0]["Shared Hit Blocks"] + plan[0]["Shared Read Blocks"] < 100


@pytest.mark.pg
@pytest.mark.parametrize("query", ["claim", "finish"])
def test_a_plan_made_when_the_table_was_all_but_empty_goes_by_index_too(
    store: PostgresStore, pg_database: Database, query: str
) -> None:
    """It is kept for the life of the session, and the table may have ten million rows an hour later."""
    store.enqueue([new() for _ in range(3)])
    with pg_database.connect() as connection:
        connection.execute("analyze queue_item")
    parameters = {"ids": "{1}", "tokens": "{1}"} if query == "finish" else wish(store, "mail")

    assert "Seq Scan" not in {node["Node Type"] for node in explain(store, SQL[query], parameters)}


@pytest.mark.pg
def test_a_sessions_plans_are_generic_and_so_never_change_with_the_number_of_items(backlog: PostgresStore) -> None:
    for _ in range(3):
        assert len(claim(backlog, "q1", limit=10)) == 10

    found = backlog._connection.execute(
        "select sum(generic_plans), sum(custom_plans) from pg_prepared_statements "
        "where statement like '%skip locked%' and statement not like '%prepared%'"
    ).fetchall()
    assert found == [(3, 0)]


# ---- floors


def item(number: int, *, queue: str = "mail", priority: int = 0, available_at: float = 0.0) -> Item:
    return Item(
        ItemId(number), 1, SiteName("default"), QueueName(queue), "json", b"", 0, 0, 0.0, available_at, priority
    )


def crowded() -> Floors:
    found = Floors()
    found.saw(floors.MANY_DEAD_ROWS, now=0.0)
    return found


def test_with_few_dead_rows_every_claim_looks_at_everything() -> None:
    decided = Floors()
    decided.saw(floors.MANY_DEAD_ROWS - 1, now=0.0)
    decided.claimed([item(1)], was_full=True, began=0.0, ended=1.0, wall=1000.0)

    assert decided.is_full(0.0)
    assert decided.of(QueueName("mail")) == LOWEST


def test_among_many_dead_rows_a_claim_begins_where_the_last_one_ended() -> None:
    decided = crowded()
    assert decided.is_full(0.0)
    decided.claimed([item(1), item(2)], was_full=True, began=0.0, ended=0.01, wall=1000.0)

    assert not decided.is_full(0.02)
    assert decided.of(QueueName("mail")) == Floor(0, 0.0, 2)
    assert decided.of(QueueName("other")) == LOWEST


def test_a_full_claim_comes_again_as_often_as_it_may_cost() -> None:
    decided = crowded()
    decided.claimed([], was_full=True, began=1.0, ended=1.01, wall=0.0)
    assert not decided.is_full(1.2)
    assert decided.is_full(1.01 + floors.FULL_CLAIM_SHARE * 0.01 + 0.001)

    decided.claimed([], was_full=True, began=2.0, ended=3.0, wall=0.0)
    assert decided.is_full(3.0 + floors.FULL_CLAIM_SECONDS + 0.001)


def test_a_young_item_leaves_room_for_neighbours_that_are_still_committing() -> None:
    decided = crowded()
    decided.claimed([item(9, available_at=999.0)], was_full=True, began=0.0, ended=0.01, wall=1000.0)

    floor = decided.of(QueueName("mail"))
    assert floor.available_at < 999.0
    assert floor.id == 0


def test_an_urgent_item_does_not_lower_the_floor() -> None:
    decided = crowded()
    decided.claimed([item(5)], was_full=True, began=0.0, ended=0.01, wall=1000.0)
    decided.claimed([item(6, priority=-1)], was_full=False, began=0.0, ended=0.01, wall=1000.0)

    assert decided.of(QueueName("mail")) == Floor(0, 0.0, 5)


def test_a_vacuum_ends_the_need_for_floors() -> None:
    decided = crowded()
    decided.claimed([item(5)], was_full=True, began=0.0, ended=1.0, wall=1000.0)
    assert decided.wants_look(floors.LOOK_SECONDS)
    decided.saw(0, now=floors.LOOK_SECONDS)

    assert decided.is_full(1.1)
    assert decided.of(QueueName("mail")) == LOWEST


@pytest.mark.pg
@pytest.mark.parametrize("queues", [("mail",), ("mail", "other")], ids=["one queue", "several"])
def test_above_a_floor_urgent_items_still_come_first_and_what_lies_below_comes_with_the_next_full_claim(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch, queues: tuple[str, ...]
) -> None:
    monkeypatch.setattr(floors, "MANY_DEAD_ROWS", 0)  # one dead row is a crowd
    monkeypatch.setattr(floors, "_SETTLED_SECONDS", 0.0)
    monkeypatch.setattr(floors, "FULL_CLAIM_SHARE", 1_000_000)
    monkeypatch.setattr(store._claims.turns, "next", lambda *_: None)  # as if no claim had been full
    long_ago = time.time() - 100
    store.enqueue([new(frame=b"%d" % number, available_at=long_ago + number) for number in range(8)])
    first, second = claim(store, *queues, limit=2)
    store.exchange([Released(first), Done(second)], [])
    store.enqueue([new(frame=b"urgent", priority=-1)])

    assert frames(claim(store, *queues, limit=2)) == [b"urgent", b"2"]

    wait_for(lambda: store._claims.floors.is_full(time.monotonic()), "the next full claim", seconds=2)
    assert frames(claim(store, *queues, limit=2)) == [b"0", b"3"]


@pytest.mark.pg
def test_dead_rows_before_the_head_do_not_make_a_claim_read_more(store: PostgresStore, pg_database: Database) -> None:
    with pg_database.connect() as connection:
        connection.execute("alter table queue_item set (autovacuum_enabled = off)")
    long_ago = time.time() - 1000
    store.enqueue_many(new(available_at=long_ago) for _ in range(30_000))
    store.promote()
    claimed = claim(store, limit=1000)
    for _ in range(25):
        claimed = store.exchange([Done(each) for each in claimed], [lane(limit=1000)]).claimed
    store._connection.execute("select pg_stat_force_next_flush()")
    wait_for(lambda: _looked(store), "the dead rows to be counted")
    claim(store, limit=10)
    assert not store._claims.floors.is_full(time.monotonic())

    full = explain(store, SQL["claim"], store._claims.wish(Plan(lane(limit=10), None, True, True, (), 0.0)))
    floored = explain(store, SQL["claim"], store._claims.wish(Plan(lane(limit=10), None, False, True, (), 0.0)))

    assert _blocks(floored) < 300
    assert _blocks(floored) < _blocks(full)


def _looked(store: PostgresStore) -> bool:
    store._claims.floors._look_at = 0.0
    store._claims.is_full(time.monotonic())
    return store._claims.floors._is_crowded


def _blocks(plan: list[dict[str, Any]]) -> int:
    return int(plan[0]["Shared Hit Blocks"] + plan[0]["Shared Read Blocks"])
