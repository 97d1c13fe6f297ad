"""What waits in a StatusNet database becomes items of ours: every row, once, and never half of them."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import pytest

from snqd.errors import SnqdError
from snqd.stores.postgres.statusnet import Flow, carry_over
from snqd.stores.sql import data_folder
from tests.support.postgres import fresh_database, missing_server, wait_for
from tests.support.statusnet import FILL_NEW, FILL_OLD, NEW_FORM, OLD_FORM, statusnet_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.command import Command
    from tests.support.postgres import Cluster, Database

pytestmark = pytest.mark.pg

ROWS = 10_000


@pytest.fixture
def new_form(pg_cluster: Cluster) -> Iterator[Database]:
    """StatusNet 0.9 with 10,000 waiting items."""
    with statusnet_database(pg_cluster, NEW_FORM, FILL_NEW, rows=ROWS) as database:
        yield database


@pytest.fixture
def old_form(pg_cluster: Cluster) -> Iterator[Database]:
    """StatusNet 0.8 with 10,000 waiting items."""
    with statusnet_database(pg_cluster, OLD_FORM, FILL_OLD, rows=ROWS) as database:
        yield database


@pytest.fixture
def small(pg_cluster: Cluster) -> Iterator[Database]:
    """StatusNet 0.9 with 10 waiting items."""
    with statusnet_database(pg_cluster, NEW_FORM, FILL_NEW, rows=10) as database:
        yield database


def rows(database: Database, query: str) -> list[Any]:
    with database.connect() as connection:
        return connection.execute(query.encode()).fetchall()


def carry(source: Database, target: Database, **changes: Any) -> list[Flow]:
    given: dict[str, Any] = {"source_url": source.url, "table": "queue_item", "site": "default", **changes}
    return carry_over(target.config(), **given)


def items(flows: list[Flow]) -> int:
    return sum(flow.items for flow in flows)


# ---- every row


def test_all_of_the_new_form_is_carried_over_as_what_it_is(new_form: Database, pg_database: Database) -> None:
    flows = carry(new_form, pg_database, site="example.net")

    assert flows == [
        Flow("distrib", "json", 7000, 100, 0),
        Flow("sms", "php", 1000, 0, 0),
        Flow("xmppout", "xml", 2000, 0, 0),
    ]
    theirs = rows(new_form, "SELECT transport, frame, created AT TIME ZONE 'UTC' FROM queue_item ORDER BY created")
    ours = rows(pg_database, "SELECT queue, frame, created FROM queue_item ORDER BY id")
    assert ours == theirs
    assert rows(
        pg_database, "SELECT DISTINCT state, site, attempts, claimed_by, created = available_at FROM queue_item"
    ) == [("ready", "example.net", 0, None, True)]
    assert len(theirs) == ROWS


def test_all_of_the_old_form_is_carried_over_as_notices(old_form: Database, pg_database: Database) -> None:
    flows = carry(old_form, pg_database)

    assert flows == [Flow("jabber", "json", 5000, 100, 0), Flow("omb", "json", 5000, 0, 0)]
    theirs = rows(
        old_form, "SELECT transport, notice_id::text, created AT TIME ZONE 'UTC' FROM queue_item ORDER BY created"
    )
    assert rows(pg_database, "SELECT queue, convert_from(frame, 'UTF8'), created FROM queue_item ORDER BY id") == theirs


def test_workers_get_what_was_carried_over_in_the_order_in_which_it_waited(
    small: Database, pg_database: Database
) -> None:
    from tests.support.stores import claim

    carry(small, pg_database)
    store = pg_database.store()
    store.connect()
    payloads = [item.frame for item in claim(store, "distrib", limit=20)]
    store.close()

    assert payloads == [str(1000 + n).encode() for n in range(6, -1, -1)]


FRAMES = {
    b"7": "json",
    b"123456789012345678": "json",
    b"0": "raw",
    b"007": "raw",
    b"-7": "raw",
    b"7\n": "raw",
    b"1234567890123456789": "raw",
    b"": "raw",
    b"<message/>": "xml",
    b" <message/>": "raw",
    b"N;": "php",
    b"b:1;": "php",
    b"i:5;": "php",
    b"d:0.5;": "php",
    b's:5:"hello";': "php",
    b'O:6:"Notice":0:{}': "php",
    b'C:11:"ArrayObject":0:{}': "php",
    b'{"type": "notice"}': "raw",
    b"system('id')": "raw",
    b"\x00\xff": "raw",
}


def test_a_frame_is_told_by_how_it_begins(pg_cluster: Cluster, pg_database: Database) -> None:
    with statusnet_database(pg_cluster, NEW_FORM) as source:
        with source.connect() as connection, connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO queue_item (frame, transport) VALUES (%s, 'x')", [(each,) for each in FRAMES]
            )
        carry(source, pg_database)

    assert dict(rows(pg_database, "SELECT frame, codec FROM queue_item")) == FRAMES


def test_times_that_cannot_be_become_the_nearest_that_can(pg_cluster: Cluster, pg_database: Database) -> None:
    fill = """INSERT INTO queue_item (frame, transport, created)
        VALUES ('1', 'a', 'infinity'), ('2', 'b', '-infinity'), ('3', 'c', '2999-01-01')"""
    with statusnet_database(pg_cluster, NEW_FORM, fill) as source:
        carry(source, pg_database)

    assert rows(
        pg_database, "SELECT queue, state, date_part('epoch', created) FROM queue_item WHERE created <= now()"
    ) == [
        ("b", "ready", 0.0),
        ("a", "ready", pytest.approx(rows(pg_database, "SELECT date_part('epoch', now())")[0][0], abs=60)),
        ("c", "ready", pytest.approx(rows(pg_database, "SELECT date_part('epoch', now())")[0][0], abs=60)),
    ]


# ---- once


def test_what_was_carried_over_once_is_not_carried_over_again(new_form: Database, pg_database: Database) -> None:
    carry(new_form, pg_database)
    rows_handled = "DELETE FROM queue_item WHERE queue = 'distrib' RETURNING 1"
    assert len(rows(pg_database, rows_handled)) == 7000

    again = carry(new_form, pg_database)

    assert items(again) == 0
    assert sum(flow.carried_before for flow in again) == ROWS
    assert rows(pg_database, "SELECT count(*) FROM queue_item") == [(3000,)]


def test_a_second_run_carries_what_came_since(small: Database, pg_database: Database) -> None:
    carry(small, pg_database)
    rows(small, "INSERT INTO queue_item (frame, transport) VALUES ('77', 'distrib') RETURNING id")

    assert Flow("distrib", "json", 1, 0, 7) in carry(small, pg_database)


def test_items_that_statusnet_itself_gave_the_new_form_are_the_same_items(
    old_form: Database, pg_database: Database
) -> None:
    carry(old_form, pg_database)
    with old_form.connect() as connection:
        connection.execute("ALTER TABLE queue_item RENAME TO queue_item_old")
        connection.execute("ALTER TABLE queue_item_old RENAME CONSTRAINT queue_item_pkey TO queue_item_old_pkey")
        connection.execute("DROP INDEX queue_item_created_idx")
        connection.execute(NEW_FORM.encode())
        connection.execute(
            "INSERT INTO queue_item (frame, transport, created, claimed)"
            " SELECT convert_to(notice_id::text, 'UTF8'), transport, created, claimed FROM queue_item_old"
        )

    assert items(carry(old_form, pg_database)) == 0


def test_a_table_that_was_emptied_and_numbers_anew_has_new_items(small: Database, pg_database: Database) -> None:
    carry(small, pg_database)
    with small.connect() as connection:
        connection.execute("TRUNCATE queue_item RESTART IDENTITY")
        connection.execute("INSERT INTO queue_item (frame, transport) VALUES ('1007', 'distrib')")

    assert items(carry(small, pg_database)) == 1


def test_two_sites_may_have_the_same_numbers(small: Database, pg_cluster: Cluster, pg_database: Database) -> None:
    with statusnet_database(pg_cluster, NEW_FORM, FILL_NEW, rows=10) as other:
        assert items(carry(small, pg_database, site="a.example")) == 10
        assert items(carry(other, pg_database, site="b.example")) == 10


def test_two_runs_at_once_take_turns(new_form: Database, pg_database: Database) -> None:
    start = threading.Barrier(3)
    carried: list[int] = []

    def run() -> None:
        start.wait()
        carried.append(items(carry(new_form, pg_database)))

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(carried) == [0, 0, ROWS]
    assert rows(pg_database, "SELECT count(*) FROM queue_item") == [(ROWS,)]


# ---- never half of them


def test_a_run_that_is_killed_half_way_has_carried_nothing_and_can_be_repeated(
    new_form: Database, pg_database: Database, snqd: Command
) -> None:
    words = ("schema", "import-statusnet", "--store", pg_database.url, "--from", new_form.url, "--json")
    with pg_database.connect() as obstacle:
        obstacle.execute("BEGIN; LOCK TABLE queue_item IN EXCLUSIVE MODE")
        importer = snqd.start(*words)
        wait_for(lambda: _waits_for_a_lock(pg_database), "the importer to stand before the table", seconds=30)
        importer.send_signal(signal.SIGKILL)
        importer.communicate()
        wait_for(lambda: not _is_connected(pg_database), "its session to end", seconds=30)
        obstacle.execute("ROLLBACK")
    assert rows(pg_database, "SELECT count(*) FROM queue_item") == [(0,)]

    done = snqd(*words)

    assert sum(flow["items"] for flow in json.loads(done.out)) == ROWS
    assert rows(pg_database, "SELECT count(*), count(DISTINCT frame) FROM queue_item") == [(ROWS, ROWS)]


def _waits_for_a_lock(database: Database) -> bool:
    query = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return bool(rows(database, query))


def _is_connected(database: Database) -> bool:
    """A server process notices a dead client only when it has something to send: here it is ended."""
    query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'snqd import-statusnet'"
    query += " AND datname = current_database()"
    return bool(rows(database, query))


def test_a_row_that_cannot_be_an_item_keeps_all_of_them_from_being_carried(
    small: Database, pg_database: Database
) -> None:
    for values, words in (
        ("('1', '')", r"1 row\(s\) .* first is item 11: its transport '' names no queue"),
        ("('1', E'a\\tb'), ('1', ' b')", r"2 row\(s\) .* names no queue"),
        ("('1', 'größe')", "printable ASCII"),
        (
            "(decode(repeat('00', 2000000), 'hex'), 'big')",
            "its frame has 2000000 bytes, more than store.frame_limit_bytes, 1048576",
        ),
    ):
        with small.connect() as connection:
            connection.execute(f"INSERT INTO queue_item (frame, transport) VALUES {values}".encode())

            with pytest.raises(SnqdError, match=words) as caught:
                carry(small, pg_database)

            connection.execute("DELETE FROM queue_item WHERE id > 10")
        assert "nothing was carried over" in str(caught.value)
    assert rows(pg_database, "SELECT count(*) FROM queue_item") == [(0,)]


# ---- side by side


def test_statusnet_and_snqd_live_in_two_schemas_of_one_database(pg_cluster: Cluster, snqd: Command) -> None:
    with statusnet_database(pg_cluster, NEW_FORM, FILL_NEW, "CREATE SCHEMA snqd", rows=20) as database:
        snqd.write("snqd.toml", f'[store]\nurl = "{database.url}&options=-csearch_path%3Dsnqd"\n')
        assert snqd("schema", "upgrade").code == 0

        done = snqd("schema", "import-statusnet", "--table", "public.queue_item")

        assert (done.code, done.err.splitlines()[-1]) == (
            0,
            "snqd: 20 items carried over; the rows of public.queue_item are kept until you drop it",
        )
        assert rows(database, "SELECT count(*) FROM snqd.queue_item") == [(20,)]
        assert rows(database, "SELECT count(*) FROM public.queue_item") == [(20,)]


def test_a_renamed_table_can_be_in_the_schema_of_snqd(pg_cluster: Cluster, snqd: Command) -> None:
    with statusnet_database(pg_cluster, OLD_FORM, FILL_OLD, rows=20) as database:
        refused = snqd("schema", "upgrade", "--store", database.url)
        assert "has a table that is not snqd's where snqd's would go" in refused.error
        assert "docs/statusnet.md" in refused.error

        with database.connect() as connection:
            connection.execute("ALTER TABLE queue_item RENAME TO statusnet_queue_item")
            connection.execute(
                "ALTER TABLE statusnet_queue_item RENAME CONSTRAINT queue_item_pkey TO statusnet_queue_item_pkey"
            )
        assert snqd("schema", "upgrade", "--store", database.url).code == 0
        done = snqd("schema", "import-statusnet", "--store", database.url, "--table", "statusnet_queue_item")

        assert done.code == 0
        assert rows(database, "SELECT count(*) FROM queue_item") == [(20,)]


def test_the_updater_can_be_run_by_hand(pg_cluster: Cluster) -> None:
    if shutil.which("psql") is None:
        missing_server("postgresql-client")
    with fresh_database(pg_cluster) as database:
        with database.connect() as connection:
            connection.execute("CREATE SCHEMA old; SET search_path = old")
            connection.execute(f"{NEW_FORM}{FILL_NEW.replace('{rows}', '30')}".encode())

        done = subprocess.run(
            ["psql", "-At", "-1", "-v", "ON_ERROR_STOP=1", "-f", str(data_folder() / "db" / "rc3to09.sql"),
             "-c", "SELECT queue, codec, items FROM pg_temp.statusnet_carry('old.queue_item', site => 'example.net')",
             database.url],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-3:] == ["distrib|json|21", "sms|php|3", "xmppout|xml|6"]
        assert rows(database, "SELECT count(*) FROM public.queue_item") == [(30,)]


# ---- the command


def test_a_dry_run_counts_and_changes_nothing(small: Database, pg_database: Database, snqd: Command) -> None:
    done = snqd("schema", "import-statusnet", "--store", pg_database.url, "--from", small.url, "--dry-run")

    assert done.code == 0
    assert [line.split() for line in done.out.splitlines()] == [
        ["QUEUE", "CODEC", "ITEMS", "WERE", "CLAIMED", "CARRIED", "BEFORE"],
        ["distrib", "json", "7", "1", "0"],
        ["sms", "php", "1", "0", "0"],
        ["xmppout", "xml", "2", "0", "0"],
    ]
    assert done.err == "snqd: 10 items would be carried over\n"
    assert rows(pg_database, "SELECT count(*), to_regclass('statusnet_carried') FROM queue_item") == [(0, None)]


def test_an_empty_table_is_no_error(pg_cluster: Cluster, pg_database: Database, snqd: Command) -> None:
    with statusnet_database(pg_cluster, NEW_FORM) as source:
        done = snqd("schema", "import-statusnet", "--store", pg_database.url, "--from", source.url)

    assert (done.code, done.out) == (0, "")
    assert "nothing waits in queue_item" in done.err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--table", "queue_item"], "is snqd's own table"),
        (["--site", "elsewhere"], "unknown site 'elsewhere'"),
        (["--from", "postgresql://x:hidden@127.0.0.1:1/statusnet"], "cannot connect to PostgreSQL at 127.0.0.1:1"),
        (["--store", "sqlite:///x.db"], "can be imported into a PostgreSQL store only"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(
    pg_database: Database, snqd: Command, words: list[str], expected: str
) -> None:
    store = () if "--store" in words else ("--store", pg_database.url)

    error = snqd("schema", "import-statusnet", *store, *words).error

    assert expected in error
    assert "hidden" not in error


def test_a_source_that_is_no_queue_of_statusnet_is_refused(pg_cluster: Cluster, pg_database: Database) -> None:
    with statusnet_database(
        pg_cluster,
        "CREATE TYPE kind AS ENUM ('x');"
        "CREATE TABLE dates (id int, frame bytea, transport text, created date, claimed date);"
        "CREATE TABLE half (id int, frame bytea);"
        "CREATE TABLE kinds (id int, frame bytea, transport kind, created timestamp, claimed timestamp);"
        "CREATE TABLE nothing ();",
    ) as source:
        for table, words in {
            "dates": "column created is date and not timestamp",
            "half": "it has the columns id, frame, and not",
            "kinds": "no queue of StatusNet",
            "nothing": "no queue of StatusNet",
            "pg_class": "no queue of StatusNet",
            "gone": f"no table gone of PostgreSQL at .* database {source.name}",
            "a.b.c.d": "--table 'a.b.c.d' is no name of a table",
        }.items():
            with pytest.raises(SnqdError, match=words):
                carry(source, pg_database, table=table)
    with pytest.raises(SnqdError, match="--from = 'mysql://localhost/x' is not a PostgreSQL address"):
        carry(source, pg_database, source_url="mysql://localhost/x")


def test_a_role_without_rights_is_told_which(small: Database, pg_cluster: Cluster, pg_database: Database) -> None:
    pg_cluster.execute("CREATE ROLE statusnet_reader LOGIN")
    try:
        url = small.url.replace("snqd@", "statusnet_reader@")
        with pytest.raises(SnqdError, match=f"database {small.name} as statusnet_reader.*needs SELECT"):
            carry(small, pg_database, source_url=url)
        with pg_database.connect() as connection:
            connection.execute("GRANT SELECT ON snqd_migration TO statusnet_reader")
        store = pg_database.config(url=pg_database.url.replace("snqd@", "statusnet_reader@"))
        with pytest.raises(SnqdError, match="as the owner of the tables of snqd"):
            carry_over(store, source_url=small.url, table="queue_item", site="default")
        with pg_database.connect() as connection:
            connection.execute("DROP OWNED BY statusnet_reader")
    finally:
        pg_cluster.execute("DROP ROLE statusnet_reader")
