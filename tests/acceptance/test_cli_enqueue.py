"""`snqd enqueue` as a person uses it: one item, streams, and what is left when a stream ends early."""

from __future__ import annotations

import json
import os
import pty
import signal
import sqlite3
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.processes import wait_until

if TYPE_CHECKING:
    from tests.support.command import Command
    from tests.support.postgres import Database


def stored(snqd: Command) -> list[dict[str, Any]]:
    """Every item in the store, with its payload."""
    done = snqd("items", "list", "--limit", 0, "--json", "--payload")
    assert done.code == 0, done
    return [json.loads(line) for line in done.out.splitlines()]


def count(snqd: Command) -> int:
    with sqlite3.connect(snqd.folder / "snqd.db") as connection:
        return int(connection.execute("SELECT count(*) FROM queue_item").fetchone()[0])


def test_an_item_is_stored_and_its_id_is_the_only_output(snqd_with_handlers: Command) -> None:
    done = snqd_with_handlers("enqueue", "mail", '{"to": [1, 2]}', "--priority", 3)

    assert done.code == 0
    (item,) = stored(snqd_with_handlers)
    assert done.out == f"{item['id']}\n"
    assert (item["queue"], item["site"], item["codec"], item["priority"]) == ("mail", "default", "json", 3)
    assert item["payload"] == {"to": [1, 2]}


def test_no_payload_means_null(snqd_with_handlers: Command) -> None:
    assert snqd_with_handlers("enqueue", "mail").code == 0
    assert stored(snqd_with_handlers)[0]["payload"] is None


def test_any_bytes_come_from_standard_input(snqd_with_handlers: Command) -> None:
    done = snqd_with_handlers("enqueue", "thumbnail", "--codec", "raw", "-", stdin=b"\xff\x00\n")

    assert done.code == 0, done
    assert stored(snqd_with_handlers)[0]["payload_base64"] == "/wAK"


def test_a_delayed_item_is_scheduled(snqd_with_handlers: Command) -> None:
    snqd_with_handlers("enqueue", "mail", "1", "--delay", "5m")
    snqd_with_handlers("enqueue", "mail", "2", "--at", "2100-01-01T00:00Z")

    items = stored(snqd_with_handlers)
    assert [item["state"] for item in items] == ["scheduled", "scheduled"]
    assert 295 < items[0]["available_at"] - time.time() < 301
    assert items[1]["available_at"] == 4102444800


def test_an_item_whose_unique_key_waits_is_not_stored_again(snqd_with_handlers: Command) -> None:
    first = snqd_with_handlers("enqueue", "mail", "1", "--unique", "k")
    second = snqd_with_handlers("enqueue", "mail", "1", "--unique", "k")

    assert (first.code, second.code) == (0, 0)
    assert second.out == ""
    assert "nothing stored: an item of queue 'mail' with unique key 'k' waits or runs already" in second.err
    assert count(snqd_with_handlers) == 1


def test_a_new_store_is_announced(snqd_with_handlers: Command) -> None:
    first = snqd_with_handlers("enqueue", "mail", "1")

    assert first.err == f"snqd: made a new store: {snqd_with_handlers.folder}/snqd.db\n"
    assert snqd_with_handlers("enqueue", "mail", "1").err == ""


def test_json_lines_are_items_each_with_its_own_words(snqd: Command) -> None:
    lines = [
        '{"queue": "mail", "payload": {"a": 1}, "site": "a.example", "priority": -5}',
        "",
        '{"queue": "text", "payload": "h\\u00e9", "codec": "text"}',
        '{"queue": "later", "payload": 3, "delay_seconds": 60}',
    ]

    done = snqd("enqueue", "-", "--no-check", stdin="\n".join(lines))

    assert done.code == 0, done
    assert done.out == ""
    assert done.err.splitlines()[-1] == "snqd: 4 lines: 3 items stored"
    assert [(item["queue"], item["site"], item["payload"], item["state"]) for item in stored(snqd)] == [
        ("mail", "a.example", {"a": 1}, "ready"),
        ("text", "default", "hé", "ready"),
        ("later", "default", 3, "scheduled"),
    ]


def test_with_a_queue_each_line_is_a_payload(snqd_with_handlers: Command) -> None:
    done = snqd_with_handlers("enqueue", "mail", "--lines", "--site", "default", stdin="1\n[2]\n")

    assert done.code == 0, done
    assert [item["payload"] for item in stored(snqd_with_handlers)] == [1, [2]]


def test_a_stream_of_many_batches_is_stored_in_order(snqd_with_handlers: Command) -> None:
    lines = "".join(f"{number}\n" for number in range(12_345))

    done = snqd_with_handlers("enqueue", "mail", "--lines", stdin=lines)

    assert done.err.splitlines()[-1] == "snqd: 12,345 lines: 12,345 items stored"
    assert [item["payload"] for item in stored(snqd_with_handlers)] == list(range(12_345))


def test_duplicates_in_a_stream_are_counted(snqd: Command) -> None:
    line = '{"queue": "q", "payload": 1, "unique_key": "k"}\n'

    done = snqd("enqueue", "-", "--no-check", stdin=line * 3)

    assert "1 item stored, 2 not stored because their unique key waits or runs already" in done.err


def test_a_bad_line_stops_the_stream_and_says_what_is_stored(snqd: Command) -> None:
    good = '{"queue": "q", "payload": 1}\n'
    snqd("schema", "upgrade")

    done = snqd("enqueue", "-", "--no-check", stdin=good * 2500 + "oops\n" + good)

    assert done.code == 2
    assert done.error.startswith("line 2501: not valid JSON")
    assert "lines 1 to 2,500 done: 2,500 items stored; go on with 'tail -n +2501'" in done.error
    assert count(snqd) == 2500


def test_bad_lines_are_left_out_and_counted_when_asked(snqd: Command) -> None:
    snqd("schema", "upgrade")
    lines = "".join('{"queue": "q", "payload": 1}\n' if number % 2 else "oops\n" for number in range(40))

    done = snqd("enqueue", "-", "--no-check", "--skip-bad", stdin=lines)

    assert done.code == 0
    said = done.err.splitlines()
    assert said[0].startswith("snqd: line 1 left out: not valid JSON")
    assert len(said) == 12  # ten lines in full, one says that the others are only counted, the sum
    assert said[-1] == "snqd: 40 lines: 20 items stored, 20 bad left out"
    assert count(snqd) == 20


def test_a_line_longer_than_any_frame_is_refused_without_being_held(snqd: Command) -> None:
    snqd.environ["SNQD_STORE_FRAME_LIMIT_BYTES"] = "1000"
    snqd("schema", "upgrade")
    lines = b'{"queue": "q", "payload": 1}\n' + b"x" * 3_000_000 + b'\n{"queue": "q", "payload": 2}\n'

    stopped = snqd("enqueue", "-", "--no-check", stdin=lines)
    skipped = snqd("enqueue", "-", "--no-check", "--skip-bad", stdin=lines)

    assert "line 2: longer than 67,536 bytes" in stopped.error
    assert skipped.err.splitlines()[-1] == "snqd: 3 lines: 2 items stored, 1 bad left out"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_stream_and_says_exactly_what_is_stored(
    snqd: Command, number: signal.Signals, code: int
) -> None:
    snqd("schema", "upgrade")
    process = snqd.start("enqueue", "-", "--no-check", stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(b'{"queue": "q", "payload": 1}\n' * 5000)
    process.stdin.flush()
    wait_until(lambda: count(snqd) == 5000, "a pause in the stream stores what has come")

    process.send_signal(number)
    _out, err = process.communicate()

    assert process.returncode == code
    assert err.decode() == (
        f"snqd: stopped by {number.name}: lines 1 to 5,000 done: 5,000 items stored; go on with 'tail -n +5001'\n"
    )
    assert count(snqd) == 5000


def test_a_store_that_refuses_in_the_middle_leaves_the_number_of_the_last_stored_line(snqd: Command) -> None:
    snqd("schema", "upgrade")
    with sqlite3.connect(snqd.folder / "snqd.db") as connection:
        connection.execute(
            "CREATE TRIGGER full BEFORE INSERT ON queue_item WHEN new.priority = 7 BEGIN SELECT RAISE(FAIL, 'no'); END"
        )
    lines = '{"queue": "q", "payload": 1}\n' * 4000 + '{"queue": "q", "payload": 1, "priority": 7}\n'

    done = snqd("enqueue", "-", "--no-check", stdin=lines)

    assert done.error.startswith("the item cannot be stored: no; ")
    assert "lines 1 to 4,000 done: 4,000 items stored; go on with 'tail -n +4001'" in done.error
    assert count(snqd) == 4000


def test_a_progress_bar_is_for_terminals_only(snqd: Command) -> None:
    source = snqd.write("lines.jsonl", '{"queue": "q", "payload": 1}\n' * 3000)
    primary, replica = pty.openpty()

    with source.open("rb") as lines:
        done = subprocess.run(
            snqd.line("enqueue", "-", "--no-check"),
            stdin=lines,
            stderr=replica,
            cwd=snqd.folder,
            env=snqd.environment({"TERM": "xterm"}),
            check=False,
        )
    os.close(replica)
    shown = _read_all(primary)

    assert done.returncode == 0
    assert "100%" in shown
    assert "3,000 lines" in shown


@pytest.mark.pg
def test_a_stream_goes_to_postgresql(snqd: Command, pg_database: Database) -> None:
    lines = "".join(f'{{"queue": "q", "payload": {number}}}\n' for number in range(5001))

    done = snqd("enqueue", "-", "--no-check", "--store", pg_database.url, stdin=lines)

    assert done.err == "snqd: 5,001 lines: 5,001 items stored\n"
    with pg_database.connect() as connection:
        (row,) = connection.execute("SELECT count(*), sum(convert_from(frame, 'UTF8')::int) FROM queue_item")
    assert row == (5001, sum(range(5001)))


def _read_all(descriptor: int) -> str:
    parts = []
    try:
        while part := os.read(descriptor, 65536):
            parts.append(part)
    except OSError:  # what a terminal says when nobody holds its other end
        pass
    os.close(descriptor)
    return b"".join(parts).decode()
