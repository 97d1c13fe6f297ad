"""Behind a transaction pooler the store works, polls, and says so."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING

import psycopg
import pytest

from snqd.config.schema import StoreConfig
from snqd.errors import StoreUnavailable
from snqd.stores.outcomes import Done, Retried
from snqd.stores.postgres.store import PostgresStore
from tests.support.pgbouncer import Pooler, running_pooler
from tests.support.stores import claim, frames, lane, new

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.postgres import Database

pytestmark = [pytest.mark.pg, pytest.mark.pooler]


@pytest.fixture
def pooled(pooler: Pooler) -> Iterator[PostgresStore]:
    store = PostgresStore(StoreConfig(url=pooler.url))
    store.claimant = "host/pooled/1.1/a"
    store.connect()
    yield store
    store.close()


def test_a_store_behind_a_transaction_pooler_works_while_server_sessions_change(
    pooled: PostgresStore, pooler: Pooler
) -> None:
    pooled.enqueue_many([new(frame=b"%d" % number) for number in range(40)])
    done: list[bytes] = []
    with psycopg.connect(pooler.url) as other, psycopg.connect(pooler.url) as another:
        items = claim(pooled, limit=4)
        while items:
            # transactions of others hold server sessions, so that ours moves from one to the next
            (other if len(done) % 8 else another).execute("select 1")
            done += frames(items)
            items = pooled.exchange([Done(item) for item in items], [lane(limit=4)]).claimed
            (another if len(done) % 8 else other).commit()

    assert done == [b"%d" % number for number in range(40)]


def test_no_statement_is_left_prepared_and_no_setting_changed_in_a_pooled_session(
    pooled: PostgresStore, pooler: Pooler
) -> None:
    pooled.enqueue([new()])
    for _ in range(8):
        items = claim(pooled)
        pooled.exchange([Retried(item, 0.0, "again") for item in items], [])

    with psycopg.connect(pooler.url, autocommit=True) as connection:
        connection.prepare_threshold = None
        assert connection.execute("select count(*) from pg_prepared_statements").fetchone() == (0,)
        assert connection.execute("show enable_seqscan").fetchone() == ("on",)


def test_a_transaction_pooler_is_found_out_and_named_as_the_reason_to_poll(pooled: PostgresStore) -> None:
    assert pooled.open_wakeups() == []
    assert pooled.wakeup_problem is not None
    assert "pooler" in pooled.wakeup_problem
    assert "store.listen_url" in pooled.wakeup_problem
    assert pooled.read_wakeups() is False


def test_a_failed_try_leaves_no_listening_session_in_the_pool(
    pooled: PostgresStore, pooler: Pooler, pg_database: Database
) -> None:
    pooled.open_wakeups()

    with psycopg.connect(pooler.url, autocommit=True) as connection:
        assert connection.execute("select count(*) from pg_listening_channels()").fetchone() == (0,)


def test_listen_url_reaches_the_server_past_the_pooler(pooler: Pooler, pg_database: Database) -> None:
    store = PostgresStore(StoreConfig(url=pooler.url, listen_url=pg_database.url))
    store.connect()

    (descriptor,) = store.open_wakeups()
    store.enqueue([new()])

    assert store.wakeup_problem is None
    assert select.select([descriptor], [], [], 5.0)[0]
    assert store.read_wakeups() is True
    store.close()


def test_a_session_pooler_lets_notifications_through(pg_database: Database) -> None:
    with running_pooler(pg_database, mode="session") as pooler:
        store = PostgresStore(StoreConfig(url=pooler.url))
        store.connect()

        (descriptor,) = store.open_wakeups()
        with pg_database.connect() as application:
            application.execute("insert into queue_item (queue, frame) values ('mail', '{}')")

        assert select.select([descriptor], [], [], 5.0)[0]
        assert store.read_wakeups() is True
        store.close()


def test_a_probe_asks_through_a_pooler_and_leaves_its_settings_to_nobody(pooled: PostgresStore, pooler: Pooler) -> None:
    (item,) = pooled.enqueue([new()])
    assert item is not None
    probe = pooled.probe()
    with psycopg.connect(pooler.url) as other, psycopg.connect(pooler.url) as another:
        for turn in range(8):
            (other if turn % 2 else another).execute("select 1")  # holds a session, so that ours changes
            assert [queue for queue, _lag in probe.lags()] == ["mail"]
            assert [depth.ready for depth in probe.depths()] == [1]
            assert probe.health().table_bytes > 0
            assert probe.has_item(item)
            (other if turn % 2 else another).commit()
    probe.close()

    for _ in range(4):
        with psycopg.connect(pooler.url, autocommit=True) as connection:
            connection.prepare_threshold = None
            assert connection.execute("select count(*) from pg_prepared_statements").fetchone() == (0,)
            assert connection.execute("show statement_timeout").fetchone() == ("0",)
            assert connection.execute("show default_transaction_read_only").fetchone() == ("off",)
            assert connection.execute("show enable_seqscan").fetchone() == ("on",)


def test_a_probe_that_is_not_answered_through_a_pooler_is_unavailable_and_asks_again(
    pooled: PostgresStore, pg_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("snqd.stores.postgres.probe.TIMEOUT_SECONDS", 0.2)
    pooled.enqueue([new()])
    probe = pooled.probe()
    probe.lags()
    with pg_database.connect() as other:
        other.execute("begin")
        other.execute("lock table queue_item in access exclusive mode")
        with pytest.raises(StoreUnavailable, match="not answered within"):
            probe.lags()
        other.execute("rollback")

    assert [queue for queue, _lag in probe.lags()] == ["mail"]
    probe.close()
