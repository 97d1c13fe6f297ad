from __future__ import annotations

from typing import TYPE_CHECKING

from snqd.hub.pauses import TOLD_SECONDS, PauseBook
from snqd.items import QueueName, SiteName
from snqd.stores.pauses import Pause
from snqd.telemetry.events import Paused, Resumed

if TYPE_CHECKING:
    from snqd.telemetry.events import Event

BEGUN = 1000.0
MAIL, A = QueueName("mail"), SiteName("a")
OLD = Pause(MAIL, None, "ada", "the relay is down", since=500.0)


class Desk:
    """A book, and what it tells."""

    def __init__(self) -> None:
        self.told: list[Event] = []
        self.book = PauseBook("main", self.told.append, begun=BEGUN)

    def take(self, *pauses: Pause, now: float) -> list[str]:
        """What is told of this look."""
        self.told.clear()
        self.facts = self.book.take(pauses, now)
        return [f"{type(event).__name__} {event.queue}/{event.site} {event.author}" for event in self.told]  # type: ignore[union-attr]


def test_a_pause_is_a_fact_and_an_event_when_it_begins_and_ends() -> None:
    desk = Desk()
    assert desk.take(now=1001.0) == []
    made = Pause(MAIL, A, "ada", "spam", since=1002.0, expires_at=1062.0)

    assert desk.take(made, now=1003.0) == ["Paused mail/a ada"]
    assert desk.told == [Paused(daemon="main", queue="mail", site="a", author="ada", reason="spam", until=1062.0)]
    (fact,) = desk.facts
    assert (fact.since, fact.expires, fact.ended, fact.reason) == (1002.0, 1062.0, 0.0, "spam")
    assert desk.take(made, now=1004.0) == []

    ended = made._replace(ended_at=1012.0, ended_by="bob")
    assert desk.take(ended, now=1013.0) == ["Resumed mail/a bob"]
    assert desk.told == [Resumed(daemon="main", queue="mail", site="a", author="bob", paused_seconds=10.0)]
    assert [(each.ended, each.ended_by) for each in desk.facts] == [(1012.0, "bob")]
    assert desk.take(ended, now=1014.0) == []
    assert desk.take(ended, now=1012.0 + TOLD_SECONDS) == []
    assert desk.facts == []


def test_a_pause_whose_time_is_over_ends_without_an_author() -> None:
    desk = Desk()
    made = Pause(None, A, "ada", since=1002.0, expires_at=1010.0)
    desk.take(made, now=1003.0)

    assert desk.take(made, now=1010.5) == ["Resumed /a "]
    assert desk.facts[0].ended == 1010.0


def test_what_was_paused_before_this_hub_began_is_a_fact_and_no_news() -> None:
    desk = Desk()

    assert desk.take(OLD, now=1001.0) == []
    assert [fact.queue for fact in desk.facts] == ["mail"]
    assert desk.take(OLD._replace(ended_at=1002.0, ended_by="bob"), now=1003.0) == ["Resumed mail/ bob"]


def test_what_happened_after_it_began_and_before_its_first_look_is_news() -> None:
    desk = Desk()
    ended = OLD._replace(ended_at=1000.5, ended_by="bob")
    made = Pause(None, A, "ada", since=1000.2)

    assert desk.take(ended, made, now=1001.0) == ["Resumed mail/ bob", "Paused /a ada"]


def test_a_pause_that_was_changed_is_told_again() -> None:
    desk = Desk()
    desk.take(OLD, now=1001.0)

    assert desk.take(OLD._replace(author="bob", expires_at=2000.0), now=1002.0) == ["Paused mail/ bob"]


def test_what_began_and_ended_between_two_looks_is_told_in_order() -> None:
    desk = Desk()
    desk.take(OLD, now=1001.0)
    again = Pause(MAIL, None, "cyd", since=1010.0)

    assert desk.take(again, now=1011.0) == ["Resumed mail/ ", "Paused mail/ cyd"]
    short = Pause(MAIL, A, "ada", since=1012.0, ended_at=1012.5, ended_by="ada")
    assert desk.take(again, short, now=1013.0) == ["Paused mail/a ada", "Resumed mail/a ada"]


def test_a_row_that_somebody_deleted_is_a_pause_that_ended() -> None:
    desk = Desk()
    desk.take(OLD, now=1001.0)

    assert desk.take(now=1002.0) == ["Resumed mail/ "]
    assert desk.told[0].paused_seconds == 502.0  # type: ignore[union-attr]
    assert desk.take(now=1003.0) == []
