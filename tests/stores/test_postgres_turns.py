"""What a claim in turns reads and locks in PostgreSQL: what it takes, however many items and sites wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from psycopg._queries import MAX_CACHED_STATEMENT_LENGTH

from snqd.items import SiteName, lines_of
from snqd.stores.outcomes import Done, Released
from snqd.stores.postgres import floors
from snqd.stores.postgres.claims import _FINISH_AND, LOOK_CLAIMS, Plan
from snqd.stores.sql import queries
from snqd.stores.turns import NOBODY, Alone, Flow, Turn
from tests.stores.test_postgres_plans import explain
from tests.support.stopwatch import Stopwatch
from tests.support.stores import claim, lane, new

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snqd.items import Item
    from snqd.stores.postgres.store import PostgresStore
    from tests.support.postgres import Database

SQL = queries("postgres")
LIMIT = 100
LOAD = """
    insert into queue_item (queue, site, frame, priority, token)
    select 'q' || number %% 2, 's' || lpad((number / 2 %% %s)::text, 5, '0'), '{}', 0, -1
    from generate_series(1, %s) as number
"""

pytestmark = pytest.mark.pg


@pytest.fixture
def store(pg_database: Database) -> Iterator[PostgresStore]:
    """Statistics were taken when the table was empty: the worst case, and the usual one."""
    store = pg_database.store()
    store.connect()
    store._connection.execute("alter table queue_item set (autovacuum_enabled = off)")
    store._connection.execute("analyze queue_item")
    yield store
    store.close()


def load(store: PostgresStore, items: int, sites: int) -> None:
    store._connection.execute(LOAD, (sites, items))


def plan_of(store: PostgresStore, how: Turn | Alone, *queues: str) -> list[dict[str, Any]]:
    wished = lane(*queues, limit=LIMIT)
    return explain(store, store._claims.query(wished, how), store._claims.wish(Plan(wished, how, True, True, (), 0.0)))


def rows_read(plan: list[dict[str, Any]]) -> int:
    """Entries of indexes that are looked at, those that are passed over too."""
    scans = [node for node in plan if "Scan" in node["Node Type"] and "queue_item" in node.get("Relation Name", "")]
    return sum(
        round((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]) for node in scans
    )


@pytest.mark.parametrize(("items", "sites"), [(2_000, 2), (40_000, 2), (40_000, 5_000)])
@pytest.mark.parametrize("queues", [("q0",), ("q0", "q1")], ids=["one queue", "two"])
@pytest.mark.parametrize("quota", [2, 13, 50])
def test_a_claim_in_turns_reads_a_few_rows_for_each_that_it_takes(
    store: PostgresStore, items: int, sites: int, queues: tuple[str, ...], quota: int
) -> None:
    load(store, items, sites)

    plan = plan_of(store, Turn(0, NOBODY, quota), *queues)

    kinds = {node["Node Type"] for node in plan}
    assert not kinds & {"Seq Scan", "Bitmap Heap Scan", "Sort", "Incremental Sort", "Hash Join", "Merge Join"}
    assert LIMIT <= rows_read(plan) <= 5 * LIMIT  # found, locked, found again by address; and the sites
    assert plan[0]["Shared Hit Blocks"] + plan[0]["Shared Read Blocks"] < 40 * LIMIT


def test_a_claim_in_turns_takes_from_where_it_begins(store: PostgresStore) -> None:
    load(store, 2_000, 50)
    items = [item for _ in range(2) for item in claim(store, "q0", limit=LIMIT)]
    how = store._claims.turns.next(lane("q0", limit=LIMIT), lambda _lane, _priority: None)
    assert isinstance(how, Turn)

    found = claim(store, "q0", limit=LIMIT)

    assert {item.id for item in found}.isdisjoint(item.id for item in items)
    below = sorted({item.site for item in items if item.site < how.after.site}, reverse=True)
    assert below
    assert found[0].site in {item.site for item in found}
    assert {item.site for item in found} >= set(below[: LIMIT // how.quota])


def test_the_look_for_others_beside_a_flow_that_is_alone_is_two_probes(store: PostgresStore) -> None:
    load(store, 40_000, 1)
    wished = lane("q0", limit=LIMIT)
    parameters = store._claims.wish(Plan(wished, None, True, True, (), 0.0)) | {
        "ids": "{}", "tokens": "{}", "expected": 0, "lane": "{q0}", "beyond_all": store._claims.beyond_all,
        "alone_priority": 0, "alone_queue": "q0", "alone_site": "s00000",
    }  # fmt: skip

    plan = explain(store, _FINISH_AND[SQL["claim"]], parameters)

    probes = [node for node in plan if node.get("Index Name") == "queue_item_turn"]
    assert [(node["Actual Rows"], node["Actual Loops"]) for node in probes] == [(0, 1), (0, 1)]
    assert all(node["Shared Hit Blocks"] + node["Shared Read Blocks"] <= 4 for node in probes)
    assert rows_read(plan) == rows_read(plan_of(store, Alone(0, Flow("q0", "s00000")), "q0"))


@pytest.mark.parametrize("items", [2_000, 40_000])
def test_the_look_for_what_has_aged_reads_a_row_for_each_priority(store: PostgresStore, items: int) -> None:
    load(store, items, 100)
    store._connection.execute("update queue_item set priority = id % 4")
    parameters = {"queues": "{q0,q1}", "priority": 0, "seconds": 0.0}

    plan = explain(store, SQL["aged_below"], parameters)

    assert rows_read(plan) <= 2 * 3
    assert "Seq Scan" not in {node["Node Type"] for node in plan}


def test_plans_of_turns_are_generic_and_made_once(store: PostgresStore) -> None:
    load(store, 4_000, 7)
    batch = claim(store, "q0", limit=10)
    for _ in range(6):
        batch = store.exchange([Done(item) for item in batch], [lane("q0", limit=10)]).claimed
        assert len(batch) == 10

    found = store._connection.execute(
        "select generic_plans, custom_plans from pg_prepared_statements "
        "where statement like '%with flow as%' and statement not like '%prepared%'"
    ).fetchall()
    assert len(found) == 1
    assert found[0][0] >= 5
    assert found[0][1] == 0


def test_an_ended_claim_that_came_too_late_is_told_in_turns_too(store: PostgresStore) -> None:
    load(store, 400, 4)
    batch = claim(store, "q0", limit=10)
    store._connection.execute("update queue_item set state = 'ready', token = 0 where id = %s", [batch[0].id])

    exchanged = store.exchange([Done(item) for item in batch], [lane("q0", limit=10)])

    assert exchanged.lost == [batch[0]]
    assert len(exchanged.claimed) == 10


def test_two_sessions_in_turns_get_different_items_while_one_of_them_has_not_committed(
    store: PostgresStore, pg_database: Database
) -> None:
    load(store, 400, 4)
    other = pg_database.store()
    other.connect()
    for each in (store, other):
        claim(each, "q0", limit=10)
    with store._connection.transaction():
        ours = claim(store, "q0", limit=10)
        watch = Stopwatch()
        theirs = claim(other, "q0", limit=10)

        assert watch.seconds < 5.0, "it waited for our locks"
    other.close()

    assert len(ours) == len(theirs) == 10
    assert {item.id for item in ours}.isdisjoint(item.id for item in theirs)


def test_a_paused_flood_is_set_aside_by_claims_in_turns(store: PostgresStore) -> None:
    store.enqueue_many([new(site=site) for site in "ab" for _ in range(500)])
    for _ in range(3):
        claim(store, limit=10)
    store.pause(None, SiteName("b"), author="ada")

    found = [store.exchange([], [lane(limit=10)]) for _ in range(4)]

    assert {item.site for each in found for item in each.claimed} == {"a"}
    assert sum(each.aside for each in found) > 0


def test_the_statements_of_claims_are_short_enough_for_the_driver_to_keep() -> None:
    """It parses longer ones anew each time, which takes longer than anything else that a claim does in Python."""
    assert max(len(statement) for statement in _FINISH_AND.values()) <= MAX_CACHED_STATEMENT_LENGTH


@pytest.fixture
def crowded(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> PostgresStore:
    """One dead row is a crowd, every row is old enough, and looks at everything are as rare as can be."""
    monkeypatch.setattr(floors, "MANY_DEAD_ROWS", 0)
    monkeypatch.setattr(floors, "_SETTLED_SECONDS", 0.0)
    monkeypatch.setattr(floors, "FULL_CLAIM_SHARE", 1_000_000)
    monkeypatch.setattr(floors, "FULL_CLAIM_SECONDS", 60.0)
    return store


def worked(store: PostgresStore, claims: int, limit: int = 20) -> list[Item]:
    found: list[Item] = []
    batch: list[Item] = []
    for _ in range(claims):
        exchanged = store.exchange([Done(item) for item in batch], [lane("q0", limit=limit)])
        batch = exchanged.claimed
        assert exchanged.lines in (None, lines_of(batch))
        found += batch
    store.exchange([Done(item) for item in batch], [])
    return found


@pytest.mark.parametrize("sites", [1, 3])
def test_among_many_dead_rows_a_new_site_is_found_by_every_eighth_claim(crowded: PostgresStore, sites: int) -> None:
    load(crowded, 2_000, sites)
    worked(crowded, 10)
    how = crowded._claims.turns.next(lane("q0", limit=20), lambda *_: None)
    assert isinstance(how, Turn if sites > 1 else Alone)
    if isinstance(how, Turn):
        assert len(crowded._claims.turns.known(lane("q0"), how)) == sites
    crowded.enqueue([new("q0", site="another")])

    found = worked(crowded, LOOK_CLAIMS + 2)

    assert "another" in {item.site for item in found}


def test_among_many_dead_rows_claims_go_by_what_is_known_until_that_is_gone_and_are_full(
    crowded: PostgresStore,
) -> None:
    load(crowded, 800, 2)
    worked(crowded, 4)
    crowded.enqueue_many([new("q0", site="late") for _ in range(100)])
    left = 500 - 4 * 20

    found = [len(worked(crowded, 1)) for _ in range(left // 20)]

    assert found == [20] * (left // 20)
    assert worked(crowded, 1) == []


def test_a_claim_that_goes_on_after_what_is_known_does_not_tell_the_lines_of_a_part(crowded: PostgresStore) -> None:
    load(crowded, 250, 2)
    worked(crowded, 4)
    crowded.enqueue_many([new("q0", site="late") for _ in range(100)])
    batch: list[Item] = []

    for _ in range(LOOK_CLAIMS - 4):
        exchanged = crowded.exchange([Done(item) for item in batch], [lane("q0", limit=20)])
        batch = exchanged.claimed
        assert len(batch) == 20
        assert exchanged.lines in (None, lines_of(batch))


def test_among_many_dead_rows_what_was_given_back_comes_with_the_next_look_at_everything(
    crowded: PostgresStore,
) -> None:
    load(crowded, 2_000, 3)
    worked(crowded, 5)
    (first, *others) = claim(crowded, "q0", limit=20)
    crowded.exchange([Released(first), *map(Done, others)], [])

    assert first.id not in {item.id for item in worked(crowded, 1)}

    crowded._claims.floors._full_at = 0.0
    assert first.id in {item.id for item in worked(crowded, 3)}
