"""The details of an event, an alarm and a dead letter: what was told of them, and where it happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from snqmon.model import formats
from snqmon.model.cells import Cell, Grade
from snqmon.model.details.base import Detail, Line, Section, column_line, line, some
from snqmon.model.details.happened import happened
from snqmon.model.rows import AlarmRow, EventRow
from snqmon.model.tables import ALARMS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snqmon.model.dead import DeadRow
    from snqmon.model.world import World

_LONG: Final = ("traceback", "stack")
_OF_QUEUES: Final = frozenset({"lag", "failures", "stalled", "no_handler", "dead_letters", "canary"})
_OF_WORKERS: Final = frozenset({"fatal", "memory"})


def places_of(row: EventRow | AlarmRow | DeadRow) -> tuple[Line, ...]:
    """The rows that it is about, the one that matters most first; each as a line that leads there."""
    if isinstance(row, EventRow):
        about = _of_alarm(row.fact.fields) or {"queue": row.queue, "site": row.site, "worker": row.worker}
        if row.name.startswith("Worker"):
            about = {"worker": about.pop("worker", ""), **about}
        return _places(row.daemon, about)
    if isinstance(row, AlarmRow):
        return _places(row.daemon, _of_alarm({"name": row.name, "subject": row.subject}))
    return _places(row.daemon, {"queue": row.queue, "site": row.site})


def event_detail(_world: World, row: EventRow) -> Detail:
    fields = row.fact.fields
    lines = [line("when", formats.moment(row.at)), line("daemon", row.daemon), line("level", row.level, row.grade)]
    lines += [line(name, _words(value)) for name, value in fields.items() if name not in _LONG]
    return Detail(
        title=f"event {row.name}",
        kind="events",
        key=row.key,
        grade=row.grade,
        summary=row.message,
        sections=(Section("Fields", tuple(lines), columns=0),),
        texts=tuple((name, str(fields[name])) for name in _LONG if fields.get(name)),
        jumps=places_of(row),
    )


def _of_alarm(fields: Mapping[str, Any]) -> dict[str, str]:
    """What an event about an alarm is about; empty = it is about none, or about nothing that has a row."""
    name, subject = fields.get("name"), str(fields.get("subject", ""))
    return {"queue": subject} if name in _OF_QUEUES else {"worker": subject} if name in _OF_WORKERS else {}


def alarm_detail(world: World, row: AlarmRow) -> Detail:
    is_queue = row.name in _OF_QUEUES
    return Detail(
        title=f"alarm {row.name} of {row.subject}",
        kind="alarms",
        key=row.key,
        grade=row.grade,
        summary=row.message,
        sections=some([
            Section("Alarm", (
                column_line(ALARMS, "is_raised", row),
                column_line(ALARMS, "since_seconds", row),
                line("when", formats.moment(row.fact.since)),
                column_line(ALARMS, "value", row),
                column_line(ALARMS, "threshold", row),
                line("daemon", row.daemon),
            ), columns=2),
            happened(world, row.daemon, **({"queue": row.subject} if is_queue else {"subject": row.subject})),
        ]),
        why=world.why(row.daemon, row.subject) if is_queue else None,
        jumps=places_of(row),
    )  # fmt: skip


def dead_detail(_world: World, row: DeadRow) -> Detail:
    letter = row.letter
    return Detail(
        title=f"dead letter #{row.id}",
        kind="dead",
        key=row.key,
        grade=Grade.LOOK,
        summary=row.error or row.reason,
        sections=some([
            Section("Item", (
                line("item", f"#{row.id}"),
                line("queue", row.queue),
                line("site", row.site),
                line("given up", f"{formats.moment(letter.died)} ({formats.duration(row.age_seconds)} ago)"),
                line("reason", row.reason, definition="attempts, crash, bad_item."),
                line("group", row.group or "–", definition="Letters of one group have one cause."),
                line("attempts", formats.count(row.attempts), definition="Handlings that ended badly."),
                line("crashes", formats.count(letter.crash_attempts), definition="Workers that died with it."),
            ), columns=2),
            Section(
                "Attempts",
                tuple(_attempt(at, each) for at, each in enumerate(letter.history, 1)),
                columns=0,
            ),
        ]),
        texts=tuple((name, text) for name, text in (("error", letter.error), ("traceback", letter.traceback)) if text),
        jumps=places_of(row),
    )  # fmt: skip


def _places(daemon: str, about: Mapping[str, str]) -> tuple[Line, ...]:
    """`about`: names by what they are the names of, in the order in which they are shown."""
    return tuple(Line(kind, Cell(name), "", (f"{kind}s", (daemon, name))) for kind, name in about.items() if name)


def _attempt(number: int, entry: Any) -> Line:
    """An entry of the history, `[at, attempt, error]`; of another form, whatever is in it."""
    match entry:
        case [int() | float() as at, int() as attempt, str() as error]:
            return line(formats.moment(at), f"attempt {attempt}: {formats.one_line(error)}")
    return line(str(number), _words(entry))


def _words(value: Any) -> str:
    """A field of an event or of an attempt, in one line."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_words(each)}" for name, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_words(each) for each in value)
    return (
        formats.UNKNOWN if value is None else formats.one_line(f"{value:g}" if isinstance(value, float) else str(value))
    )
