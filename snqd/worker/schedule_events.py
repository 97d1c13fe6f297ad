"""What the scheduler tells. Schedules of many sites that were due together are one event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from snqd.telemetry.events import ScheduleMissed, ScheduleRan, ScheduleSkipped

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

    from snqd.config.schedules import Schedule
    from snqd.telemetry.events import Event
    from snqd.worker.schedules import Turn


class Told(NamedTuple):
    """What was done for one schedule. `refused`: why its item could not be made."""

    schedule: Schedule
    turn: Turn
    stored: int
    refused: str


def told_events(worker: str, told: Sequence[Told]) -> Iterator[Event]:
    for group in _grouped((each for each in told if each.stored), lambda each: each.turn.due):
        yield ScheduleRan(worker=worker, **_who(group), items=sum(each.stored for each in group), due=group[0].turn.due)
    for group in _grouped((each for each in told if _skipped(each)), lambda each: each.turn.due):
        yield ScheduleSkipped(
            worker=worker,
            **_who(group),
            items=sum(map(_skipped, group)),
            due=group[0].turn.due,
            reason=_reason(group[0]),
        )
    for group in _grouped((each for each in told if each.turn.missed), lambda each: each.turn[2:]):
        turn = group[0].turn
        yield ScheduleMissed(
            worker=worker,
            **_who(group),
            times=turn.missed,
            first=turn.first_missed,
            last=turn.last_missed,
            ran=bool(group[0].stored),
        )


def _skipped(each: Told) -> int:
    """How many items were due and are not stored."""
    return len(each.turn.on_time or (1,) * each.turn.is_made_up) - each.stored


def _reason(each: Told) -> str:
    return each.refused or "the item before still waits or runs (overlap = skip)"


def _who(group: Sequence[Told]) -> dict[str, Any]:
    schedule = group[0].schedule
    return {
        "schedule": schedule.key.name,
        "queue": schedule.queue,
        "site": schedule.key.site if len(group) == 1 else "",
        "sites": len(group),
    }


def _grouped(told: Iterable[Told], by: Callable[[Told], Hashable]) -> list[list[Told]]:
    groups: dict[Hashable, list[Told]] = {}
    for each in told:
        groups.setdefault((each.schedule.key.name, each.schedule.queue, bool(each.stored), by(each)), []).append(each)
    return list(groups.values())
