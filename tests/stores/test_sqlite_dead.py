"""Dead letters at scale on SQLite: pages and groups go by index."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from snqd.stores.fingerprint import fingerprint
from snqd.stores.outcomes import DeadLettered, DeadReason
from snqd.stores.records import ItemFilter
from snqd.stores.sqlite import dead, filters
from tests.support.stores import Recipe, claim, new

if TYPE_CHECKING:
    from snqd.stores.base import Store

FILTERS = {
    "all": (ItemFilter(), "dead_letter_died"),
    "queue": (ItemFilter(queue="q"), "dead_letter_queue"),
    "site": (ItemFilter(site="s"), "dead_letter_site"),
    "group": (ItemFilter(fingerprint="f"), "dead_letter_fingerprint"),
    "since": (ItemFilter(since=1.0, until=2.0), "dead_letter_died"),
}


@pytest.fixture
def recipe(sqlite_recipe: Recipe) -> Recipe:
    return sqlite_recipe


def plan(recipe: Recipe, sql: str, values: dict[str, Any]) -> list[str]:
    with closing(sqlite3.connect(recipe.location)) as connection:
        return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]


@pytest.mark.parametrize("query", ["find", "page", "chosen_dead"])
@pytest.mark.parametrize("name", FILTERS)
def test_a_page_goes_by_the_index_that_has_its_order(store: Store, recipe: Recipe, query: str, name: str) -> None:
    wanted, index = FILTERS[name]
    sql = filters.dead(dead._SQL[query], wanted)
    values = {**filters.values(wanted), "died": 1.0, "id": 1, "page": 10, "frames": False}

    steps = plan(recipe, sql, values)

    assert [step for step in steps if "dead_letter" in step and f"{index} (" in step], steps
    assert not any("ORDER BY" in step or step.startswith("SCAN") for step in steps), steps


def test_groups_are_counted_in_the_index(store: Store, recipe: Recipe) -> None:
    sql = filters.dead(dead._SQL["groups"], ItemFilter())

    steps = plan(recipe, sql, {**filters.values(ItemFilter()), "names": 3})

    walks = [step for step in steps if "dead_letter" in step]
    assert "COVERING INDEX dead_letter_fingerprint" in walks[0]
    assert all("dead_letter_fingerprint" in step for step in walks)


def test_letters_without_a_fingerprint_are_given_one_in_small_steps(store: Store, recipe: Recipe) -> None:
    store.enqueue_many([new() for _ in range(25)])
    store.exchange([DeadLettered(item, DeadReason.ATTEMPTS, f"E: {item.id}", "tb") for item in claim(store)], [])
    with closing(sqlite3.connect(recipe.location, isolation_level=None)) as connection:
        connection.execute("UPDATE dead_letter SET fingerprint = NULL")
    assert store.dead_groups(ItemFilter()) == []

    steps = [store.name_some(10) for _ in range(4)]

    assert steps == [10, 10, 5, 0]
    (group,) = store.dead_groups(ItemFilter())
    assert (group.fingerprint, group.count) == (fingerprint("E: 1", "tb"), 25)


def test_a_large_frame_is_not_read_for_a_page(store: Store) -> None:
    store.enqueue([new(frame=b"x" * 1_000_000)])
    store.exchange([DeadLettered(item, DeadReason.ATTEMPTS, "E") for item in claim(store)], [])

    (letter,) = store.dead_page(ItemFilter(limit=1))

    assert (letter.frame, letter.frame_bytes) == (b"", 1_000_000)
