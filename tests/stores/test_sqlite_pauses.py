"""Pauses in SQLite: the migration, and what the statements read."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from snqd.items import QueueName, SiteName
from snqd.stores.sql import migrations, queries
from snqd.stores.sqlite import pauses as subject
from tests.support.stopwatch import Stopwatch
from tests.support.stores import OpenStore, claim, claim_one, lane, new, waiting
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from snqd.stores.base import Store
    from tests.support.stores import Recipe

SQL = queries("sqlite")


@pytest.fixture
def recipe(sqlite_recipe: Recipe) -> Recipe:
    return sqlite_recipe


def test_a_file_of_the_release_before_is_upgraded_with_what_is_in_it(
    recipe: Recipe, tmp_path: Path, open_store: OpenStore
) -> None:
    first, *others = migrations("sqlite")
    with closing(sqlite3.connect(tmp_path / "queue.db", isolation_level=None)) as connection:
        connection.executescript(first.sql)
        connection.execute("INSERT INTO queue_item (queue, frame) VALUES ('mail', '1')")
        connection.execute("INSERT INTO queue_item (queue, frame, unique_key) VALUES ('mail', x'00ff', 'k')")
        connection.execute(
            "INSERT INTO queue_item (queue, frame, created, available_at) VALUES ('mail', '3', 7, unixepoch() + 60)"
        )
        connection.execute("INSERT INTO queue_item (id, queue, frame) VALUES (90, 'mail', '4')")
        connection.execute(
            "UPDATE queue_item SET state = 'claimed', claimed_by = 'w', lease_until = 5, token = 8 WHERE id = 1"
        )
        connection.execute("DELETE FROM queue_item WHERE id = 90")
        before = connection.execute("SELECT * FROM queue_item").fetchall()
        upgrading = recipe.make()

        assert upgrading.schema_upgrade() == [migration.name for migration in others]

        assert connection.execute("SELECT * FROM queue_item").fetchall() == before
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    upgrading.close()
    store = open_store()
    assert [record.state for record in waiting(store)] == ["claimed", "ready", "scheduled"]
    assert store.enqueue([new(unique_key="k")]) == [None]
    (fresh,) = store.enqueue([new(delay_seconds=60.0)])
    assert fresh is not None
    assert fresh > 90, "no id is given twice"
    assert claim_one(store).frame == b"\x00\xff"
    with closing(sqlite3.connect(tmp_path / "queue.db", isolation_level=None)) as connection:
        connection.execute("INSERT INTO queue_item (queue, frame, available_at) VALUES ('mail', '5', unixepoch() + 60)")
    assert [record.state for record in waiting(store)][-1] == "scheduled", "its trigger is there"


@pytest.mark.parametrize("query", ["ready_lines", "line_head", "paused_lines", "bring_back"])
def test_every_look_for_paused_items_goes_by_index(store: Store, recipe: Recipe, query: str) -> None:
    sql = SQL[query]
    parameters = ("mail", "a", 10)[: sql.count("?")]
    with closing(sqlite3.connect(recipe.location)) as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)]

    on_tables = [step for step in plan if "queue_item" in step or " item " in step]
    assert on_tables
    assert all("USING" in step for step in on_tables)
    assert not any("ORDER BY" in step for step in plan)


def test_one_exchange_sets_aside_a_bounded_number_and_says_that_there_may_be_more(store: Store) -> None:
    store.enqueue_many([new(site="a") for _ in range(2 * subject.KEEP_ROWS)] + [new(site="b")])
    store.pause(None, SiteName("a"), author="ada")

    first = store.exchange([], [lane(limit=1)])

    assert (first.claimed, first.aside) == ([], subject.KEEP_ROWS)
    store.exchange([], [lane(limit=1)])
    assert [item.site for item in store.exchange([], [lane(limit=1)]).claimed] == ["b"]


def test_a_pause_made_by_hand_holds(store: Store, recipe: Recipe) -> None:
    store.enqueue_many(new() for _ in range(2000))
    claim(store, limit=1)
    with closing(sqlite3.connect(recipe.location, isolation_level=None)) as other:
        other.execute("INSERT INTO queue_pause (queue, author, reason) VALUES ('mail', 'ada', 'the relay is down')")
        watch = Stopwatch()
        eventually(lambda: claim(store, limit=1) == [])
        assert watch.seconds < 1.0
        assert [(each.queue, each.author) for each in store.pauses()] == [(QueueName("mail"), "ada")]

        other.execute(
            "UPDATE queue_pause SET ended_at = unixepoch(), ended_by = 'ada' WHERE queue = 'mail' AND site = ''"
        )

    assert len(claim(store, limit=1)) == 1
