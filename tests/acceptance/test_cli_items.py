"""`snqd items`, `snqd dead`, `snqd status`, `snqd schema`: what an operator sees and repairs."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from snqd.config.schema import StoreConfig
from snqd.items import NewItem, QueueName, SiteName
from snqd.stores.outcomes import DeadLettered, DeadReason, Lane, Retried
from snqd.stores.sqlite.store import SqliteStore
from snqd.telemetry.board import Board, Phase, SlotState, Word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.command import Command

SECRET = "4111-1111-1111-1111"


@pytest.fixture
def store(snqd: Command) -> Iterator[SqliteStore]:
    """The store of the command's folder, held by this test as a worker would."""
    opened = SqliteStore(StoreConfig(url=f"sqlite:///{snqd.folder}/snqd.db"))
    opened.claimant = "host/main.1/1.1/test"
    opened.connect()
    yield opened
    opened.close()


@pytest.fixture
def filled(store: SqliteStore) -> SqliteStore:
    """Queue `mail`: 3 ready, 2 scheduled after an error, 1 claimed, 2 dead letters (one crashed); `other`: 1 ready."""
    new = [NewItem(QueueName("mail"), f'{{"card": "{SECRET}"}}'.encode(), site=SiteName("a")) for _ in range(8)]
    store.enqueue([*new, NewItem(QueueName("other"), b"1")])
    claimed = store.exchange([], [Lane((QueueName("mail"),), 5)]).claimed
    store.exchange(
        [
            Retried(claimed[0], 3600.0, "TimeoutError: timed out", "Traceback …"),
            Retried(claimed[1], 3600.0, "ValueError: \x1b[31mred", ""),
            DeadLettered(claimed[2], DeadReason.ATTEMPTS, "ValueError: bad address", "Traceback (most recent):\n  x"),
            DeadLettered(claimed[3], DeadReason.CRASH, "killed by SIGKILL", ""),
        ],
        [],
    )
    return store


def test_items_are_listed_by_filter_without_payloads(snqd: Command, filled: SqliteStore) -> None:
    everything = snqd("items", "list")
    scheduled = snqd("items", "list", "--queue", "mail", "--state", "scheduled", "--error", "timed out")

    assert everything.code == 0
    assert len(everything.out.splitlines()) == 1 + 7
    assert SECRET not in everything.out
    assert "\x1b" not in everything.out
    header, line = scheduled.out.splitlines()
    assert header.split() == ["ID", "STATE", "QUEUE", "SITE", "PRIORITY", "AGE", "DUE", "ATTEMPTS", "LAST", "ERROR"]
    assert line.split()[1:5] == ["scheduled", "mail", "a", "0"]
    assert line.endswith("TimeoutError: timed out")


def test_payloads_are_shown_only_when_asked_for(snqd: Command, filled: SqliteStore) -> None:
    for command in (
        ["items", "list", "--json"],
        ["items", "show", "9"],
        ["dead", "list", "--json"],
        ["dead", "show", "3"],
    ):
        assert SECRET not in snqd(*command).out, command
        assert SECRET in snqd(*command, "--payload").out or "9" in command, command


def test_an_item_is_shown_with_its_history_also_when_it_is_dead(snqd: Command, filled: SqliteStore) -> None:
    dead = snqd("items", "show", 3).out

    assert "state           dead (attempts)" in dead
    assert "attempt 1 " in dead
    assert "ValueError: bad address" in dead
    assert "    Traceback (most recent):" in dead
    assert json.loads(snqd("items", "show", 3, "--json").out)["reason"] == "attempts"


def test_a_list_that_was_cut_says_so(snqd: Command, store: SqliteStore) -> None:
    store.enqueue_many(NewItem(QueueName("mail"), b"1") for _ in range(150))

    cut, all_of_them = snqd("items", "list"), snqd("items", "list", "--limit", 0)

    assert len(cut.out.splitlines()) == 101
    assert cut.err == "snqd: only the first 100 are shown: --limit 0 shows all\n"
    assert (len(all_of_them.out.splitlines()), all_of_them.err) == (151, "")


def test_scheduled_items_are_made_ready_by_filter(snqd: Command, filled: SqliteStore) -> None:
    assert snqd("items", "retry", "--queue", "mail", "--error", "timed out", "--dry-run").out == (
        "1 item would be made ready\n"
    )
    assert snqd("items", "retry", "--queue", "mail", "--error", "timed out").out == "1 item made ready\n"
    assert snqd("items", "retry", "--all").out == "1 item made ready\n"
    assert snqd("items", "retry", "--all").out == "0 items made ready\n"


def test_discarding_spares_what_a_worker_holds(snqd: Command, filled: SqliteStore) -> None:
    assert snqd("items", "discard", "--queue", "mail", "--dry-run").out == "5 items would be deleted\n"
    assert snqd("items", "discard", "--queue", "mail", "--yes").out == "5 items deleted\n"

    left = [json.loads(line) for line in snqd("items", "list", "--json").out.splitlines()]
    assert [(item["queue"], item["state"]) for item in left] == [("mail", "claimed"), ("other", "ready")]


def test_dead_letters_are_replayed_and_discarded_by_filter(snqd: Command, filled: SqliteStore) -> None:
    assert len(snqd("dead", "list").out.splitlines()) == 3
    assert snqd("dead", "replay", "--reason", "crash", "--dry-run").out.startswith("1 dead letter would be replayed\n")
    assert snqd("dead", "replay", "--reason", "crash").out == "1 dead letter replayed\n"
    assert snqd("dead", "discard", "--older-than", "1h", "--yes").out == "0 dead letters deleted\n"
    assert snqd("dead", "discard", 3, "--yes").out == "1 dead letter deleted\n"
    assert snqd("dead", "list").out.splitlines()[1:] == []
    assert snqd("items", "show", 4).out.splitlines()[3].split() == ["state", "ready"]


@pytest.mark.parametrize("command", [("items", "retry"), ("items", "discard"), ("dead", "replay"), ("dead", "discard")])
def test_nothing_is_changed_without_saying_which(snqd: Command, filled: SqliteStore, command: tuple[str, str]) -> None:
    before = filled.counts()

    done = snqd(*command)

    assert done.code == 2
    assert done.error == f"say which: ids, --queue, --site, … or --all (see 'snqd {' '.join(command)} --help')"
    assert [facts[:6] for facts in filled.counts()] == [facts[:6] for facts in before]


@pytest.mark.parametrize("command", ["items", "dead"])
def test_nothing_is_deleted_without_a_yes(snqd: Command, filled: SqliteStore, command: str) -> None:
    done = snqd(command, "discard", "--all")

    assert done.code == 2
    assert "for ever: repeat with --yes to do it, or --dry-run to count" in done.error
    assert sum(facts.ready + facts.scheduled + facts.dead for facts in filled.counts()) == 8


def test_status_counts_every_queue_and_site(snqd: Command, filled: SqliteStore) -> None:
    rows = [line.split()[:6] for line in snqd("status").out.splitlines()]

    assert ["mail", "a", "3", "2", "1", "2"] in rows
    assert ["other", "default", "1", "0", "0", "0"] in rows
    assert json.loads(snqd("status", "--json").out)["queues"][0]["scheduled"] == 2


def test_status_says_when_no_daemon_runs_here(snqd: Command, store: SqliteStore) -> None:
    done = snqd("status")

    assert done.code == 0
    assert f"no daemon 'main' runs on this host (there is no {snqd.folder}/runtime/main.board" in done.out


def test_status_shows_the_workers_and_what_they_run(snqd: Command, store: SqliteStore) -> None:
    (snqd.folder / "runtime").mkdir()
    board = Board.create(snqd.folder / "runtime" / "main.board", daemon="main")
    slot = board.slot(1)
    for word, value in (
        (Word.SPAWNED_NS, time.monotonic_ns()),
        (Word.STATE, SlotState.RUNNING),
        (Word.PID, 4711),
        (Word.PHASE, Phase.HANDLING),
        (Word.HANDLED, 1234),
    ):
        slot.set(word, value)
    slot.begin(0, 99, "mail", "a.example")

    done = snqd("status")
    data = json.loads(snqd("status", "--json").out)

    assert f"daemon main, process {os.getpid()}" in done.out
    assert "main.1  4711  handling" in done.out
    assert "99 mail a.example" in done.out
    assert "1,234" in done.out
    assert data["daemon"]["workers"][0]["running"][0]["item"] == 99


def test_status_says_when_the_daemon_has_ended(snqd: Command, store: SqliteStore) -> None:
    (snqd.folder / "runtime").mkdir()
    path = snqd.folder / "runtime" / "main.board"
    code = f"""from pathlib import Path
from snqd.telemetry.board import Board
Board.create(Path({str(path)!r}), daemon="main")
"""
    subprocess.run([snqd.line()[0], "-c", code], env=snqd.environment(), check=True)

    assert "no daemon 'main' runs on this host (process " in snqd("status").out


def test_status_says_when_it_cannot_know(snqd: Command, store: SqliteStore) -> None:
    snqd.write("runtime/main.board", "not a board at all")

    done = snqd("status")

    assert done.code == 0
    assert "cannot see whether a daemon runs: " in done.out
    assert "is not a worker board of this version of snqd" in done.out


def test_a_reader_that_leaves_early_is_no_error(snqd: Command, store: SqliteStore) -> None:
    store.enqueue_many(NewItem(QueueName("mail"), b"1") for _ in range(5000))

    process = snqd.start("items", "list", "--limit", 0, "--json")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    _out, err = process.communicate()

    assert process.returncode == 141
    assert err == b""


def test_the_schema_is_made_reported_and_printed(snqd: Command) -> None:
    made = snqd("schema", "upgrade")
    again = snqd("schema", "upgrade")

    assert made.code == again.code == 0
    assert again.err == "snqd: nothing to do: the tables are up to date\n"
    assert all(line.startswith("applied  0") for line in snqd("schema", "status").out.splitlines())
    assert "CREATE TABLE queue_item" in snqd("schema", "sql").out
    assert snqd("schema", "sql", "--pending").out == ""


def test_tables_that_are_newer_are_reported_with_their_own_exit_code(snqd: Command) -> None:
    snqd("schema", "upgrade")
    with sqlite3.connect(snqd.folder / "snqd.db") as connection:
        (table,) = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
            if "migration" in name
        ]
        connection.execute(f"INSERT INTO {table} (name) VALUES ('9999_future')")

    assert snqd("schema", "status").code == 4
    assert "upgrade snqd" in snqd("items", "list").error
    assert snqd("items", "list").code == 4
