"""What goes wrong between snqd and PostgreSQL: nothing is lost, and one line says what, where and what to do."""

from __future__ import annotations

import builtins
import select
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from snqd.config.schema import StoreConfig
from snqd.errors import BadItem, SchemaMismatch, StoreError, StoreUnavailable
from snqd.stores.outcomes import DeadLettered, DeadReason, Done, Retried
from snqd.stores.postgres import open_postgres
from snqd.stores.postgres.connection import redacted
from snqd.stores.postgres.store import PostgresStore
from tests.support.postgres import PASSWORD, free_port, fresh_database, wait_for
from tests.support.stores import claim, claim_one, frames, lane, new, waiting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.postgres import Cluster, Database

pytestmark = pytest.mark.pg


@pytest.fixture
def store(pg_database: Database) -> Iterator[PostgresStore]:
    store = pg_database.store()
    store.connect()
    yield store
    store.close()


def disconnect(database: Database) -> None:
    """End every session of snqd from the server's side, as an administrator or a failover does."""
    with database.connect() as administrator:
        administrator.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()"
        )


def connecting(url: str) -> str:
    """What a store that cannot connect says."""
    store = PostgresStore(StoreConfig(url=url))
    with pytest.raises(StoreError) as caught:
        store.connect()
    message = str(caught.value)
    assert "\n" not in message
    assert PASSWORD not in message
    return message


# ---- a connection that breaks


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["restart", "crash"])
def test_nothing_is_lost_when_the_server_restarts_in_the_middle(own_cluster: Cluster, how: signal.Signals) -> None:
    own_cluster._settings["fsync"] = "on"  # what was acknowledged must outlive a crash
    own_cluster.restart()
    with fresh_database(own_cluster) as database:
        store = database.store()
        store.connect()
        store.enqueue_many([new(frame=b"%d" % number) for number in range(10)])
        held = claim(store, limit=4)
        store.exchange([Done(held[0])], [])

        own_cluster.stop(how)
        with pytest.raises(StoreUnavailable):
            store.exchange([Done(held[1])], [lane()])
        with pytest.raises(StoreUnavailable):
            store.reconnect(held[1:])
        own_cluster.start()
        store.reconnect(held[1:])

        assert store.exchange([Done(item) for item in held[1:]], []).lost == []
        assert frames(claim(store)) == [b"%d" % number for number in range(4, 10)]
        store.close()


def test_a_reconnect_releases_what_was_claimed_in_our_name_but_never_reached_us(
    pg_database: Database, store: PostgresStore
) -> None:
    store.enqueue([new(frame=b"%d" % number) for number in range(4)])
    held = claim(store, limit=2)
    claim(store, limit=2)  # as if the answer had been lost with the connection
    disconnect(pg_database)

    with pytest.raises(StoreUnavailable, match="test_"):
        store.renew(held)
    store.reconnect(held)

    assert store.renew(held) == []
    assert frames(claim(store)) == [b"2", b"3"]


def test_an_ack_repeated_after_a_lost_answer_finds_nothing_and_harms_nothing(
    pg_database: Database, store: PostgresStore
) -> None:
    store.enqueue([new()])
    item = claim_one(store)
    store.exchange([Done(item)], [])  # committed, and as if the answer had been lost
    disconnect(pg_database)
    with pytest.raises(StoreUnavailable):
        store.exchange([Done(item)], [])

    store.reconnect([item])

    assert store.exchange([Done(item)], []).lost == [item]
    assert waiting(store) == []


def test_a_lost_listening_connection_is_noticed_at_once(pg_database: Database, store: PostgresStore) -> None:
    (descriptor,) = store.open_wakeups()
    with pg_database.connect() as administrator:
        administrator.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'snqd listen%'"
        )

    assert select.select([descriptor], [], [], 5.0)[0]
    with pytest.raises(StoreUnavailable, match="listening connection"):
        wait_for(store.read_wakeups, "the loss to be told")  # the server's last words may come in two pieces

    store.reconnect([])
    assert len(store.open_wakeups()) == 1


def test_a_call_on_a_store_that_is_not_connected_says_so(pg_database: Database) -> None:
    with pytest.raises(StoreUnavailable, match="not connected"):
        pg_database.store().promote()


def test_a_failed_exchange_leaves_no_transaction_open(store: PostgresStore) -> None:
    store.enqueue([new(), new()])
    first, second = claim(store)

    with pytest.raises(BadItem):
        store.exchange([Done(first, (new("x" * 100),)), Retried(second, 1.0, "later")], [])

    assert {record.state for record in waiting(store)} == {"claimed"}
    assert store.exchange([Done(first), Done(second)], []).lost == []


def test_a_renewal_waits_for_a_commit_that_is_still_on_its_way(store: PostgresStore, pg_database: Database) -> None:
    """The answer to it was lost, and the server may be about to carry it out."""
    store.enqueue([new()])
    item = claim_one(store)
    waits = "select exists (select from pg_stat_activity where wait_event_type = 'Lock' and query like %s)"
    with pg_database.connect() as other, pg_database.connect() as eyes, ThreadPoolExecutor() as pool:
        with other.transaction():
            other.execute("delete from queue_item where id = %s", (item.id,))
            lost = pool.submit(store.renew, [item])
            wait_for(lambda: eyes.execute(waits, ("update queue_item%",)).fetchone() == (True,), "the renewal to wait")

        assert lost.result() == [item]


# ---- a server that refuses


@pytest.mark.parametrize(
    ("sqlstate", "error"),
    [("53100", StoreUnavailable), ("53200", StoreUnavailable), ("57014", StoreUnavailable), ("XX001", StoreError)],
    ids=["disk full", "out of memory", "statement cancelled", "corrupted"],
)
def test_a_servers_trouble_becomes_one_line(
    pg_database: Database, store: PostgresStore, sqlstate: str, error: type[Exception]
) -> None:
    with pg_database.connect() as administrator:
        administrator.execute(
            "create function trouble() returns trigger language plpgsql as $$ begin "
            f"raise exception using errcode = '{sqlstate}', message = 'no more of it', hint = 'buy some'; end $$;"
            "create trigger trouble before insert on queue_item for each row execute function trouble()"
        )

    with pytest.raises(error) as caught:
        store.enqueue([new()])

    assert "no more of it (buy some)" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert type(caught.value) is error


def test_a_read_only_server_is_unavailable_and_not_broken(pg_database: Database, store: PostgresStore) -> None:
    store.enqueue([new()])
    with pg_database.connect() as administrator:
        administrator.execute(f"alter database {pg_database.name} set default_transaction_read_only = on")
    store.close()
    store.connect()

    with pytest.raises(StoreUnavailable, match="read-only"):
        claim(store)


def test_a_role_without_rights_is_told_which_and_where_to_look(pg_database: Database) -> None:
    with pg_database.connect() as administrator:
        administrator.execute(
            "drop role if exists poor; create role poor login; grant select on snqd_migration to poor"
        )
    store = PostgresStore(StoreConfig(url=pg_database.url.replace("snqd@", "poor@")))
    store.connect()

    with pytest.raises(StoreError, match=r"permission denied for table queue_item.*snqd schema sql"):
        store.enqueue([new()])

    store.close()
    with pg_database.connect() as administrator:
        administrator.execute("drop owned by poor; drop role poor")


# ---- an address that does not work


def test_a_wrong_password_is_refused_without_being_shown(pg_database: Database) -> None:
    wrong = "wrong-s3cret"
    message = connecting(pg_database.cluster.tcp_url(pg_database.name, password=wrong))

    assert "password authentication failed" in message
    assert f"at 127.0.0.1:{pg_database.cluster.port}, database {pg_database.name} as snqd" in message
    assert wrong not in message


def test_an_unknown_database_is_named(pg_cluster: Cluster) -> None:
    assert 'database "nowhere" does not exist' in connecting(pg_cluster.tcp_url("nowhere"))


def test_a_server_that_is_down_is_unavailable_with_its_address() -> None:
    port = free_port()
    store = PostgresStore(StoreConfig(url=f"postgresql://snqd:{PASSWORD}@127.0.0.1:{port}/queue"))

    with pytest.raises(StoreUnavailable) as caught:
        store.connect()

    assert f"at 127.0.0.1:{port}, database queue as snqd" in str(caught.value)
    assert "refused" in str(caught.value)
    assert PASSWORD not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://snqd:{PASSWORD}@host:port/queue",
        f"postgresql://snqd:{PASSWORD}%zz@host/queue",
        f"postgresql://snqd:{PASSWORD}@host/queue?colour=red",
        f"host=there password={PASSWORD} colour=red",
        f"host=there password='{PASSWORD}",
        f"postgresql+psycopg://snqd:{PASSWORD}@host/queue",
    ],
)
def test_an_address_that_libpq_cannot_read_is_explained_without_its_secret(url: str) -> None:
    assert "store.url" in connecting(url)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://me:secret@host:5432/db?sslmode=require", "postgresql://me:***@host:5432/db?sslmode=require"),
        ("postgresql://me@host/db", "postgresql://me@host/db"),
        ("postgresql:///db?host=/run&user=me&password=secret", "postgresql:///db?host=/run&user=me&password=***"),
        ("host=a password=secret user=b", "host=a password=*** user=b"),
        ("host=a password = 'se cret' user=b", "host=a password = *** user=b"),
        ("postgresql://me:sec@ret@host/db", "postgresql://me:***@host/db"),
    ],
)
def test_passwords_never_show_in_an_address(address: str, shown: str) -> None:
    assert redacted(address) == shown


def test_a_missing_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("snqd.stores.postgres.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    really_import = builtins.__import__

    def no_driver(name: str, *rest: Any) -> Any:
        if name == "psycopg":
            raise ModuleNotFoundError("No module named 'psycopg'", name="psycopg")
        return really_import(name, *rest)

    monkeypatch.setattr(builtins, "__import__", no_driver)

    with pytest.raises(StoreError, match=r"pip install 'snqd\[postgres\]'"):
        open_postgres(StoreConfig(url="postgresql:///queue"))


# ---- texts that PostgreSQL cannot hold


def test_errors_with_nul_characters_and_broken_unicode_are_kept_legibly(store: PostgresStore) -> None:
    store.enqueue([new(frame=b"1"), new(frame=b"2")])
    first, second = claim(store)

    store.exchange(
        [
            Retried(first, 60.0, "bad\0byte \ud800 end"),
            DeadLettered(second, DeadReason.ATTEMPTS, "nul\0", "traceback\0\udcff"),
        ],
        [],
    )

    (record,) = waiting(store)
    assert record.last_error == "bad\\0byte \\ud800 end"
    assert record.history[0].error == record.last_error


@pytest.mark.parametrize(
    "item",
    [
        new("a\0b"),
        new("x" * 64),
        new(site="a\ud800"),
        new(unique_key="k" * 501),
        new(priority=40_000),
        new(available_at=float("nan")),
        new(available_at=1e300),
        new(delay_seconds=float("inf")),
    ],
)
@pytest.mark.parametrize("many", [False, True], ids=["insert", "copy"])
def test_an_item_that_the_database_refuses_is_a_bad_item(store: PostgresStore, item: Any, many: bool) -> None:
    with pytest.raises(BadItem):
        store.enqueue_many([item]) if many else store.enqueue([item])

    assert waiting(store) == []


def test_a_schema_that_vanishes_is_a_mismatch_and_not_a_crash(pg_database: Database, store: PostgresStore) -> None:
    with pg_database.connect() as administrator:
        administrator.execute("alter table queue_item rename to elsewhere")

    with pytest.raises(SchemaMismatch, match="snqd schema upgrade"):
        store.counts()


def test_the_application_name_says_whose_session_it_is(pg_database: Database, store: PostgresStore) -> None:
    store.open_wakeups()
    with pg_database.connect() as administrator:
        names = {
            row[0]
            for row in administrator.execute(
                "select application_name from pg_stat_activity where datname = current_database()"
            )
        }

    assert {"snqd host/test/1.1/a", "snqd listen host/test/1.1/a"} <= names
