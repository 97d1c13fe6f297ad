"""Enqueue from application code: on its own connection and transaction, or through a client."""

from __future__ import annotations

import sqlite3
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

import snqd
from snqd.errors import BadItem, ConfigError, StoreError, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snqd.items import NewItem
    from tests.support.daemons import Place


@pytest.fixture
def connection(place: Place) -> Iterator[Any]:
    """The application's own connection, with its driver's default transactions."""
    if place.database is not None:
        with psycopg.connect(place.url) as made:
            yield made
        return
    made_sqlite = sqlite3.connect(place.url.removeprefix("sqlite:///"))
    yield made_sqlite
    made_sqlite.close()


def payloads(place: Place) -> list[bytes]:
    return sorted(item.frame for item in place.waiting())


def batch(*numbers: int, **options: Any) -> list[NewItem]:
    return [snqd.new_item("q", number, **options) for number in numbers]


def test_what_is_enqueued_on_your_connection_exists_when_your_transaction_commits(
    place: Place, connection: Any
) -> None:
    connection.execute("CREATE TABLE account (name text)")
    connection.commit()

    connection.execute("INSERT INTO account VALUES ('a')")
    number = snqd.enqueue(connection, "q", {"a": 1}, site="a.example", priority=3)
    assert snqd.enqueue_many(connection, batch(2, 3)) == 2
    assert place.waiting() == [], "not before"
    connection.commit()

    found = place.item(number or 0)
    assert found is not None
    assert (found.queue, found.site, found.priority, found.frame) == ("q", "a.example", 3, b'{"a":1}')
    assert len(place.waiting()) == 3


def test_a_rollback_takes_the_items_along(place: Place, connection: Any) -> None:
    connection.execute("CREATE TABLE account (name text)")
    connection.commit()
    connection.execute("INSERT INTO account VALUES ('a')")  # sqlite3 begins its transaction here
    snqd.enqueue(connection, "q", 1)
    snqd.enqueue_many(connection, batch(2, 3))
    snqd.enqueue_many(connection, batch(4, delay_seconds=10))
    snqd.enqueue_many(connection, batch(5, unique_key="k"))
    connection.rollback()

    assert place.waiting() == []
    snqd.enqueue(connection, "q", 6)
    connection.commit()
    assert payloads(place) == [b"6"]


def test_with_autocommit_each_call_is_durable_by_itself(place: Place) -> None:
    if place.database is not None:
        with psycopg.connect(place.url, autocommit=True) as connection:
            snqd.enqueue(connection, "q", 1)
            snqd.enqueue_many(connection, batch(2, 3))
            assert payloads(place) == [b"1", b"2", b"3"]
        return
    raw = sqlite3.connect(place.url.removeprefix("sqlite:///"), isolation_level=None)
    snqd.enqueue(raw, "q", 1)
    snqd.enqueue_many(raw, batch(2, 3))
    assert payloads(place) == [b"1", b"2", b"3"]
    raw.close()


def test_a_batch_is_stored_whole_or_not_at_all(place: Place) -> None:
    def until_it_fails() -> Iterator[NewItem]:
        yield from batch(1, 2, 3)
        raise ZeroDivisionError

    with snqd.Client(place.url) as client:
        with pytest.raises(ZeroDivisionError):
            client.enqueue_many(until_it_fails())
        assert place.waiting() == []
        assert client.enqueue_many(batch(*range(12_000))) == 12_000
    assert place.counts()["q"].ready == 12_000


def test_options_reach_the_item(place: Place) -> None:
    moment = datetime.now(UTC) + timedelta(hours=1)
    with snqd.Client(place.url) as client:
        by_delay = client.enqueue("q", "d", delay_seconds=60)
        by_time = client.enqueue("q", "t", at=moment)
        raw = client.enqueue("q", b"\0\xff", codec="raw")
        keyed = client.enqueue("q", 1, unique_key="k")
        assert client.enqueue("q", 2, unique_key="k") is None
        assert client.enqueue("other", 2, unique_key="k") is not None
        assert client.enqueue_many(batch(3, unique_key="k")) == 0

    found: dict[int, Any] = {item.id: item for item in place.waiting()}
    assert 55 < found[by_delay or 0].available_at - time.time() < 65
    assert abs(found[by_time or 0].available_at - moment.timestamp()) < 0.01
    assert found[by_time or 0].state == "scheduled"
    assert (found[raw or 0].codec, found[raw or 0].frame) == ("raw", b"\0\xff")
    assert found[keyed or 0].unique_key == "k"


async def test_the_async_client_and_the_async_twins_do_the_same(place: Place) -> None:
    async with snqd.AsyncClient(place.url) as client:
        assert await client.enqueue("q", 1) is not None
        assert await client.enqueue_many(batch(2, 3)) == 2
        with pytest.raises(BadItem):
            await client.enqueue("q", object())
    if place.database is not None:
        async with await psycopg.AsyncConnection.connect(place.url) as connection:
            await snqd.enqueue_async(connection, "q", 4)
            await connection.rollback()
            assert await snqd.enqueue_async(connection, "q", 5) is not None
            assert await snqd.client.enqueue_many_async(connection, batch(6, 7)) == 2
            await connection.commit()
        assert payloads(place) == [b"1", b"2", b"3", b"5", b"6", b"7"]
    else:
        assert payloads(place) == [b"1", b"2", b"3"]


@pytest.mark.parametrize(
    ("queue", "payload", "options", "words"),
    [
        ("", 1, {}, "queue name '' is not valid"),
        ("x" * 64, 1, {}, "use 1 to 63 printable characters"),
        ("q", 1, {"site": " a "}, "site name ' a ' is not valid"),
        ("q", object(), {}, "cannot be encoded with codec 'json'"),
        ("q", "text", {"codec": "raw"}, "takes bytes, not str"),
        ("q", 1, {"codec": "pickle"}, "unknown codec 'pickle': use one of json, raw, text"),
        ("q", "x" * (1 << 20), {}, "larger than the limit of 1,048,576"),
        ("q", 1, {"priority": 40_000}, "priority 40000 is out of range"),
        ("q", 1, {"delay_seconds": float("inf")}, "must be a finite number"),
        ("q", 1, {"unique_key": "k" * 256}, "must have 1 to 255"),
        ("q", 1, {"at": datetime(2030, 1, 1)}, "has no time zone"),  # noqa: DTZ001 - that is the mistake
    ],
)
def test_a_bad_item_is_refused_in_one_line_and_nothing_is_stored(
    sqlite_place: Place, queue: str, payload: Any, options: dict[str, Any], words: str
) -> None:
    with snqd.Client(sqlite_place.url) as client, pytest.raises(BadItem) as caught:
        client.enqueue(queue, payload, **options)

    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sqlite_place.waiting() == []


def test_a_store_that_cannot_be_used_says_so_in_one_line(sqlite_place: Place, tmp_path: Any) -> None:
    with pytest.raises(ConfigError, match="names no store"):
        snqd.Client("mysql://host/db")
    with pytest.raises(StoreError, match=r"the folder .* does not exist"):
        snqd.Client(f"sqlite:///{tmp_path}/nowhere/queue.db").enqueue("q", 1)
    with pytest.raises(StoreError, match=r"cannot enqueue on a builtins\.int"):
        snqd.enqueue(7, "q", 1)
    other = sqlite3.connect(tmp_path / "other.db")
    with pytest.raises(StoreError, match="no snqd tables"):
        snqd.enqueue(other, "q", 1)
    other.close()
    with pytest.raises(StoreUnavailable, match="cannot connect") as caught:
        snqd.Client("postgresql://nobody:secret@127.0.0.1:1/nothing?connect_timeout=2").enqueue("q", 1)
    assert "secret" not in str(caught.value)


@pytest.mark.pg
def test_a_client_connects_again_after_its_connection_was_lost(postgres_place: Place) -> None:
    with snqd.Client(postgres_place.url) as client:
        client.enqueue("q", 1)
        postgres_place.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
            "AND datname = current_database()"
        )
        with pytest.raises(StoreUnavailable):
            client.enqueue("q", 2)
        client.enqueue("q", 3)

    assert payloads(postgres_place) == [b"1", b"3"]


def test_many_threads_enqueue_through_an_async_client_without_mixing(sqlite_place: Place) -> None:
    import asyncio

    async def run() -> None:
        async with snqd.AsyncClient(sqlite_place.url) as client:
            found = await asyncio.gather(*(client.enqueue("q", n) for n in range(100)))
        assert len(set(found)) == 100

    asyncio.run(run())
    assert sqlite_place.counts()["q"].ready == 100
