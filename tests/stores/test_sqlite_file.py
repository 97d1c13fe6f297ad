"""The SQLite file: who may write it, what a plain INSERT gives, what goes wrong with files and disks."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from snqd.config.schema import StoreConfig
from snqd.errors import BadItem, ConfigError, DaemonRunning, SchemaMismatch, StoreError, StoreUnavailable
from snqd.stores.outcomes import Done, Exchanged, Retried
from snqd.stores.records import ItemFilter
from snqd.stores.sql import migrations
from snqd.stores.sqlite import enqueue
from snqd.stores.sqlite.location import lock_for_daemon, path_from_url
from snqd.stores.sqlite.schema import statements
from snqd.stores.sqlite.store import SqliteStore
from tests.support.racing import CHECKOUT
from tests.support.stores import OpenStore, Recipe, claim, claim_one, frames, lane, new, waiting
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snqd.stores.base import Store


@pytest.fixture
def recipe(sqlite_recipe: Recipe) -> Recipe:
    return sqlite_recipe


@pytest.fixture
def plain(store: Store, recipe: Recipe) -> Iterator[sqlite3.Connection]:
    """A connection of a program that knows nothing of snqd, on the store's file."""
    with closing(sqlite3.connect(recipe.location, isolation_level=None)) as connection:
        yield connection


def one_line(error: pytest.ExceptionInfo[Exception]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


class TestPlainSql:
    """Any program can enqueue with one INSERT."""

    def test_an_insert_of_queue_and_frame_is_enough(self, store: Store, plain: sqlite3.Connection) -> None:
        plain.execute("INSERT INTO queue_item (queue, frame) VALUES ('mail', x'00ff')")

        item = claim_one(store)

        assert (item.frame, item.site, item.codec, item.priority) == (b"\x00\xff", "default", "json", 0)
        assert abs(item.created - time.time()) < 5.0
        assert item.available_at == item.created

    def test_a_frame_inserted_as_text_is_its_utf_8(self, store: Store, plain: sqlite3.Connection) -> None:
        plain.execute("""INSERT INTO queue_item (site, queue, frame) VALUES ('a', 'mail', '{"to": "Zoë"}')""")

        assert [record.frame for record in waiting(store)] == ['{"to": "Zoë"}'.encode()]
        assert claim_one(store).frame == '{"to": "Zoë"}'.encode()

    @pytest.mark.parametrize("frame", ["NULL", "42", "1.5"])
    def test_a_frame_that_is_neither_bytes_nor_text_is_refused(self, plain: sqlite3.Connection, frame: str) -> None:
        with pytest.raises(sqlite3.IntegrityError, match="frame"):
            plain.execute(f"INSERT INTO queue_item (queue, frame) VALUES ('mail', {frame})")

    def test_an_insert_with_a_time_to_come_is_scheduled(self, store: Store, plain: sqlite3.Connection) -> None:
        plain.execute("INSERT INTO queue_item (queue, frame, available_at) VALUES ('mail', 'x', ?)", [time.time() + 60])
        plain.execute("INSERT INTO queue_item (queue, frame, available_at) VALUES ('mail', 'y', ?)", [time.time() - 60])

        assert [(record.frame, record.state) for record in waiting(store)] == [(b"x", "scheduled"), (b"y", "ready")]
        assert frames(claim(store)) == [b"y"]

    def test_an_unknown_state_is_refused(self, plain: sqlite3.Connection) -> None:
        with pytest.raises(sqlite3.IntegrityError):
            plain.execute("INSERT INTO queue_item (queue, frame, state) VALUES ('mail', 'x', 'done')")

    def test_names_that_are_not_utf_8_do_not_stop_the_queue(self, store: Store, plain: sqlite3.Connection) -> None:
        plain.execute("INSERT INTO queue_item (site, queue, frame) VALUES (CAST(x'ff61' AS TEXT), 'mail', 'odd')")
        plain.execute("INSERT INTO queue_item (queue, frame, codec) VALUES ('mail', 'second', CAST(x'fe' AS TEXT))")
        store.enqueue([new(frame=b"third")])

        items = claim(store)

        assert frames(items) == [b"odd", b"second", b"third"]
        assert items[0].site == "\ufffda"
        assert store.exchange([Done(item) for item in items], []).lost == []

    def test_text_frames_that_are_not_utf_8_come_out_as_they_went_in(
        self, store: Store, plain: sqlite3.Connection
    ) -> None:
        plain.execute("INSERT INTO queue_item (queue, frame) VALUES ('mail', CAST(x'ff0061' AS TEXT))")

        assert claim_one(store).frame == b"\xff\x00a"

    def test_a_spoiled_history_does_not_stop_a_retry(self, store: Store, plain: sqlite3.Connection) -> None:
        plain.execute("INSERT INTO queue_item (queue, frame, history) VALUES ('mail', 'x', '{not json')")

        store.exchange([Retried(claim_one(store), 0.0, "again")], [])

        assert [entry.error for entry in waiting(store)[0].history][-1] == "again"


class TestOwnConnection:
    """Enqueue on the caller's connection."""

    def test_items_vanish_with_the_callers_transaction(self, store: Store, plain: sqlite3.Connection) -> None:
        plain.execute("BEGIN")
        enqueue.enqueue(plain, [new()])
        assert enqueue.enqueue_many(plain, [new(), new()]) == 2
        assert plain.in_transaction
        plain.execute("ROLLBACK")

        assert waiting(store) == []

    def test_items_come_with_the_callers_commit_and_not_before(self, store: Store, plain: sqlite3.Connection) -> None:
        plain.execute("BEGIN")
        ids = enqueue.enqueue(plain, [new(unique_key="k"), new(unique_key="k")])
        assert waiting(store) == []
        plain.execute("COMMIT")

        assert [record.id for record in waiting(store)] == ids[:1]
        assert ids[1] is None

    @pytest.mark.parametrize("isolation_level", [None, "", "DEFERRED", "EXCLUSIVE"])
    def test_without_a_transaction_they_are_stored_at_once(
        self, store: Store, recipe: Recipe, isolation_level: str | None
    ) -> None:
        with closing(sqlite3.connect(recipe.location)) as connection:
            connection.isolation_level = isolation_level  # type: ignore[assignment]
            connection.row_factory = sqlite3.Row
            enqueue.enqueue(connection, [new()])
            enqueue.enqueue_many(connection, [new()])
            assert not connection.in_transaction

        assert len(waiting(store)) == 2

    def test_how_long_it_waits_is_up_to_the_connection(self, store: Store, recipe: Recipe) -> None:
        with (
            closing(sqlite3.connect(recipe.location, timeout=0.2)) as connection,
            closing(sqlite3.connect(recipe.location, isolation_level=None)) as other,
        ):
            connection.row_factory = lambda _cursor, row: {"only": row[0]}
            other.execute("BEGIN IMMEDIATE")
            started = time.monotonic()
            with pytest.raises(StoreUnavailable, match=r"queue\.db is locked") as error:
                enqueue.enqueue(connection, [new()])
            assert 0.2 <= time.monotonic() - started < 5.0
            one_line(error)
            other.execute("COMMIT")

            enqueue.enqueue(connection, [new()])

            assert connection.execute("PRAGMA busy_timeout").fetchone() == {"only": 200}

    def test_a_database_without_the_tables_is_told(self, tmp_path: Path) -> None:
        with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
            with pytest.raises(StoreError, match=r"other\.db has no snqd tables: run `snqd schema upgrade`"):
                enqueue.enqueue(connection, [new()])
            assert not connection.in_transaction

    @pytest.mark.parametrize(
        "values", [{"delay_seconds": float("inf")}, {"available_at": float("nan")}, {"priority": 2**70}]
    )
    def test_values_that_no_table_holds_are_bad_items(
        self, store: Store, plain: sqlite3.Connection, values: dict[str, Any]
    ) -> None:
        for call in (lambda items: enqueue.enqueue(plain, items), store.enqueue, store.enqueue_many):
            with pytest.raises(BadItem) as error:
                call([new(**values)])
            one_line(error)
        assert waiting(store) == []


class TestHandlerTransaction:
    """The connection that a handler gets."""

    @pytest.mark.parametrize("statement", ["COMMIT", "ROLLBACK", "END", "BEGIN"])
    def test_a_handler_cannot_end_the_transaction_in_sql(self, store: Store, statement: str) -> None:
        store.enqueue([new()])

        def handle() -> None:
            with store.transaction(claim_one(store)) as connection:
                connection.execute(statement)

        with pytest.raises(sqlite3.DatabaseError):
            handle()
        assert [record.state for record in waiting(store)] == ["claimed"]

    @pytest.mark.parametrize("method", ["commit", "rollback"])
    def test_a_handler_cannot_end_the_transaction_by_method(self, store: Store, method: str) -> None:
        store.enqueue([new()])

        def handle() -> None:
            with store.transaction(claim_one(store)) as connection:
                getattr(connection, method)()

        with pytest.raises(StoreError, match="belongs to the worker"):
            handle()
        assert [record.state for record in waiting(store)] == ["claimed"]

    def test_with_connection_is_a_savepoint(self, store: Store) -> None:
        store.enqueue([new()])
        with store.transaction(claim_one(store)) as connection:
            with connection:
                connection.execute("CREATE TABLE kept (x)")
            with suppress(ZeroDivisionError), connection:
                connection.execute("INSERT INTO kept VALUES (1)")
                raise ZeroDivisionError
            connection.execute("INSERT INTO kept VALUES (2)")

        store.enqueue([new()])
        with store.transaction(claim_one(store)) as connection:
            assert connection.execute("SELECT x FROM kept").fetchall() == [(2,)]

    def test_others_wait_for_the_transaction_and_then_go_on(self, recipe: Recipe, open_store: OpenStore) -> None:
        store = open_store()
        store.enqueue([new(), new(frame=b"next")])
        item = claim_one(store)
        impatient = SqliteStore(StoreConfig(url=f"sqlite:///{recipe.location}"), lock_wait_seconds=0.1)
        impatient.connect()

        with store.transaction(item):
            with pytest.raises(StoreUnavailable, match="is locked: another program has held") as error:
                impatient.enqueue([new()])
            one_line(error)
            assert impatient.exchange([], [lane("empty")]) == Exchanged([], [])

        assert impatient.exchange([], [lane()]).claimed[0].frame == b"next"
        impatient.close()


class TestWrongFiles:
    """What a person sees when the file is not as it should be."""

    def make(self, path: Path | str) -> SqliteStore:
        return SqliteStore(StoreConfig(url=f"sqlite:///{path}"))

    def test_a_missing_folder_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match=r"the folder .*nowhere does not exist: create it first") as error:
            self.make(tmp_path / "nowhere" / "q.db").connect()
        one_line(error)

    def test_a_folder_is_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match="it is a folder") as error:
            self.make(tmp_path).connect()
        one_line(error)

    def test_a_file_that_is_no_database_is_left_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "letter.txt"
        path.write_text("Dear Sir or Madam, " * 1000)

        with pytest.raises(StoreError, match=r"letter\.txt is not an SQLite database") as error:
            self.make(path).connect()

        one_line(error)
        assert path.read_text() == "Dear Sir or Madam, " * 1000

    def test_a_damaged_database_is_told(self, recipe: Recipe, open_store: OpenStore) -> None:
        store = open_store()
        store.enqueue_many([new(frame=b"x" * 500) for _ in range(500)])
        store.close()
        with open(recipe.location, "r+b") as file:  # noqa: PTH123
            file.seek(4096)
            file.write(os.urandom(4096 * 40))

        with pytest.raises(StoreError, match="damaged") as error:
            list(open_store().find(ItemFilter()))

        assert not isinstance(error.value, StoreUnavailable)
        one_line(error)

    @pytest.fixture
    def public(self) -> Iterator[Path]:
        """A folder that others may enter (pytest's own are private)."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            folder.chmod(0o755)
            yield folder
            folder.chmod(0o755)

    def test_a_folder_without_permission_is_named(self, public: Path) -> None:
        public.chmod(0o555)

        told = run_without_rights(f"sqlite:///{public}/q.db")

        assert told.startswith(f"StoreError cannot open {public}/q.db: uid ")
        assert f"may not write to the folder {public}" in told

    def test_a_way_that_is_closed_is_named(self, public: Path) -> None:
        (public / "inner").mkdir()
        public.chmod(0o600)

        told = run_without_rights(f"sqlite:///{public}/inner/q.db")

        assert told.startswith(f"StoreError cannot open {public}/inner/q.db: uid ")

    def test_a_file_without_permission_is_named(self, public: Path) -> None:
        store = self.make(public / "q.db")
        store.connect()
        store.close()
        public.chmod(0o777)
        (public / "q.db").chmod(0o444)

        told = run_without_rights(f"sqlite:///{public}/q.db")

        assert told.startswith(f"StoreError cannot write to {public}/q.db: uid ")
        assert "may not write to it" in told

    def test_an_older_schema_is_not_upgraded_silently(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        store = self.make(tmp_path / "q.db")
        store.connect()
        store.close()
        later = migrations("sqlite")[-1]._replace(name="9998_later", sql="CREATE TABLE later (x);\n")
        monkeypatch.setattr("snqd.stores.sqlite.schema.migrations", lambda _engine: [*migrations("sqlite"), later])

        with pytest.raises(SchemaMismatch, match=r"lacks migration 9998_later: .*`snqd schema upgrade`") as error:
            store.connect()
        one_line(error)
        assert store.schema_status().pending == ("9998_later",)

        assert store.schema_upgrade() == ["9998_later"]
        assert store.schema_upgrade() == []
        store.connect()
        assert store.schema_status().pending == ()
        store.close()

    def test_a_newer_schema_is_refused(self, tmp_path: Path) -> None:
        store = self.make(tmp_path / "q.db")
        store.connect()
        store.close()
        with closing(sqlite3.connect(tmp_path / "q.db")) as connection, connection:
            connection.execute("INSERT INTO snqd_migration (name) VALUES ('9999_future')")

        with pytest.raises(SchemaMismatch, match=r"made by a newer snqd .*9999_future.*: upgrade snqd") as error:
            store.connect()
        one_line(error)
        assert store.schema_status().unknown == ("9999_future",)

    def test_the_tables_of_another_program_are_not_added_to_unasked(self, tmp_path: Path) -> None:
        with closing(sqlite3.connect(tmp_path / "app.db")) as connection:
            connection.execute("CREATE TABLE users (name)")
        store = self.make(tmp_path / "app.db")

        with pytest.raises(SchemaMismatch, match="has tables, but not snqd's: run `snqd schema upgrade`"):
            store.connect()

        assert store.schema_upgrade() == [step.name for step in migrations("sqlite")]
        store.connect()
        store.close()

    def test_a_file_that_was_removed_is_noticed(self, store: Store, recipe: Recipe) -> None:
        Path(recipe.location).unlink()

        with pytest.raises(StoreUnavailable, match="was removed or replaced"):
            store.reclaim()

    @pytest.mark.parametrize(
        "url", ["sqlite://q.db", "sqlite:///", "sqlite:///:memory:", "sqlite:///q.db?mode=ro", "q.db"]
    )
    def test_an_address_that_names_no_file_is_refused(self, url: str) -> None:
        with pytest.raises(ConfigError, match=r"expected sqlite:///relative\.db"):
            path_from_url(url)

    def test_addresses_name_files(self) -> None:
        assert str(path_from_url("sqlite:///q.db")) == "q.db"
        assert str(path_from_url("sqlite:////var/lib/my%20queue.db")) == "/var/lib/my queue.db"


class TestFullDisk:
    @pytest.fixture
    def disk(self, tmp_path: Path) -> Iterator[Path]:
        """A file system of 4 MiB."""
        if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", tmp_path]).returncode:
            pytest.skip("mounting a small tmpfs needs root and the right to mount")
        yield tmp_path
        subprocess.run(["umount", "-l", tmp_path], check=True)

    def test_a_full_disk_loses_nothing_and_work_goes_on_when_there_is_room(self, disk: Path) -> None:
        store = SqliteStore(StoreConfig(url=f"sqlite:///{disk}/q.db"))
        store.connect()
        store.claimant = "me"
        ballast = disk / "ballast"
        ballast.write_bytes(b"x" * 1_500_000)
        stored: list[bytes] = []

        def fill() -> None:
            while True:
                frame = b"%d" % len(stored) + b"x" * 5000
                store.enqueue([new(frame=frame)])
                stored.append(frame)

        with pytest.raises(StoreUnavailable, match="the disk is full") as error:
            fill()
        one_line(error)
        assert stored

        ballast.unlink()

        assert store.enqueue([new(frame=b"last")]) != [None]
        store.reconnect([])
        done: list[bytes] = []
        held = claim(store, limit=50)
        while held:
            done += frames(held)
            exchanged = store.exchange([Done(item) for item in held], [lane(limit=50)])
            assert exchanged.lost == []
            held = exchanged.claimed
        store.close()
        assert done == [*stored, b"last"]


class TestDaemonLock:
    def test_a_second_daemon_on_the_same_file_is_told_the_pid_of_the_first(self, tmp_path: Path) -> None:
        path = tmp_path / "q.db"
        program = (
            "import sys; from snqd.stores.sqlite.location import lock_for_daemon; "
            "lock_for_daemon(sys.argv[1]); print('locked', flush=True); sys.stdin.read()"
        )
        with subprocess.Popen(
            [sys.executable, "-c", program, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as first:
            assert first.stdout is not None
            assert first.stdout.readline() == "locked\n"

            with pytest.raises(DaemonRunning, match=rf"a daemon \(pid {first.pid}\) already serves .*q\.db") as error:
                lock_for_daemon(path)

            one_line(error)
            first.kill()
        lock = eventually(lambda: _lock_if_free(path))
        assert lock is not None
        os.close(lock)

    def test_the_lock_imports_no_driver(self) -> None:
        program = "import sys; import snqd.stores.sqlite.location; print('sqlite3' in sys.modules)"
        # coverage would import its own database driver
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}

        assert subprocess.check_output([sys.executable, "-c", program], text=True, env=environment) == "False\n"


class TestMigrations:
    def test_migrations_applied_by_hand_are_known_to_the_store(self, tmp_path: Path) -> None:
        with closing(sqlite3.connect(tmp_path / "q.db")) as connection:
            for step in migrations("sqlite"):
                connection.executescript(step.sql)

        store = SqliteStore(StoreConfig(url=f"sqlite:///{tmp_path}/q.db"))
        store.connect()
        store.close()

    def test_scripts_are_split_into_whole_statements(self) -> None:
        script = "CREATE TABLE a (x);\nCREATE TRIGGER t AFTER INSERT ON a\nBEGIN\n  DELETE FROM a;\nEND;\n-- end\n"

        assert [statement.split()[1] for statement in statements(script)] == ["TABLE", "TRIGGER"]

    def test_the_claim_and_the_search_for_ready_queues_use_the_small_index(
        self, store: Store, plain: sqlite3.Connection
    ) -> None:
        from snqd.stores.sql import queries

        sql = queries("sqlite")
        for name, values in (("first_ready", [1, "mail", 10]), ("heads", ['["mail"]']), ("ready_queues", [])):
            plan = " ".join(str(row[3]) for row in plain.execute(f"EXPLAIN QUERY PLAN {sql[name]}", values))
            assert "queue_item_ready" in plan, plan
            in_order = "SCAN queue_item USING INDEX queue_item_ready"  # of the queues, and it ends at the first row
            assert "SCAN queue_item" not in plan.replace(in_order, ""), plan
            assert "TEMP B-TREE" not in plan or name == "heads", plan


def run_without_rights(url: str) -> str:
    """What connecting and enqueuing says to a user without rights: the error's class and text."""
    program = (
        "import os, sys, traceback\n"
        "from tests.support.stores import SqliteStore, StoreConfig, new\n"
        "from snqd.stores.sqlite import schema\n"
        "steps = schema.migrations('sqlite')\n"
        "schema.migrations = lambda _engine: steps  # the checkout may be closed to others\n"
        "if os.geteuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "store = SqliteStore(StoreConfig(url=sys.argv[1]))\n"
        "try:\n"
        "    store.connect(); store.enqueue([new()])\n"
        "except Exception as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    return subprocess.check_output([sys.executable, "-c", program, url], text=True, cwd=CHECKOUT)


def _lock_if_free(path: Path) -> int | None:
    try:
        return lock_for_daemon(path)
    except DaemonRunning:
        return None
