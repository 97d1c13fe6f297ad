"""The event pipe: what goes in comes out, and nothing that goes wrong in it reaches the work."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snqd.telemetry import events
from snqd.telemetry.emitter import Emitter
from snqd.telemetry.pipe import PACKET_BYTES, EventPipe

if TYPE_CHECKING:
    from collections.abc import Iterator


class Drops:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


@pytest.fixture
def drops() -> Drops:
    return Drops()


@pytest.fixture
def pipe(drops: Drops) -> Iterator[EventPipe]:
    pipe = EventPipe(drops)
    yield pipe
    pipe.close()


def dead_letter(**more: Any) -> events.ItemDeadLettered:
    fields = {"worker": "main.1", "item": 7, "queue": "mail", "site": "a", "attempt": 3, "reason": "attempts"}
    return events.ItemDeadLettered(**{**fields, "error": "KeyError", **more})


def discarded(number: int) -> events.ItemDiscarded:
    return events.ItemDiscarded(worker="main.1", item=number, queue="mail", site="a", reason="old")


def test_an_event_arrives_with_its_time_level_message_and_fields(pipe: EventPipe) -> None:
    before = time.time()
    pipe.sink(dead_letter())

    (event,) = pipe.read()

    assert before <= event.at <= time.time()
    assert (event.name, event.level) == ("ItemDeadLettered", "error")
    assert event.message == "item 7 (queue mail, site a) is a dead letter (attempts) after 3 attempts: KeyError"
    assert event.fields["item"] == 7
    assert pipe.read() == []


def test_values_of_every_kind_arrive(pipe: EventPipe) -> None:
    pipe.sink(
        events.WorkerExited(
            worker="main.1", pid=1, code=None, signal="SIGKILL", reason="x", expected=False, lived_seconds=0.5,
            handled=1, rss_bytes=2, items=(3, 4), queue="q", site="s",
        )
    )  # fmt: skip

    fields = pipe.read()[0].fields

    assert (fields["code"], fields["expected"], fields["lived_seconds"], fields["items"]) == (None, False, 0.5, [3, 4])


@pytest.mark.parametrize("letter", ["x", "ä", "漢", "\ud800"])
def test_a_long_text_is_cut_so_that_the_event_fits(pipe: EventPipe, drops: Drops, letter: str) -> None:
    pipe.sink(dead_letter(error=letter * 100_000, traceback=letter * 100_000 + "the end"))

    (event,) = pipe.read()

    assert event.fields["traceback"].endswith("the end"), "the end of a traceback says what happened"
    assert event.fields["error"].startswith(letter if letter != "\ud800" else "?")
    assert drops.count == 0


def test_long_lists_are_cut(pipe: EventPipe) -> None:
    queues = tuple(f"{number:063}" for number in range(10_000))
    pipe.sink(events.WorkerReady(worker="main.1", pid=1, queues=queues, startup_seconds=0.0))

    assert pipe.read()[0].fields["queues"] == list(queues[:100])


def test_a_flood_of_items_events_is_thinned_and_counted(pipe: EventPipe, drops: Drops) -> None:
    for number in range(1000):
        pipe.sink(discarded(number))
    pipe.sink(dead_letter())

    read = pipe.read()

    passed = [event for event in read if event.name == "ItemDiscarded"]
    assert 20 <= len(passed) <= 40
    assert [event.fields["item"] for event in passed[:20]] == list(range(20)), "the first ones"
    assert len(passed) + drops.count == 1000
    assert read[-1].name == "ItemDeadLettered", "kinds do not disturb each other"


def test_thinning_ends_with_the_flood(pipe: EventPipe, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr("snqd.telemetry.pipe.time.monotonic", lambda: clock[0])
    for number in range(100):
        pipe.sink(discarded(number))
    assert len(pipe.read()) == 20

    clock[0] += 0.5
    for number in range(100):
        pipe.sink(discarded(number))

    assert len(pipe.read()) == 10


def test_a_pipe_that_nobody_reads_drops_and_does_not_block(pipe: EventPipe, drops: Drops) -> None:
    for _ in range(5000):
        pipe.sink(dead_letter())
    assert drops.count > 0

    read = []
    while found := pipe.read():
        read += found

    assert len(read) + drops.count == 5000
    pipe.sink(dead_letter())
    assert len(pipe.read()) == 1


def test_a_reader_that_is_gone_costs_only_the_event(pipe: EventPipe, drops: Drops) -> None:
    emitter = Emitter(pipe.sink)
    pipe.close_read_end()

    emitter.emit(dead_letter())

    assert (drops.count, emitter.dropped) == (1, 0)


def test_events_of_many_processes_arrive_whole(pipe: EventPipe) -> None:
    pids = []
    for number in range(4):
        pid = os.fork()
        if pid == 0:
            for _ in range(10):
                pipe.sink(dead_letter(item=number, error=str(number) * 500))
            os._exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)

    read = pipe.read()

    assert sorted(event.fields["item"] for event in read) == sorted(list(range(4)) * 10)
    assert all(event.fields["error"] == str(event.fields["item"]) * 500 for event in read)


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_garbage_is_counted_and_passed_over(pipe: EventPipe, packets: list[bytes]) -> None:
    before = pipe.malformed
    for packet in packets:
        os.write(pipe._write_end.fileno(), packet)
    os.write(pipe._write_end.fileno(), b"x" * (PACKET_BYTES * 2))
    pipe.sink(dead_letter())

    assert [event.name for event in pipe.read()][-1] == "ItemDeadLettered"
    assert pipe.malformed > before
