"""Limits, as facts: what the configuration says, and the sites."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from snqd.config.site_image import SiteImage
from snqd.errors import SnqdError
from snqd.telemetry.facts import LimitFact
from snqd.worker.limits import limits_of

if TYPE_CHECKING:
    from pathlib import Path

    from snqd.config.schema import Config

_MOST_TOLD = 500
"""Those of queues come first, and those for every site."""


class LimitBook:
    """`sites`: the image of the declared sites."""

    def __init__(self, config: Config, sites: Path) -> None:
        self._config = config
        self._path = sites
        self._image: SiteImage | None = None
        self._facts: list[LimitFact] = []

    def facts(self) -> list[LimitFact]:
        """Those that hold."""
        if self._image is None or self._image.is_superseded:
            try:
                self._image = SiteImage(self._path)
            except (OSError, SnqdError):  # there will be one again
                return self._facts
            limits = limits_of(self._config, self._image.claims()).all()
            self._facts = [LimitFact(*target, *limit) for target, limit in islice(limits, _MOST_TOLD)]
        return self._facts
