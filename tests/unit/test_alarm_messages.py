"""Alarms by XMPP: each change is told, an outage is a few messages, and a store that is away loses none of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from snqd.errors import StoreUnavailable
from snqd.hub.alarm_messages import LINES, RETRY_SECONDS, AlarmMessages, line_of
from snqd.items import NewItem, new_item
from snqd.telemetry.why import Answer, Cause
from tests.support.views import alarm

if TYPE_CHECKING:
    from collections.abc import Callable


class Hand:
    """In the place of `StoreHand`, whose thread `tests/unit/test_hub_store_hand.py` tests: keeps what is enqueued."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.error: Exception | None = None

    def enqueue(self, items: list[NewItem]) -> None:
        self.texts += [item.frame.decode() for item in items]

    async def do(self, action: Callable[[Any], Any], *, seconds: float) -> Any:
        assert seconds > 0
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        return action(self)


class Bench:
    def __init__(self, per_minute: float = 60.0) -> None:
        self.hand = Hand()
        self.reports: list[tuple[str, str]] = []
        self.messages = AlarmMessages(
            sender="main@db7",
            per_minute=per_minute,
            make_items=lambda text: [new_item("xmppout", text, codec="text")],
            hand=self.hand,  # type: ignore[arg-type]
            report=lambda *said: self.reports.append(said),
        )

    async def turn(self, now: float) -> list[str]:
        """What is sent by a turn."""
        before = len(self.hand.texts)
        self.messages.turn(now)
        for _ in range(5):
            await asyncio.sleep(0)
        return self.hand.texts[before:]


async def test_a_raised_alarm_is_told_with_its_cause_and_its_end_is_told_too() -> None:
    bench = Bench()
    cause = Answer(Cause.PAUSED, "mail is paused by ada", "snqd resume --queue mail")
    bench.messages.tell(alarm("lag", message="the oldest item has waited 5m"), cause)
    assert await bench.turn(0.0) == [
        "main@db7: ALARM lag of mail: the oldest item has waited 5m\nmail is paused by ada (snqd resume --queue mail)"
    ]

    bench.messages.tell(alarm("lag", is_raised=False, message="queue mail: nothing is overdue"), None)
    assert await bench.turn(1.0) == ["main@db7: over: lag of mail: queue mail: nothing is overdue"]
    assert await bench.turn(2.0) == []


async def test_alarms_that_come_too_often_share_a_message() -> None:
    bench = Bench(per_minute=1.0)
    bench.messages.tell(alarm("lag", "a"), None)
    assert len(await bench.turn(0.0)) == 1

    for queue in "bcd":
        bench.messages.tell(alarm("lag", queue), None)
        assert await bench.turn(1.0) == []
    (text,) = await bench.turn(61.0)

    assert [line.split(":")[1] for line in text.splitlines()] == [
        " ALARM lag of b",
        " ALARM lag of c",
        " ALARM lag of d",
    ]


async def test_of_very_many_the_oldest_are_only_counted() -> None:
    bench = Bench()
    for number in range(LINES + 7):
        bench.messages.tell(alarm("lag", f"q{number}"), None)
    (text,) = await bench.turn(0.0)

    first, *rest = text.splitlines()
    assert first == "main@db7: 7 changes before these: snqd health"
    assert len(rest) == LINES
    assert "of q7:" in rest[0]


async def test_while_the_store_is_away_alarms_wait_and_it_is_reported_once() -> None:
    bench = Bench()
    bench.hand.error = StoreUnavailable("PostgreSQL is gone")
    bench.messages.tell(alarm("store", "store"), None)
    for number in range(3):
        assert await bench.turn(number * RETRY_SECONDS) == []
    bench.messages.tell(alarm("store", "store", is_raised=False), None)
    bench.hand.error = None

    assert await bench.turn(2.5 * RETRY_SECONDS) == []  # not before its time
    (text,) = await bench.turn(4 * RETRY_SECONDS)
    assert [line.split(":")[1] for line in text.splitlines()] == [" ALARM store of store", " over"]
    assert bench.reports == [("alarms.xmpp", "PostgreSQL is gone")]


@pytest.mark.parametrize("per_minute", [0.5, 0.01])
async def test_a_slow_rate_still_tells_the_first(per_minute: float) -> None:
    bench = Bench(per_minute=per_minute)
    bench.messages.tell(alarm("lag"), None)

    assert len(await bench.turn(0.0)) == 1


def test_an_alarm_without_a_known_cause_is_one_line() -> None:
    assert "\n" not in line_of("main@db7", alarm("respawns", "main"), None)
