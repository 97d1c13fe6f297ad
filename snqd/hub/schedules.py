"""Schedules, as facts: how far they have come by the store, and what the configuration here has that nobody keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqd.config.cron import due_after
from snqd.config.schedules import EVERY_SITE
from snqd.config.site_image import SiteImage
from snqd.errors import SnqdError
from snqd.telemetry.facts import ScheduleFact

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from snqd.config.schema import Config, ScheduleConfig
    from snqd.hub.prober import Seen
    from snqd.stores.probe import ScheduleState

_FAR = float("inf")
_NOT_KEPT = "no daemon has begun to keep it"


class ScheduleBook:
    """`sites`: the image of the declared sites."""

    def __init__(self, config: Config, sites: Path) -> None:
        self._schedules = {name: each for name, each in config.schedule.items() if each.enabled}
        self._path = sites
        self._image: SiteImage | None = None
        self._at = 0.0
        self._kept: dict[str, ScheduleFact] = {}
        self._unkept: dict[str, str] = {}
        """Those of the configuration that nobody keeps, and why."""
        self._missed_since: dict[str, float] = {}
        """Since when (epoch seconds) nobody has kept one that should be kept."""

    def facts(self, seen: Seen, now: float) -> list[ScheduleFact]:
        """One for each name: of several with the same name, that of the site that is furthest behind."""
        if not seen.schedules_at:
            return []
        has_new_sites = self._look_at_sites()
        if seen.schedules_at != self._at or has_new_sites:
            self._at = seen.schedules_at
            self._kept = _worst(seen.schedules)
            self._unkept = {
                name: why for name in self._schedules if name not in self._kept and (why := self._why(name))
            }
            self._missed_since = {name: self._missed_since.get(name, now) for name in self._unkept}
        return [*self._kept.values(), *self._not_kept(now)]

    def _look_at_sites(self) -> bool:
        """Whether there are other declarations than before."""
        if not self._schedules or not (self._image is None or self._image.is_superseded):
            return False
        try:
            self._image = SiteImage(self._path)
        except (OSError, SnqdError):  # there will be one again
            return False
        return True

    def _why(self, name: str) -> str:
        """Why nobody keeps it; empty = nobody needs to."""
        schedule, image = self._schedules[name], self._image
        if image is None:
            return ""
        if schedule.site == EVERY_SITE:
            is_wanted = any(
                not site.problem and (site.queues is None or schedule.queue in site.queues)
                for _name, site in image.items()
            )
            return _NOT_KEPT if is_wanted else ""
        site = image.get(schedule.site)
        if site is None:
            return f"there is no site {schedule.site!r}"
        if site.problem:
            return f"site {schedule.site} is set aside ({site.problem})"
        if site.queues is not None and schedule.queue not in site.queues:
            return f"site {schedule.site} does not have queue {schedule.queue}"
        return "" if name in site.schedules else _NOT_KEPT  # it has one of that name, perhaps disabled

    def _not_kept(self, now: float) -> Iterator[ScheduleFact]:
        for name, why in self._unkept.items():
            schedule = self._schedules[name]
            due = _due(schedule, self._missed_since[name])
            if due is None:
                continue
            is_one = schedule.site != EVERY_SITE
            yield ScheduleFact(
                name=name,
                queue=schedule.queue or "",
                site=schedule.site if is_one else "",
                sites=int(is_one),
                declared_by="",
                due=due,
                overdue_seconds=round(max(0.0, now - due), 3) if due else 0.0,
                problem=why,
            )


def _due(schedule: ScheduleConfig, moment: float) -> float | None:
    assert schedule.cron is not None, "what is needed has been looked for"
    return _after(schedule.cron, schedule.zone, moment)


def _after(cron: str, zone: str, moment: float) -> float | None:
    """The next due time; 0 = there is none; None = that is not known here."""
    try:
        due = due_after(cron, zone, moment)
    except ValueError:  # of a daemon with other time zones
        return None
    return due if due < _FAR else 0.0


def _worst(states: tuple[ScheduleState, ...]) -> dict[str, ScheduleFact]:
    found: dict[str, ScheduleFact] = {}
    for state in states:
        cron, _space, zone = state.definition.rpartition(" ")
        due = _after(cron, zone, state.last_due)
        if due is None:
            continue
        fact = ScheduleFact(
            name=state.name,
            queue=state.queue,
            site=state.site,
            sites=state.sites,
            declared_by=state.declared_by,
            due=due,
            overdue_seconds=round(max(0.0, state.now - due), 3) if due else 0.0,
            problem="",
        )
        known = found.get(state.name)
        if known is None or fact.overdue_seconds > known.overdue_seconds:
            found[state.name] = fact
    return found
