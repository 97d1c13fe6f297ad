"""The sentences of alarms: what, how much, from when on it is an alarm, and the command that shows more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqd.telemetry.words import command, duration_words, limit_words, plural, size_words

if TYPE_CHECKING:
    from snqd.telemetry.facts import ConnectionFact, MemoryFact, ScheduleFact


def lag(queue: str, ready: int, seconds: float, limit: float) -> str:
    return (
        f"the oldest of {plural(ready, 'ready item')} in queue {queue} has waited {duration_words(seconds)} "
        f"(alarm from {limit_words(limit)}): {command('snqd', 'why', queue)}"
    )


def failures(queue: str, failed: int, handlings: int, limit: float) -> str:
    return (
        f"{failed:,} of the last {plural(handlings, 'handling')} in queue {queue} failed within five minutes "
        f"({failed / max(handlings, 1):.0%}, alarm from {limit:.0%}): "
        f"{command('snqd', 'items', 'list', '--queue', queue, '--state', 'scheduled')}"
    )


def respawns(deaths: int, limit: float) -> str:
    return f"{plural(deaths, 'worker')} died within a minute (alarm from {limit:g}): snqd status"


def fatal(worker: str, reason: str) -> str:
    why = f": {reason.rstrip('.')}" if reason else ""
    return f"worker {worker} is given up until the daemon is reloaded{why} (snqd status)"


def stalled(queue: str, ready: int, idle: int, seconds: float, limit: float) -> str:
    are = "is" if idle == 1 else "are"
    beside = f"{plural(idle, 'worker')} {are} idle" if idle else "workers were idle"
    return (
        f"{plural(ready, 'item')} could be claimed in queue {queue} and {beside}, yet none has been claimed for "
        f"{duration_words(seconds)} (alarm from {limit_words(limit)}): {command('snqd', 'why', queue)}"
    )


def no_handler(queue: str, ready: int, seconds: float, limit: float, *, has_handler: bool) -> str:
    why = "no worker here serves it, although it has a handler" if has_handler else "no handler is registered for it"
    have = "has" if ready == 1 else "have"
    return (
        f"{plural(ready, 'item')} {have} waited {duration_words(seconds)} in queue {queue} since {why} "
        f"(alarm from {limit_words(limit)}): {command('snqd', 'why', queue)}"
    )


def dead_letters(queue: str, dead: int, limit: float) -> str:
    became = "item of queue {} became a dead letter" if dead == 1 else "items of queue {} became dead letters"
    return (
        f"{dead:,} {became.format(queue)} within a minute (alarm from {limit:g}): "
        f"{command('snqd', 'dead', 'list', '--queue', queue)}"
    )


def store(seconds: float, limit: float, problem: str) -> str:
    said = f" ({problem})" if problem else ""
    return (
        f"the store has not answered for {duration_words(seconds)}{said} (alarm from {limit_words(limit)}): "
        "snqd schema status"
    )


def memory(fact: MemoryFact, limit: float) -> str:
    grown = f"{size_words(fact.grown_bytes)} more after {plural(fact.items, 'item')} of queue {fact.queue}"
    return (
        f"worker {fact.worker} reaches its soft memory limit in {duration_words(fact.limit_in_seconds)} "
        f"(alarm below {limit_words(limit)}), {grown}: snqd status"
    )


def canary(queue: str, seconds: float, limit: float) -> str:
    return (
        f"the canary of queue {queue} has not come back for {duration_words(seconds)} "
        f"(alarm from {limit_words(limit)}): {command('snqd', 'why', queue)}"
    )


def connection(service: str, fact: ConnectionFact | None, away: int, seconds: float, limit: float) -> str:
    """`fact`: the one that has been away longest; None while an alarm stays raised although all are there."""
    if fact is None:
        return f"{service} is connected again"
    others = f" and {plural(away - 1, 'other')}" if away > 1 else ""
    said = f": {fact.problem}" if fact.problem else ""
    return (
        f"{fact.service} is not connected as {fact.name}{others} for {duration_words(seconds)} "
        f"(alarm from {limit_words(limit)}){said}"
    )


def schedule(fact: ScheduleFact, seconds: float, limit: float) -> str:
    said = f"{overdue(fact, seconds)} (alarm from {limit_words(limit)})"
    return f"{said}: {schedule_command(fact)}"


def overdue(fact: ScheduleFact, seconds: float) -> str:
    """Half a sentence: since when a schedule has not been acted on, and what is known of why."""
    of_site = f" of site {fact.site}" if fact.sites == 1 else f" of {plural(fact.sites, 'site')}" if fact.sites else ""
    said = f"schedule {fact.name}{of_site} for queue {fact.queue} has been overdue for {duration_words(seconds)}"
    if fact.problem:
        return f"{said}: {fact.problem}"
    last = f" ({fact.declared_by} did last)" if fact.declared_by else ""
    return f"{said} and no daemon acts on it{last}"


def schedule_command(fact: ScheduleFact) -> str:
    """It mends a mistake in the configuration, or shows which daemon ought to act."""
    return "snqd config check" if fact.problem else "snqd schedule list"


def good_again(name: str, subject: str, value: float | None) -> str:
    """What is told when an alarm is cleared. `value` None: what it was about is not there any more."""
    match name:
        case "lag":
            figure = "nothing is overdue" if not value else f"the oldest ready item has waited {duration_words(value)}"
            return f"queue {subject}: {figure}"
        case "failures":
            return f"queue {subject}: {value or 0:.0%} of the handlings within five minutes failed"
        case "respawns":
            return f"daemon {subject}: {plural(int(value or 0), 'worker')} died within the last minute"
        case "fatal":
            return f"worker {subject} is not given up any more"
        case "stalled":
            return f"queue {subject}: items are claimed again, or none is ready"
        case "no_handler":
            return f"queue {subject}: no item waits any more for somebody to serve it"
        case "dead_letters":
            return f"queue {subject}: {plural(int(value or 0), 'new dead letter')} within the last minute"
        case "store":
            return "the store answers"
        case "memory":
            return f"worker {subject}: its memory limit is not near"
        case "connection":
            return f"{subject} is connected"
        case "schedule":
            return f"schedule {subject} is not overdue any more" if value is not None else f"schedule {subject} is gone"
        case "canary":
            return f"queue {subject}: the canary has come back"
    return f"{name} of {subject} is good again"
