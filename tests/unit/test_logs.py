from __future__ import annotations

import fcntl
import json
import logging
import os
import time
import warnings
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, get_args

import pytest

from snqd.telemetry import events
from snqd.telemetry.emitter import Emitter
from snqd.telemetry.lines import LINES, level_of, message_of
from snqd.telemetry.logs import Line, LogSink, bridge_logging, choose_form, format_json, format_text
from tests.support.stopwatch import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Iterator

ALL_EVENTS = get_args(events.Event)


class Pipe:
    """A real pipe: the log's descriptor, and what came out of it."""

    def __init__(self) -> None:
        self.read_fd, self.write_fd = os.pipe()
        os.set_blocking(self.read_fd, False)

    def text(self) -> str:
        parts = []
        while True:
            try:
                part = os.read(self.read_fd, 1 << 16)
            except BlockingIOError:
                break
            if not part:
                break
            parts.append(part)
        return b"".join(parts).decode()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text().splitlines()]

    def close(self) -> None:
        os.close(self.read_fd)
        os.close(self.write_fd)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


@pytest.fixture
def own_logging() -> Iterator[None]:
    """Put Python's logging back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(False)
    root.handlers[:], root.level = handlers, level


_SAMPLES: dict[str, Any] = {
    "int": 3, "float": 1.5, "str": "words", "bool": True, "int | None": 1, "str | None": "some",
    "tuple[str, ...]": ("one", "two"), "tuple[int, ...]": (4, 5),
}  # fmt: skip


def sample(kind: type) -> Any:
    return kind(**{each.name: _SAMPLES[str(each.type)] for each in fields(kind)})


def line(**changes: Any) -> Line:
    given: dict[str, Any] = {
        "time": 0.25,
        "level": logging.INFO,
        "source": "shop",
        "is_event": False,
        "message": "hello",
    }
    return Line(**(given | changes))


def test_every_event_has_a_level_and_words() -> None:
    assert set(LINES) == set(ALL_EVENTS)


@pytest.mark.parametrize("kind", ALL_EVENTS)
def test_every_event_is_one_json_line_with_all_its_fields(kind: type, pipe: Pipe) -> None:
    LogSink("json", descriptor=pipe.write_fd)(sample(kind))

    (shown,) = pipe.lines()
    assert shown["event"] == kind.__name__
    assert shown["message"]
    assert shown["level"] in {"debug", "info", "warning", "error"}
    for each in fields(kind):
        assert each.name in shown, "no field of the event is lost"
    assert shown["time"].endswith("Z")


@pytest.mark.parametrize("kind", ALL_EVENTS)
def test_every_event_has_words_when_what_is_optional_is_missing(kind: type) -> None:
    empty: dict[str, Any] = {"tuple[str, ...]": (), "tuple[int, ...]": (), "int": 0, "float": 0.0, "bool": False}
    values = {
        each.name: each.default
        if each.default is not MISSING
        else None
        if str(each.type).endswith("| None")
        else empty.get(str(each.type), "words")
        for each in fields(kind)
    }

    message = message_of(kind(**values))

    assert message
    assert "\n" not in message
    assert "  " not in message
    assert not message.endswith((" ", ":", ","))


def test_an_expected_end_is_news_and_an_unexpected_one_a_warning() -> None:
    drained, crashed = sample(events.WorkerExited), sample(events.WorkerExited)
    object.__setattr__(crashed, "expected", False)

    assert (level_of(drained), level_of(crashed)) == (logging.INFO, logging.WARNING)


def test_a_person_sees_the_stack_of_a_slow_item_below_its_line(pipe: Pipe) -> None:
    slow = events.ItemSlow(
        worker="main.1", item=7, queue="mail", site="a.example", running_seconds=12.0, usual_seconds=1.5,
        reason="more than three times as long as 99 of 100 (1.5 s)", stack="Thread 0x1:\n  File x.py, line 3\n",
    )  # fmt: skip

    LogSink("text", descriptor=pipe.write_fd)(slow)

    assert pipe.text().split(" ", 2)[2] == (
        "WARNING item 7 (queue mail, site a.example) has been running for 12.0 s in worker main.1: "
        "more than three times as long as 99 of 100 (1.5 s)\n    Thread 0x1:\n      File x.py, line 3\n"
    )


def test_a_person_reads_one_line_per_event(pipe: Pipe) -> None:
    LogSink("text", descriptor=pipe.write_fd)(
        events.WorkerExited(
            worker="main.3", pid=71, code=None, signal="SIGKILL", reason="killed by SIGKILL", expected=False,
            lived_seconds=3.21, handled=12, rss_bytes=41 << 20, items=(5, 6), queue="mail", site="alpha",
        )
    )  # fmt: skip

    text = pipe.text()
    assert text.endswith(
        " WARNING worker main.3 (pid 71) is gone: killed by SIGKILL; was running items 5, 6 of queue mail, site alpha; "
        "handled 12 in 3.2 s, 41 MiB\n"
    )
    time.strptime(text[:19], "%Y-%m-%d %H:%M:%S")


def test_a_traceback_is_below_the_line_for_people_and_a_field_for_machines() -> None:
    given = line(traceback="Traceback:\n  in f\nValueError: x\n")

    assert format_text(given).splitlines()[1:] == ["    Traceback:", "      in f", "    ValueError: x"]
    assert json.loads(format_json(given))["traceback"] == "Traceback:\n  in f\nValueError: x\n"
    assert format_json(given).count("\n") == 1


def test_time_is_utc_with_milliseconds_for_machines() -> None:
    assert json.loads(format_json(line(time=86400.0625)))["time"] == "1970-01-02T00:00:00.062Z"


def test_a_field_with_the_name_of_a_part_of_the_line_does_not_replace_it() -> None:
    shown = json.loads(format_json(line(fields={"level": "high", "message": "other", "item": 3})))

    assert (shown["level"], shown["level_"]) == ("info", "high")
    assert (shown["message"], shown["message_"], shown["item"]) == ("hello", "other", 3)


def test_text_that_is_not_unicode_is_still_written(pipe: Pipe) -> None:
    LogSink("json", descriptor=pipe.write_fd).write(line(message="bad \udcff name", fields={"what": object}))

    assert pipe.lines()[0]["message"] == "bad \udcff name"


def test_a_handlers_logger_and_a_librarys_come_out_in_the_same_form(pipe: Pipe, own_logging: None) -> None:
    bridge_logging(LogSink("json", descriptor=pipe.write_fd, context={"worker": "main.1"}))

    extra = {"item": 7, "queue": "mail", "site": "alpha", "attempt": 1}
    logging.LoggerAdapter(logging.getLogger("snqd.handler"), extra).info("sent to %s", "bob")
    logging.getLogger("library").debug("not shown")
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("library").exception("it failed")

    sent, failed = pipe.lines()
    assert sent | {"time": ""} == {
        "time": "", "level": "info", "logger": "snqd.handler", "message": "sent to bob", "worker": "main.1", **extra,
    }  # fmt: skip
    assert (failed["level"], failed["logger"], failed["message"]) == ("error", "library", "it failed")
    assert "ValueError: broken" in failed["traceback"]


def test_warnings_are_lines_of_the_log(pipe: Pipe, own_logging: None) -> None:
    bridge_logging(LogSink("json", descriptor=pipe.write_fd))

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("old name", DeprecationWarning, stacklevel=1)

    assert "old name" in pipe.lines()[0]["message"]


def test_a_pipe_that_nobody_reads_costs_lines_and_not_time(pipe: Pipe) -> None:
    fcntl.fcntl(pipe.write_fd, fcntl.F_SETPIPE_SZ, 8192)
    sink = LogSink("json", descriptor=pipe.write_fd)

    watch = Stopwatch()
    for number in range(1000):
        sink.write(line(message=f"line {number}"))

    assert watch.seconds < 1.0
    assert 0 < sink.dropped < 1000
    written = 1000 - sink.dropped
    assert [each["message"] for each in pipe.lines()] == [f"line {number}" for number in range(written)]
    sink.write(line(message="again"))
    told, again = pipe.lines()
    assert told["message"] == f"{1000 - written} lines of the log were dropped: nobody read them"
    assert again["message"] == "again"


def test_a_line_longer_than_the_pipe_is_written_whole_when_somebody_reads(pipe: Pipe) -> None:
    fcntl.fcntl(pipe.write_fd, fcntl.F_SETPIPE_SZ, 4096)
    pid = os.fork()
    if pid == 0:
        LogSink("json", descriptor=pipe.write_fd).write(line(message="x" * 100_000))
        os._exit(0)

    text = ""
    deadline = time.monotonic() + 10
    while not text.endswith("\n") and time.monotonic() < deadline:
        text += pipe.text()

    os.waitpid(pid, 0)
    assert json.loads(text)["message"] == "x" * 100_000


def test_a_reader_that_is_gone_costs_the_line_and_not_the_work() -> None:
    read_fd, write_fd = os.pipe()
    os.close(read_fd)
    sink = LogSink("json", descriptor=write_fd)
    emitter = Emitter(sink)

    emitter.emit(sample(events.DaemonStarted))

    assert (emitter.dropped, sink.dropped) == (0, 1)
    os.close(write_fd)


def test_the_form_is_text_for_a_terminal_and_json_for_everything_else(pipe: Pipe) -> None:
    leader, terminal = os.openpty()

    assert choose_form("auto", descriptor=terminal) == "text"
    assert choose_form("auto", descriptor=pipe.write_fd) == "json"
    assert choose_form("text", descriptor=pipe.write_fd) == "text"
    assert choose_form("json", descriptor=terminal) == "json"
    os.close(leader)
    os.close(terminal)
