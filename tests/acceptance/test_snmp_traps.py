"""A real daemon that tells a real snmptrapd what happens to it: once, with reasons, and not in storms."""

from __future__ import annotations

import os
import re
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.processes import wait_until
from tests.support.relays import free_ports
from tests.support.snmp import AUTH, COMMUNITY, PRIVACY, SNQD, USER, V2C, agents, tool
from tests.support.snmptrapd import running_snmptrapd, trap_user

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.command import Command
    from tests.support.daemons import Daemon, Place

    MakeDaemon = Callable[..., Daemon]

pytestmark = pytest.mark.fork

SUPPRESSED, WAITING = 2, 7
SOURCE = """
@handler("mail", max_attempts=1)
def mail(payload, context):
    note("began", context)
    if payload == "bad":
        raise ValueError("no")
    hold("mail")
"""
POISON = """
@handler("mail")
def mail(payload, context):
    die()
"""


def snmp(port: int, receiver: int, **more: Any) -> dict[str, Any]:
    users = {USER.name: {"auth_passphrase": AUTH, "privacy_passphrase": PRIVACY}}
    targets = {"noc": {"address": f"127.0.0.1:{receiver}", "user": USER.name, "inform": True}}
    return {"listen": f"127.0.0.1:{port}", "community": COMMUNITY, "user": users, "target": targets, **more}


def figure(port: int, number: int) -> int:
    """Of snqdNotifying; -1 while nobody answers."""
    said = tool("snmpget", *V2C, "-Oqv", f"127.0.0.1:{port}", f".{SNQD}.1.10.{number}.0", code=None, patience="1")
    return int(said) if said.strip().isdecimal() else -1


def figureless(text: str) -> str:
    """Without the figures: while an alarm is raised they move."""
    return re.sub(r"\d[\d.]*", "#", text)


def test_a_killed_worker_is_told_once_with_its_reason_and_item_whatever_is_killed_after_it(
    make_daemon: MakeDaemon, sqlite_place: Place, tmp_path: Path
) -> None:
    port, receiver = free_ports(2)
    with running_snmptrapd(trap_user(USER), tmp_path, port=receiver) as trapd:
        no_alarms = {"dead_letters_per_minute": 0, "respawns_per_minute": 0}  # they would come at any time
        daemon = make_daemon(sqlite_place, SOURCE, alarms=no_alarms, snmp=snmp(port, receiver))
        (worker,) = daemon.wait_ready(1)
        trapd.wait("coldStart")
        hub = daemon.wait_hub()
        bad, item = sqlite_place.enqueue("mail", "bad"), sqlite_place.enqueue("mail", "good")
        daemon.wait_fact("began", item=item)

        worker.kill()

        (died,) = trapd.wait("snqdWorkerExited")
        assert (died["snqdNotifyWorker"], died["snqdNotifyItem"]) == ("main.1", str(item))
        assert died["snqdNotifyReason"] == daemon.wait_event("WorkerExited")["reason"]
        assert "SIGKILL" in died["snqdNotifyReason"]
        assert (died["snqdNotifyQueue"], died["snqdNotifySite"]) == ("mail", "default")
        (after,) = trapd.wait("snqdWorkerRespawned")
        assert (after["snqdNotifyWorker"], after["snqdNotifyReason"]) == ("main.1", died["snqdNotifyReason"])
        (dead,) = trapd.wait("snqdDeadLetter")
        assert (dead["snqdNotifyItem"], dead["snqdNotifyQueue"]) == (str(bad), "mail")
        assert dead["snqdNotifyReason"].startswith("attempts: ValueError: no")

        wait_until(lambda: figure(port, WAITING) == 0, "all is acknowledged")
        os.kill(agents()[hub.pid], signal.SIGKILL)
        trapd.wait("warmStart")
        wait_until(lambda: figure(port, WAITING) == 0, "all is acknowledged")
        os.kill(hub.pid, signal.SIGKILL)
        trapd.wait("warmStart", 2)
        (again,) = daemon.wait_ready(2)
        again.kill()
        trapd.wait("snqdWorkerExited", 2)
        trapd.wait("snqdWorkerRespawned", 2)
        daemon.open_gate("mail")
        assert daemon.stop() == 0
        told = {int(each["snqdNotifySequence"]): each["snmpTrapOID"] for each in trapd.received()}
        assert len(told) == len(trapd.received())
    assert sorted(told) == list(range(1, len(told) + 1))
    assert sorted(told.values()) == [
        "coldStart",
        "snqdDeadLetter",
        *["snqdWorkerExited"] * 2,
        *["snqdWorkerRespawned"] * 2,
        *["warmStart"] * 2,
    ]


def test_an_alarm_is_told_when_it_is_raised_and_when_it_is_cleared(
    make_daemon: MakeDaemon, sqlite_place: Place, tmp_path: Path
) -> None:
    port, receiver = free_ports(2)
    with running_snmptrapd(trap_user(USER), tmp_path, port=receiver) as trapd:
        alarms = {"lag_seconds": 0.2, "hold_seconds": 0}
        daemon = make_daemon(sqlite_place, SOURCE, alarms=alarms, snmp=snmp(port, receiver))
        daemon.wait_ready(1)
        first = sqlite_place.enqueue("mail", "good")
        daemon.wait_fact("began", item=first)
        sqlite_place.enqueue("mail", "good")

        (raised,) = trapd.wait("snqdAlarmRaised")
        daemon.open_gate("mail")
        (cleared,) = trapd.wait("snqdAlarmCleared")

        for told, name, severity in ((raised, "AlarmRaised", "critical"), (cleared, "AlarmCleared", "ok")):
            assert (told["snqdAlarmLabel"], told["snqdAlarmSeverity"]) == ("lag mail", severity)
            event = daemon.wait_event(name)["message"]
            assert figureless(event).endswith(figureless(told["snqdAlarmMessage"]))
            assert told["snqdAlarmThreshold"] == "200"


def test_a_crash_loop_is_no_storm_of_traps(make_daemon: MakeDaemon, sqlite_place: Place, tmp_path: Path) -> None:
    port, receiver = free_ports(2)
    with running_snmptrapd(trap_user(USER), tmp_path, port=receiver) as trapd:
        daemon = make_daemon(
            sqlite_place,
            POISON,
            daemon={"respawn_limit": 1000, "respawn_delay_seconds": 0.01, "respawn_window_seconds": 0.001},
            snmp=snmp(port, receiver, notifications_per_minute=12),
        )
        daemon.wait_ready(1)
        items = [sqlite_place.enqueue("mail") for _ in range(4)]
        deaths = len(daemon.wait_events("WorkerExited", 12, expected=False))
        daemon.wait_events("ItemDeadLettered", 4)

        held_back = 2 * (deaths - 3)
        wait_until(lambda: figure(port, SUPPRESSED) >= held_back, "the others were held back and counted")
        poisoned = trapd.wait("snqdPoisonItem", 3)
        assert {each["snqdNotifyItem"] for each in poisoned} <= set(map(str, items))
        assert len(trapd.received("snqdWorkerExited")) == len(trapd.received("snqdWorkerRespawned")) == 3
        assert len(trapd.received()) <= 12


REFUSED = {
    "a target without an address": (
        '[snmp.target.noc]\ncommunity = "public"\n',
        "{file}:1: snmp.target.noc has no address: set snmp.target.noc.address",
    ),
    "a target of a user who is not there": (
        '[snmp.target.noc]\naddress = "192.0.2.7:162"\nuser = "bob"\n',
        '{file}:3: snmp.target.noc.user is "bob" and there is no such user',
    ),
    "a community that cannot be read": (
        '[snmp.target.noc]\naddress = "192.0.2.7:162"\ncommunity_file = "gone"\n',
        "snmp.target.noc.community_file {folder}/gone: there is no such file",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_daemon_that_could_not_notify_does_not_start(name: str, snqd_with_handlers: Command) -> None:
    text, told = REFUSED[name]
    folder = snqd_with_handlers.folder
    snqd_with_handlers.write("snqd.toml", text)
    for words in (("run",), ("config", "check")):
        done = snqd_with_handlers(*words)
        assert done.code == 2
        assert done.error.startswith(told.format(file=folder / "snqd.toml", folder=folder))
