"""From the daemon's events to a few lines that tell what happened. Pure, but for the clock that stamps problems.

A worker's death and its replacement are one line, told when the replacement is ready.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from snqd.telemetry.facts import EventFact

_KEPT = 50
_REMEMBERED = 2000


class Kind(Enum):
    """What an event is an example of; the line names it."""

    DEATH = "died"
    DEAD_LETTER = "dead"
    FAILURE = "retry"
    OTHER = "note"


class Told(NamedTuple):
    """One event in words. `at` in epoch seconds; `number` counts events and orders them."""

    number: int
    at: float
    kind: Kind
    words: str


class Story:
    """Fed with the events of telemetry, in order; one that it knows is passed over."""

    def __init__(self) -> None:
        self.deaths = 0
        self.failures = 0
        self._known: dict[tuple[int, float], None] = {}
        self._events: dict[Kind, deque[Told]] = {kind: deque(maxlen=_KEPT) for kind in Kind}
        self._deaths: dict[str, EventFact] = {}
        self._number = 0
        self._lock = threading.Lock()  # the load's thread tells problems

    def take(self, events: Iterable[EventFact]) -> None:
        """Take what a monitor knows."""
        for event in events:
            key = (event.number, event.at)
            if key in self._known:
                continue
            self._known[key] = None
            if len(self._known) > _REMEMBERED:
                del self._known[next(iter(self._known))]
            teller = _TELLERS.get(event.name)
            if teller is not None:
                teller(self, event)
            elif event.level in ("warning", "error"):
                self._tell(Kind.OTHER, event.message, event.at)

    def problem(self, words: str) -> None:
        """Something that did not come from the daemon."""
        self._tell(Kind.OTHER, words, time.time())

    def events(self) -> tuple[Told, ...]:
        """The latest events of each kind, in order of time."""
        with self._lock:
            return tuple(sorted(told for events in self._events.values() for told in events))

    def _tell(self, kind: Kind, words: str, at: float) -> None:
        with self._lock:
            self._number += 1
            self._events[kind].append(Told(self._number, at, kind, words))

    # what becomes of each event

    def _exited(self, event: EventFact) -> None:
        if event.fields["expected"]:
            return
        self.deaths += 1
        self._deaths[str(event.fields["worker"])] = event

    def _ready(self, event: EventFact) -> None:
        worker = str(event.fields["worker"])
        death = self._deaths.pop(worker, None)
        if death is not None:
            items = death.fields["items"]
            held = len(items) if isinstance(items, tuple) else 0
            given_back = f", {held} item{'s' if held != 1 else ''} given back" if held else ""
            reason = str(death.fields["reason"]).partition(" (")[0]
            took = event.at - death.at
            self._tell(Kind.DEATH, f"{worker} {reason}, replaced in {took:.1f} s{given_back}", event.at)

    def _dead(self, event: EventFact) -> None:
        fields = event.fields
        why = "its worker died every time" if fields["reason"] == "crash" else _error(event)
        self._tell(Kind.DEAD_LETTER, f"{_item(event)}, {fields['attempt']} attempts: {why}", event.at)

    def _failed(self, event: EventFact) -> None:
        self.failures += 1
        again = f"again in {event.fields['retry_seconds']:.1f} s"
        self._tell(Kind.FAILURE, f"{_item(event)}: {_error(event)}; {again}", event.at)

    def _connected(self, event: EventFact) -> None:
        self._tell(Kind.OTHER, "{service} is connected as {name}".format_map(event.fields), event.at)


def _item(event: EventFact) -> str:
    return "{queue} {item} at {site}".format_map(event.fields)


def _error(event: EventFact) -> str:
    """Without the exception's type."""
    name, _colon, message = str(event.fields["error"]).partition(": ")
    return message or name


def _silently(_story: Story, _event: EventFact) -> None: ...


_TELLERS: dict[str, Callable[[Story, EventFact], None]] = {
    "WorkerExited": Story._exited,
    "WorkerReady": Story._ready,
    "ItemDeadLettered": Story._dead,
    "ItemFailed": Story._failed,
    "ItemRetried": Story._failed,
    "ConnectionUp": Story._connected,
    "ItemCrashed": _silently,  # told by the worker's death
    "ItemsReclaimed": _silently,
}
