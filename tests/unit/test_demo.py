"""How the demonstration counts, and how the daemon's events become a story."""

from __future__ import annotations

from typing import Any

from snqd.cli.demo_view import Rates
from snqd.demo.load import items_of
from snqd.demo.shops import QUEUES, SITES
from snqd.demo.story import Kind, Story
from snqd.telemetry.facts import EventFact

KEYS = [(queue, site) for queue in QUEUES for site in SITES]


def test_rates_are_those_of_the_last_seconds() -> None:
    rates = Rates()
    key = ("mail", "bakery.example")

    assert rates.add(0.0, {key: 0}) == {key: 0.0}
    assert rates.add(1.0, {key: 50}) == {key: 50.0}
    assert rates.add(10.0, {key: 140}) == {key: 10.0}


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


def test_a_connection_is_told() -> None:
    story = Story()
    fields: dict[str, Any] = {
        "worker": "demo.1",
        "service": "xmpp",
        "name": "news@a.example",
        "site": "",
        "after_seconds": 0.1,
    }
    story.take([EventFact(1, 1_800_000_000.0, "ConnectionUp", "info", "", fields)])

    assert [told.words for told in story.events()] == ["xmpp is connected as news@a.example"]


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


def test_stanzas_are_in_the_load_only_where_there_is_a_server_for_them() -> None:
    def queues(*, has_xmpp: bool) -> set[str]:
        return {item.queue for tick in range(10) for item in items_of(tick, has_xmpp=has_xmpp)}

    assert queues(has_xmpp=True) - queues(has_xmpp=False) == {"xmppout"}
