"""`o` on an event or an alarm: to the queue, worker or site that it is about, without its own detail in between."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest
from msgspec.structs import replace

from snqmon.screens.detail import DetailScreen
from tests.support.screens import opened
from tests.support.views import alarm, depth, event, flow, queue, worker
from tests.support.worlds import ToldFeed

if TYPE_CHECKING:
    from snqd.telemetry.facts import AnyFact

FLEET = (queue("mail"), depth("mail", "news.example", ready=1), flow("mail", "news.example"), worker(1))


class Jumped(NamedTuple):
    """What there was after `o` on the only row of a screen."""

    title: str
    """Of the detail that is open; empty = there is none."""
    toasts: list[str]
    keys: str
    """The line of keys before it."""


async def jumped(key: str, *told: AnyFact) -> Jumped:
    feed = ToldFeed()
    feed.tell(*FLEET, *told)
    async with opened(feed) as screen:
        await screen.press(key)
        keys = screen.lines[-1]
        await screen.press("o")
        shown = screen.app.screen
        return Jumped(shown.detail.title if isinstance(shown, DetailScreen) else "", screen.toasts, keys)


@pytest.mark.parametrize(
    ("name", "fields", "title"),
    [
        ("ItemFailed", {"queue": "mail", "site": "news.example", "worker": "main.1"}, "queue mail"),
        ("WorkerExited", {"queue": "mail", "worker": "main.1"}, "worker main.1"),
        ("Paused", {"queue": "", "site": "news.example"}, "site news.example"),
        ("AlarmRaised", {"name": "memory", "subject": "main.1"}, "worker main.1"),
    ],
)
async def test_an_event_leads_to_what_it_is_about(name: str, fields: dict[str, str], title: str) -> None:
    found = await jumped("5", replace(event(name), fields=fields))

    assert "o Go there" in found.keys
    assert found.title == title


async def test_an_alarm_leads_to_its_queue() -> None:
    assert (await jumped("6", alarm("lag", "mail"))).title == "queue mail"


async def test_what_is_not_there_any_more_is_said() -> None:
    found = await jumped("5", event("WorkerExited", worker="main.7"))

    assert (found.title, found.toasts) == ("", ["main.7 is not known any more"])


async def test_where_it_leads_nowhere_it_is_not_offered() -> None:
    found = await jumped("5", event("DaemonStarted", daemon="main"))

    assert "Go there" not in found.keys
    assert found.title == ""
