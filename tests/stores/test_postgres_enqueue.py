"""Enqueue on the application's own connection: never its commit, one round trip, COPY where it can."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.rows import dict_row

from snqd.errors import StoreError
from snqd.stores.postgres import enqueue as subject
from snqd.stores.postgres.enqueue import enqueue, enqueue_async, enqueue_many, enqueue_many_async
from tests.support.stores import claim, new, waiting

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

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


@pytest.fixture
def application(pg_database: Database) -> Iterator[psycopg.Connection[Any]]:
    """A connection as psycopg makes it: a transaction begins by itself, and the application commits."""
    connection = psycopg.connect(pg_database.url)
    yield connection
    connection.close()


MIXED = [
    new(frame=b"plain"),
    new(frame=b"", codec="raw", site="shop", priority=-7),
    new(frame=b"\x00\xff" * 5000, codec="raw"),
    new("Zürich", "grün".encode(), codec="text"),
    new(frame=b"later", delay_seconds=3600.0),
    new(frame=b"past", available_at=1_000_000_000.25),
    new(frame=b"key", unique_key="k"),
    new(frame=b"key again", unique_key="k"),
]


def check_mixed(store: PostgresStore) -> None:
    found = {bytes(record.frame): record for record in waiting(store)}
    assert set(found) == {item.frame for item in MIXED} - {b"key again"}
    for item in MIXED[:-1]:
        record = found[item.frame]
        assert (record.queue, record.codec, record.site, record.priority, record.unique_key) == (
            item.queue, item.codec, item.site, item.priority, item.unique_key
        )  # fmt: skip
        assert record.state == ("scheduled" if item.frame == b"later" else "ready")
    assert found[b"past"].available_at == 1_000_000_000.25
    assert found[b"later"].available_at == pytest.approx(time.time() + 3600, abs=60)


@pytest.mark.parametrize("call", [enqueue, enqueue_many])
def test_every_kind_of_item_arrives_as_it_was_given(
    store: PostgresStore, application: psycopg.Connection[Any], call: Callable[..., Any]
) -> None:
    told = call(application, MIXED)
    application.commit()

    assert told == 7 or (told[-1] is None and len(set(told)) == 8)
    check_mixed(store)


@pytest.mark.parametrize("call", [enqueue_async, enqueue_many_async])
async def test_the_async_twins_do_the_same(
    store: PostgresStore, pg_database: Database, call: Callable[..., Awaitable[Any]]
) -> None:
    async with await psycopg.AsyncConnection.connect(pg_database.url) as connection:
        told = await call(connection, MIXED)

    assert told == 7 or (told[-1] is None and len(set(told)) == 8)
    check_mixed(store)


@pytest.mark.parametrize("call", [enqueue, enqueue_many])
@pytest.mark.parametrize("items", [MIXED[:1], MIXED], ids=["one", "mixed"])
@pytest.mark.parametrize("begun", [False, True], ids=["first statement", "later statement"])
def test_the_callers_transaction_is_never_committed(
    store: PostgresStore,
    application: psycopg.Connection[Any],
    call: Callable[..., Any],
    items: list[NewItem],
    begun: bool,
) -> None:
    if begun:
        application.execute("create table orders (id int)")
    call(application, items)

    assert application.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
    application.rollback()
    assert waiting(store) == []


@pytest.mark.parametrize("call", [enqueue, enqueue_many])
@pytest.mark.parametrize("items", [MIXED[:1], MIXED], ids=["one", "mixed"])
def test_in_autocommit_mode_a_call_is_one_durable_transaction(
    store: PostgresStore, application: psycopg.Connection[Any], call: Callable[..., Any], items: list[NewItem]
) -> None:
    application.autocommit = True
    call(application, items)
    assert application.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    assert len(waiting(store)) == min(len(items), 7)

    with pytest.raises(psycopg.DataError):
        call(application, [*items, new("x" * 64)])
    assert len(waiting(store)) == min(len(items), 7)


async def test_an_async_transaction_of_the_caller_is_never_committed(
    store: PostgresStore, pg_database: Database
) -> None:
    async with await psycopg.AsyncConnection.connect(pg_database.url, autocommit=True) as connection:
        async with connection.transaction(force_rollback=True):
            await enqueue_async(connection, MIXED[:1])
            await enqueue_many_async(connection, MIXED)
        await asyncio.sleep(0)

        assert waiting(store) == []
        await enqueue_many_async(connection, MIXED)
    check_mixed(store)


@pytest.mark.parametrize("call", [enqueue, enqueue_many])
def test_the_connections_own_row_factory_does_not_matter(
    store: PostgresStore, pg_database: Database, call: Callable[..., Any]
) -> None:
    with psycopg.connect(pg_database.url, row_factory=dict_row) as connection:
        call(connection, MIXED)

    check_mixed(store)


def test_one_item_is_one_round_trip_and_prepared_when_it_comes_again(
    application: psycopg.Connection[Any], pg_database: Database
) -> None:
    application.autocommit = True
    for _ in range(7):
        enqueue(application, [new()])

    found = application.execute(
        "select count(*) from pg_prepared_statements where statement ilike 'insert%'"
    ).fetchone()
    assert found == (1,)


def test_a_stream_goes_in_slices_without_being_held(
    store: PostgresStore, application: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "SLICE", 10)
    alive = most = 0

    def stream() -> Iterator[NewItem]:
        nonlocal alive, most
        for number in range(95):
            alive += 1
            most = max(most, alive)
            yield new(frame=b"%d" % number)
            if number % 10 == 9:
                alive = 0  # the slice has been sent before the next item is asked for

    assert enqueue_many(application, stream()) == 95
    application.commit()

    assert most == 10
    assert [item.frame for item in claim(store, limit=200)] == [b"%d" % number for number in range(95)]


def test_a_frame_of_megabytes_goes_both_ways(store: PostgresStore, application: psycopg.Connection[Any]) -> None:
    frame = bytes(range(256)) * 8192
    enqueue_many(application, [new(frame=frame)])
    enqueue(application, [new(frame=frame)])
    application.commit()

    assert [item.frame == frame for item in claim(store)] == [True, True]


def test_items_of_one_copy_keep_their_order(store: PostgresStore, application: psycopg.Connection[Any]) -> None:
    enqueue_many(application, [new(frame=b"%d" % number) for number in range(50)])
    application.commit()

    assert [item.frame for item in claim(store)] == [b"%d" % number for number in range(50)]


# ---- a handler's own transaction


def test_a_handlers_transaction_commits_with_the_ack(
    store: PostgresStore, application: psycopg.Connection[Any]
) -> None:
    application.execute("create table effect (id int)")
    application.commit()
    store.enqueue([new()])
    (item,) = claim(store)

    with store.transaction(item) as connection:
        connection.execute("insert into effect values (1)")
        enqueue(connection, [new("next")])
        assert [record.queue for record in waiting(store)] == ["mail"]

    assert [record.queue for record in waiting(store)] == ["next"]
    assert application.execute("select count(*) from effect").fetchone() == (1,)


def test_a_handler_that_swallows_a_failed_statement_is_not_taken_as_done(store: PostgresStore) -> None:
    store.enqueue([new()])
    (item,) = claim(store)

    def careless() -> None:
        with store.transaction(item) as connection, suppress(psycopg.Error):
            connection.execute("select 1/0")

    with pytest.raises(StoreError, match="cannot be committed"):
        careless()

    assert store.renew([item]) == []
    with store.transaction(item):
        pass
    assert waiting(store) == []


@pytest.mark.parametrize("word", ["commit", "rollback"])
def test_a_handler_may_not_end_the_transaction_itself(store: PostgresStore, word: str) -> None:
    store.enqueue([new(), new()])
    first, second = claim(store)

    with pytest.raises(Exception, match=r"(cannot be committed|forbidden)"), store.transaction(first) as connection:
        connection.execute(word.encode())
    with pytest.raises(Exception, match=r"forbidden"), store.transaction(second) as connection:
        getattr(connection, word)()

    assert store.renew([second]) == []


def test_a_handlers_session_plans_its_queries_freely(store: PostgresStore) -> None:
    store.enqueue([new()])
    (item,) = claim(store)

    with store.transaction(item) as connection:
        assert connection.execute("show enable_seqscan").fetchone() == ("on",)
        assert connection.execute("show plan_cache_mode").fetchone() == ("auto",)
