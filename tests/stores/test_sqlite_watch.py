"""Wake-ups of the SQLite store: soon, not for nothing, and never in the way."""

from __future__ import annotations

import os
import select
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from snqd.stores.outcomes import Done, Released
from snqd.stores.sqlite.watch import Timer
from tests.stores.contract_care import settle, woken
from tests.support.stopwatch import Stopwatch
from tests.support.stores import OpenStore, Recipe, claim, claim_one, new

if TYPE_CHECKING:
    from snqd.stores.base import Store

pytestmark = pytest.mark.skipif(not hasattr(select, "epoll"), reason="inotify is Linux's")


@pytest.fixture
def recipe(sqlite_recipe: Recipe) -> Recipe:
    return sqlite_recipe


@pytest.fixture
def other(open_store: OpenStore) -> Store:
    return open_store()


def test_a_plain_insert_of_another_program_wakes(store: Store, recipe: Recipe) -> None:
    descriptors = store.open_wakeups()
    settle(store, descriptors)

    with closing(sqlite3.connect(recipe.location, isolation_level=None)) as plain:
        plain.execute("INSERT INTO queue_item (queue, frame) VALUES ('mail', 'x')")
        assert woken(store, descriptors)


def test_an_ack_by_another_worker_does_not_wake(store: Store, other: Store) -> None:
    store.enqueue([new()])
    item = claim_one(other)
    descriptors = store.open_wakeups()
    settle(store, descriptors)

    other.exchange([Done(item)], [])

    assert not woken(store, descriptors, within_seconds=0.2)


def test_a_release_by_another_worker_wakes(store: Store, other: Store) -> None:
    store.enqueue([new()])
    item = claim_one(other)
    descriptors = store.open_wakeups()
    settle(store, descriptors)

    other.exchange([Released(item)], [])

    assert woken(store, descriptors)


def test_an_item_that_is_due_earlier_than_any_known_wakes_and_a_later_one_does_not(store: Store, other: Store) -> None:
    store.enqueue([new(delay_seconds=60.0)])
    descriptors = store.open_wakeups()
    store.promote()
    settle(store, descriptors)

    other.enqueue([new(delay_seconds=90.0)])
    assert not woken(store, descriptors, within_seconds=0.2)
    other.enqueue([new(delay_seconds=30.0)])
    assert woken(store, descriptors)


def test_what_is_written_but_not_committed_does_not_wake_until_it_is(store: Store, recipe: Recipe) -> None:
    descriptors = store.open_wakeups()
    settle(store, descriptors)
    with closing(sqlite3.connect(recipe.location, isolation_level=None)) as plain:
        plain.execute("PRAGMA cache_size = 10")  # pages: what does not fit is written to the log at once
        plain.execute("BEGIN")
        for _ in range(200):
            plain.execute("INSERT INTO queue_item (queue, frame) VALUES ('mail', zeroblob(1000))")
        assert select.select(descriptors, [], [], 2.0)[0]
        assert not woken(store, descriptors, within_seconds=0.2)

        plain.execute("COMMIT")

        assert woken(store, descriptors)
    assert len(claim(store, limit=500)) == 200


def test_a_commit_that_is_still_being_synced_when_its_write_is_noticed_wakes(store: Store, recipe: Recipe) -> None:
    descriptors = store.open_wakeups()
    turn = threading.Semaphore(0)

    def enqueue_when_told() -> None:
        with closing(sqlite3.connect(recipe.location, isolation_level=None)) as plain:
            for _ in range(20):
                turn.acquire()
                plain.execute("INSERT INTO queue_item (queue, frame) VALUES ('mail', 'x')")

    thread = threading.Thread(target=enqueue_when_told, daemon=True)
    thread.start()
    for _ in range(20):
        settle(store, descriptors)
        turn.release()
        assert woken(store, descriptors)
        store.exchange([Done(item) for item in claim(store)], [])
    thread.join()


@pytest.mark.parametrize("after_own", [False, True], ids=["idle", "after a commit of its own"])
def test_a_commit_is_looked_for_long_after_its_write(store: Store, recipe: Recipe, *, after_own: bool) -> None:
    """The writer may stand still in between, and no event tells that it went on."""
    descriptors = store.open_wakeups()
    settle(store, descriptors)
    if after_own:
        store.enqueue([new()])
    log = Path(f"{recipe.location}-wal")
    os.truncate(log, log.stat().st_size)  # an event as of a write, and no commit

    written_at = looked_at = time.monotonic()
    while select.select(descriptors, [], [], 1.5)[0]:
        store.read_wakeups()
        looked_at = time.monotonic()

    assert looked_at - written_at > 1.5


def test_a_log_that_is_a_new_file_after_a_reconnect_is_watched(store: Store, open_store: OpenStore) -> None:
    descriptors = store.open_wakeups()
    store.reconnect([])  # the only connection: SQLite deletes the log and begins another
    settle(store, descriptors)

    open_store().enqueue([new()])

    assert woken(store, descriptors)


def test_reading_wakeups_never_blocks(store: Store, other: Store) -> None:
    store.open_wakeups()
    longest = 0.0
    for _ in range(50):
        store.exchange([], [])
        other.enqueue([new()])
        store.exchange([Done(item) for item in claim(store)], [])
        watch = Stopwatch()
        store.read_wakeups()
        longest = max(longest, watch.seconds)

    assert longest < 0.1


def test_a_system_without_watches_left_is_polled_and_says_so(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_more: object) -> None:
        raise OSError(24, "inotify instance limit reached")

    monkeypatch.setattr("inotify_simple.INotify", refuse)

    assert store.open_wakeups() == []
    assert store.wakeup_problem is not None
    assert "inotify instance limit reached" in store.wakeup_problem
    assert store.read_wakeups() is False
    store.close_wakeups()


def test_a_timer_is_readable_once_when_its_time_has_come() -> None:
    timer = Timer()
    assert timer.read() is False
    started = time.monotonic()
    timer.set(0.02)

    assert select.select([timer.descriptor], [], [], 2.0)[0]

    assert time.monotonic() - started >= 0.015
    assert timer.read() is True
    assert timer.read() is False
    timer.close()
    timer.close()
