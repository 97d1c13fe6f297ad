"""`snqd dead` and the corrections of `snqd items`, as an operator uses them at 3 am."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from snqd.config.schema import StoreConfig
from snqd.items import NewItem, QueueName, SiteName
from snqd.stores.fingerprint import fingerprint
from snqd.stores.outcomes import DeadLettered, DeadReason, Lane
from snqd.stores.records import ItemFilter
from snqd.stores.sqlite.store import SqliteStore
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.command import Command

SECRET = "4111-1111-1111-1111"
TIMED_OUT = "TimeoutError: no answer from 10.0.0.%d within 30 s"
MISSING = "KeyError: 'user'"
GROUP = fingerprint(TIMED_OUT % 1)


@pytest.fixture
def store(snqd: Command) -> Iterator[SqliteStore]:
    opened = SqliteStore(StoreConfig(url=f"sqlite:///{snqd.folder}/snqd.db"))
    opened.claimant = "host/main.1/1.1/test"
    opened.connect()
    yield opened
    opened.close()


def bury(store: SqliteStore, count: int, error: str, queue: str = "mail", site: str = "a", **more: Any) -> None:
    frame = f'{{"card": "{SECRET}"}}'.encode()
    store.enqueue([NewItem(QueueName(queue), frame, site=SiteName(site), **more) for _ in range(count)])
    while claimed := store.exchange([], [Lane((QueueName(queue),), 1000)]).claimed:
        told = [error % (item.id % 250) if "%d" in error else error for item in claimed]
        store.exchange(
            [DeadLettered(item, DeadReason.ATTEMPTS, text) for item, text in zip(claimed, told, strict=True)], []
        )


@pytest.fixture
def filled(store: SqliteStore) -> SqliteStore:
    """Four letters that timed out, on two queues and sites, and then one with another error."""
    bury(store, 3, TIMED_OUT)
    bury(store, 1, TIMED_OUT, queue="sms", site="b")
    bury(store, 1, MISSING)
    return store


def letters(store: SqliteStore) -> list[int]:
    return [int(letter.id) for letter in store.find_dead(ItemFilter())]


def test_groups_say_what_has_gone_wrong(snqd: Command, filled: SqliteStore) -> None:
    header, timed_out, missing = snqd("dead", "groups").out.splitlines()

    assert header.split() == ["GROUP", "LETTERS", "LAST", "FIRST", "QUEUES", "SITES", "NEWEST", "ERROR"]
    assert timed_out.split()[:2] == [GROUP, "4"]
    assert "mail, sms" in timed_out
    assert "a, b" in timed_out
    assert timed_out.endswith("4  TimeoutError: no answer from 10.0.0.4 within 30 s")
    assert missing.split()[:2] == [fingerprint(MISSING), "1"]
    assert len(snqd("dead", "groups", "--limit", 1).out.splitlines()) == 2
    (found,) = [json.loads(line) for line in snqd("dead", "groups", "--queue", "sms", "--json").out.splitlines()]
    assert (found["fingerprint"], found["count"], found["top_sites"], found["newest"]) == (GROUP, 1, ["b"], 4)


def test_a_group_is_listed_searched_and_shown_without_payloads(snqd: Command, filled: SqliteStore) -> None:
    listed = [json.loads(line) for line in snqd("dead", "list", "--group", GROUP, "--json").out.splitlines()]
    searched = snqd("dead", "search", "no answer", "--queue", "mail").out.splitlines()
    of_class = snqd("dead", "list", "--error-class", "KeyError").out.splitlines()
    shown = snqd("dead", "show", 5)

    assert [letter["id"] for letter in listed] == [4, 3, 2, 1], "the newest death first"
    assert {letter["fingerprint"] for letter in listed} == {GROUP}
    assert [line.split()[0] for line in searched[1:]] == ["3", "2", "1"]
    assert [line.split()[0] for line in of_class[1:]] == ["5"]
    assert f"group           {fingerprint(MISSING)}" in shown.out
    assert "payload         hidden: --payload shows it" in shown.out
    assert SECRET not in shown.out + json.dumps(listed)
    assert SECRET in snqd("dead", "show", 5, "--payload").out
    assert SECRET in snqd("dead", "list", "--group", GROUP, "--json", "--payload").out


def test_pages_go_on_where_the_one_before_ended(snqd: Command, filled: SqliteStore) -> None:
    bury(filled, 120, MISSING, queue="many")
    first = snqd("dead", "list")
    assert len(first.out.splitlines()) == 101
    place = first.err.split("--after ")[1].split()[0]
    assert first.err == (f"snqd: only the newest 100 are shown: --limit 0 shows all, --after {place} the next page\n")

    second = snqd("dead", "list", "--after", place)
    scripted = [json.loads(line) for line in snqd("dead", "list", "--json", "--limit", 3).out.splitlines()]

    assert (len(second.out.splitlines()), second.err) == (26, "")
    numbers = [int(line.split()[0]) for page in (first, second) for line in page.out.splitlines()[1:]]
    assert sorted(numbers) == letters(filled)
    assert len(snqd("dead", "list", "--after", scripted[-1]["place"], "--limit", 0).out.splitlines()) == 1 + 122


def test_times_are_given_as_durations_or_points(snqd: Command, filled: SqliteStore) -> None:
    def found(*flags: object) -> int:
        return len(snqd("dead", "list", *flags).out.splitlines()) - 1

    assert (found("--since", "1h"), found("--until", "1h"), found("--older-than", "0")) == (5, 0, 5)
    assert (found("--since", "2020-01-31 18:00"), found("--since", "2120-01-31T18:00Z")) == (5, 0)
    assert (found("--min-attempts", 2), found("--max-attempts", 1)) == (0, 5)
    assert "'soon' is neither a time nor a duration" in snqd("dead", "list", "--since", "soon").error
    assert "'mail' is not a group: 'snqd dead groups' lists them" in snqd("dead", "list", "--group", "mail").error


def test_a_dry_run_says_what_would_be_touched_and_touches_nothing(snqd: Command, filled: SqliteStore) -> None:
    told = snqd("dead", "replay", "--queue", "mail", "--rate", "60/m", "--dry-run").out.splitlines()

    assert told[0] == "4 dead letters would be replayed, in 4.0s"
    assert [line.split()[:2] for line in told[2:]] == [[GROUP, "3"], [fingerprint(MISSING), "1"]]
    assert snqd("dead", "discard", "--all", "--limit", 2, "--dry-run").out == "2 dead letters would be deleted\n"
    assert len(letters(filled)) == 5
    assert snqd("dead", "audit").out.splitlines()[1:] == []


def test_a_group_is_replayed_and_it_is_written_down(snqd: Command, filled: SqliteStore) -> None:
    assert snqd("dead", "replay", "--group", GROUP).out == "4 dead letters replayed\n"
    assert snqd("dead", "discard", "--error", "user", "--yes").out == "1 dead letter deleted\n"
    assert snqd("items", "discard", "--queue", "sms", "--yes").out == "1 item deleted\n"

    assert [record.id for record in filled.find(ItemFilter())] == [1, 2, 3]
    discarded, replayed = [json.loads(line) for line in snqd("dead", "audit", "--json").out.splitlines()]
    assert (replayed["kind"], replayed["changed"], replayed["outcome"]) == ("replay", 4, "done")
    assert replayed["wanted"]["fingerprint"] == GROUP
    assert "@" in replayed["author"]
    assert (discarded["kind"], discarded["changed"], discarded["wanted"]["error"]) == ("discard_dead", 1, "user")
    header, line = snqd("items", "audit").out.splitlines()
    assert header.split() == ["NUMBER", "BEGAN", "BY", "WHAT", "ITEMS", "STAYED", "OUTCOME", "FILTER"]
    assert " discard  " in line
    assert "queue=sms until=" in line


def test_letters_that_cannot_be_replayed_are_told(snqd: Command, store: SqliteStore) -> None:
    bury(store, 1, MISSING, unique_key="k")
    store.enqueue([NewItem(QueueName("mail"), b"1", site=SiteName("a"), unique_key="k")])

    done = snqd("dead", "replay", "--all")

    assert (done.code, done.out) == (0, "0 dead letters replayed\n")
    assert done.err == "snqd: 1 dead letter stays dead: an item with its unique key waits or runs already\n"


def test_a_thousand_and_one_are_not_replayed_without_a_yes(snqd: Command, store: SqliteStore) -> None:
    bury(store, 1001, MISSING)

    assert "these are 1,001 dead letters: repeat with --yes to do it" in snqd("dead", "replay", "--all").error
    assert len(letters(store)) == 1001
    assert snqd("dead", "replay", "--all", "--limit", 1000).out == "1,000 dead letters replayed\n"
    assert snqd("dead", "replay", "--all").out == "1 dead letter replayed\n"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_replay_stops_between_two_steps_says_how_far_it_is_and_goes_on(
    snqd: Command, store: SqliteStore, number: signal.Signals, code: int
) -> None:
    bury(store, 40, MISSING)
    process = snqd.start("dead", "replay", "--all", "--rate", "5/s")
    wait_until(lambda: len(letters(store)) < 39, "some are replayed")

    os.kill(process.pid, number)
    out, err = process.communicate()

    replayed = 40 - len(letters(store))
    assert (process.returncode, out.decode()) == (code, "")
    assert (
        err.decode() == f"snqd: stopped by {number.name}: {replayed} dead letters replayed; the same command goes on\n"
    )
    (noted,) = [json.loads(line) for line in snqd("dead", "audit", "--json").out.splitlines()]
    assert (noted["changed"], noted["outcome"]) == (replayed, f"stopped by {number.name}")
    assert snqd("dead", "replay", "--all").out == f"{40 - replayed} dead letters replayed\n"
    assert len(list(store.find(ItemFilter()))) == 40


def test_a_replay_that_is_killed_has_written_down_what_it_did(snqd: Command, store: SqliteStore) -> None:
    bury(store, 40, MISSING)
    process = snqd.start("dead", "replay", "--all", "--rate", "5/s")
    wait_until(lambda: len(letters(store)) < 39, "some are replayed")

    process.kill()
    process.communicate()

    (line,) = snqd("dead", "audit").out.splitlines()[1:]
    assert line.split()[5] == str(40 - len(letters(store)))
    assert "  not ended  " in line


def test_letters_of_an_older_snqd_are_grouped_when_somebody_asks(snqd: Command, filled: SqliteStore) -> None:
    with closing(sqlite3.connect(snqd.folder / "snqd.db", isolation_level=None)) as connection:
        connection.execute("UPDATE dead_letter SET fingerprint = NULL")

    assert snqd("dead", "list", "--limit", 1).out.splitlines()[1].split()[1] == "-"
    assert snqd("dead", "replay", "--group", GROUP, "--dry-run").out.startswith("4 dead letters would be replayed\n")
    assert [line.split()[0] for line in snqd("dead", "groups").out.splitlines()[1:]] == [GROUP, fingerprint(MISSING)]


def test_any_number_is_listed_and_replayed_in_the_same_memory(snqd: Command, store: SqliteStore) -> None:
    """Letters of 100 MB in all, in a process that may have 48 MB of its own; 30 are enough for one letter."""
    with closing(sqlite3.connect(snqd.folder / "snqd.db", isolation_level=None)) as connection:
        connection.execute(
            """
            WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < 20000)
            INSERT INTO dead_letter (id, site, queue, codec, priority, created, available_at, died, reason, attempts,
                crash_attempts, last_error, traceback, history, fingerprint, frame)
            SELECT n, 'a', 'mail', 'json', 0, n, n, n, 'attempts', 1, 0, 'E: ' || n, hex(zeroblob(2000)), '[]',
                'f' || (n % 9), zeroblob(1000)
            FROM counted
            """
        )

    def small(*words: str) -> subprocess.CompletedProcess[bytes]:
        line = ["sh", "-c", 'ulimit -d 49152 && exec "$@"', "sh", *snqd.line("dead", *words)]
        return subprocess.run(line, cwd=snqd.folder, env=snqd.environment(), capture_output=True, check=True)

    assert small("list", "--limit", "0", "--json").stdout.count(b"\n") == 20_000
    assert small("groups").stdout.count(b"\n") == 1 + 9
    assert small("replay", "--all", "--yes").stdout == b"20,000 dead letters replayed\n"


def test_waiting_items_are_searched_and_corrected_in_the_same_way(snqd: Command, store: SqliteStore) -> None:
    store.enqueue([NewItem(QueueName("mail"), b"1", delay_seconds=60.0) for _ in range(3)])

    assert snqd("items", "search", "x").out.splitlines()[1:] == []
    assert snqd("items", "retry", "--queue", "mail", "--rate", "1000/s", "--dry-run").out.startswith("3 items would be")
    assert snqd("items", "retry", "--queue", "mail", "--rate", "1000/s").out == "3 items made ready\n"
    assert snqd("items", "discard", "--until", "1h", "--yes").out == "0 items deleted\n"
    assert snqd("items", "discard", "--since", "1h", "--yes").out == "3 items deleted\n"
