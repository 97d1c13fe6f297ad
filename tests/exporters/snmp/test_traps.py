"""Traps and informs that net-snmp's snmptrapd receives, with SNQD-MIB loaded."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING, Any

import pytest

from snqd.exporters import resolving
from snqd.exporters.snmp.notify import road
from snqd.exporters.snmp.settings import TargetSettings, User
from tests.support.processes import wait_until
from tests.support.relays import free_ports
from tests.support.snmp import AUTH, COMMUNITY, ENGINE_ID, PRIVACY, SNQD, V2C, RunningAgent, running_agent, tool
from tests.support.snmptrapd import running_snmptrapd, trap_user
from tests.support.views import alarm, event, queue, worker

if TYPE_CHECKING:
    from pathlib import Path

    from snqd.exporters.resolving import Found

TRAPPER = User("trapper", "SHA-256", AUTH, "AES-128", PRIVACY)
STRONG = User("strong", "SHA-512", AUTH, "AES-256", PRIVACY)
BARE = User("bare", "SHA-1", AUTH, "none")
DIED: dict[str, Any] = {
    "worker": "main.1", "expected": False, "reason": "killed by SIGKILL", "items": (7,), "queue": "mail",
    "site": "ä.b",
}  # fmt: skip
MADE, SUPPRESSED, SENT, ACKNOWLEDGED, RETRIED, FAILED, WAITING = range(1, 8)


def target(name: str, port: int, **changes: Any) -> TargetSettings:
    given: dict[str, Any] = {"name": name, "host": "127.0.0.1", "port": port, "timeout_seconds": 0.3}
    return TargetSettings(**given | changes)


def figure(agent: RunningAgent, number: int) -> int:
    return int(tool("snmpget", *V2C, "-Oqv", agent.address, f".{SNQD}.1.10.{number}.0"))


def problems(agent: RunningAgent) -> list[str]:
    """Of the targets, in the order of their indices; those without one are left out."""
    found = re.findall(r'"(.*)"', tool("snmpwalk", *V2C, "-Oqv", agent.address, f".{SNQD}.1.11.1.10"))
    assert len(found) == len(agent.settings.targets)
    return [each for each in found if each]


def events(count: int, first: int = 1) -> list[Any]:
    return [event("WorkerExited", first + number, **DIED) for number in range(count)]


@pytest.mark.parametrize("is_inform", [False, True], ids=["traps", "informs"])
def test_every_way_arrives_with_its_names_resolved(is_inform: bool, tmp_path: Path) -> None:
    """Version 2c, and three users of version 3, at one receiver."""
    engine_id = None if is_inform else ENGINE_ID
    configuration = f"authCommunity log {COMMUNITY}\n"
    configuration += "".join(trap_user(user, engine_id) for user in (TRAPPER, STRONG, BARE))
    with running_snmptrapd(configuration, tmp_path) as trapd:
        targets = (
            target("plain", trapd.port, community=COMMUNITY, is_inform=is_inform),
            *(target(user.name, trapd.port, user=user, is_inform=is_inform) for user in (TRAPPER, STRONG, BARE)),
        )
        with running_agent(targets=targets, kept_file=str(tmp_path / "kept")) as agent:
            lag = alarm("lag", value=75.5, threshold=60.0, message="mail waits 75 s")
            agent.show(worker(1), queue(), *events(1), lag)
            (died, *_) = trapd.wait("snqdWorkerExited", 4)
            raised = trapd.wait("snqdAlarmRaised", 4)
            trapd.wait("coldStart", 4)

            wait_until(lambda: figure(agent, WAITING) == 0, "nothing waits")
            assert figure(agent, SENT) == 4 * 3
            assert figure(agent, ACKNOWLEDGED) == (4 * 3 if is_inform else 0)
            assert (figure(agent, RETRIED), figure(agent, FAILED), figure(agent, MADE)) == (0, 0, 3)
            assert problems(agent) == []
            assert not agent.said
    assert died == {
        "sysUpTime": died["sysUpTime"],
        "snmpTrapOID": "snqdWorkerExited",
        "snqdNotifyWorker": "main.1",
        "snqdNotifyReason": "killed by SIGKILL",
        "snqdNotifyItem": "7",
        "snqdNotifyQueue": "mail",
        "snqdNotifySite": "ä.b",
        "snqdNotifySequence": "2",
        "snqdNotifySuppressed": "0",
        "snqdNotifyText": "WorkerExited!",
    }
    assert list(died)[:2] == ["sysUpTime", "snmpTrapOID"]
    (one, *others) = raised
    assert (one["snqdAlarmLabel"], one["snqdAlarmSeverity"]) == ("lag mail", "critical")
    assert (one["snqdAlarmValue"], one["snqdAlarmThreshold"]) == ("75500", "60000")
    assert one["snqdAlarmMessage"] == one["snqdNotifyText"] == "mail waits 75 s"
    assert [each["snqdNotifySequence"] for each in others] == ["3"] * 3


def test_a_receiver_that_is_down_is_told_again_and_one_that_comes_back_hears_all(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    targets = (target("noc", port, user=TRAPPER, is_inform=True, timeout_seconds=0.2, retries=20),)
    with running_agent(targets=targets, kept_file=str(tmp_path / "kept")) as agent:
        agent.show(*events(2))
        wait_until(lambda: figure(agent, RETRIED) >= 6, "informs are tried again")
        assert (figure(agent, SENT), figure(agent, ACKNOWLEDGED), figure(agent, WAITING)) == (0, 0, 3)
        assert problems(agent) == ["nobody listens there"]
        assert agent.said == [f"snmp.target.noc at 127.0.0.1:{port}: nobody listens there"]
        with running_snmptrapd(trap_user(TRAPPER), tmp_path, port=port) as trapd:
            trapd.wait("snqdWorkerExited", 2)
            wait_until(lambda: figure(agent, WAITING) == 0, "all are acknowledged")
        assert (figure(agent, SENT), figure(agent, ACKNOWLEDGED), figure(agent, FAILED)) == (3, 3, 0)
        assert problems(agent) == []


def test_a_receiver_that_does_not_come_back_is_given_up(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        targets = (target("noc", port, community=COMMUNITY, is_inform=True, retries=2, timeout_seconds=0.1),)
        with running_agent(targets=targets, kept_file=str(tmp_path / "kept")) as agent:
            wait_until(lambda: figure(agent, FAILED) == 1, "the cold start is given up")
            assert (figure(agent, SENT), figure(agent, RETRIED), figure(agent, WAITING)) == (1, 2, 0)
            assert problems(agent) == ["it does not answer"]


def test_a_name_that_cannot_be_found_is_named_and_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name server is a stand-in: what the real one of a machine says, and when, is not ours to know."""

    def find(_address: object) -> Found:
        raise OSError("there is no such name")

    monkeypatch.setattr(resolving, "find", find)
    monkeypatch.setattr(road, "_PATIENCE_SECONDS", 0.0)
    with running_snmptrapd(f"authCommunity log {COMMUNITY}\n", tmp_path) as trapd:
        targets = (
            target("lost", 162, host="no-such.invalid", community=COMMUNITY),
            target("noc", trapd.port, community=COMMUNITY),
        )
        with running_agent(targets=targets, kept_file=str(tmp_path / "kept")) as agent:
            trapd.wait("coldStart")
            wait_until(lambda: problems(agent) == ["there is no such name"], "the name is not found")
            assert figure(agent, WAITING) == 1
            told = "snmp.target.lost at no-such.invalid:162: there is no such name"
            wait_until(lambda: told in agent.said, "the hub is told")


def test_a_trap_to_nobody_is_counted_as_failed(tmp_path: Path) -> None:
    targets = (target("noc", free_ports(1)[0], community=COMMUNITY),)
    with running_agent(targets=targets, kept_file=str(tmp_path / "kept")) as agent:
        wait_until(lambda: figure(agent, FAILED) == 1, "the network says that nobody is there")
        assert problems(agent) == ["nobody listens there"]


def test_a_wrong_pass_phrase_is_named(tmp_path: Path) -> None:
    wrong = User(TRAPPER.name, TRAPPER.auth, "another phrase", TRAPPER.privacy, PRIVACY)
    stranger = User("stranger", TRAPPER.auth, AUTH, TRAPPER.privacy, PRIVACY)
    with running_snmptrapd(trap_user(TRAPPER), tmp_path) as trapd:
        targets = tuple(target(user.name, trapd.port, user=user, is_inform=True) for user in (wrong, stranger))
        with running_agent(targets=targets, kept_file=str(tmp_path / "kept")) as agent:
            wait_until(lambda: len(problems(agent)) == 2, "the problems are told")
            assert problems(agent) == [
                "it has another pass phrase or hash for the user",
                "it does not know the user",
            ]
        assert not trapd.received()


def test_a_storm_is_no_storm_of_traps_and_what_was_held_back_is_told(tmp_path: Path) -> None:
    with running_snmptrapd(f"authCommunity log {COMMUNITY}\n", tmp_path) as trapd:
        targets = (target("noc", trapd.port, community=COMMUNITY),)
        settings: dict[str, Any] = {"notifications_per_minute": 20, "kept_file": str(tmp_path / "kept")}
        with running_agent(targets=targets, **settings) as agent:
            for begin in range(0, 200, 20):
                agent.show(*events(20, begin + 1))
            agent.show(alarm("lag"))
            trapd.wait("snqdAlarmRaised")  # there is room for others
            wait_until(lambda: figure(agent, SUPPRESSED) == 195, "all others are counted")
            assert len(trapd.received("snqdWorkerExited")) == 5
            agent.call(lambda: age(agent, 60.0))
            (summary,) = trapd.wait("snqdSuppression")
            assert summary["snqdNotifySuppressed"] == "195"
            assert summary["snqdNotifyText"].endswith(": 195 snqdWorkerExited")
            agent.show(*events(1, 201))
            wait_until(lambda: len(trapd.received("snqdWorkerExited")) == 6, "there is room again")
            assert trapd.received("snqdWorkerExited")[-1]["snqdNotifySuppressed"] == "195"


def test_an_agent_that_begins_again_tells_nothing_twice_and_goes_on_counting(tmp_path: Path) -> None:
    silent = free_ports(1)[0]
    with running_snmptrapd(f"authCommunity log {COMMUNITY}\n", tmp_path) as trapd:
        targets = (
            target("noc", trapd.port, community=COMMUNITY),
            target("down", silent, community=COMMUNITY, is_inform=True, timeout_seconds=30.0),
        )
        chosen: dict[str, Any] = {"targets": targets, "kept_file": str(tmp_path / "kept"), "boot": 5}
        with running_agent(**chosen) as agent:
            agent.show(*events(3), alarm("lag"))
            trapd.wait("snqdWorkerExited", 3)
            trapd.wait("snqdAlarmRaised")
        with running_agent(**chosen) as agent:
            agent.show(*events(4), alarm("lag"))
            trapd.wait("snqdWorkerExited", 4)
            agent.show(*events(4), alarm("lag", is_raised=False))
            trapd.wait("snqdAlarmCleared")
            trapd.wait("warmStart")
            assert len(trapd.received("snqdAlarmRaised")) == len(trapd.received("coldStart")) == 1
            assert len(trapd.received("snqdWorkerExited")) == 4
            told = sorted(int(each["snqdNotifySequence"]) for each in trapd.received())
            assert told == list(range(1, 9))
            assert figure(agent, MADE) == 8
            assert figure(agent, WAITING) == 8  # those of the first life too, for the one that is down
        with running_agent(**chosen | {"configuration": "other"}) as agent:
            trapd.wait("coldStart", 2)
            assert figure(agent, MADE) == 9
        with running_agent(**chosen | {"boot": 6}) as agent:
            trapd.wait("coldStart", 3)
            assert figure(agent, MADE) == 1


def test_a_target_hears_only_the_kinds_that_it_wants(tmp_path: Path) -> None:
    with running_snmptrapd(f"authCommunity log {COMMUNITY}\n", tmp_path) as trapd:
        kinds = ("alarm_raised",)
        targets = (target("noc", trapd.port, host="localhost", community=COMMUNITY, notifications=kinds),)
        with running_agent(targets=targets, kept_file=str(tmp_path / "kept")) as agent:
            agent.show(*events(1), alarm("lag"))
            trapd.wait("snqdAlarmRaised")
            assert len(trapd.received()) == 1


def age(agent: RunningAgent, seconds: float) -> None:
    """Let time have passed for the limit."""
    assert agent.agent.notifier is not None
    limit = agent.agent.notifier._limit
    limit.summary_at -= seconds
    for times in (limit._all, *limit._kinds.values()):
        aged = [each - seconds for each in times]
        times.clear()
        times.extend(aged)
