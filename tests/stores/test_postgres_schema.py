"""The schema is checked before anything is done, upgraded once however many try, and independent of search_path."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from snqd.errors import SchemaMismatch
from snqd.stores.base import Migration
from snqd.stores.postgres import schema
from snqd.stores.sql import migrations
from tests.support.postgres import fresh_database
from tests.support.stores import claim_one

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.postgres import Cluster, Database

pytestmark = pytest.mark.pg


@pytest.fixture
def empty_database(pg_cluster: Cluster) -> Iterator[Database]:
    with fresh_database(pg_cluster, "template0") as database:
        yield database


def test_a_database_without_tables_says_how_to_make_them(empty_database: Database) -> None:
    store = empty_database.store()

    with pytest.raises(SchemaMismatch, match=rf"{empty_database.name}.*no tables.*run `snqd schema upgrade`"):
        store.connect()

    status = store.schema_status()
    assert status.applied == ()
    assert status.pending == status.known
    store.close()


def test_an_upgrade_applies_everything_once(empty_database: Database) -> None:
    store = empty_database.store()

    assert store.schema_upgrade() == [migration.name for migration in migrations("postgres")]
    assert store.schema_upgrade() == []
    store.connect()
    assert store.schema_status().pending == ()
    store.close()


def test_two_upgrades_at_once_take_turns(empty_database: Database) -> None:
    start = threading.Barrier(4)
    done: list[list[str]] = []
    errors: list[BaseException] = []

    def upgrade() -> None:
        store = empty_database.store()
        store.schema_status()
        start.wait()
        try:
            done.append(store.schema_upgrade())
        except BaseException as error:
            errors.append(error)
        finally:
            store.close()

    threads = [threading.Thread(target=upgrade) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    applied = sorted(name for names in done for name in names)
    assert applied == [migration.name for migration in migrations("postgres")], "each once, by whoever came first"


def test_a_schema_of_a_newer_snqd_is_refused_by_name(pg_database: Database) -> None:
    with pg_database.connect() as connection:
        connection.execute("insert into snqd_migration (name) values ('9999_of_the_future')")

    with pytest.raises(SchemaMismatch, match=r"newer snqd.*9999_of_the_future.*upgrade snqd"):
        pg_database.store().connect()


def test_a_schema_of_an_older_snqd_names_what_is_pending(
    pg_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch, Migration("9998_new_column", "alter table queue_item add column colour text"))
    store = pg_database.store()

    with pytest.raises(SchemaMismatch, match=r"lacks the migration 9998_new_column: run `snqd schema upgrade`"):
        store.connect()

    assert store.schema_upgrade() == ["9998_new_column"]
    store.connect()
    store.close()


def test_a_migration_that_fails_leaves_nothing_behind(pg_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch, Migration("9998_half", "alter table queue_item add column colour text; select 1/0"))
    store = pg_database.store()

    with pytest.raises(Exception, match="division by zero"):
        store.schema_upgrade()

    assert store.schema_status().pending == ("9998_half",)
    with pg_database.connect() as connection:
        columns = connection.execute("select from information_schema.columns where column_name = 'colour'").fetchall()
    assert columns == []
    store.close()


def test_a_migration_that_was_passed_over_is_not_slipped_in(
    pg_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pg_database.connect() as connection:
        connection.execute("insert into snqd_migration (name) values ('9999_later')")
    add(monkeypatch, Migration("9998_earlier", "select 1"), Migration("9999_later", "select 1"))
    store = pg_database.store()

    with pytest.raises(SchemaMismatch, match="9998_earlier"):
        store.schema_upgrade()
    store.close()


def add(monkeypatch: pytest.MonkeyPatch, *more: Migration) -> None:
    known = [*migrations("postgres"), *more]
    monkeypatch.setattr(schema, "migrations", lambda _engine: known)


@pytest.mark.parametrize("statement", ["select apart.snqd_enqueue('mail', '1', delay => '1 second')", None])
def test_enqueuers_need_no_search_path_and_few_rights(empty_database: Database, statement: str | None) -> None:
    plain = (
        "insert into apart.queue_item (queue, frame, available_at) values ('mail', '1', now() + interval '1 second')"
    )
    with empty_database.connect() as connection:
        connection.execute("create schema apart")
        connection.execute("drop role if exists clerk; create role clerk login")
    apart = empty_database.store(url=f"{empty_database.url}&options=-csearch_path%3Dapart")
    apart.schema_upgrade()
    apart.connect()
    with empty_database.connect() as connection:
        connection.execute("grant usage on schema apart to clerk; grant insert, select on apart.queue_item to clerk")
        # a table of the same name that a careless function would find first
        connection.execute("create table public.queue_item (id int)")
        connection.execute("set role clerk")
        connection.execute((statement or plain).encode())
        connection.execute("reset role")

    promoted: Any = apart.promote()
    assert promoted.items == 0
    assert promoted.next_due_seconds == pytest.approx(1.0, abs=1.0)
    with empty_database.connect() as connection:
        connection.execute("update apart.queue_item set available_at = now()")
    assert apart.promote().items == 1
    assert claim_one(apart).frame == b"1"
    apart.close()
    with empty_database.connect() as connection:
        connection.execute("drop owned by clerk; drop role clerk")
