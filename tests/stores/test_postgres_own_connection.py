"""Enqueue on a connection of our own: the single insert past the driver's layers, and the COPY that streams."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from snqd.errors import BadItem, StoreUnavailable
from snqd.stores.postgres import copy, stream
from snqd.stores.postgres import enqueue as subject
from snqd.stores.postgres.stream import Stream
from tests.support.stores import claim, new, waiting
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
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


@contextmanager
def struck_while_waiting_for_a_lock(pg_database: Database, statement: str) -> Iterator[None]:
    """Inside, the table is locked, and a signal raises `Impatient` as soon as that kind of statement waits for it."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise Impatient

    def strike() -> None:
        waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query ilike %s"
        with pg_database.connect() as eyes:
            eventually(lambda: eyes.execute(waits, (f"{statement}%",)).fetchone() == (1,))
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, interrupt)
    with pg_database.connect() as other:
        other.execute("begin")
        other.execute("lock table queue_item in access exclusive mode")
        striker = threading.Thread(target=strike)
        striker.start()
        try:
            yield
        finally:
            striker.join()
            signal.signal(signal.SIGUSR1, before)
        other.execute("rollback")


def test_ctrl_c_ends_a_single_insert_that_waits_and_the_connection_still_works(
    store: PostgresStore, pg_database: Database
) -> None:
    store.enqueue([new()])
    with struck_while_waiting_for_a_lock(pg_database, "insert"), pytest.raises(Impatient):
        store.enqueue([new()])

    store.enqueue([new()])
    assert len(waiting(store)) == 2


def test_ctrl_c_ends_a_stream_that_waits_and_it_has_not_gathered_more_than_a_copy_takes(
    store: PostgresStore, pg_database: Database
) -> None:
    made = 0

    def items() -> Iterator[NewItem]:
        nonlocal made
        while made < 100_000:
            made += 1
            yield new()

    session = store._connection.info.backend_pid
    with struck_while_waiting_for_a_lock(pg_database, "copy"), pytest.raises(Impatient):
        store.enqueue_many(items())

    assert made < stream.NEAR_ROWS + stream.LOT
    assert store.enqueue_many([new()]) == 1
    assert len(waiting(store)) == 1
    assert store._connection.info.backend_pid == session


def test_a_stream_of_all_kinds_keeps_what_it_was_given(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "LOT", 4)
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
    taken = "select pg_sequence_last_value(pg_get_serial_sequence('queue_item', 'id')) > 10000"

    def items() -> Iterator[NewItem]:
        for _ in range(20_000):
            yield new(frame=b"x" * 200)
        with pg_database.connect() as eyes:
            eventually(lambda: eyes.execute(taken).fetchone() == (True,))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.enqueue_many(items())

    assert waiting(store) == []
    assert store.enqueue_many([new()]) == 1


@pytest.mark.parametrize("position", [0, 40, 999])
def test_an_item_that_the_server_refuses_stops_the_whole_stream_and_the_connection_still_works(
    store: PostgresStore, position: int
) -> None:
    with pytest.raises(BadItem):
        store.enqueue_many(new("x" * 64) if number == position else new() for number in range(1000))

    assert waiting(store) == []
    assert store.enqueue_many([new()]) == 1


def test_a_connection_lost_in_a_stream_is_unavailable(store: PostgresStore, pg_database: Database) -> None:
    pid = store._connection.info.backend_pid

    def items() -> Iterator[NewItem]:
        for number in range(2000):
            if number == 1000:
                with pg_database.connect() as eyes:
                    eyes.execute("select pg_terminate_backend(%s, 5000)", (pid,))
            yield new()

    with pytest.raises(StoreUnavailable):
        store.enqueue_many(items())

    store.reconnect([])
    assert waiting(store) == []
    assert store.enqueue_many([new()]) == 1


def test_of_a_streams_many_copies_only_the_first_row_looks_after_the_wake_up(
    store: PostgresStore, pg_database: Database
) -> None:
    assert store.enqueue_many(new() for _ in range(2000)) == 2000

    with pg_database.connect() as eyes:
        found = eyes.execute("select token, count(*), min(id) from queue_item group by token order by token desc")
        assert [row[:2] for row in found] == [(0, 1), (-1, 1999)]


def test_items_of_one_stream_keep_their_order(store: PostgresStore) -> None:
    store.enqueue_many(new(frame=b"%d" % number) for number in range(1000))

    assert [item.frame for item in claim(store, limit=1000)] == [b"%d" % number for number in range(1000)]


def test_a_far_server_gets_fewer_and_larger_copies(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []

    def whole(rows: Sequence[bytes]) -> bytes:
        sent.append(len(rows))
        return copy.whole(rows)

    monkeypatch.setattr(stream, "whole", whole)
    monkeypatch.setattr(stream, "FAR_SECONDS", 0.0)
    monkeypatch.setattr(
        Stream, "_turn", lambda self, wait, real=Stream._turn: real(self, wait) if wait is None else None
    )
    assert store.enqueue_many(new() for _ in range(3000)) == 3000
    assert len(sent) <= 4
    assert max(sent) * stream.LOT >= stream.FAR_ROWS


def test_large_frames_are_not_gathered_by_the_hundred(store: PostgresStore, monkeypatch: pytest.MonkeyPatch) -> None:
    most = 0

    def whole(rows: Sequence[bytes]) -> bytes:
        nonlocal most
        found = copy.whole(rows)
        most = max(most, len(found))
        return found

    monkeypatch.setattr(stream, "whole", whole)
    frame = bytes(100_000)
    assert store.enqueue_many(new(frame=frame, codec="raw") for _ in range(200)) == 200
    assert most < stream.BYTES + stream.LOT * 101_000
