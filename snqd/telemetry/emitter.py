"""`Emitter`: the one way out for events. It never blocks for long, never raises, and counts what it dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from snqd.telemetry.events import Event


class Sink(Protocol):
    """Takes every event: the log, the pipe to the hub."""

    def __call__(self, event: Event, /) -> None: ...


class Emitter:
    """Gives each event to every sink. A sink that fails costs the event, not the work."""

    def __init__(self, *sinks: Sink) -> None:
        self._sinks = sinks
        self.dropped = 0

    def emit(self, event: Event) -> None:
        for sink in self._sinks:
            try:
                sink(event)
            except Exception:  # a broken pipe on the log must not stop a queue
                self.dropped += 1


class ListSink:
    """Keeps events in a list: the eyes of tests."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event, /) -> None:
        self.events.append(event)
