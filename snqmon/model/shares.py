"""`Shares`: the whole of a daemon, of which each site takes a part: who is the noisy neighbour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqmon.model.track import counts_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snqmon.model.minute import Counts
    from snqmon.model.moment import Moment


class Shares:
    __slots__ = ("ever", "minute", "ready", "slots")

    def __init__(self, moment: Moment) -> None:
        track = moment.history.whole
        self.ever: Counts = counts_of(track.totals)
        """Since the daemon's boot, in the places of `track`."""
        self.minute: Counts | None = track.minute.rates(moment.at, self.ever)
        """Per second, within the last minute."""
        self.ready = track.totals.ready
        self.slots: Mapping[str, int] = _slots(moment)
        """How many workers run an item of which site now."""


def _slots(moment: Moment) -> dict[str, int]:
    found: dict[str, int] = {}
    for worker in moment.view.workers.values():
        if worker.running:
            found[worker.site] = found.get(worker.site, 0) + 1
    return found
