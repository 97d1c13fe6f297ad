"""A monitor for tests: a real subscriber at a real hub, and facts to wait for in its fleet."""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING, Any

from snqd.telemetry.feed import Feed
from snqd.telemetry.fleet import Fleet

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from snqd.telemetry.daemon_view import DaemonView
    from snqd.telemetry.facts import EventFact

SECONDS = 20.0


class Monitor:
    """Subscribes when it is made. It only hears what comes while it is asked to wait; the rest waits in its socket."""

    def __init__(self, address: str, *, key: bytes | None = None, frames_per_second: float = 4.0) -> None:
        self.fleet = Fleet()
        self.feed = Feed([address], fleet=self.fleet, key=key, frames_per_second=frames_per_second)

    @property
    def view(self) -> DaemonView:
        """The only daemon that was heard of, without legacy ones."""
        (found,) = [view for view in self.fleet.daemons.values() if not view.name.startswith("legacy")]
        return found

    def wait(self, fact: Callable[[DaemonView], object], what: str, *, seconds: float = SECONDS) -> DaemonView:
        """Listen until `fact` holds; what then is known of the daemon."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            select.select([self.feed], [], [], min(0.05, self.feed.turn()))
            self.feed.turn()
            if self.fleet.daemons and fact(self.view):
                return self.view
        said = [source.words for source in self.feed.sources()]
        raise AssertionError(f"not within {seconds} s: {what}; sources {said}; {self._seen()}")

    def wait_event(self, name: str, *, seconds: float = SECONDS, **fields: Any) -> EventFact:
        """The first event with this name and these fields that is known, or comes in time."""
        self.wait(lambda view: _find(view, name, fields), f"event {name} {fields}", seconds=seconds)
        return _find(self.view, name, fields)[0]

    def wait_words(self, words: str, *, seconds: float = SECONDS) -> None:
        """Until the source's state in words has these in it."""
        until = time.monotonic() + seconds
        while words not in (said := self.feed.sources()[0].words):
            if time.monotonic() > until:
                raise AssertionError(f"not within {seconds} s: {words!r}; it says {said!r}")
            select.select([self.feed], [], [], min(0.05, self.feed.turn()))

    def _seen(self) -> str:
        if not self.fleet.daemons:
            return "nothing was heard"
        view = self.view
        events = [(event.name, event.message) for event in view.events][-15:]
        return f"daemon {view.daemon}; flows {view.flows}; depths {view.depths}; queues {view.queues}; events {events}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.feed.close()


def _find(view: DaemonView, name: str, fields: dict[str, Any]) -> list[EventFact]:
    return [
        event
        for event in view.events
        if event.name == name and all(event.fields.get(key) == value for key, value in fields.items())
    ]
