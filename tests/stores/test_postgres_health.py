"""What the PostgreSQL store's probe tells of the database's own health, and of what keeps it from being cleaned up."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psycopg
import pytest

from snqd.stores.outcomes import Done
from snqd.stores.postgres import pins
from snqd.stores.postgres.pins import NO_PIN, QUERY_LIMIT, Pin, Pins, redacted
from tests.support.postgres import fresh_database, make_template, running_cluster
from tests.support.stores import claim, new
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snqd.stores.postgres.probe import PostgresProbe
    from tests.support.postgres import Database


def pin(kind: str = "transaction", pid: int = 7, *, horizon: str = "1", seconds: float | None = 100.0) -> Pin:
    return Pin(kind, pid, "name", horizon, seconds, "")


# ---- which pin


def test_the_pin_is_the_one_that_reaches_back_furthest_of_those_older_than_a_minute() -> None:
    found = [pin(pid=1, seconds=59.0), pin(pid=2, seconds=61.0), pin(pid=3, seconds=900.0)]

    assert Pins().oldest(found, 0.0).pid == 2
    assert Pins().oldest(found[:1], 0.0) == NO_PIN
    assert Pins().oldest([], 0.0) == NO_PIN


def test_a_slot_is_a_pin_when_it_has_kept_the_same_transaction_for_a_minute() -> None:
    kept = Pins()
    assert kept.oldest([pin("replication slot", -1, seconds=None)], 100.0) == NO_PIN
    assert kept.oldest([pin("replication slot", -1, seconds=None)], 159.0) == NO_PIN

    found = kept.oldest([pin("replication slot", -1, seconds=None)], 165.0)

    assert (found.pid, found.seconds, found.words) == (-1, 65.0, "replication slot name")


def test_a_slot_that_goes_on_is_none() -> None:
    kept = Pins()

    for number in range(10):
        moving = pin("replication slot", -1, horizon=str(number), seconds=None)
        assert kept.oldest([moving], 40.0 * number) == NO_PIN


# ---- what is told of a query


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("select * from t where name = 'Ada' and age > 36", "select * from t where name = ? and age > ?"),
        ("select 'it''s', E'it\\'s', e'\\\\', x'ff', N'n', U&'d' from t1", "select ?, ?, ?, ?, ?, ? from t1"),
        ("select $$a 'secret'$$, $tag$x $$ y$tag$, $1, $2", "select ?, ?, $1, $2"),
        ('update "my table" set "a""b 1" = -1.5e-3, c2 = .5', 'update "my table" set "a""b 1" = -?, c2 = ?'),
        ("select date'2026-01-01', interval '1 day', t1.c2", "select date?, interval ?, t1.c2"),
        ("select 1 -- my password is x\n  , 2 /* or 'y' */ from\tt", "select ? , ? from t"),
        ("insert into t values ('cut in the mid", "insert into t values (?"),
        ("select $q$ cut", "select ?"),
        ("select 1 /* cut", "select ?"),
        ("select 'a\\', 'b'", "select ?, ?"),
        ("select Größe from größe where ä='ö'", "select Größe from größe where ä=?"),
        ("", ""),
    ],
)
def test_a_query_is_told_without_literals_and_comments(query: str, shown: str) -> None:
    assert redacted(query) == shown


def test_a_long_query_is_cut() -> None:
    shown = redacted("select " + ", ".join(f"column_{number}" for number in range(100)))

    assert len(shown) == QUERY_LIMIT
    assert shown.endswith("…")


# ---- on the server


@pytest.fixture
def probe(pg_database: Database) -> Iterator[PostgresProbe]:
    probe = pg_database.store().probe()
    yield probe
    probe.close()


@pytest.mark.pg
def test_sizes_and_dead_rows_are_told(pg_database: Database, probe: PostgresProbe) -> None:
    before = probe.health()
    store = pg_database.store()
    store.connect()
    store.enqueue_many(new(frame=b"x" * 1000) for _ in range(1000))
    store.exchange([Done(item) for item in claim(store, limit=500)], [])
    store._connection.execute("select pg_stat_force_next_flush()")
    store.close()

    eventually(lambda: probe.health().dead_rows >= 500)
    after = probe.health()

    assert after.table_bytes > before.table_bytes + 1_000_000
    assert after.index_bytes > before.index_bytes > 0
    assert (before.live_rows, after.live_rows) == (0, 500)
    assert before.dead_letter_bytes > 0
    assert 0.0 < after.round_trip_seconds < 2.0


@pytest.mark.pg
def test_the_last_autovacuum_is_told() -> None:
    settings = {"autovacuum_naptime": "1", "fsync": "off"}
    with running_cluster(settings) as cluster:
        make_template(cluster)
        with fresh_database(cluster) as database:
            began = time.time()
            store = database.store()
            store.connect()
            store._connection.execute("alter table queue_item set (autovacuum_vacuum_threshold = 10)")
            store.enqueue_many(new() for _ in range(100))
            store.exchange([Done(item) for item in claim(store)], [])
            probe = store.probe()

            eventually(lambda: probe.health().last_autovacuum > 0.0, within_seconds=60.0, every_seconds=0.2)

            assert began - 1.0 < probe.health().last_autovacuum < time.time() + 1.0
            probe.close()
            store.close()


@pytest.mark.pg
@pytest.mark.parametrize("how", ["snapshot", "written"])
def test_an_old_transaction_is_named_with_its_query(
    pg_database: Database, probe: PostgresProbe, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    assert probe.health().pin_pid == 0
    with pg_database.connect() as other, pg_database.connect() as later:
        other.execute("begin isolation level repeatable read" if how == "snapshot" else "begin")
        if how == "written":
            other.execute("create table forgotten (id int)")
        else:
            other.execute("select 'secret' from queue_item where id = 42")
        later.execute("begin isolation level repeatable read")
        later.execute("select 1")
        assert probe.health().pin_pid == 0  # not a minute old
        monkeypatch.setattr(pins, "OLD_SECONDS", 0.05)

        found = eventually(lambda: (health := probe.health()).pin_pid and health)

        assert found
        assert found.pin_pid == other.info.backend_pid
        assert 0.05 <= found.pin_age_seconds < 60.0
        assert found.pin_query == (
            "select ? from queue_item where id = ?" if how == "snapshot" else "create table forgotten (id int)"
        )
        other.execute("rollback")
        later.execute("rollback")
    assert probe.health().pin_pid == 0


@pytest.mark.pg
def test_transactions_of_other_databases_are_no_pins(
    pg_database: Database, probe: PostgresProbe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pins, "OLD_SECONDS", 0.0)
    with psycopg.connect(pg_database.cluster.url("postgres")) as other:
        other.execute("set transaction isolation level repeatable read")
        other.execute("select 1")

        assert probe.health().pin_pid == 0


@pytest.mark.pg
def test_a_prepared_transaction_that_somebody_forgot_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pins, "OLD_SECONDS", 0.0)
    with running_cluster({"fsync": "off", "max_prepared_transactions": "2", "wal_level": "logical"}) as cluster:
        make_template(cluster)
        with fresh_database(cluster) as database, database.connect() as other:
            probe = database.store().probe()
            other.execute("begin")
            other.execute("create table forgotten (id int)")
            other.execute("prepare transaction 'the forgotten one'")

            found = probe.health()

            assert (found.pin_pid, found.pin_query) == (-1, "prepared transaction the forgotten one")
            other.execute("rollback prepared 'the forgotten one'")
            assert probe.health().pin_pid == 0
            probe.close()
