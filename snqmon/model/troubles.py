"""What is wrong, the worst first: one sentence each, and where on the screens it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from snqd.telemetry.health import CRITICAL_ALARMS
from snqd.telemetry.words import plural
from snqmon.model import formats
from snqmon.model.cells import Grade

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from snqmon.model.columns import Key
    from snqmon.model.rows import AlarmRow, DaemonRow, QueueRow, WorkerRow
    from snqmon.model.world import World


class Trouble(NamedTuple):
    grade: Grade
    rank: int
    """Of two that are equally bad the lower rank is told first: what hides or causes the others."""
    size: float
    """Of two of the same rank the larger one is told first."""
    sentence: str
    screen: str
    """The table that has the row, or empty."""
    row: Key | None


def troubles(world: World) -> list[Trouble]:
    """The worst first."""
    found = [
        *_of_daemons(world.daemons()),
        *_of_queues(world.queues()),
        *_of_workers(world.workers()),
        *_of_alarms(world.alarms()),
        *_of_sites(world),
    ]
    named = world.has_many_daemons
    found.sort(key=lambda each: (-each.grade, each.rank, -each.size))
    return [_with_daemon(each) for each in found] if named else found


def _with_daemon(trouble: Trouble) -> Trouble:
    """With several daemons a sentence says of whom it is."""
    daemon = trouble.row[0] if trouble.row else ""
    if not daemon or daemon in trouble.sentence:
        return trouble
    return trouble._replace(sentence=f"{daemon}: {trouble.sentence}")


def _of_daemons(rows: Sequence[DaemonRow]) -> Iterator[Trouble]:
    for row in rows:
        place = ("daemons", row.key)
        if row.silence_grade > Grade.GOOD:
            silence = formats.duration(row.silence_seconds)
            said = f"daemon {row.daemon} has not been heard of for {silence}: what is shown of it is that old"
            yield Trouble(row.silence_grade, 0, row.silence_seconds, said, *place)
        store = row.view.store
        if store is not None and not store.connected:
            away = row.moment.age(store.since) or 0.0
            problem = f": {formats.one_line(store.problem)}" if store.problem else ""
            said = f"the store has not answered for {formats.duration(away)}{problem}; nothing can be claimed"
            yield Trouble(Grade.ACT, 1, away, said, *place)
        elif row.store_grade > Grade.GOOD and store is not None:
            said = f"the store is slow: its smallest question takes {formats.timing(store.round_trip_seconds)}"
            yield Trouble(row.store_grade, 6, store.round_trip_seconds, said, *place)
        if row.workers_wanted and not row.workers_running:
            yield Trouble(Grade.ACT, 2, 1, f"no worker of daemon {row.view.name} is running", *place)
        if row.lost_grade > Grade.GOOD:
            said = f"{formats.share(row.lost_share)} of the datagrams do not arrive here: figures come late"
            yield Trouble(row.lost_grade, 8, row.lost_share or 0.0, said, *place)


def _of_queues(rows: Sequence[QueueRow]) -> Iterator[Trouble]:
    for row in rows:
        place = ("queues", row.key)
        if row.paused:
            if row.paused_items:
                said = f"queue {row.queue} is paused {row.paused}; {plural(row.paused_items, 'item')} wait"
                yield Trouble(Grade.LOOK, 7, row.paused_items, said, *place)
            continue
        if row.state and row.ready:
            yield Trouble(
                row.state_grade, 3, row.ready, f"queue {row.queue} has {row.state}: {_items(row)} wait", *place
            )
        elif max(row.lag_grade, row.ready_grade) > Grade.GOOD:
            said = (
                f"queue {row.queue} is {formats.duration(row.lag_seconds)} behind: {_items(row)} wait, {_course(row)}"
            )
            yield Trouble(max(row.lag_grade, row.ready_grade), 4, row.lag_seconds or 0.0, said, *place)
        if row.failed_grade > Grade.GOOD:
            share = formats.share(row.failed_share)
            said = f"queue {row.queue} fails: {share} of its handlings within the last minute"
            yield Trouble(row.failed_grade, 3, row.failed_share or 0.0, said, *place)


def _items(row: QueueRow) -> str:
    return ("about " if row.is_estimate else "") + plural(row.ready or 0, "item")


def _course(row: QueueRow) -> str:
    drain = row.drain_seconds
    if row.is_growing:
        return "and they get more"
    return f"done in {formats.duration(drain)}" if drain is not None and drain > 0 else "and it does not get less"


def _of_workers(rows: Sequence[WorkerRow]) -> Iterator[Trouble]:
    for row in rows:
        if row.grade <= Grade.GOOD:  # gone ones too
            continue
        place = ("workers", row.key)
        if row.fact.state == "fatal":
            reason = f": {row.exit_reason}" if row.exit_reason else ""
            yield Trouble(Grade.ACT, 2, 0, f"worker slot {row.worker} is given up{reason}", *place)
        elif row.silence_grade > Grade.GOOD:
            said = f"worker {row.worker} is stuck: its loop has not turned for {formats.duration(row.silence_seconds)}"
            yield Trouble(row.silence_grade, 5, row.silence_seconds or 0.0, said, *place)
        elif row.deaths_grade > Grade.GOOD:
            times = "died" if row.deaths == 1 else f"died {row.deaths} times"
            said = f"worker {row.worker} {times} within ten minutes; the last time {row.last_exit}"
            yield Trouble(row.deaths_grade, 5, row.deaths, said, *place)
        elif row.fact.state == "backoff":
            yield Trouble(Grade.LOOK, 5, 0, f"worker {row.worker} waits before it is started again", *place)
        if row.memory_grade > Grade.GOOD:
            yield Trouble(row.memory_grade, 7, row.rss_share or 0.0, _memory(row), *place)


def _memory(row: WorkerRow) -> str:
    said = f"worker {row.worker} has {formats.size(row.rss_bytes)}, {formats.share(row.rss_share)} of its soft limit"
    if row.limit_in_seconds < 0:
        return said
    grower = next((fact.queue for fact in row.memory if fact.limit_in_seconds >= 0), "")
    at = f" and reaches it in {formats.duration(row.limit_in_seconds)}"
    return said + at + (f" because of {grower}" if grower else "")


def _of_alarms(rows: Sequence[AlarmRow]) -> Iterator[Trouble]:
    """What the figures above have not told: alarms have thresholds of their own."""
    for row in rows:
        if row.is_raised:
            rank = 4 if row.name in CRITICAL_ALARMS else 7
            yield Trouble(row.grade, rank, -1.0, f"alarm {row.name}: {row.message}", "alarms", row.key)


def _of_sites(world: World) -> Iterator[Trouble]:
    """Only the site that has most slots now: to judge ten thousand takes too long."""
    for row in world.busiest_sites():
        if row.slots_grade > Grade.GOOD:
            share = formats.share(row.slots_share)
            said = f"site {row.site} takes {share} of the running time while items of other sites wait"
            yield Trouble(row.slots_grade, 6, row.slots_share or 0.0, said, "sites", row.key)
