"""What is worth a notification: events that happen once, and alarms that are raised or not.

An event is told several times by the hub, and again to an agent that begins anew, so what has been told of is
remembered by the number of the event. An alarm is a state and not an event: who receives notifications shall believe
of each alarm what is true, so the state that was told last is held against the one that is. Whatever was lost meanwhile
(the agent, the hub, events of a flood), the difference is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, get_args

import msgspec

from snqd.telemetry.facts import AlarmFact  # noqa: TC001 - msgspec looks it up

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snqd.telemetry.daemon_view import DaemonView
    from snqd.telemetry.facts import EventFact

Kind = Literal[
    "cold_start",
    "warm_start",
    "worker_exited",
    "worker_respawned",
    "slot_fatal",
    "poison_item",
    "dead_letter",
    "alarm_raised",
    "alarm_cleared",
    "suppression",
]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
GONE: Final = "the daemon does not tell of it any more"
_REMEMBERED: Final = 1024
"""More than the hub keeps."""
_POISON: Final = "crash"


class Occasion(NamedTuple):
    """Something to tell. Which of the texts are there depends on the kind."""

    kind: Kind
    text: str
    worker: str = ""
    reason: str = ""
    item: str = ""
    queue: str = ""
    site: str = ""
    alarm: AlarmFact | None = None


class Memory(msgspec.Struct):
    """What has been told of. Belongs to `kept`."""

    sender: int = 0
    """The hub whose events are numbered so."""
    numbers: list[int] = msgspec.field(default_factory=list)
    """Of the latest events, in order."""
    floor: int = 0
    """Events up to this number are over, told or not."""
    deaths: dict[str, str] = msgspec.field(default_factory=dict)
    """Why the last worker of a slot died, until another takes its place."""
    raised: list[AlarmFact] = msgspec.field(default_factory=list)
    """Alarms that whoever receives notifications believes to be raised."""


def of_events(memory: Memory, sender: int, events: list[EventFact]) -> Iterator[Occasion]:
    """Occasions in the order of the events, each once. An older `sender` than the last has nothing to say."""
    if sender < memory.sender:
        return
    if sender > memory.sender:
        memory.sender, memory.floor = sender, 0
        memory.numbers.clear()
    known = set(memory.numbers)
    for event in sorted(events, key=lambda each: each.number):
        if event.name not in _READ or event.number <= memory.floor or event.number in known:
            continue
        known.add(event.number)
        memory.numbers.append(event.number)
        occasion = _READ[event.name](memory, event)
        if occasion is not None:
            yield occasion
    memory.numbers.sort()
    if len(memory.numbers) > _REMEMBERED:
        memory.floor = memory.numbers[-_REMEMBERED - 1]
        del memory.numbers[:-_REMEMBERED]


def of_alarms(memory: Memory, view: DaemonView, *, is_settled: bool) -> Iterator[Occasion]:
    """Differences between what is believed and what is. They stay until they are `believed`.

    `is_settled`: the daemon has told everything: what it does not tell of is gone.
    """
    believed = {fact.key: fact for fact in memory.raised}
    for key, fact in view.alarms.items():
        if fact.is_raised != (key in believed):
            yield Occasion("alarm_raised" if fact.is_raised else "alarm_cleared", fact.message, alarm=fact)
    for key, fact in believed.items():
        if is_settled and key not in view.alarms:
            gone = msgspec.structs.replace(fact, is_raised=False, message=f"{fact.name} {fact.subject}: {GONE}")
            yield Occasion("alarm_cleared", gone.message, alarm=gone)


def believe(memory: Memory, fact: AlarmFact) -> None:
    """The state of this alarm has been told."""
    memory.raised = [each for each in memory.raised if each.key != fact.key]
    if fact.is_raised:
        memory.raised.append(fact)


def _exited(memory: Memory, event: EventFact) -> Occasion | None:
    fields = event.fields
    if fields.get("expected", True):
        memory.deaths.pop(_text(fields, "worker"), None)
        return None
    worker, reason = _text(fields, "worker"), _text(fields, "reason")
    memory.deaths[worker] = reason
    return Occasion("worker_exited", event.message, worker, reason, *_item(fields))


def _spawned(memory: Memory, event: EventFact) -> Occasion | None:
    worker = _text(event.fields, "worker")
    reason = memory.deaths.pop(worker, None)
    if reason is None:  # the first of its slot, or the last one was asked to leave
        return None
    return Occasion("worker_respawned", event.message, worker, reason)


def _fatal(memory: Memory, event: EventFact) -> Occasion:
    worker = _text(event.fields, "worker")
    memory.deaths.pop(worker, None)
    return Occasion("slot_fatal", event.message, worker, _text(event.fields, "reason"))


def _dead_lettered(_memory: Memory, event: EventFact) -> Occasion:
    fields = event.fields
    why, error = _text(fields, "reason"), _text(fields, "error")
    reason = f"{why}: {error}" if error else why
    kind: Kind = "poison_item" if why == _POISON else "dead_letter"
    return Occasion(kind, event.message, _text(fields, "worker"), reason, *_item(fields))


_READ: Final = {
    "WorkerExited": _exited,
    "WorkerSpawned": _spawned,
    "SlotFatal": _fatal,
    "ItemDeadLettered": _dead_lettered,
}


def _item(fields: dict[str, Any]) -> tuple[str, str, str]:
    """Item (or several), queue and site."""
    found = fields.get("items", fields.get("item"))
    items = found if isinstance(found, tuple) else () if found is None else (found,)
    return ", ".join(map(str, items)), _text(fields, "queue"), _text(fields, "site")


def _text(fields: dict[str, Any], name: str) -> str:
    found = fields.get(name)
    return "" if found is None else str(found)
