"""`World`: everything the monitor knows at one moment, and the courses of its figures. Look at it, never change it.

The app calls `observe` once per tick (at most four times a second, however many datagrams come); between two ticks
nothing in here changes, so a whole screen shows one moment.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final

from snqd.telemetry.why import why
from snqmon.model.formats import natural
from snqmon.model.glance import Glance
from snqmon.model.history import Histories
from snqmon.model.moment import Moment
from snqmon.model.rows import AlarmRow, DaemonRow, EventRow, PairRow, QueueRow, SiteRow, WorkerRow
from snqmon.model.shares import Shares
from snqmon.model.sparkline import BLOCKS, PLAIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snqd.telemetry.why import Answer
    from snqmon.feeds.base import Feed, FeedStatus
    from snqmon.model.columns import Key, Row
    from snqmon.model.thresholds import Thresholds

_PAIRS_A_SECOND: Final = 20_000
CLEARED_SECONDS: Final = 60.0
"""Alarms that were cleared are shown for this long."""


class World:
    def __init__(self, feed: Feed, thresholds: Thresholds, *, is_ascii: bool = False) -> None:
        """`is_ascii`: sparklines for terminals that have no more."""
        self.feed = feed
        self.thresholds = thresholds
        self.is_ascii = is_ascii
        self.histories = Histories()
        self.now = feed.now()
        """By the clock of the feed's fleet."""
        self.wall = feed.wall()
        """Epoch seconds."""
        self.status: FeedStatus = feed.status()
        self.moments: dict[str, Moment] = {}
        """Every daemon as it is now, by `name@host`, in the order of their names."""
        self._scene = _Scene(self)
        self._answers: dict[tuple[str, str, str | None], tuple[float, Answer]] = {}

    def observe(self) -> None:
        """Look at the fleet: note what its counters are now, find what has appeared, faded, gone."""
        feed = self.feed
        self.now, self.wall, self.status = feed.now(), feed.wall(), feed.status()
        self.histories.observe(feed.fleet, self.now)
        signs = PLAIN if self.is_ascii else BLOCKS
        histories = sorted(self.histories.daemons.items())
        self.moments = {key: Moment(history, self.thresholds, self.now, signs) for key, history in histories}
        self._scene = _Scene(self)

    def keep_up(self) -> None:
        """Add what has just come to the totals. Without it the next look has to, and with thousands of sites a key that
        is pressed then would wait for it."""
        for view in self.feed.fleet.daemons.values():
            view.totals()

    @property
    def has_many_daemons(self) -> bool:
        """Whether tables need the column that says whose row it is."""
        return len(self.moments) > 1

    def daemons(self) -> Sequence[DaemonRow]:
        return self._scene.daemons

    def queues(self) -> Sequence[QueueRow]:
        """One per daemon and queue, in the order of their names: sorting is the table's."""
        return self._scene.queues

    def workers(self) -> Sequence[WorkerRow]:
        """With those that vanished within the last minute, which fade."""
        return self._scene.workers

    def sites(self) -> Sequence[SiteRow]:
        return self._scene.sites

    def events(self) -> Sequence[EventRow]:
        """Of all daemons, oldest first."""
        return self._scene.events

    def alarms(self) -> Sequence[AlarmRow]:
        """Raised ones, and those cleared within the last minute."""
        return self._scene.alarms

    def pairs(self, *, daemon: str, queue: str | None = None, site: str | None = None) -> Sequence[PairRow]:
        """The sites of a queue, or the queues of a site. Their rates are noted for as long as somebody asks."""
        moment = self.moments.get(daemon)
        if moment is None:
            return []
        moment.history.watch(queue, site)
        return [PairRow(moment, *pair) for pair in sorted(moment.history.pairs_of(queue, site))]

    def glance(self) -> Glance:
        """The answers of the first screen."""
        return self._scene.glance

    def busiest_sites(self) -> Sequence[SiteRow]:
        """Of each daemon the site that most workers serve now."""
        return self._scene.busiest_sites

    def find(self, table: str, key: Key) -> Row | None:
        """The row of a table as it is now; None = it is not there any more."""
        moment = self.moments.get(key[0])
        if moment is None:
            return None
        history, name = moment.history, key[-1]
        match table:
            case "daemons":
                return DaemonRow(moment)
            case "queues" if name in history.queues:
                return QueueRow(moment, name, history.queues[name], moment.view.queues.get(name))
            case "workers" if name in history.workers:
                return WorkerRow(moment, history.workers[name])
            case "sites" if name in history.sites:
                return SiteRow(moment, name, history.sites[name], Shares(moment))
            case "events":
                return next((row for row in self.events() if row.key == key), None)
            case "alarms":
                return next((row for row in self.alarms() if row.key == key), None)
        return None

    def why(self, daemon: str, queue: str, site: str | None = None) -> Answer:
        """Why a queue, or a site of it, does not move. Looked up anew every second, or less often in a large fleet.

        Raises `KeyError` for a daemon that is not known."""
        view = self.moments[daemon].view
        known = self._answers.get((daemon, queue, site))
        patience = max(1.0, len(view.depths) / _PAIRS_A_SECOND)
        if known is not None and 0 <= self.now - known[0] < patience:
            return known[1]
        answer = why(view, queue, site, now=self.now)
        self._answers = {key: each for key, each in self._answers.items() if self.now - each[0] < 60.0}
        self._answers[daemon, queue, site] = (self.now, answer)
        return answer

    def reset_peaks(self) -> None:
        self.histories.reset_peaks()


class _Scene:
    """The rows of one moment, made when somebody asks for them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._moments = list(world.moments.values())

    @cached_property
    def glance(self) -> Glance:
        return Glance(self._world)

    @cached_property
    def daemons(self) -> list[DaemonRow]:
        return [DaemonRow(moment) for moment in self._moments]

    @cached_property
    def queues(self) -> list[QueueRow]:
        return [
            QueueRow(moment, queue, track, moment.view.queues.get(queue))
            for moment in self._moments
            for queue, track in sorted(moment.history.queues.items())
        ]

    @cached_property
    def workers(self) -> list[WorkerRow]:
        return [
            WorkerRow(moment, track)
            for moment in self._moments
            for _name, track in sorted(moment.history.workers.items(), key=lambda found: natural(found[0]))
        ]

    @cached_property
    def sites(self) -> list[SiteRow]:
        rows: list[SiteRow] = []
        for moment in self._moments:
            shares = Shares(moment)
            rows += [SiteRow(moment, site, track, shares) for site, track in sorted(moment.history.sites.items())]
        return rows

    @cached_property
    def busiest_sites(self) -> list[SiteRow]:
        rows = []
        for moment in self._moments:
            shares = Shares(moment)
            site = max(shares.slots, key=lambda name: shares.slots[name], default="")
            track = moment.history.sites.get(site)
            if track is not None:
                rows.append(SiteRow(moment, site, track, shares))
        return rows

    @cached_property
    def events(self) -> list[EventRow]:
        rows = [EventRow(moment.key, fact) for moment in self._moments for fact in moment.view.events]
        return sorted(rows, key=lambda row: row.at)

    @cached_property
    def alarms(self) -> list[AlarmRow]:
        return [
            AlarmRow(moment, fact)
            for moment in self._moments
            for fact in sorted(
                moment.view.alarms.values(), key=lambda fact: (not fact.is_raised, fact.name, fact.subject)
            )
            if fact.is_raised or moment.there - fact.since < CLEARED_SECONDS
        ]
