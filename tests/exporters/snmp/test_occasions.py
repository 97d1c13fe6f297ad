"""What is worth a notification, each once; how many there may be; and what outlives the process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from snqd.config.values import NOTIFICATIONS
from snqd.exporters.snmp import ber
from snqd.exporters.snmp.columns import BASE
from snqd.exporters.snmp.mib import Mib
from snqd.exporters.snmp.notify import definitions, kept
from snqd.exporters.snmp.notify.definitions import DEFINITIONS, Told, encode, mib_name
from snqd.exporters.snmp.notify.limit import MINUTE, SUMMARY_SECONDS, Limit
from snqd.exporters.snmp.notify.occasions import KINDS, Memory, Occasion, believe, of_alarms, of_events
from snqd.exporters.snmp.notify.target import Counts, Notification
from snqd.exporters.snmp.reference import MIB_FILE
from tests.support.views import alarm, event, view_of

if TYPE_CHECKING:
    from pathlib import Path

    from snqd.telemetry.facts import EventFact

DIED: dict[str, Any] = {
    "worker": "main.1", "expected": False, "reason": "killed by SIGKILL", "items": (7, 9), "queue": "mail",
    "site": "a.b",
}  # fmt: skip


def kinds(memory: Memory, *events: EventFact, sender: int = 1) -> list[str]:
    return [each.kind for each in of_events(memory, sender, list(events))]


def test_a_death_is_told_with_its_reason_and_what_was_running() -> None:
    (occasion,) = of_events(Memory(), 1, [event("WorkerExited", **DIED)])
    assert occasion == Occasion("worker_exited", "WorkerExited!", "main.1", "killed by SIGKILL", "7, 9", "mail", "a.b")
    (idle,) = of_events(Memory(), 1, [event("WorkerExited", **DIED | {"items": (), "queue": None, "site": None})])
    assert (idle.item, idle.queue, idle.site) == ("", "", "")


def test_a_worker_that_was_asked_to_leave_is_not_told_of_nor_the_one_after_it() -> None:
    memory = Memory()
    left = event("WorkerExited", 1, **DIED | {"expected": True})
    assert not kinds(memory, left, event("WorkerSpawned", 2, worker="main.1", respawns=1))


def test_who_takes_the_place_of_a_dead_one_is_told_with_the_reason() -> None:
    memory = Memory()
    assert not kinds(memory, event("WorkerSpawned", 1, worker="main.1", respawns=0))
    assert kinds(memory, event("WorkerExited", 2, **DIED)) == ["worker_exited"]
    (occasion,) = of_events(memory, 1, [event("WorkerSpawned", 3, worker="main.1", respawns=1)])
    assert (occasion.kind, occasion.worker, occasion.reason) == ("worker_respawned", "main.1", "killed by SIGKILL")
    assert not kinds(memory, event("WorkerSpawned", 4, worker="main.1", respawns=2))


def test_the_other_events() -> None:
    item: dict[str, Any] = {"worker": "main.1", "item": 7, "queue": "mail", "site": "a.b", "error": "boom"}
    found = list(
        of_events(
            Memory(),
            1,
            [
                event("SlotFatal", 1, worker="main.1", reason="5 deaths in 60 s"),
                event("ItemDeadLettered", 2, **item, reason="crash"),
                event("ItemDeadLettered", 3, **item | {"error": ""}, reason="attempts"),
                event("ItemFailed", 4, **item),
            ],
        )
    )
    assert [(each.kind, each.reason, each.item) for each in found] == [
        ("slot_fatal", "5 deaths in 60 s", ""),
        ("poison_item", "crash: boom", "7"),
        ("dead_letter", "attempts", "7"),
    ]


def test_an_event_that_is_repeated_is_told_once_whatever_the_order_and_over_a_restart(tmp_path: Path) -> None:
    memory = Memory()
    deaths = [event("WorkerExited", number, **DIED) for number in range(1, 6)]
    assert len(kinds(memory, deaths[3], deaths[1], deaths[3])) == 2
    kept.save(tmp_path / "kept", kept.State(boot=5, memory=memory))
    memory = kept.load(tmp_path / "kept", 5).memory
    assert len(kinds(memory, *deaths)) == 3
    assert not kinds(memory, *deaths)
    assert len(kinds(memory, deaths[0], sender=2)) == 1  # another hub counts from 1
    assert not kinds(memory, deaths[4], sender=1)  # and what an earlier one says is old


def test_what_is_remembered_does_not_grow() -> None:
    memory = Memory()
    for number in range(1, 5000):
        assert kinds(memory, event("WorkerExited", number, **DIED))
    assert len(memory.numbers) < 2000
    assert not kinds(memory, *(event("WorkerExited", number, **DIED) for number in range(1, 5000)))


def test_alarms_are_told_until_what_is_believed_is_true() -> None:
    memory = Memory()
    raised, cleared = view_of(alarm("lag")), view_of(alarm("lag", is_raised=False, message="mail is good"))

    (occasion,) = of_alarms(memory, raised, is_settled=False)
    assert (occasion.kind, occasion.text) == ("alarm_raised", "mail is bad")
    assert len(list(of_alarms(memory, raised, is_settled=False))) == 1  # not yet told
    assert occasion.alarm is not None
    believe(memory, occasion.alarm)
    assert not list(of_alarms(memory, raised, is_settled=True))

    (occasion,) = of_alarms(memory, cleared, is_settled=False)
    assert (occasion.kind, occasion.text) == ("alarm_cleared", "mail is good")
    assert occasion.alarm is not None
    believe(memory, occasion.alarm)
    assert not memory.raised


def test_an_alarm_that_nobody_tells_of_any_more_is_cleared_when_all_is_known() -> None:
    memory, view = Memory(raised=[alarm("lag")]), view_of()
    assert not list(of_alarms(memory, view, is_settled=False))
    (occasion,) = of_alarms(memory, view, is_settled=True)
    assert (occasion.kind, occasion.text) == ("alarm_cleared", "lag mail: the daemon does not tell of it any more")


def test_in_any_minute_there_are_no_more_than_allowed_and_of_a_kind_a_quarter() -> None:
    limit = Limit(8)
    told = []
    for second in range(300):
        for kind in ("worker_exited", "worker_respawned", "dead_letter", "slot_fatal", "poison_item"):
            if limit.may(kind, second):
                limit.note(kind, second)
                told.append((kind, second))
            else:
                limit.hold(kind, second)
    for begin in range(240):
        within = [kind for kind, second in told if begin <= second < begin + MINUTE]
        assert len(within) <= 8
        assert all(within.count(kind) <= 2 for kind in within)
    assert len(told) >= 8 * 4


def test_what_was_held_back_is_told_by_the_next_of_its_kind_and_in_one_summary() -> None:
    limit = Limit(4)
    assert limit.note("dead_letter", 0.0) == 0
    for second in range(3):
        limit.hold("dead_letter", second)
    limit.hold("worker_exited", 1.0)
    assert not limit.summary(SUMMARY_SECONDS - 0.1)
    assert limit.summary(SUMMARY_SECONDS) == {"dead_letter": 3, "worker_exited": 1}
    assert not limit.summary(SUMMARY_SECONDS + 1000)
    assert limit.note("dead_letter", MINUTE) == 3
    assert limit.note("dead_letter", 2 * MINUTE) == 0


def test_definitions_are_those_of_the_module() -> None:
    mib = Mib(MIB_FILE.read_text())
    ours = [
        (mib_name(kind), each.number, tuple(group.object_name(column) for group, column in definitions.objects(each)))
        for kind, each in DEFINITIONS.items()
        if not each.is_standard
    ]
    assert ours == [(each.name, each.number, each.objects) for each in mib.notifications]
    assert (mib_name("cold_start"), mib_name("warm_start")) == ("coldStart", "warmStart")
    theirs = {mib.path(each.name): (each.name, each.syntax) for each in mib.children("snqdNotifyObjects")}
    group = definitions.NOTIFY
    assert theirs == {
        (*group.oid[len(BASE) :], column.number): (group.object_name(column), column.kind.syntax)
        for column in group.columns
    }
    assert KINDS == NOTIFICATIONS == tuple(DEFINITIONS)


@pytest.mark.parametrize("kind", KINDS)
def test_no_notification_is_too_long_and_every_text_remains_text(kind: Any) -> None:
    long = "ü" * 400
    worst = Occasion(kind, long, long, long, "1234567890" * 40, long, long, alarm("lag", "s" * 300, message=long))
    raw = encode(Told(worst, 2**64 - 1, 2**32 - 1), uptime=1e9)
    assert len(raw) <= definitions.LIMIT
    names = []
    at = 0
    while at < len(raw):
        begin, at = ber.enter(raw, at, len(raw), ber.SEQUENCE)
        content, value = ber.enter(raw, begin, at, ber.OBJECT)
        names.append(ber.read_oid(raw[content:value]))
        if raw[value] == ber.OCTETS:
            first, last = ber.enter(raw, value, at, ber.OCTETS)
            raw[first:last].decode()
    assert names[:2] == [(*definitions.SYS_UP_TIME, 0), (*definitions.TRAP_OID, 0)]


def test_another_life_of_the_daemon_begins_at_0_and_knows_what_was_believed(tmp_path: Path) -> None:
    state = kept.State(boot=1, sequence=9, suppressed=3, memory=Memory(sender=4, numbers=[1], raised=[alarm("lag")]))
    state.counts["noc"] = Counts(sent=5)
    state.waiting["noc"] = [Notification("dead_letter", 9, b"\0\xff")]
    kept.save(tmp_path / "kept", state)
    assert kept.load(tmp_path / "kept", 1) == state
    other = kept.load(tmp_path / "kept", 2)
    assert (other.sequence, other.suppressed, other.counts, other.memory.numbers) == (0, 0, {}, [])
    assert (other.memory.raised, other.waiting) == (state.memory.raised, state.waiting)
    assert (tmp_path / "kept").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("raw", [b"", b"{", b'{"boot": "x"}', b"\xff" * 30, b'{"waiting": {"noc": [{"bindings": 5}]}}'])
def test_a_file_that_cannot_be_read_is_begun_anew(raw: bytes, tmp_path: Path) -> None:
    (tmp_path / "kept").write_bytes(raw)
    assert kept.load(tmp_path / "kept", 3) == kept.State()
    assert kept.load(tmp_path / "none", 3) == kept.State()
