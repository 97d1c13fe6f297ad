"""The text of `snqd status`: tables of queues and workers, and the rates between two looks. Pure."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

from snqd.cli.output import clipped, duration_words, printable, size_words, table
from snqd.cli.pausing import pause_lines
from snqd.telemetry.care_words import end_statement, pin_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from snqd.cli.daemon_view import DaemonView, WorkerView
    from snqd.stores.pauses import Pause
    from snqd.stores.probe import StoreHealth
    from snqd.stores.records import QueueFacts

_SITES_SHOWN = 10
_QUEUE_COLUMNS = ("READY", "PAUSED", "SCHEDULED", "CLAIMED", "DEAD")
_WORKER_HEADERS = ("WORKER", "PID", "STATE", "UP", "RUNNING", "HANDLED", "FAILED", "MEMORY", "RESPAWNS")
_RATE_HEADERS = (*_WORKER_HEADERS[:7], "HANDLED/S", "FAILED/S", *_WORKER_HEADERS[7:])
_NUMBERS = frozenset(
    {"READY", "PAUSED", "SCHEDULED", "CLAIMED", "DEAD", "LAG", "PID", "UP", "HANDLED", "FAILED", "MEMORY", "RESPAWNS"}
    | {"HANDLED/S", "FAILED/S"}
)


class Look(NamedTuple):
    """What was seen at one moment. `queues` is None when the store could not be asked; `problem` says why."""

    at: float
    """Monotonic seconds."""
    store: str
    queues: tuple[QueueFacts, ...] | None
    daemon: DaemonView
    problem: str = ""
    pauses: tuple[Pause, ...] = ()
    health: StoreHealth | None = None


class Rate(NamedTuple):
    """Per second."""

    handled: float
    failed: float


def rates(before: Look | None, now: Look) -> dict[str, Rate]:
    """Rate of each worker between two looks. A worker that was replaced in between counts from its start."""
    if before is None or now.at <= before.at:
        return {}
    seconds = now.at - before.at
    earlier = {(worker.worker, worker.pid): worker for worker in before.daemon.workers}
    found = {}
    for worker in now.daemon.workers:
        old = earlier.get((worker.worker, worker.pid))
        handled = worker.handled - (old.handled if old else 0)
        failed = worker.failed - (old.failed if old else 0)
        found[worker.worker] = Rate(max(handled, 0) / seconds, max(failed, 0) / seconds)
    return found


def as_text(look: Look, per_worker: Mapping[str, Rate] | None = None) -> str:
    """Everything on one screen; with `per_worker` also the rates."""
    parts = [f"store {look.store}"]
    if look.queues is None:
        parts[0] += f": {look.problem}"
    elif not look.queues:
        parts.append("no items")
    else:
        parts.append(_queue_table(look.queues))
    parts += pause_lines(look.pauses)
    parts += health_lines(look.health) if look.health is not None else ()
    parts.append("")
    daemon = look.daemon
    if daemon.pid is None:
        parts.append(printable(daemon.absence))
    else:
        parts.append(f"daemon {printable(daemon.name)}, process {daemon.pid}")
        headers = _WORKER_HEADERS if per_worker is None else _RATE_HEADERS
        parts.append(table(headers, _worker_rows(daemon, per_worker), right=_NUMBERS))
        parts += _set_aside_lines(daemon)
    return "\n".join(parts)


def as_json(look: Look) -> dict[str, Any]:
    """The same for programs."""
    daemon = look.daemon
    return {
        "store": look.store,
        "queues": None if look.queues is None else [facts._asdict() for facts in look.queues],
        "pauses": [pause._asdict() for pause in look.pauses],
        "health": None if look.health is None else look.health._asdict(),
        "problem": look.problem or None,
        "daemon": {
            "name": daemon.name,
            "pid": daemon.pid,
            "absence": daemon.absence or None,
            "set_aside": dict(daemon.set_aside),
            "workers": [
                {**worker._asdict(), "running": [item._asdict() for item in worker.running]}
                for worker in daemon.workers
            ],
        },
    }


def health_lines(health: StoreHealth) -> Iterator[str]:
    """How much room the store takes, and what keeps it from being cleaned up."""
    if health.index_bytes >= 0:
        yield (
            f"table {size_words(health.table_bytes)}, indexes {size_words(health.index_bytes)}: some "
            f"{health.live_rows:,} live and {health.dead_rows:,} dead rows; "
            f"dead letters {size_words(health.dead_letter_bytes)}"
        )
    elif health.table_bytes >= 0:
        yield f"file {size_words(health.table_bytes)}, of which {size_words(max(health.free_bytes, 0))} are free"
    if health.pin_pid:
        pin = pin_words(health.pin_pid, health.pin_age_seconds, health.dead_rows, health.pin_query)
        yield printable(f"{pin}: {end_statement(health.pin_pid, health.pin_query)}")


def _set_aside_lines(daemon: DaemonView) -> Iterator[str]:
    for site, reason in itertools.islice(daemon.set_aside.items(), _SITES_SHOWN):
        yield printable(f"site {site} is set aside, its items wait: {reason}")
    if len(daemon.set_aside) > _SITES_SHOWN:
        yield f"{len(daemon.set_aside) - _SITES_SHOWN:,} more sites are set aside: snqd config check"


def _queue_table(queues: tuple[QueueFacts, ...]) -> str:
    """With a column for paused items when there are any."""
    columns = [column for column in _QUEUE_COLUMNS if column != "PAUSED" or any(facts.paused for facts in queues)]
    headers = ("QUEUE", "SITE", *columns, "LAG")
    return table(headers, _queue_rows(queues, columns), right=_NUMBERS)


def _queue_rows(queues: tuple[QueueFacts, ...], columns: list[str]) -> Iterator[tuple[str, ...]]:
    def counts(facts: QueueFacts) -> list[int]:
        return [getattr(facts, column.lower()) for column in columns]

    for facts in sorted(queues):
        lag = duration_words(facts.lag_seconds) if facts.ready else "-"
        yield facts.queue, facts.site, *(f"{count:,}" for count in counts(facts)), lag
    if len(queues) > 1:
        totals = [sum(column) for column in zip(*map(counts, queues), strict=True)]
        worst = max((facts.lag_seconds for facts in queues if facts.ready), default=None)
        yield "total", "", *(f"{count:,}" for count in totals), "-" if worst is None else duration_words(worst)


def _worker_rows(daemon: DaemonView, per_worker: Mapping[str, Rate] | None) -> Iterator[tuple[str, ...]]:
    for worker in daemon.workers:
        rate = () if per_worker is None else _rate_cells(per_worker.get(worker.worker))
        yield (
            worker.worker,
            str(worker.pid) if worker.pid else "-",
            worker.state,
            duration_words(worker.uptime_seconds) if worker.pid else "-",
            _running(worker),
            f"{worker.handled:,}",
            f"{worker.failed:,}",
            *rate,
            size_words(worker.rss_bytes) if worker.rss_bytes else "-",
            f"{worker.respawns:,}",
        )
    if len(daemon.workers) > 1:
        total = () if per_worker is None else _rate_cells(_sum(per_worker) if per_worker else None)
        handled, failed, rss_bytes, respawns = (
            sum(getattr(worker, name) for worker in daemon.workers)
            for name in ("handled", "failed", "rss_bytes", "respawns")
        )
        yield "total", "", "", "", "", f"{handled:,}", f"{failed:,}", *total, size_words(rss_bytes), f"{respawns:,}"


def _running(worker: WorkerView) -> str:
    if worker.reason:
        return clipped(worker.reason, 60)
    if not worker.running:
        return "-"
    oldest = max(worker.running, key=lambda entry: entry.age_seconds)
    more = f" and {len(worker.running) - 1} more" if len(worker.running) > 1 else ""
    return f"{oldest.item} {oldest.queue} {oldest.site} {duration_words(oldest.age_seconds)}{more}"


def _sum(per_worker: Mapping[str, Rate]) -> Rate:
    return Rate(sum(rate.handled for rate in per_worker.values()), sum(rate.failed for rate in per_worker.values()))


def _rate_cells(rate: Rate | None) -> tuple[str, str]:
    return ("-", "-") if rate is None else (f"{rate.handled:,.1f}", f"{rate.failed:,.1f}")
