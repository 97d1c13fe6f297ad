"""The detail of one worker: what it does, what it needs, how its predecessors ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqmon.model import formats
from snqmon.model.cells import Cell, Grade
from snqmon.model.details.base import Chart, Detail, Line, Section, column_line, counted, line, some
from snqmon.model.details.connections import around, connections
from snqmon.model.tables import WORKERS

if TYPE_CHECKING:
    from snqd.telemetry.facts import EventFact, MemoryFact
    from snqmon.model.rows import WorkerRow
    from snqmon.model.world import World


def worker_detail(_world: World, row: WorkerRow) -> Detail:
    """Its courses are kept from now on."""
    row.moment.history.open("workers", row.worker)
    return Detail(
        title=f"worker {row.worker}",
        kind="workers",
        key=row.key,
        grade=row.grade,
        summary=_summary(row),
        sections=some(
            [
                *around([_now(row), _memory(row), _outcomes(row)], connections(row.moment, worker=row.worker)),
                _growth(row),
                _life(row),
            ]
        ),
        charts=_charts(row),
        jumps=_jumps(row),
        texts=_texts(row),
    )


def _summary(row: WorkerRow) -> str:
    if row.is_gone:
        return "not told of any more: its slot is closed, or its daemon ended"
    if row.fact.running:
        many = f" and {row.fact.running - 1} more" if row.fact.running > 1 else ""
        return f"{row.state} {row.item}{many} for {formats.duration(row.since_seconds)}"
    return f"{row.state} for {formats.duration(row.since_seconds)}"


def _now(row: WorkerRow) -> Section:
    keys = ("state", "item", "since_seconds", "pid", "silence_seconds", "cores", "out_rate", "fail_rate", "respawns")
    lines = [column_line(WORKERS, key, row) for key in keys]
    if row.last_exit:
        lines.append(column_line(WORKERS, "last_exit", row))
    return Section("Now", tuple(lines))


def _memory(row: WorkerRow) -> Section:
    if row.rss_bytes is None:
        return Section("Memory", ())
    limit = formats.size(row.limit_bytes) if row.limit_bytes else "none"
    lines = [
        column_line(WORKERS, "rss_bytes", row, "resident"),
        line("soft limit", limit, definition="Past it the worker finishes its items and is replaced."),
        column_line(WORKERS, "rss_share", row, "of the limit"),
    ]
    if row.limit_in_seconds >= 0:
        grade = row.moment.thresholds.memory_forecast(row.limit_in_seconds)
        words = f"in {formats.duration(row.limit_in_seconds)}"
        lines.append(line("limit", words, grade, "When it is reached if the worker goes on like this."))
    return Section("Memory", tuple(lines))


def _growth(row: WorkerRow) -> Section:
    """By queue: whose handler leaks."""
    return Section("Memory by handler", tuple(_grown(fact) for fact in row.memory if fact.grown_bytes), columns=0)


def _grown(fact: MemoryFact) -> Line:
    each = f", {formats.growth(fact.grown_bytes / fact.items)} an item" if fact.items else ""
    words = f"{formats.growth(fact.grown_bytes)} over {formats.count(fact.items)} items{each}"
    grade = Grade.LOOK if fact.limit_in_seconds >= 0 else Grade.GOOD
    return Line(fact.queue, Cell(words, grade), "Growth of resident memory while this queue's handler ran.")


def _outcomes(row: WorkerRow) -> Section:
    fact = row.fact
    return Section(
        "Since boot",
        (
            counted("claimed", fact.claimed, "Items that it took."),
            counted("handled", fact.handled, "Done, and the store knows."),
            counted("failed", fact.failed, "Handlings that ended with an exception, a time limit or a crash."),
            counted("retried", fact.retried, "Handlers that asked for a later attempt."),
            counted("discarded", fact.discarded, "Not worth doing, by the handler's own decision."),
            counted("dead-lettered", fact.dead_lettered, "Given up, and kept in the dead-letter table."),
            counted("released", fact.released, "Given back without using an attempt."),
        ),
    )


def _life(row: WorkerRow) -> Section:
    """What befell the slot while the monitor was there, newest first; a death with its last words."""
    return Section("Life", tuple(_lived(event) for event in reversed(row.track.life)), columns=0)


def _lived(event: EventFact) -> Line:
    label = formats.clock(event.at)
    if event.name == "WorkerExited":
        grade = Grade.GOOD if event.fields.get("expected") else Grade.ACT
        return Line(label, Cell(_last_words(event), grade), "How it ended, and what it was doing.")
    grade = {"warning": Grade.LOOK, "error": Grade.ACT}.get(event.level, Grade.GOOD)
    return Line(label, Cell(formats.one_line(event.message), grade), f"Event {event.name}")


def _last_words(event: EventFact) -> str:
    """`pid 4001: killed by signal 9 (KILL) after 3m20s, with 61M, while running #7 of mail (a.example)`."""
    fields = event.fields
    said = f"pid {fields.get('pid')}: {fields.get('reason')}"
    if isinstance(lived := fields.get("lived_seconds"), int | float):
        said += f" after {formats.duration(lived)}"
    if isinstance(rss := fields.get("rss_bytes"), int) and rss:
        said += f", with {formats.size(rss)}"
    items = fields.get("items")
    if isinstance(items, tuple | list) and items:
        named = formats.listed([f"#{item}" for item in items])
        of = f" of {fields['queue']}" if fields.get("queue") else ""
        at = f" ({fields['site']})" if fields.get("site") else ""
        said += f", while running {named}{of}{at}"
    return formats.one_line(said)


def _charts(row: WorkerRow) -> tuple[Chart, ...]:
    limit = float(row.limit_bytes) if row.limit_bytes else None
    return (
        Chart("memory", (("rss", "resident"),), row.course, formats.size, limit, "Resident memory and its soft limit."),
        Chart("items", (("handled", "done/s"), ("failed", "fail/s")), row.course, formats.rate,
              definition="Items per second."),
        Chart("cores", (("cpu", "cores"),), row.course, formats.cores, definition="Processor time per second."),
    )  # fmt: skip


def _jumps(row: WorkerRow) -> tuple[Line, ...]:
    found = []
    if row.queue:
        found.append(Line("queue", Cell(row.queue), "The queue of its item.", ("queues", (row.daemon, row.queue))))
    if row.site:
        found.append(Line("site", Cell(row.site), "The site of its item.", ("sites", (row.daemon, row.site))))
    return tuple(found)


def _texts(row: WorkerRow) -> tuple[tuple[str, str], ...]:
    """The latest stack and traceback that were told of it."""
    for event in reversed(row.track.life):
        for name in ("stack", "traceback"):
            if event.fields.get(name):
                return ((f"{name} at {formats.clock(event.at)}", str(event.fields[name])),)
    return ()
