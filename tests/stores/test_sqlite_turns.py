"""What a claim in turns costs in SQLite: the same however many items and sites wait."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import pytest

from snqd.config.schema import StoreConfig
from snqd.stores.outcomes import Done
from snqd.stores.sql import migrations, queries
from snqd.stores.sqlite.store import SqliteStore
from snqd.stores.turns import Turn
from tests.support.stores import OpenStore, claim, lane, new

if TYPE_CHECKING:
    from pathlib import Path

    from snqd.stores.base import Store
    from tests.support.stores import Recipe

SQL = queries("sqlite")
LIMIT = 100
CLAIMS = 6


@pytest.fixture
def recipe(sqlite_recipe: Recipe) -> Recipe:
    return sqlite_recipe


@pytest.mark.parametrize(
    "query", ["first_urgent", "first_of_flow", "first_of_line", "has_line", "site_below", "site_above", "next_line"]
)
def test_every_question_about_turns_goes_by_index_and_sorts_nothing(store: Store, recipe: Recipe, query: str) -> None:
    store.enqueue([new(site="a")])
    claim(store)
    with closing(sqlite3.connect(recipe.location)) as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {SQL[query]}", (1,) * SQL[query].count("?"))]

    (step,) = [step for step in plan if "queue_item" in step]
    assert step.startswith("SEARCH queue_item USING")
    assert not any("ORDER BY" in step for step in plan)


def indexes(location: str) -> set[str]:
    with closing(sqlite3.connect(location)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'index'")}


def test_a_file_of_one_site_has_no_index_by_site_until_another_one_comes(store: Store, recipe: Recipe) -> None:
    store.enqueue_many([new() for _ in range(100)])
    assert [len(claim(store, limit=10)) for _ in range(3)] == [10, 10, 10]
    assert "queue_item_turn" not in indexes(recipe.location)

    with closing(sqlite3.connect(recipe.location, isolation_level=None)) as other:  # a program of any language
        other.execute("INSERT INTO queue_item (site, queue, frame) VALUES ('b', 'mail', '{}')")

    assert "b" in {item.site for item in claim(store, limit=10) + claim(store, limit=10)}
    assert "queue_item_turn" in indexes(recipe.location)


def test_queues_of_one_site_take_turns_without_that_index(store: Store, recipe: Recipe) -> None:
    store.enqueue_many([new("mail") for _ in range(200)])
    store.enqueue([new("news")])
    batches = [claim(store, "mail", "news", limit=20) for _ in range(2)]

    assert "news" in {item.queue for batch in batches for item in batch}
    assert "queue_item_turn" not in indexes(recipe.location)


def test_a_file_that_has_items_of_several_sites_has_them_after_the_upgrade(tmp_path: Path) -> None:
    location = str(tmp_path / "older.db")
    older = [step for step in migrations("sqlite") if step.name < "0004"]
    with closing(sqlite3.connect(location, isolation_level=None)) as connection:
        for step in older:
            connection.executescript(step.sql)
        for site in ("a",) * 100 + ("b",):
            connection.execute("INSERT INTO queue_item (site, queue, frame) VALUES (?, 'mail', '{}')", (site,))
    store = SqliteStore(StoreConfig(url=f"sqlite:///{location}"))
    assert store.schema_upgrade()[0] == "0004_turns"
    store.connect()

    assert "b" in {item.site for item in claim(store, limit=10) + claim(store, limit=10)}
    store.close()


def test_a_claim_takes_as_many_steps_with_ten_sites_as_with_thousands_and_with_few_items_as_with_many(
    open_store: OpenStore,
) -> None:
    """Counted by SQLite, in instructions of its virtual machine."""
    store = open_store()
    assert isinstance(store, SqliteStore)
    steps = {}
    for number, (items, sites) in enumerate([(2_000, 10), (40_000, 10), (40_000, 4_000)]):
        queue = f"q{number}"
        store.enqueue_many(new(queue, site=f"s{n % sites:05}") for n in range(items))
        batch = claim(store, queue, limit=LIMIT)
        hundreds = Counter[str]()
        raw = store._live.raw
        raw.set_progress_handler(partial(hundreds.update, ("steps",)), 100)
        for _ in range(CLAIMS):
            batch = store.exchange([Done(item) for item in batch], [lane(queue, limit=LIMIT)]).claimed
            assert len(batch) == LIMIT
        raw.set_progress_handler(None, 100)
        how = store._turns.next(lane(queue, limit=LIMIT), lambda _lane, _priority: None)
        assert isinstance(how, Turn)
        steps[items, sites] = hundreds["steps"]

    assert steps[40_000, 10] <= 1.1 * steps[2_000, 10]
    assert steps[40_000, 4_000] <= 2 * steps[2_000, 10]
