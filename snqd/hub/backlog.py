"""What waits, as facts: per queue and site from what the store said, per queue with rates and where it is going.

Nobody counts what other programs put into the store, so *enqueued* is reckoned: what waits now, less what waited at the
first look, plus what this daemon has taken away since. What had left is read before the store is asked, so the sum can
only be too small for a moment, never too large, and its maximum is right as soon as things rest.
"""

from __future__ import annotations

import contextlib
import json
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from snqd.telemetry.facts import DepthFact, QueueFact

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from snqd.hub.flows import Key
    from snqd.hub.prober import Seen
    from snqd.stores.probe import SiteDepth

RATE_SECONDS = 60.0
_CONFIRM_SECONDS = 10.0
"""A fact that holds is told with its old moment for so long: there may be thousands in which nothing moves."""


class _Sample(NamedTuple):
    at: float
    enqueued: int
    left: int
    ready: int


class Service(NamedTuple):
    """Who serves which queue: living workers per queue, and every queue that has a handler here."""

    workers: Mapping[str, int]
    known: frozenset[str]


class Backlog:
    """Fed with each new answer of the prober. `boot` ties the saved baseline to one life of the daemon."""

    def __init__(self, boot: int, baseline_file: Path) -> None:
        self._boot = boot
        self._file = baseline_file
        self._baseline: dict[Key, int] | None = _load(baseline_file, boot)
        self._enqueued: dict[Key, int] = {}
        self._samples: dict[str, deque[_Sample]] = {}
        self.depths: dict[Key, DepthFact] = {}

    def take(self, seen: Seen) -> list[DepthFact]:
        """New depth facts; those of what is no longer in the store are zero."""
        present = {(str(each.queue), str(each.site)): each for each in seen.depths}
        if self._baseline is None:
            self._baseline = {key: _waiting(each) + seen.left.get(key, 0) for key, each in present.items()}
            self._baseline |= {key: count for key, count in seen.left.items() if key not in present}
            _save(self._file, self._boot, self._baseline)
        fresh = []
        for key in {*present, *self.depths, *seen.left}:
            fact, before = self._fact(key, present.get(key), seen), self.depths.get(key)
            if before is None or fact.at - before.at >= _CONFIRM_SECONDS or not _is_same(fact, before):
                self.depths[key] = fact
                fresh.append(fact)
        self._sample(seen.depths_at, seen.left)
        return fresh

    def _fact(self, key: Key, depth: SiteDepth | None, seen: Seen) -> DepthFact:
        assert self._baseline is not None
        waiting = _waiting(depth) if depth is not None else 0
        is_estimate = depth is not None and depth.is_estimate
        reckoned = waiting + seen.left.get(key, 0) - self._baseline.get(key, 0)
        before = self._enqueued.get(key, 0)
        if not is_estimate:
            self._enqueued[key] = max(before, reckoned)
        return DepthFact(
            queue=key[0],
            site=key[1],
            ready=depth.ready if depth else 0,
            scheduled=depth.scheduled if depth else 0,
            in_flight=depth.in_flight if depth else 0,
            lag_seconds=round(depth.lag_seconds, 3) if depth else 0.0,
            dead=depth.dead if depth else 0,
            is_estimate=is_estimate,
            at=seen.depths_at,
            enqueued=max(before, reckoned),
            paused=depth.paused if depth else 0,
        )

    def _sample(self, at: float, left: Mapping[Key, int]) -> None:
        sums: dict[str, list[int]] = {}
        for (queue, _site), fact in self.depths.items():
            entry = sums.setdefault(queue, [0, 0, 0])
            entry[0] += fact.enqueued
            entry[2] += fact.ready
        for (queue, _site), count in left.items():
            sums.setdefault(queue, [0, 0, 0])[1] += count
        for queue, (enqueued, gone, ready) in sums.items():
            samples = self._samples.setdefault(queue, deque())
            samples.append(_Sample(at, enqueued, gone, ready))
            while len(samples) > 2 and at - samples[1].at >= RATE_SECONDS:
                samples.popleft()

    def queues(self, seen: Seen, service: Service, paused: Mapping[str, str]) -> list[QueueFact]:
        """One fact per queue that has items, a handler, a past, or is paused (`paused`: in words)."""
        lags = {str(each.queue): each.lag_seconds for each in seen.lags}
        names = {*self._samples, *service.workers, *service.known, *lags, *paused}
        found = (self._queue(name, lags.get(name, 0.0), seen.lags_at, service) for name in sorted(names))
        return [msgspec.structs.replace(fact, paused=paused.get(fact.queue, "")) for fact in found]

    def _queue(self, name: str, lag: float, lag_at: float, service: Service) -> QueueFact:
        samples = self._samples.get(name) or deque[_Sample]()
        came = gone = 0.0
        ready = samples[-1].ready if samples else 0
        is_growing = False
        if len(samples) > 1 and (seconds := samples[-1].at - samples[0].at) > 0:
            came = max(0.0, (samples[-1].enqueued - samples[0].enqueued) / seconds)
            gone = max(0.0, (samples[-1].left - samples[0].left) / seconds)
            is_growing = ready > samples[0].ready
        return QueueFact(
            queue=name,
            workers=service.workers.get(name, 0),
            has_handler=name in service.known,
            paused="",
            in_per_second=round(came, 2),
            out_per_second=round(gone, 2),
            drain_seconds=drain_seconds(ready, came, gone),
            is_growing=is_growing,
            lag_seconds=round(lag, 3),
            lag_at=round(lag_at, 3),
        )


def _is_same(fact: DepthFact, before: DepthFact) -> bool:
    """Whether nothing is new but the moment."""
    return msgspec.structs.replace(fact, at=before.at) == before


def drain_seconds(ready: int, in_per_second: float, out_per_second: float) -> float:
    """Time until nothing is ready; 0 = nothing is now, -1 = never at these rates."""
    if not ready:
        return 0.0
    surplus = out_per_second - in_per_second
    return round(ready / surplus, 1) if surplus > 0 else -1.0


def _waiting(depth: SiteDepth) -> int:
    return depth.ready + depth.scheduled + depth.in_flight + depth.paused


def _load(file: Path, boot: int) -> dict[Key, int] | None:
    """What an earlier hub of the same boot wrote; None when there was none."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        found = json.loads(file.read_text())
        if found["boot"] == boot:
            return {(queue, site): int(count) for queue, site, count in found["waiting"]}
    return None


def _save(file: Path, boot: int, baseline: Mapping[Key, int]) -> None:
    """For the hub that may follow this one. Without it, that one counts from its own first look."""
    fresh = file.with_name(f"{file.name}.new")
    with contextlib.suppress(OSError):
        fresh.write_text(json.dumps({"boot": boot, "waiting": _rows(baseline.items())}))
        fresh.replace(file)


def _rows(items: Iterable[tuple[Key, int]]) -> list[tuple[str, str, int]]:
    return [(queue, site, count) for (queue, site), count in items if count]
