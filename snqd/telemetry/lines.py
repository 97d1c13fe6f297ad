"""The words of the log: for every event its level and its message. The only place that has them."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from snqd.telemetry import events
from snqd.telemetry.pauses import target_words
from snqd.telemetry.words import duration_words

if TYPE_CHECKING:
    from collections.abc import Callable

    from snqd.telemetry.events import Event

DEBUG, INFO, WARNING, ERROR = logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR
_MEBIBYTE = 1024 * 1024


def _mebibytes(count: int) -> str:
    return f"{count / _MEBIBYTE:.0f} MiB"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _listed(prefix: str, values: tuple[Any, ...]) -> str:
    return prefix + ", ".join(map(str, values)) if values else ""


def _exited(event: events.WorkerExited) -> str:
    what = f"worker {event.worker} (pid {event.pid}) is gone: {event.reason}; "
    if event.items:
        noun = "item" if len(event.items) == 1 else "items"
        what += _listed(f"was running {noun} ", event.items) + f" of queue {event.queue}, site {event.site}; "
    size = f", {_mebibytes(event.rss_bytes)}" if event.rss_bytes else ""
    return f"{what}handled {event.handled} in {event.lived_seconds:.1f} s{size}"


def _dump(event: events.WorkerDump) -> str:
    running = _listed("; running: ", event.running)
    return (
        f"worker {event.worker} (pid {event.pid}): {event.state}, handled {event.handled}, failed {event.failed}, "
        f"{_mebibytes(event.rss_bytes)}, last beat {event.beat_age_seconds:.1f} s ago{running}"
    )


def _respawning(event: events.WorkerRespawning) -> str:
    when = f"in {event.delay_seconds:.1f} s" if event.delay_seconds else "at once"
    return f"worker {event.worker} is started again {when}: {event.reason}"


def _groups(groups: tuple[str, ...]) -> str:
    return f"groups {', '.join(groups)} are" if len(groups) > 1 else f"group {groups[0] if groups else '?'} is"


def _item(event: Any) -> str:
    return f"item {event.item} (queue {event.queue}, site {event.site})"


def _sites_updated(event: events.SitesUpdated) -> str:
    kinds = ("added", "changed", "removed", "mended", "set_aside")
    counts = [f"{count:,} {kind.replace('_', ' ')}" for kind in kinds if (count := getattr(event, kind))]
    which = ", ".join(event.sites[:5]) + (" …" if len(event.sites) > 5 else "")
    told = f"sites of daemon {event.daemon} updated by {event.author}: {', '.join(counts) or 'none'}"
    return f"{told} ({which})" if which else told


def _paused(event: events.Paused) -> str:
    until = time.strftime(", until %Y-%m-%d %H:%M UTC", time.gmtime(event.until)) if event.until else ""
    reason = f": {event.reason}" if event.reason else ""
    return f"{target_words(event.queue, event.site)} is paused by {event.author or 'somebody'}{until}{reason}"


def _of_site(site: str) -> str:
    return f" (site {site})" if site else ""


_CORRECTED = {
    "retry": ("item", "made ready"),
    "discard": ("item", "deleted"),
    "replay": ("dead letter", "replayed"),
    "discard_dead": ("dead letter", "deleted"),
}


def _corrected(event: events.Corrected) -> str:
    noun, done = _CORRECTED.get(event.kind, ("item", event.kind))  # a daemon of another release may know more kinds
    stayed = f", {event.stayed:,} stayed" if event.stayed else ""
    ended = "" if event.outcome == "done" else f", then it ended: {event.outcome}"
    return f"{_counted(event.count, noun)} {done} by {event.author} ({event.wanted}){stayed}{ended}"


def _letters(event: events.DeadLettersRetried | events.DeadLettersDiscarded) -> str:
    where = f" of {target_words(event.queue, event.site)}" if event.queue or event.site else ""
    return f"{_counted(event.count, 'dead letter')}{where} {'was' if event.count == 1 else 'were'}"


def _schedule(event: Any) -> str:
    where = f"site {event.site}" if event.site else f"{event.sites:,} sites"
    return f"schedule {event.schedule} (queue {event.queue}, {where})"


def _utc(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(moment))


def _schedule_missed(event: events.ScheduleMissed) -> str:
    times = f"{event.times:,} due times" if event.times > 1 else "a due time"
    span = f"{_utc(event.first)} to {_utc(event.last)}" if event.times > 1 else _utc(event.last)
    outcome = "it runs now in their place" if event.ran else "nothing runs in their place"
    return f"{_schedule(event)} missed {times}, no daemon was there: {span}; {outcome}"


LINES: dict[type, tuple[int, Callable[[Any], str]]] = {
    events.DaemonStarted: (
        INFO,
        lambda e: (
            f"snqd {e.version}: daemon {e.daemon} (pid {e.pid}) has started with {_counted(e.workers, 'worker')} "
            f"on {e.store}"
        ),
    ),
    events.DaemonStopping: (
        INFO,
        lambda e: (
            f"daemon {e.daemon} stops: {e.reason}"
            + (f"; running items have {e.grace_seconds:g} s to end" if e.grace_seconds else "")
        ),
    ),
    events.DaemonStopped: (INFO, lambda e: f"daemon {e.daemon} has stopped (exit code {e.code})"),
    events.Reloading: (
        INFO,
        lambda e: (
            f"daemon {e.daemon} replaces its workers one by one: {_listed('', e.changes) or 'no setting has changed'}"
        ),
    ),
    events.ReloadFailed: (ERROR, lambda e: f"reload refused, the old configuration stays in force: {e.error}"),
    events.ReloadFinished: (
        INFO,
        lambda e: f"daemon {e.daemon} has reloaded: {_counted(e.workers, 'worker')} with the new configuration",
    ),
    events.WorkerCountChanged: (INFO, lambda e: f"daemon {e.daemon} has {_counted(e.workers, 'worker')}: {e.reason}"),
    events.WorkerSpawned: (
        INFO,
        lambda e: f"worker {e.worker} (pid {e.pid}) is started" + (f", respawn {e.respawns}" if e.respawns else ""),
    ),
    events.WorkerStandsBy: (
        WARNING,
        lambda e: (
            f"worker {e.worker} stands by: {_groups(e.groups)} served by {e.claimant}, "
            "and this one takes over when that one is gone"
        ),
    ),
    events.WorkerOnDuty: (
        INFO,
        lambda e: f"worker {e.worker} has taken over from {e.before}: {_groups(e.groups)} served here now",
    ),
    events.WorkerReady: (
        INFO,
        lambda e: (
            f"worker {e.worker} (pid {e.pid}) is ready after {e.startup_seconds:.2f} s"
            + (_listed(", queues ", e.queues) or ", no queue has a handler")
        ),
    ),
    events.WorkerCrashed: (ERROR, lambda e: f"worker {e.worker} (pid {e.pid}) crashed: {e.error}"),
    events.WorkerExited: (WARNING, _exited),
    events.WorkerRespawning: (INFO, _respawning),
    events.SiteSetAside: (
        ERROR,
        lambda e: f"site {e.site} is set aside, its items{f' in queue {e.queue}' if e.queue else ''} wait: {e.reason}",
    ),
    events.SlotFatal: (ERROR, lambda e: f"worker {e.worker} is given up until the next reload: {e.reason}"),
    events.WorkerKilled: (WARNING, lambda e: f"worker {e.worker} (pid {e.pid}) gets SIGKILL: {e.reason}"),
    events.MemoryRestart: (
        WARNING,
        lambda e: (
            f"worker {e.worker} leaves to be replaced: {_mebibytes(e.rss_bytes)} resident, "
            f"soft limit {_mebibytes(e.limit_bytes)}"
        ),
    ),
    events.WorkerUsage: (
        INFO,
        lambda e: (
            f"worker {e.worker}: {e.rss_bytes / _MEBIBYTE:.1f} MiB resident"
            + (f", soft limit {_mebibytes(e.limit_bytes)}" if e.limit_bytes else "")
        ),
    ),
    events.WorkerDump: (INFO, _dump),
    events.ItemFailed: (
        WARNING,
        lambda e: (
            f"{_item(e)} failed, attempt {e.attempt} of {e.max_attempts}, next in {e.retry_seconds:.1f} s: {e.error}"
        ),
    ),
    events.ItemRetried: (
        INFO,
        lambda e: f"{_item(e)} asks for a retry in {e.retry_seconds:.1f} s, attempt {e.attempt}: {e.error}",
    ),
    events.ItemDeadLettered: (
        ERROR,
        lambda e: f"{_item(e)} is a dead letter ({e.reason}) after {_counted(e.attempt, 'attempt')}: {e.error}",
    ),
    events.ItemDiscarded: (INFO, lambda e: f"{_item(e)} was discarded by its handler: {e.reason}"),
    events.ItemCrashed: (
        WARNING,
        lambda e: (
            f"{_item(e)} was running when its worker died ({_counted(e.crash_attempts, 'time')} so far): {e.error}"
        ),
    ),
    events.ItemsReleased: (
        INFO,
        lambda e: f"worker {e.worker} gave back {_counted(e.count, 'item')} unhandled: {e.reason}",
    ),
    events.ItemsReclaimed: (
        WARNING,
        lambda e: f"{_counted(e.count, 'item')} of {e.claimant} can be claimed again: {e.reason}",
    ),
    events.ItemLeaseLost: (
        WARNING,
        lambda e: f"{_item(e)} was no longer ours when it ended: its lease ran out and another may run it too",
    ),
    events.UnknownSite: (
        WARNING,
        lambda e: (
            f"items of queue {e.queue} wait for site {e.site}, which is not configured: declare it, or discard them"
        ),
    ),
    events.NoHandler: (
        WARNING,
        lambda e: f"queue {e.queue} has items and no handler here: add its module to handlers.modules, or discard them",
    ),
    events.StoreLost: (
        ERROR,
        lambda e: f"worker {e.worker} cannot reach the store, next try in {e.retry_seconds:.1f} s: {e.error}",
    ),
    events.StoreBack: (INFO, lambda e: f"worker {e.worker} has reached the store again after {e.after_seconds:.1f} s"),
    events.ListenUnavailable: (
        WARNING,
        lambda e: f"no notifications from the store, workers look every {e.poll_seconds:g} s: {e.reason}",
    ),
    events.ItemSlow: (
        WARNING,
        lambda e: f"{_item(e)} has been running for {e.running_seconds:.1f} s in worker {e.worker}: {e.reason}",
    ),
    events.AlarmRaised: (ERROR, lambda e: f"alarm {e.name}: {e.message}"),
    events.AlarmCleared: (
        INFO,
        lambda e: f"alarm {e.name} is over after {e.lasted_seconds:.0f} s: {e.message}",
    ),
    events.HubStarted: (
        INFO,
        lambda e: (
            f"hub of daemon {e.daemon} (pid {e.pid}) is started"
            + (f", monitors subscribe at {e.listen}" if e.listen else ", no monitor can subscribe")
            + (f", respawn {e.respawns}" if e.respawns else "")
        ),
    ),
    events.HubExited: (
        WARNING,
        lambda e: (
            f"hub of daemon {e.daemon} (pid {e.pid}) is gone after {e.lived_seconds:.1f} s, "
            f"the work goes on: {e.reason}"
        ),
    ),
    events.TelemetryProblem: (WARNING, lambda e: f"telemetry of daemon {e.daemon}: {e.what}: {e.error}"),
    events.Paused: (WARNING, _paused),
    events.Resumed: (
        INFO,
        lambda e: (
            f"{target_words(e.queue, e.site)} goes on after a pause of {duration_words(e.paused_seconds)}: "
            + (f"resumed by {e.author}" if e.author else "its time was over")
        ),
    ),
    events.DeadLettersRetried: (INFO, lambda e: f"{_letters(e)} retried by {e.author}"),
    events.DeadLettersDiscarded: (WARNING, lambda e: f"{_letters(e)} discarded by {e.author}"),
    events.DeadLettersExpired: (
        INFO,
        lambda e: (
            f"{_counted(e.count, 'dead letter')} of queue {e.queue} {'was' if e.count == 1 else 'were'} deleted, older "
            f"than {e.days:g} days (the oldest of {_utc(e.oldest)})"
        ),
    ),
    events.Corrected: (WARNING, _corrected),
    events.WorkerRestartAsked: (INFO, lambda e: f"worker {e.worker} (pid {e.pid}) is to be replaced: {e.author} asked"),
    events.SitesUpdated: (INFO, _sites_updated),
    events.ControlAsked: (
        WARNING,
        lambda e: (
            f"{e.author} asked {'every daemon' if e.all_hosts else 'this daemon'} to {e.ask}"
            f"{f' ({e.arguments})' if e.arguments else ''}: {'' if e.obeyed else 'refused: '}{e.said}"
        ),
    ),
    events.ServiceFailed: (
        ERROR,
        lambda e: (
            f"service {e.service} of worker {e.worker} failed, it runs again in {e.retry_seconds:.1f} s: {e.error}"
        ),
    ),
    events.ConnectionUp: (
        INFO,
        lambda e: f"{e.service} is connected as {e.name}{_of_site(e.site)} after {e.after_seconds:.1f} s",
    ),
    events.ConnectionDown: (
        ERROR,
        lambda e: (
            f"{e.service} is not connected as {e.name}{_of_site(e.site)}, next try in {e.retry_seconds:.1f} s: "
            f"{e.error}"
        ),
    ),
    events.InputRefused: (
        WARNING,
        lambda e: (
            f"{e.service} of {e.name}{_of_site(e.site)} got from {e.sender or 'somebody'} what is dropped: {e.error}"
        ),
    ),
    events.ScheduleRan: (
        INFO,
        lambda e: f"{_schedule(e)} was due at {_utc(e.due)}: {_counted(e.items, 'item')} enqueued",
    ),
    events.ScheduleMissed: (WARNING, _schedule_missed),
    events.ScheduleSkipped: (
        WARNING,
        lambda e: f"{_schedule(e)} was due at {_utc(e.due)} and has no item for it: {e.reason}",
    ),
}
"""Level and message of each event."""


def level_of(event: Event) -> int:
    """What is expected, or happens in small numbers by itself, is not a warning."""
    if isinstance(event, events.WorkerExited) and event.expected:
        return INFO
    if isinstance(event, events.WorkerRespawning) and event.delay_seconds:
        return WARNING
    return LINES[type(event)][0]


def message_of(event: Event) -> str:
    return LINES[type(event)][1](event)
