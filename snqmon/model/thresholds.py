"""From which figure on somebody should look, and from which on act. Every colour on the screen is decided here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from snqd.errors import ConfigError
from snqmon.model.cells import Grade

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from snqd.telemetry.facts import QueueFact, WorkerFact


class Level(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Two thresholds of a figure that is worse the higher it is; in the settings `[look, act]`."""

    look: float
    act: float

    def __post_init__(self) -> None:
        if self.look > self.act:
            raise ValueError(f"the first threshold ({self.look:g}) is above the second ({self.act:g})")

    def grade(self, value: float | None) -> Grade:
        """A figure that is not known has no grade.

        >>> Level(10, 20).grade(12).name, Level(10, 20).grade(None).name
        ('LOOK', 'DIM')
        """
        if value is None:
            return Grade.DIM
        if value >= self.act:
            return Grade.ACT
        return Grade.LOOK if value >= self.look else Grade.GOOD


class QueueLevels(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one queue has in place of the common thresholds."""

    lag_seconds: Level | None = None
    """Age of its oldest item that is ready."""
    failed_share: Level | None = None
    """Its handlings that failed, of all that ended within the last minute (0 to 1)."""
    ready: Level | None = None
    """Its items that are ready."""


class Thresholds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings `[thresholds]`. Each is a pair: from the first value on look, from the second on act."""

    lag_seconds: Level = Level(10, 20)
    """Age of the oldest item that is ready."""
    failed_share: Level = Level(0.05, 0.25)
    """Handlings that failed, of all that ended within the last minute (0 to 1)."""
    failed_least: int = 3
    """Fewer failures within a minute than this are never more than good: one of one is not 100 %."""
    ready: Level = Level(float("inf"), float("inf"))
    """Items that are ready; unlimited unless set, since a backlog that is worked off in time is no trouble."""
    silence_seconds: Level = Level(5, 15)
    """Since the loop of a worker without items last turned."""
    memory_share: Level = Level(0.8, 0.95)
    """Resident memory of a worker, of its soft limit (0 to 1)."""
    memory_limit_in_seconds: float = 600.0
    """When a worker reaches its soft limit within this time if it goes on like this, look."""
    respawns: Level = Level(1, 3)
    """Workers that died within the last ten minutes, of one slot or of the daemon."""
    feed_age_seconds: Level = Level(3, 10)
    """Since the last datagram."""
    lost_share: Level = Level(0.001, 0.05)
    """Datagrams that were lost, of all that were sent (0 to 1)."""
    round_trip_seconds: Level = Level(0.1, 1.0)
    """Of the smallest question to the store."""
    slots_share: Level = Level(0.5, 0.8)
    """Running time that one site takes, of all sites; judged only while items of other sites wait."""
    queue: dict[str, QueueLevels] = {}
    """Other thresholds of single queues: `lag_seconds`, `failed_share`, `ready`."""

    def lag(self, queue: str, seconds: float | None) -> Grade:
        own = self.queue.get(queue)
        return ((own and own.lag_seconds) or self.lag_seconds).grade(seconds)

    def backlog(self, queue: str, ready: int | None) -> Grade:
        own = self.queue.get(queue)
        return ((own and own.ready) or self.ready).grade(ready)

    def failures(self, queue: str, failed: int | None, ended: Callable[[], int | None]) -> Grade:
        """`failed` handlings within the last minute, of those that `ended`, which is asked only if it matters."""
        if failed is None:
            return Grade.DIM
        if failed < self.failed_least:
            return Grade.GOOD
        own = self.queue.get(queue)
        return ((own and own.failed_share) or self.failed_share).grade(failed / max(failed, ended() or 0))

    def memory(self, rss_bytes: int, limit_bytes: int) -> Grade:
        return self.memory_share.grade(rss_bytes / limit_bytes) if limit_bytes else Grade.GOOD

    def memory_forecast(self, seconds: float) -> Grade:
        """`seconds` until the soft limit; below 0 = not in sight."""
        return Grade.LOOK if 0 <= seconds < self.memory_limit_in_seconds else Grade.GOOD


WORKER_STATES: Final[Mapping[str, Grade]] = {
    "closed": Grade.DIM,
    "starting": Grade.GOOD,
    "running": Grade.GOOD,
    "stopping": Grade.GOOD,
    "backoff": Grade.LOOK,
    "fatal": Grade.ACT,
}
"""What the state of a slot means."""

EVENT_LEVELS: Final[Mapping[str, Grade]] = {
    "debug": Grade.DIM,
    "info": Grade.GOOD,
    "warning": Grade.LOOK,
    "error": Grade.ACT,
    "critical": Grade.ACT,
}


def state_grade(fact: WorkerFact) -> Grade:
    return WORKER_STATES.get(fact.state, Grade.LOOK)


def service_grade(fact: QueueFact | None, ready: int) -> Grade:
    """Whether somebody takes the items of a queue. Paused is as somebody wants it, so it is for looking only."""
    if fact is None:
        return Grade.GOOD
    if fact.paused:
        return Grade.LOOK
    return Grade.ACT if ready and not fact.workers else Grade.GOOD


def read_thresholds(settings: Mapping[str, Any], *, where: str = "thresholds") -> Thresholds:
    """Thresholds from the table of a settings file. Raises `ConfigError` in one line that names `where`."""
    try:
        return msgspec.convert(dict(settings), Thresholds)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {_in_words(str(error))}") from error


def _in_words(message: str) -> str:
    """msgspec tells the place as `- at `$.queue[...].lag_seconds``."""
    said, _, place = message.partition(" - at `$")
    place = place.rstrip("`").removesuffix("[0]").removesuffix("[1]").lstrip(".")
    if place and "unknown field" not in said:
        return f"{place}: {said[0].lower()}{said[1:]}; two numbers are expected, [look, act]"
    known = ", ".join(Thresholds.__struct_fields__)
    return f"{said[0].lower()}{said[1:]}; known are {known}"
