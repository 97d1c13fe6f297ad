"""What people type and what they read: durations, times, sizes, tables, rates."""

from __future__ import annotations

from datetime import UTC, datetime

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snqd.cli.daemon_view import DaemonView, RunningView, WorkerView
from snqd.cli.exits import MEANINGS, Exit
from snqd.cli.output import clipped, duration_words, plural, printable, size_words, table, table_lines
from snqd.cli.summary import Look, Rate, as_json, as_text, rates
from snqd.cli.values import parse_duration, parse_moment, parse_rate, parse_time, place, place_text
from snqd.config.values import MemoryLimit, parse_memory_limit
from snqd.errors import SnqdError
from snqd.items import QueueName, SiteName
from snqd.stores.corrections import Place
from snqd.stores.probe import StoreHealth
from snqd.stores.records import QueueFacts
from snqd.telemetry.exits import DaemonExit


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("1.5", 1.5),
        ("90s", 90),
        ("5m", 300),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("2d", 172800),
        ("1w", 604800),
        ("250ms", 0.25),
        (" 1 h 1 s ", 3601),
        ("0", 0),
    ],
)
def test_durations_are_understood(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "-5", "5x", "1h-1m", "1e9", "inf", "nan", "\uff15", "1000000d"])
def test_other_texts_are_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match=r"duration|longer"):
        parse_duration(text)


def test_a_time_without_a_zone_is_local() -> None:
    local = datetime.fromisoformat("2027-01-31 18:00").astimezone().timestamp()

    assert parse_time("2027-01-31 18:00") == local
    assert parse_time("2027-01-31T18:00Z") == datetime(2027, 1, 31, 18, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("text", ["", "tomorrow", "2027-13-01", "18:00"])
def test_other_texts_are_no_times(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        parse_time(text)


@given(st.floats(0, 1e9))
def test_a_duration_is_shown_in_at_most_two_units(seconds: float) -> None:
    assert 2 <= len(duration_words(seconds)) <= 10


def test_sizes_counts_and_long_texts_are_short() -> None:
    assert [size_words(size) for size in (0, 812, 1536, 31 * 2**20, 12 * 2**30)] == [
        "0 B", "812 B", "1.5 KiB", "31 MiB", "12 GiB",
    ]  # fmt: skip
    assert [plural(count, "item") for count in (0, 1, 2000)] == ["0 items", "1 item", "2,000 items"]
    assert clipped("  a long line\nand more", 6) == "a lon…"


def test_a_table_aligns_its_columns_and_loses_no_row() -> None:
    rows = [(number, "x" * (number % 3)) for number in range(1000)]

    lines = list(table_lines(("ID", "NAME"), rows, right=frozenset({"ID"})))

    assert len(lines) == 1001
    assert lines[:4] == [" ID  NAME", "  0", "  1  x", "  2  xx"]


def test_control_characters_in_names_and_errors_do_not_reach_the_terminal() -> None:
    shown = table(("QUEUE",), [("\x1b[31mred\nline\u202e",)])

    assert shown == "QUEUE\n\\x1b[31mred\\nline\\u202e"
    assert printable("é ü 漢") == "é ü 漢"


def test_a_memory_limit_is_a_share_or_a_size_or_none() -> None:
    assert parse_memory_limit("90%") == MemoryLimit(fraction=0.9)
    assert parse_memory_limit("1.5G") == MemoryLimit(size_bytes=3 * 2**29)
    assert parse_memory_limit("none") == MemoryLimit()


def test_every_exit_code_of_a_command_is_documented() -> None:
    documented = {code.value for code in MEANINGS}
    errors = [SnqdError]
    for error in errors:
        errors.extend(error.__subclasses__())

    assert documented == {code.value for code in Exit}
    assert {error.exit_code for error in errors} <= documented
    assert {code.value for code in DaemonExit} <= documented


def worker(name: str, **more: object) -> WorkerView:
    zeros = dict.fromkeys(WorkerView._fields, 0)
    return WorkerView(**{**zeros, "worker": name, "pid": 7, "state": "idle", "running": (), "reason": "", **more})  # type: ignore[arg-type]


def look(at: float, *workers: WorkerView) -> Look:
    return Look(at, "sqlite:///x", (), DaemonView("main", 1, workers))


def test_rates_are_differences_over_time() -> None:
    before = look(10.0, worker("main.1", handled=100, failed=1), worker("main.2", handled=5))
    now = look(12.0, worker("main.1", handled=300, failed=2), worker("main.2", handled=5))

    assert rates(before, now) == {"main.1": Rate(100.0, 0.5), "main.2": Rate(0.0, 0.0)}
    assert rates(None, now) == {}


def test_a_worker_that_was_replaced_between_two_looks_counts_from_its_start() -> None:
    before = look(10.0, worker("main.1", pid=7, handled=1000))
    now = look(11.0, worker("main.1", pid=8, handled=50))

    assert rates(before, now) == {"main.1": Rate(50.0, 0.0)}


def test_the_summary_shows_queues_totals_and_what_runs() -> None:
    queues = tuple(
        QueueFacts(QueueName("mail"), SiteName(site), ready, 2, 3, 4, lag)
        for site, ready, lag in (("b", 0, 0.0), ("a", 1234, 65.0))
    )
    running = (RunningView(5, "mail", "a", 1.0), RunningView(6, "mail", "b", 3.0))
    daemon = DaemonView(
        "main", 99, (worker("main.1", running=running), worker("main.2", pid=0, reason="killed by SIGKILL"))
    )

    lines = as_text(Look(0.0, "sqlite:///x", queues, daemon)).splitlines()

    assert [line.split() for line in lines[1:5]] == [
        ["QUEUE", "SITE", "READY", "SCHEDULED", "CLAIMED", "DEAD", "LAG"],
        ["mail", "a", "1,234", "2", "3", "4", "1m05s"],
        ["mail", "b", "0", "2", "3", "4", "-"],
        ["total", "1,234", "4", "6", "8", "1m05s"],
    ]
    assert "6 mail b 3.0s and 1 more" in lines[8]
    assert "killed by SIGKILL" in lines[9]


def test_a_store_that_cannot_be_asked_does_not_hide_the_workers() -> None:
    seen = Look(0.0, "postgresql://h/d", None, DaemonView("main", 99, (worker("main.1"),)), "server down")

    assert "server down" in as_text(seen)
    assert "main.1" in as_text(seen)
    assert as_json(seen)["queues"] is None
    assert as_json(seen)["daemon"]["workers"][0]["worker"] == "main.1"


def test_the_room_that_a_store_takes_is_shown_with_what_keeps_it_from_being_cleaned_up() -> None:
    absent = DaemonView("main", None, absence="it does not run")

    def lines(health: StoreHealth) -> list[str]:
        return as_text(Look(0.0, "x", (), absent, health=health)).splitlines()[2:-2]

    server = StoreHealth(0.001, 3 << 30, 1 << 30, 1_200_000, live_rows=12, dead_letter_bytes=5 << 20)
    pinned = server._replace(pin_pid=4711, pin_age_seconds=7500.0, pin_query="select ?")

    assert lines(StoreHealth(0.001, 2 << 20, free_bytes=1 << 20)) == ["file 2.0 MiB, of which 1.0 MiB are free"]
    assert lines(server) == [
        "table 3.0 GiB, indexes 1.0 GiB: some 12 live and 1,200,000 dead rows; dead letters 5.0 MiB"
    ]
    assert lines(pinned)[1:] == [
        "a transaction of process 4711, open for 2h05m, keeps 1,200,000 dead rows from being cleaned up (select ?): "
        "SELECT pg_terminate_backend(4711)"
    ]
    forgotten = pinned._replace(pin_pid=-1, pin_query="prepared transaction the forgotten one")
    assert lines(forgotten)[1].endswith(" dead rows from being cleaned up: SELECT * FROM pg_prepared_xacts")
    assert lines(StoreHealth(0.001)) == []
    assert as_json(Look(0.0, "x", (), absent, health=server))["health"]["live_rows"] == 12


def test_a_moment_is_a_time_or_so_long_ago() -> None:
    assert parse_moment("90m").epoch(10_000.0) == 4_600.0
    assert parse_moment("2027-01-31T18:00Z").epoch(0.0) == 1_801_418_400.0
    with pytest.raises(ValueError, match=r"'soon' is neither a time nor a duration: write '90m' or '2d' \(ago\)"):
        parse_moment("soon")


@pytest.mark.parametrize(
    ("text", "per_second"),
    [("100", 100.0), ("100/s", 100.0), ("600/m", 10.0), (" 1.5 / min ", 0.025), ("1/h", 1 / 3600)],
)
def test_a_rate_is_read(text: str, per_second: float) -> None:
    assert parse_rate(text) == per_second


@pytest.mark.parametrize("text", ["", "0", "-1", "5/d", "fast", "0.5/h", "1/s/s"])
def test_what_is_no_rate_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="is not a rate: write '100/s', '600/m' or '1000/h'"):
        parse_rate(text)


def test_a_place_is_read_as_it_is_written() -> None:
    written = Place(1_795_704_352.488123, 4998)

    assert place(place_text(written)) == written
    for text in ("", "7", "1/", "x/1", "1/x", "nan/1", "inf/1", "1/0", "-1/1"):
        with pytest.raises(click.BadParameter, match="is not a place in the list"):
            place(text)
