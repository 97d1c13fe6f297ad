"""What the SQLite store does where its one write lock makes a difference."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from snqd.stores import corrections
from snqd.stores.outcomes import DeadReason, Done
from snqd.stores.records import ItemFilter
from snqd.stores.sqlite import care
from tests.support.stores import OpenStore, Recipe, claim, claim_one, new, waiting
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from snqd.stores.base import Store


@pytest.fixture
def recipe(sqlite_recipe: Recipe) -> Recipe:
    return sqlite_recipe


def test_leases_that_nobody_could_renew_are_not_reclaimed_at_once(
    open_store: OpenStore, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a long transaction the sweeper may get the lock before those who wait to renew."""
    monkeypatch.setattr(care, "STALLED_SECONDS", 0.1)
    holder, sweeper = open_store("holder", lease_seconds=0.05), open_store("sweeper")
    holder.enqueue([new()])
    item = claim_one(holder)
    with closing(sqlite3.connect(recipe.location, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.5, lambda: other.execute("COMMIT"))
        eventually(lambda: _is_expired(sweeper))
        release.start()

        assert sweeper.reclaim() == []
        release.join()

    assert holder.renew([item]) == []
    eventually(sweeper.reclaim)
    assert holder.renew([item]) == [item]


def test_more_due_items_than_one_batch_are_promoted_batch_by_batch(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(care, "PROMOTE_LIMIT", 40)
    store.enqueue_many([new(delay_seconds=0.01) for _ in range(100)])
    eventually(lambda: store.promote().items == 40)

    assert store.promote() == (40, 0.0)
    assert store.promote() == (20, None)
    assert len(claim(store, limit=200)) == 100


def test_an_outbox_that_no_table_holds_makes_a_dead_letter_instead_of_a_stuck_worker(store: Store) -> None:
    store.enqueue([new(frame=b"bad"), new(frame=b"good")])
    bad, good = claim(store)

    exchanged = store.exchange([Done(bad, (new("out", priority=10**9),)), Done(good, (new("out"),))], [])

    assert exchanged.lost == []
    assert [record.queue for record in waiting(store)] == ["out"]
    (letter,) = store.find_dead(ItemFilter())
    assert (letter.frame, letter.reason) == (b"bad", DeadReason.BAD_ITEM)
    assert "priority is 1000000000" in (letter.last_error or "")


def test_corrections_of_many_items_go_page_by_page(
    store: Store, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corrections, "STEP_ITEMS", 10)
    store.enqueue_many([new("a" if n % 3 else "b", delay_seconds=60.0) for n in range(100)])

    assert store.retry_now(ItemFilter(queue="b", limit=25)) == 25
    assert store.retry_now(ItemFilter(queue="b")) == 9
    assert store.discard(ItemFilter(queue="a")) == 66
    assert {record.state for record in waiting(store)} == {"ready"}
    assert len(waiting(store)) == 34


def test_looking_writes_nothing(store: Store, recipe: Recipe) -> None:
    store.enqueue([new("other")])
    with closing(sqlite3.connect(recipe.location)) as plain:
        before = plain.execute("PRAGMA data_version").fetchone()
        for _ in range(3):
            assert claim(store) == []
            store.promote()
            store.reclaim()
            store.claimants()
            store.unhandled_queues([])
            store.counts()

        assert plain.execute("PRAGMA data_version").fetchone() == before


def _is_expired(store: Store) -> bool:
    (record,) = waiting(store)
    return record.lease_until is not None and record.lease_until < time.time()
