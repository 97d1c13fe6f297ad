"""Enqueue on a connection of our own: the single insert past the driver's layers, and the COPY that streams."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

import pytest

from snqd.errors import BadItem, StoreUnavailable
from snqd.stores.postgres import enqueue as subject
from tests.support.stores import claim, new, waiting
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from snqd.items import NewItem
    from snqd.stores.postgres.store import PostgresStore
    from tests.support.postgres import Database

pytestmark = pytest.mark.pg


@pytest.fixture
def store(pg_database: Database) -> Iterator[PostgresStore]:
    store = pg_database.store()
    store.connect()
    yield store
    store.close()


@pytest.mark.parametrize(
    "item",
    [
        new(frame=b"plain"),
        new("Zürich", "grün".encode(), codec="text", site="größe", priority=-32768),
        new(frame=b"", codec="raw", priority=32767),
        new(frame=b"\x00\xff" * 2_000_000, codec="raw"),  # larger than the socket's buffers
    ],
    ids=["plain", "unicode", "empty", "large"],
)
def test_a_single_item_arrives_as_it_was_given(store: PostgresStore, item: NewItem) -> None:
    (told,) = store.enqueue([item])

    (found,) = claim(store, item.queue)
    assert told == found.id
    assert (found.queue, found.site, found.codec, found.priority, bytes(found.frame)) == (
        item.queue, item.site, item.codec, item.priority, item.frame
    )  # fmt: skip


@pytest.mark.parametrize("item", [new("x" * 64), new(priority=40_000), new(codec="a\0b"), new("\ud800")])
def test_a_refused_single_item_costs_only_itself(store: PostgresStore, item: NewItem) -> None:
    with pytest.raises(BadItem):
        store.enqueue([item])

    store.enqueue([new()])
    assert len(waiting(store)) == 1


def test_a_lost_connection_is_unavailable_and_the_next_one_has_its_own_statement(
    store: PostgresStore, pg_database: Database
) -> None:
    store.enqueue([new()])
    with pg_database.connect() as eyes:
        eyes.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() "
            "and application_name like 'snqd%%' and datname = current_database()"
        )
    with pytest.raises(StoreUnavailable):
        store.enqueue([new()])

    store.reconnect([])
    store.enqueue([new()])
    assert len(waiting(store)) == 2


class Impatient(Exception):
    """What the signal's handler raises, as Ctrl-C raises KeyboardInterrupt."""


def test_ctrl_c_ends_a_single_insert_that_waits_and_the_connection_still_works(
    store: PostgresStore, pg_database: Database
) -> None:
    store.enqueue([new()])

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise Impatient

    before = signal.signal(signal.SIGUSR1, interrupt)
    with pg_database.connect() as other:
        other.execute("begin")
        other.execute("lock table queue_item in access exclusive mode")

        def strike() -> None:
            waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query ilike 'insert%%'"
            with pg_database.connect() as eyes:
                eventually(lambda: eyes.execute(waits).fetchone() == (1,))
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

        striker = threading.Thread(target=strike)
        striker.start()
        try:
            with pytest.raises(Impatient):
                store.enqueue([new()])
        finally:
            striker.join()
            signal.signal(signal.SIGUSR1, before)
        other.execute("rollback")

    store.enqueue([new()])
    assert len(waiting(store)) == 2


def test_a_stream_of_all_kinds_keeps_what_it_was_given(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "BLOCK", 4)
    monkeypatch.setattr(subject, "SLICE", 7)

    def item(number: int) -> NewItem:
        frame = b"%d" % number
        if number % 5 == 3:
            return new(frame=frame, unique_key=f"key {number % 15}")  # three keys, many times
        return new(frame=frame, delay_seconds=3600.0) if number % 3 == 1 else new(frame=frame)

    stored = store.enqueue_many(item(number) for number in range(200))

    expected = [number for number in range(200) if number % 5 != 3] + [3, 8, 13]
    assert stored == len(expected)
    assert {int(record.frame) for record in waiting(store)} == set(expected)


def test_the_server_gets_items_while_others_are_made_and_keeps_none_when_making_fails(
    store: PostgresStore, pg_database: Database
) -> None:
    progress = "select tuples_processed > 10000 from pg_stat_progress_copy"

    def stream() -> Iterator[NewItem]:
        for _ in range(20_000):
            yield new(frame=b"x" * 200)
        with pg_database.connect() as eyes:
            eventually(lambda: eyes.execute(progress).fetchone() == (True,))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.enqueue_many(stream())

    assert waiting(store) == []
    assert store.enqueue_many([new()]) == 1
