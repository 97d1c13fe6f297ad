"""What `snqd demo` draws, and how the daemon's log becomes a story."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from snqd.cli.demo_view import DemoLook, Rates, screen_lines
from snqd.cli.screen import Piece, cut
from snqd.demo.load import items_of
from snqd.demo.shops import QUEUES, SITES
from snqd.demo.story import Kind, Story, Told, choose
from snqd.telemetry.facts import EventFact
from tests.support.telemetry import DEPTH, WORKER, changed

if TYPE_CHECKING:
    from snqd.telemetry.facts import WorkerFact

KEYS = [(queue, site) for queue in QUEUES for site in SITES]


def worker(number: int) -> WorkerFact:
    return changed(
        WORKER,
        worker=f"demo.{number}",
        pid=4123456,
        item=1234567,
        queue="thumbnail",
        running=9,
        handled=123456,
        failed=1234,
        retried=7,
        rss_bytes=31 << 20,
        respawns=17,
    )


def told(number: int, kind: Kind) -> Told:
    return Told(number, 1_800_000_000.0 + number, kind, f"event {number} " + "x" * 200)


def look(workers: int = 3) -> DemoLook:
    return DemoLook(
        running_seconds=5999.0,
        facts={
            (queue, site): changed(
                DEPTH,
                queue=queue,
                site=site,
                ready=123456,
                scheduled=98765,
                in_flight=321,
                dead=4567,
                lag_seconds=86399.0,
            )
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


def event(number: int, name: str, **fields: Any) -> EventFact:
    return EventFact(number, 1_800_000_000.0 + number, name, "info", name, fields)


DIED = event(
    1, "WorkerExited", worker="demo.1", expected=False, reason="killed by SIGKILL (out of memory?)", items=(7, 8)
)


def test_a_death_is_told_once_when_its_replacement_is_ready() -> None:
    story = Story()
    story.take([DIED])

    assert story.events() == ()
    assert story.deaths == 1

    story.take([DIED, event(2, "WorkerReady", worker="demo.1", pid=99)])

    (only,) = story.events()
    assert only.kind is Kind.DEATH
    assert only.words == "demo.1 killed by SIGKILL, replaced in 1.0 s, 2 items given back"
    assert story.deaths == 1


def test_an_expected_end_and_an_unremarkable_event_are_not_told() -> None:
    story = Story()
    story.take(
        [
            event(1, "WorkerExited", worker="demo.1", expected=True, reason="drained", items=()),
            event(2, "WorkerReady", worker="demo.1", pid=99),
            event(3, "WorkerSpawned", worker="demo.1", pid=99),
        ]
    )

    assert story.events() == ()
    assert story.deaths == 0


def test_the_load_reaches_every_queue_and_site_and_has_every_fault_within_two_minutes() -> None:
    items = [item for tick in range(1200) for item in items_of(tick)]

    fed_by_orders = {("mail", "bakery.example")}
    assert {(item.queue, item.site) for item in items} | fed_by_orders == set(KEYS)
    frames = {item.frame for item in items}
    for fault in (b'{"picture":"broken"}', b'{"picture":"poison"}', b'{"partner":"gone"}', b'{"partner":"busy"}'):
        assert fault in frames
