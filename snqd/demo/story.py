"""From the daemon's log to a few lines that tell what happened. Pure, but for the clock that stamps problems.

A worker's death and its replacement are one line, told when the replacement is ready.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_KEPT = 50
_MOST_MILD = 8


class Kind(Enum):
    """What an event is an example of; the screen shows the newest of each kind."""

    DEATH = "died"
    DEAD_LETTER = "dead"
    FAILURE = "retry"
    OTHER = "note"


_GRAVE = (Kind.DEATH, Kind.DEAD_LETTER)


class Told(NamedTuple):
    """One event in words. `at` in epoch seconds; `number` counts events and orders them."""

    number: int
    at: float
    kind: Kind
    words: str


class Story:
    """Fed with lines of the log, in order."""

    def __init__(self) -> None:
        self.is_ready = False
        """The daemon has said that it has started."""
        self.deaths = 0
        self.failures = 0
        self.last_words = ""
        """The last line that was no event: why the daemon could not start."""
        self._events: dict[Kind, deque[Told]] = {kind: deque(maxlen=_KEPT) for kind in Kind}
        self._deaths: dict[str, tuple[float, dict[str, Any]]] = {}
        self._number = 0
        self._lock = threading.Lock()  # the log's thread and the load's both tell

    def feed(self, line: str) -> None:
        """Take one line of the daemon's standard error."""
        try:
            event = json.loads(line)
        except ValueError:
            self.last_words = line.strip() or self.last_words
            return
        teller = _TELLERS.get(event.get("event", ""))
        if teller is not None:
            teller(self, event)
        elif event.get("level") in ("warning", "error", "critical"):
            self._tell(Kind.OTHER, str(event.get("message", "")))

    def problem(self, words: str) -> None:
        """Something that did not come from the daemon."""
        self._tell(Kind.OTHER, words)

    def events(self) -> tuple[Told, ...]:
        """The latest events of each kind, in order of time."""
        with self._lock:
            return tuple(sorted(told for events in self._events.values() for told in events))

    def _tell(self, kind: Kind, words: str) -> None:
        with self._lock:
            self._number += 1
            self._events[kind].append(Told(self._number, time.time(), kind, words))

    # what becomes of each event

    def _started(self, _event: dict[str, Any]) -> None:
        self.is_ready = True

    def _exited(self, event: dict[str, Any]) -> None:
        if event["expected"]:
            return
        self.deaths += 1
        self._deaths[event["worker"]] = (time.monotonic(), event)

    def _ready(self, event: dict[str, Any]) -> None:
        at, death = self._deaths.pop(event["worker"], (0.0, None))
        if death is not None:
            held = len(death["items"])
            given_back = f", {held} item{'s' if held != 1 else ''} given back" if held else ""
            reason = death["reason"].partition(" (")[0]
            took = time.monotonic() - at
            self._tell(Kind.DEATH, f"{event['worker']} {reason}, replaced in {took:.1f} s{given_back}")

    def _dead(self, event: dict[str, Any]) -> None:
        why = "its worker died every time" if event["reason"] == "crash" else _error(event)
        self._tell(Kind.DEAD_LETTER, f"{_item(event)}, {event['attempt']} attempts: {why}")

    def _failed(self, event: dict[str, Any]) -> None:
        self.failures += 1
        self._tell(Kind.FAILURE, f"{_item(event)}: {_error(event)}; again in {event['retry_seconds']:.1f} s")


def choose(events: Sequence[Told], count: int) -> list[Told]:
    """At most `count` events, in order of time: the newest of each kind, deaths and dead letters, some of the rest."""
    newest = {told.kind: told for told in events}
    chosen = [newest[kind] for kind in Kind if kind in newest]
    others = [told for told in events if told not in chosen]
    grave = [told for told in others if told.kind in _GRAVE]
    mild = [told for told in others if told.kind not in _GRAVE]
    return sorted([*chosen, *reversed(grave), *mild[-_MOST_MILD:]][:count])


def _item(event: dict[str, Any]) -> str:
    return f"{event['queue']} {event['item']} at {event['site']}"


def _error(event: dict[str, Any]) -> str:
    """Without the exception's type."""
    name, _colon, message = str(event["error"]).partition(": ")
    return message or name


def _silently(_story: Story, _event: dict[str, Any]) -> None: ...


_TELLERS: dict[str, Callable[[Story, dict[str, Any]], None]] = {
    "DaemonStarted": Story._started,
    "WorkerExited": Story._exited,
    "WorkerReady": Story._ready,
    "ItemDeadLettered": Story._dead,
    "ItemFailed": Story._failed,
    "ItemRetried": Story._failed,
    "ItemCrashed": _silently,  # told by the worker's death
    "ItemsReclaimed": _silently,
}
