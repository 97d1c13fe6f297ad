"""`LiveFeed`: hubs at which we subscribe, frames that are pushed, legacy pings: one fleet, one descriptor, one status.

Every hub has a `snqd.telemetry.feed.Feed` of its own, which may come and go while the monitor runs and may have a key
of its own. One that is down costs the others nothing.
"""

from __future__ import annotations

import select
import time
from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from snqd.telemetry import feed as telemetry
from snqd.telemetry.fleet import Fleet
from snqmon.feeds.advice import advice_on
from snqmon.feeds.legacy import LegacyListener
from snqmon.feeds.standing import Recording, Standing, status_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from snqd.telemetry.ears import Believed
    from snqd.telemetry.recording import Recorder
    from snqmon.feeds.base import FeedStatus
    from snqmon.feeds.finding import Finder

IDLE_SECONDS: Final = 1.0
_TURN_SECONDS: Final = 0.05
"""One turn ends after so long, whatever is left: a screen must stay alive."""
_FORGET_SECONDS: Final = 60.0
"""A hub that was found, has gone and was silent for so long is not missed any more."""
_SLOWEST, _FASTEST = 0.1, 20.0
_NOBODY: Final = ""
"""Stands for the name of a daemon that was not found, but may be at the usual address."""


class Hub(NamedTuple):
    """Where to subscribe, and with which key."""

    address: str
    key: bytes | None = None


class _Turning(Protocol):
    def fileno(self) -> int: ...

    def turn(self, now: float | None = None) -> float: ...

    def close(self) -> None: ...


class _Part:
    """One of what is turned. `due` by the monotonic clock."""

    __slots__ = ("address", "descriptor", "due", "feed", "has_key")

    def __init__(self, feed: _Turning, address: str, *, has_key: bool) -> None:
        self.feed = feed
        self.address = address
        self.descriptor = feed.fileno()
        self.due = -inf
        self.has_key = has_key


class LiveFeed:
    """Implements `snqmon.feeds.base.Feed`."""

    def __init__(
        self,
        hubs: Iterable[Hub] = (),
        *,
        finder: Finder | None = None,
        listen: str | None = None,
        listen_legacy: str | None = None,
        believed: Believed | None = None,
        key: bytes | None = None,
        frames_per_second: float = 1.0,
        recorder: Recorder | None = None,
        record_file: Path | None = None,
    ) -> None:
        """`finder` brings hubs that nobody named; `key` is theirs, and of what is pushed. `believed`: whose legacy
        pings count.

        Raises `ValueError` for an address that cannot be read, `SnqdError` if one is not to be had for listening.
        """
        self._fleet = Fleet()
        self._key, self._pace = key, _clamped(frames_per_second)
        self._recorder, self._record_file = recorder, record_file
        self._poll = select.epoll()
        self._began = time.monotonic()
        self._named: list[_Part] = []
        self._found: dict[str, _Part] = {}
        """Hubs that the finder brought, by the daemon's key."""
        self._finder = finder
        self._legacy: LegacyListener | None = None
        try:
            for hub in hubs:
                self._named.append(self._opened(hub))
            if listen is not None:
                self._named.append(self._opened_ear(listen))
            if listen_legacy is not None:
                self._legacy = LegacyListener(
                    listen_legacy, fleet=self._fleet, believed=believed, key=key, on_datagram=self._on_datagram
                )
                self._named.append(self._taken(self._legacy, listen_legacy, has_key=False))
        except BaseException:
            self.close()
            raise

    @property
    def fleet(self) -> Fleet:
        return self._fleet

    @property
    def listens_at(self) -> tuple[str, ...]:
        """Where something can be pushed, with the ports that were chosen."""
        ears = [part.feed.listens_at for part in self._named if isinstance(part.feed, telemetry.Feed)]
        return tuple(each for each in (*ears, self._legacy.address if self._legacy else "") if each)

    def fileno(self) -> int:
        return self._poll.fileno()

    def turn(self, now: float | None = None) -> float:
        begun = time.monotonic()
        now = begun if now is None else now
        self._follow_finder(now)
        ready = {descriptor for descriptor, _events in self._poll.poll(0)}
        parts = sorted(self._parts(), key=lambda part: part.due)  # whoever waited longest is first
        for part in parts:
            if part.descriptor in ready or now >= part.due:
                part.due = now + part.feed.turn(now)
                if time.monotonic() - begun > _TURN_SECONDS:
                    return 0.0
        following = min((part.due for part in parts), default=inf) - now
        if self._finder is not None:
            following = min(following, self._finder.next_in(now, is_calm=self._is_calm(now)))
        return min(IDLE_SECONDS, max(0.0, following))

    def now(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()

    def watch(self, observe: Callable[[], None]) -> None:
        """What comes live comes at its own pace: there is nothing to call `observe` for."""

    def status(self) -> FeedStatus:
        now = time.monotonic()
        standings = [standing for part in self._parts() for standing in self._standings(part, now)]
        return status_of(standings, now, began=self._began, recording=self._recording(), also=self._search_words())

    def change_pace(self, frames_per_second: float) -> None:
        self._pace = _clamped(frames_per_second)
        for part in self._parts():
            if isinstance(part.feed, telemetry.Feed):
                part.feed.change_pace(self._pace)
                part.due = -inf

    def close(self) -> None:
        for part in self._parts():
            part.feed.close()
        self._named, self._found = [], {}
        if self._recorder is not None:
            self._recorder.close()
        self._poll.close()

    def _parts(self) -> list[_Part]:
        return [*self._named, *self._found.values()]

    def _opened(self, hub: Hub) -> _Part:
        feed = telemetry.Feed(
            [hub.address], fleet=self._fleet, key=hub.key, frames_per_second=self._pace, on_datagram=self._on_datagram
        )
        return self._taken(feed, hub.address, has_key=hub.key is not None)

    def _opened_ear(self, listen: str) -> _Part:
        feed = telemetry.Feed(fleet=self._fleet, listen=listen, key=self._key, on_datagram=self._on_datagram)
        return self._taken(feed, listen, has_key=self._key is not None)

    def _taken(self, feed: _Turning, address: str, *, has_key: bool) -> _Part:
        part = _Part(feed, address, has_key=has_key)
        self._poll.register(part.descriptor, select.EPOLLIN)
        return part

    def _dropped(self, part: _Part) -> None:
        self._poll.unregister(part.descriptor)
        part.feed.close()

    @property
    def _on_datagram(self) -> Callable[[float, bytes], None] | None:
        return None if self._recorder is None else self._recorder.write

    def _follow_finder(self, now: float) -> None:
        """Subscribe at what was found, and leave what has gone: a hub may be replaced by one on another port."""
        finder = self._finder
        if finder is None or not finder.turn(now, is_calm=self._is_calm(now)) or finder.found is None:
            return
        wanted = {place.key: place.listen for place in finder.found.places if place.listen}
        if not wanted and finder.fallback:
            wanted = {_NOBODY: finder.fallback}
        for name, part in list(self._found.items()):
            if self._is_over(name, part, wanted, now):
                self._dropped(self._found.pop(name))
        heard_at = {part.address for part in self._found.values()}
        for name, address in wanted.items():
            if address not in heard_at:
                self._found[name] = self._opened(Hub(address, self._key))

    def _is_over(self, name: str, part: _Part, wanted: Mapping[str, str], now: float) -> bool:
        """Whether a hub is to be left: the daemon has another one now, or it has gone and does not come back."""
        if part.address in wanted.values():
            return False
        return name in wanted or not any(now - source.last_heard < _FORGET_SECONDS for source in _sources(part, now))

    def _is_calm(self, now: float) -> bool:
        found = self._found.values()
        return bool(found) and all(source.is_receiving for part in found for source in _sources(part, now))

    def _standings(self, part: _Part, now: float) -> list[Standing]:
        if isinstance(part.feed, LegacyListener):
            return [Standing(part.feed.source(now), part.feed.advice(now))]
        return [Standing(source, advice_on(source, now, has_key=part.has_key)) for source in _sources(part, now)]

    def _search_words(self) -> list[str]:
        if self._finder is None:
            return []
        if self._finder.found is None:
            return ["Looking for daemons on this host."]
        places, problems = self._finder.found
        deaf = [
            f"The hub of daemon {place.key} listens nowhere: set telemetry.listen in its configuration to 'auto'."
            for place in places
            if not place.listen
        ]
        if places or not self._finder.fallback:
            return [*deaf, *problems]
        return [
            "No daemon was found on this host. Start one with 'snqd run', or see an example with 'snqd demo'.",
            "One on another host: snqmon HOST:PORT. This monitor with made-up figures: snqmon --demo.",
            *problems,
        ]

    def _recording(self) -> Recording | None:
        recorder = self._recorder
        if recorder is None:
            return None
        return Recording(str(self._record_file), recorder.written, recorder.failed, recorder.problem)


def _sources(part: _Part, now: float) -> list[telemetry.Source]:
    return part.feed.sources(now) if isinstance(part.feed, telemetry.Feed) else []


def _clamped(frames_per_second: float) -> float:
    return min(_FASTEST, max(_SLOWEST, frames_per_second))
