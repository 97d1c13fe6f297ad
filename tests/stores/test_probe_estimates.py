"""Depths of stores in which much waits: estimates that say so, on each engine that has them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from snqd.items import CANARY
from snqd.stores import census
from snqd.stores.outcomes import DeadLettered, DeadReason, Done
from tests.support.stores import OpenStore, Recipe, claim, new

if TYPE_CHECKING:
    from snqd.stores.base import Store
    from snqd.stores.probe import SiteDepth

ENGINES = [pytest.param("sqlite"), pytest.param("postgres", marks=pytest.mark.pg)]


@pytest.fixture(params=ENGINES)
def recipe(request: pytest.FixtureRequest) -> Recipe:
    if request.param == "sqlite":
        found: Recipe = request.getfixturevalue("sqlite_recipe")
        return found
    return Recipe("tests.support.postgres:make_postgres", request.getfixturevalue("pg_database").url)


def depths(store: Store) -> list[SiteDepth]:
    probe = store.probe()
    try:
        return probe.depths()
    finally:
        probe.close()


def by_queue(found: list[SiteDepth], figure: str = "ready") -> Counter[str]:
    totals: Counter[str] = Counter()
    for depth in found:
        totals[depth.queue] += getattr(depth, figure)
    return totals


def test_totals_of_interleaved_queues_that_were_loaded_in_bulk_are_within_a_third(store: Store) -> None:
    store.enqueue_many(
        new("rare" if number % 11 == 0 else "common", priority=number % 3, site=f"s{number % 5}")
        for number in range(110_000)
    )

    found = depths(store)

    assert {(depth.queue, depth.site) for depth in found} == {
        (queue, f"s{site}") for queue in ("rare", "common") for site in range(5)
    }
    assert all(depth.is_estimate for depth in found if depth.queue == "common")
    totals = by_queue(found)
    assert 100_000 / 1.34 < totals["common"] < 100_000 * 1.34
    assert 10_000 / 1.34 < totals["rare"] < 10_000 * 1.34
    for depth in found:
        expected = 20_000 if depth.queue == "common" else 2_000
        assert expected / 2 < depth.ready < expected * 2


def test_what_was_worked_off_does_not_count_any_more(store: Store) -> None:
    store.enqueue_many(new("a" if number % 3 else "b") for number in range(60_000))
    for queue, number in (("a", 25_000), ("b", 5_000)):
        claimed = claim(store, queue, limit=number)
        store.exchange([Done(item) for item in claimed], [])

    totals = by_queue(depths(store))

    assert 15_000 / 1.34 < totals["a"] < 15_000 * 1.34
    assert 15_000 / 1.34 < totals["b"] < 15_000 * 1.34


def test_a_small_queue_beside_a_large_one_is_exact(store: Store) -> None:
    store.enqueue_many(new("large") for _ in range(30_000))
    store.enqueue_many(new("small", site=f"s{number % 4}") for number in range(2_000))

    found = [depth for depth in depths(store) if depth.queue == "small"]

    assert [(depth.ready, depth.is_estimate) for depth in found] == [(500, False)] * 4


@pytest.mark.parametrize("number", [census.HEAD_ROWS - 1, census.HEAD_ROWS, census.HEAD_ROWS + 1, 4_000])
def test_up_to_the_limit_every_count_is_exact(store: Store, number: int) -> None:
    store.enqueue_many(new(site=f"s{each % 3}") for each in range(number))

    found = depths(store)

    assert sum(depth.ready for depth in found) == number
    assert [depth.ready for depth in found] == [
        facts.ready for facts in sorted(store.counts(), key=lambda facts: facts.site)
    ]
    assert not any(depth.is_estimate for depth in found)


def test_scheduled_items_and_dead_letters_are_estimated_too(store: Store) -> None:
    store.enqueue_many(new("doomed") for _ in range(15_000))
    claimed = claim(store, "doomed", limit=15_000)
    store.exchange([DeadLettered(item, DeadReason.ATTEMPTS, "x") for item in claimed], [])
    store.enqueue_many(new(f"q{number % 2}", delay_seconds=600.0 + number * 0.01) for number in range(20_000))
    store.enqueue_many(new("burst", delay_seconds=300.0) for _ in range(15_000))

    found = depths(store)

    scheduled = by_queue(found, "scheduled")
    assert 35_000 / 1.5 < scheduled.total() < 35_000 * 1.5
    assert 10_000 / 2 < scheduled["q0"] < 10_000 * 2
    assert 15_000 / 1.34 < by_queue(found, "dead")["doomed"] < 15_000 * 1.34
    assert by_queue(found).total() == by_queue(found, "in_flight").total() == 0
    assert all(depth.is_estimate for depth in found)


def test_the_lag_of_a_site_is_exact_where_the_site_is_among_the_first(store: Store) -> None:
    store.enqueue_many(new(site="new", available_at=1000.0 + number) for number in range(10, 10_000))
    store.enqueue([new(site="old", priority=4, available_at=1000.0), new(site="new", priority=4, available_at=1001.0)])

    found = {depth.site: depth.lag_seconds for depth in depths(store)}

    probe = store.probe()
    ((_queue, lag),) = probe.lags()
    probe.close()
    assert abs(found[new(site="old").site] - lag) < 5.0
    assert abs(found[new(site="new").site] - (lag - 1.0)) < 0.9


def test_many_queues_share_what_may_be_read(store: Store, open_store: OpenStore) -> None:
    store.enqueue_many(new(f"q{number % 150}", priority=number % 2) for number in range(60_000))
    store.enqueue([new("q7", codec=CANARY)])

    found = depths(store)

    assert len(found) == 150
    assert 60_000 / 1.34 < by_queue(found).total() < 60_000 * 1.34
    assert all(400 / 2 < depth.ready < 400 * 2 for depth in found)
