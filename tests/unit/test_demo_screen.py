"""What `snqd demo` draws, and how the daemon's log becomes a story."""

from __future__ import annotations

import json
from typing import Any

import pytest

from snqd.cli.daemon_view import RunningView, WorkerView
from snqd.cli.demo_view import DemoLook, Rates, screen_lines
from snqd.cli.screen import Piece, cut
from snqd.demo.load import items_of
from snqd.demo.shops import QUEUES, SITES
from snqd.demo.story import Kind, Story, Told, choose
from snqd.items import QueueName, SiteName
from snqd.stores.base import QueueFacts

KEYS = [(queue, site) for queue in QUEUES for site in SITES]


def worker(number: int) -> WorkerView:
    running = tuple(RunningView(1234567 + entry, "thumbnail", "bakery.example", 0.2) for entry in range(9))
    return WorkerView(
        f"demo.{number}", 4123456, "handling", 99.0, running, 9, 123456, 1234, 7, 1, 1, 1, 31 << 20, 17, ""
    )


def told(number: int, kind: Kind) -> Told:
    return Told(number, 1_800_000_000.0 + number, kind, f"event {number} " + "x" * 200)


def look(workers: int = 3) -> DemoLook:
    return DemoLook(
        running_seconds=5999.0,
        facts={
            (queue, site): QueueFacts(QueueName(queue), SiteName(site), 123456, 98765, 321, 4567, 86399.0)
            for queue, site in KEYS
        },
        done=dict.fromkeys(KEYS, 1234567),
        rates=dict.fromkeys(KEYS, 1234.5),
        workers=tuple(worker(number + 1) for number in range(workers)),
        events=tuple(told(number, list(Kind)[number % 4]) for number in range(100)),
        command="snqd status -w -c /somewhere/snqd.toml",
    )


def text_of(pieces: tuple[Piece, ...]) -> str:
    return "".join(piece.text for piece in pieces).rstrip()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (200, 60), (40, 10), (1, 1)])
@pytest.mark.parametrize("workers", [0, 1, 3, 8])
def test_a_screen_fits_every_terminal_whatever_the_figures(width: int, height: int, workers: int) -> None:
    lines = screen_lines(look(workers), width, height)

    assert len(lines) <= height
    assert all(len(text_of(cut(pieces, width))) <= width for pieces in lines)


def test_a_small_screen_shows_every_queue_every_worker_and_an_event_of_each_grave_kind() -> None:
    shown = [text_of(pieces) for pieces in screen_lines(look(), 80, 24)]

    for queue, site in KEYS:
        assert any(row.startswith(queue) and site in row for row in shown)
    assert sum(row.startswith("demo.") for row in shown) == 3
    assert any(" died " in row for row in shown)
    assert any(" dead " in row for row in shown)


def test_a_line_that_is_too_long_ends_with_an_ellipsis_and_one_that_fits_does_not() -> None:
    pieces = (Piece("abc", "1"), Piece("def  "))

    assert text_of(cut(pieces, 6)) == "abcdef"
    assert text_of(cut(pieces, 5)) == "abcd…"


def test_rates_are_those_of_the_last_seconds() -> None:
    rates = Rates()
    key = ("mail", "bakery.example")

    assert rates.add(0.0, {key: 0}) == {key: 0.0}
    assert rates.add(1.0, {key: 50}) == {key: 50.0}
    assert rates.add(10.0, {key: 140}) == {key: 10.0}


def test_chosen_events_are_in_order_and_hold_the_newest_of_each_kind() -> None:
    events = [told(number, list(Kind)[number % 4]) for number in range(40)]

    chosen = choose(events, 6)

    assert chosen == sorted(chosen)
    assert len(chosen) == 6
    assert {event.number for event in chosen} >= {36, 37, 38, 39}
    assert [event.kind for event in choose(events, 2)] == [Kind.DEATH, Kind.DEAD_LETTER]


def event(name: str, **fields: Any) -> str:
    return json.dumps({"event": name, "level": "info", "message": name, **fields})


def test_a_death_is_told_once_when_its_replacement_is_ready() -> None:
    story = Story()
    story.feed(
        event(
            "WorkerExited", worker="demo.1", expected=False, reason="killed by SIGKILL (out of memory?)", items=[7, 8]
        )
    )

    assert story.events() == ()
    assert story.deaths == 1

    story.feed(event("WorkerReady", worker="demo.1", pid=99))

    (only,) = story.events()
    assert only.kind is Kind.DEATH
    assert only.words.startswith("demo.1 killed by SIGKILL, replaced in ")
    assert only.words.endswith("2 items given back")


def test_an_expected_end_and_an_unremarkable_event_are_not_told() -> None:
    story = Story()
    story.feed(event("WorkerExited", worker="demo.1", expected=True, reason="drained", items=[]))
    story.feed(event("WorkerReady", worker="demo.1", pid=99))
    story.feed(event("WorkerSpawned", worker="demo.1", pid=99))

    assert story.events() == ()
    assert story.deaths == 0


def test_what_is_no_event_is_kept_as_the_reason_for_a_daemon_that_could_not_start() -> None:
    story = Story()
    story.feed("snqd: error: the disk is full\n")
    story.feed("\n")

    assert story.last_words == "snqd: error: the disk is full"
    assert not story.is_ready


def test_the_load_reaches_every_queue_and_site_and_has_every_fault_within_two_minutes() -> None:
    items = [item for tick in range(1200) for item in items_of(tick)]

    fed_by_orders = {("mail", "bakery.example")}
    assert {(item.queue, item.site) for item in items} | fed_by_orders == set(KEYS)
    frames = {item.frame for item in items}
    for fault in (b'{"picture":"broken"}', b'{"picture":"poison"}', b'{"partner":"gone"}', b'{"partner":"busy"}'):
        assert fault in frames
