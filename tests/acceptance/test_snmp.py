"""A real daemon with an SNMP agent, asked with net-snmp's tools: figures, deaths, reloads, and what is refused."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import is_gone, wait_until
from tests.support.relays import free_ports
from tests.support.snmp import AUTH, COMMUNITY, PRIVACY, SNQD, V2C, agents, tool, v3
from tests.support.snmp import section as snmp

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.command import Command
    from tests.support.daemons import Daemon, Place

    MakeDaemon = Callable[..., Daemon]

pytestmark = pytest.mark.fork

SOURCE = """
@handler("mail", max_attempts=1)
def mail(payload, context):
    if payload == "bad":
        raise ValueError("no")
"""
TELLING = """
@handler("mail")
def mail(payload, context):
    note("seen", modules=sorted(sys.modules))
"""
MAIL = "4.109.97.105.108"
HANDLED, FAILED, DEPTH = f"{SNQD}.1.3.1.16.{MAIL}", f"{SNQD}.1.3.1.17.{MAIL}", f"{SNQD}.1.3.1.7.{MAIL}"
IS_PAUSED, PAUSED = f"{SNQD}.1.3.1.4.{MAIL}", f"{SNQD}.1.3.1.9.{MAIL}"
WORKER_PID, UP_TIME, BOOTS = f"{SNQD}.1.6.1.3.1", f"{SNQD}.1.1.5.0", "1.3.6.1.6.3.10.2.1.2.0"


def value(port: int, oid: str, *flags: str) -> int | None:
    """None: there is no answer, or no such figure."""
    said = tool("snmpget", *(flags or V2C), "-Oqvt", f"127.0.0.1:{port}", oid, code=None, patience="1")
    found = re.fullmatch(r"(\d+)\s*", said)
    return int(found[1]) if found else None


@pytest.fixture
def port() -> int:
    return free_ports(1)[0]


def test_the_agent_says_what_the_daemon_does(make_daemon: MakeDaemon, sqlite_place: Place, port: int) -> None:
    daemon = make_daemon(sqlite_place, SOURCE, snmp=snmp(port))
    (worker,) = daemon.wait_ready(1)

    for payload in ("good", "good", "bad"):
        sqlite_place.enqueue("mail", payload)

    wait_until(lambda: (value(port, HANDLED), value(port, FAILED)) == (2, 1), "the counters are there")
    assert value(port, DEPTH, *v3()) == 0
    assert value(port, WORKER_PID) == worker.pid
    assert value(port, f"{SNQD}.1.2.14.0") == 1  # a dead letter
    walked = tool("snmpbulkwalk", *v3(), f"127.0.0.1:{port}", f".{SNQD}")
    assert f'.{SNQD}.1.1.1.0 = STRING: "main"' in walked
    assert daemon.stop() == 0
    assert not agents().get(daemon.pid)
    assert value(port, HANDLED) is None


def test_what_is_paused_is_told(make_daemon: MakeDaemon, sqlite_place: Place, port: int) -> None:
    daemon = make_daemon(sqlite_place, SOURCE, snmp=snmp(port))
    daemon.wait_ready(1)
    assert daemon.command("pause", "--queue", "mail").code == 0
    time.sleep(1.0)  # what is promised: workers heed it within a second
    sqlite_place.enqueue("mail", "good")

    wait_until(
        lambda: (value(port, IS_PAUSED), value(port, PAUSED), value(port, DEPTH)) == (1, 1, 0),
        "the item waits",
    )
    assert daemon.command("resume", "--queue", "mail").code == 0
    wait_until(
        lambda: (value(port, IS_PAUSED), value(port, PAUSED), value(port, HANDLED)) == (2, 0, 1),
        "it is done",
    )


def test_an_agent_that_is_killed_is_replaced_and_no_counter_goes_back(
    make_daemon: MakeDaemon, sqlite_place: Place, port: int
) -> None:
    daemon = make_daemon(sqlite_place, SOURCE, snmp=snmp(port))
    daemon.wait_ready(1)
    hub = daemon.wait_hub()
    sqlite_place.enqueue("mail", "good")
    wait_until(lambda: value(port, HANDLED) == 1, "the item is counted")
    assert value(port, BOOTS) == 1
    first = agents()[hub.pid]

    os.kill(first, signal.SIGKILL)

    wait_until(lambda: value(port, BOOTS, *v3()) == 2, "another agent answers, with one boot more")
    seen: list[int | None] = []

    def is_there() -> bool:
        seen.append(value(port, HANDLED))
        return seen[-1] == 1

    wait_until(is_there, "the counter is there again")
    assert set(seen) <= {None, 1}
    told = daemon.wait_event("TelemetryProblem")
    assert (told["what"], told["error"]) == (
        f"SNMP agent at udp 127.0.0.1:{port}",
        "its process ended: killed by SIGKILL",
    )
    assert not daemon.events("HubExited")


def test_a_hub_that_is_killed_takes_its_agent_with_it_and_brings_another(
    make_daemon: MakeDaemon, sqlite_place: Place, port: int
) -> None:
    daemon = make_daemon(sqlite_place, SOURCE, snmp=snmp(port))
    daemon.wait_ready(1)
    hub = daemon.wait_hub()
    wait_until(lambda: value(port, WORKER_PID), "the agent answers")
    first = agents()[hub.pid]

    os.kill(hub.pid, signal.SIGKILL)

    wait_until(lambda: is_gone(first), "the first agent is gone")
    wait_until(lambda: value(port, BOOTS) == 2, "another agent answers at the same port")


def test_a_reload_moves_the_agent_and_a_bad_one_leaves_it(
    make_daemon: MakeDaemon, sqlite_place: Place, port: int
) -> None:
    daemon = make_daemon(sqlite_place, SOURCE, snmp=snmp(port))
    daemon.wait_ready(1)
    wait_until(lambda: value(port, UP_TIME), "the agent answers")

    (other,) = free_ports(1)
    daemon.configure(snmp=snmp(other))
    daemon.send(signal.SIGHUP)
    daemon.wait_event("ReloadFinished")
    wait_until(lambda: value(other, UP_TIME), "the agent answers at the other port")
    assert value(port, UP_TIME) is None

    daemon.configure(snmp=snmp(other, listen="192.0.2.1:1161", networks=["127.0.0.1"]))
    daemon.send(signal.SIGHUP)
    refused = daemon.wait_event("ReloadFailed")
    assert refused["error"].startswith("snmp.listen is 192.0.2.1:1161: cannot listen there")
    assert value(other, UP_TIME)

    daemon.configure()
    daemon.send(signal.SIGHUP)
    daemon.wait_events("ReloadFinished", 2)
    wait_until(lambda: value(other, UP_TIME) is None, "nobody answers any more")
    assert AUTH not in daemon.log_text()
    assert COMMUNITY not in daemon.log_text()


def test_what_a_poller_asks_costs_no_look_at_the_store_and_the_secrets_are_in_no_argument(
    make_daemon: MakeDaemon, sqlite_place: Place, port: int
) -> None:
    daemon = make_daemon(sqlite_place, SOURCE, snmp=snmp(port))
    daemon.wait_ready(1)
    wait_until(lambda: value(port, UP_TIME), "the agent answers")
    agent = Path(f"/proc/{agents()[daemon.wait_hub().pid]}")

    links = [str(each.readlink()) for each in (agent / "fd").iterdir()]

    assert not [link for link in links if "queue.db" in link]
    for secret in (AUTH, PRIVACY, COMMUNITY):
        assert secret.encode() not in (agent / "cmdline").read_bytes() + (agent / "environ").read_bytes()


def test_a_daemon_without_snmp_imports_nothing_of_it(make_daemon: MakeDaemon, sqlite_place: Place) -> None:
    daemon = make_daemon(sqlite_place, TELLING)
    daemon.wait_ready(1)
    hub = daemon.wait_hub()
    sqlite_place.enqueue("mail")
    modules = daemon.wait_fact("seen")["modules"]
    assert not [name for name in modules if name.startswith(("pysnmp", "pyasn1", "cryptography"))]
    assert hub.pid not in agents()


REFUSED = {
    "a port that is taken": (
        '[snmp]\nlisten = "{taken}"\ncommunity = "public"\n',
        "snmp.listen is {taken}: cannot listen there: Address already in use",
    ),
    "an address of another machine": (
        '[snmp]\nlisten = "192.0.2.1:1161"\ncommunity = "x"\nnetworks = ["::/0"]\n',
        "snmp.listen is 192.0.2.1:1161: cannot listen there",
    ),
    "a community for everybody": (
        '[snmp]\ncommunity = "public"\nlisten = "0.0.0.0:1161"\n',
        "{file}:3: snmp.listen is 0.0.0.0:1161, which others can reach",
    ),
    "a short pass phrase": (
        '[snmp.user.m]\nauth_passphrase = "short"\nprivacy = "none"\n',
        '{file}:2: snmp.user.m.auth_passphrase is "***": must have 8 to 1024 bytes',
    ),
    "a file that is not there": (
        '[snmp.user.m]\nauth_passphrase_file = "gone"\nprivacy = "none"\n',
        "snmp.user.m.auth_passphrase_file {folder}/gone: there is no such file",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_daemon_that_could_not_answer_does_not_start(name: str, snqd_with_handlers: Command) -> None:
    text, told = REFUSED[name]
    folder = snqd_with_handlers.folder
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        snqd_with_handlers.write("snqd.toml", text.format(taken=address))
        done = snqd_with_handlers("run")
    assert (done.code, done.out) == (2, "")
    assert done.error.startswith(told.format(taken=address, file=folder / "snqd.toml", folder=folder))
