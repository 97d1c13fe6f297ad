"""Limits, as facts: what the configuration says, and the sites; and what they hold back."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from snqd.config.site_image import SiteImage
from snqd.errors import SnqdError
from snqd.telemetry.facts import LimitFact
from snqd.telemetry.limits import holding_back, in_flight_of, is_left
from snqd.worker.limits import limits_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from snqd.config.schema import Config
    from snqd.hub.flows import Key
    from snqd.telemetry.facts import DepthFact, QueueFact

_MOST_TOLD = 500
"""Those of queues come first, and those for every site."""


class LimitBook:
    """`sites`: the image of the declared sites."""

    def __init__(self, config: Config, sites: Path) -> None:
        self._config = config
        self._path = sites
        self._image: SiteImage | None = None
        self._facts: list[LimitFact] = []
        self._by_target: dict[Key, LimitFact] = {}
        self._depths: Mapping[Key, DepthFact] = {}
        self._in_flight: Mapping[Key, int] = {}
        self._ready: dict[str, list[str]] = {}
        """The sites with ready items of each queue."""
        self._held_back: dict[tuple[str, bool], str] = {}
        """In words, by queue and whether items are left."""
        self._is_counted = False

    def facts(self) -> list[LimitFact]:
        """Those that hold."""
        if self._image is None or self._image.is_superseded:
            try:
                self._image = SiteImage(self._path)
            except (OSError, SnqdError):  # there will be one again
                return self._facts
            limits = limits_of(self._config, self._image.claims()).all()
            self._facts = [LimitFact(*target, *limit) for target, limit in islice(limits, _MOST_TOLD)]
            self._by_target = {(fact.queue, fact.site): fact for fact in self._facts}
            self._is_counted = False
        return self._facts

    def saw(self, depths: Mapping[Key, DepthFact]) -> None:
        """The store has said anew what waits and what is in flight."""
        self._depths, self._is_counted = depths, False

    def of_queue(self, fact: QueueFact, *, has_idle: bool) -> QueueFact:
        """The fact with what is limited of its queue. `has_idle`: whether a worker has nothing to do."""
        if not self._by_target:
            return fact
        whole = self._by_target.get((fact.queue, ""))
        held_back = self._words(
            fact.queue, is_left=is_left(whole, fact.lag_seconds, fact.out_per_second, has_idle=has_idle)
        )
        return msgspec.structs.replace(
            fact,
            in_flight_limit=whole.in_flight if whole is not None else 0,
            rate_limit=whole.rate if whole is not None else 0.0,
            held_back=held_back if fact.lag_seconds and not fact.paused else "",
        )

    def _words(self, queue: str, *, is_left: bool) -> str:
        """Found once for each answer of the store, which took longer to count."""
        if not self._is_counted:
            self._count()
        key = queue, is_left
        if key not in self._held_back:
            sites = self._ready.get(queue)
            found = holding_back(self._by_target, self._in_flight, queue, sites, is_left=is_left) if sites else None
            self._held_back[key] = found.sentence if found is not None else ""
        return self._held_back[key]

    def _count(self) -> None:
        self._is_counted = True
        self._held_back.clear()
        self._in_flight = in_flight_of(self._depths.values())
        self._ready = {}
        for fact in self._depths.values():
            if fact.ready:
                self._ready.setdefault(fact.queue, []).append(fact.site)
