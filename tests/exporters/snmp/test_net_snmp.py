"""The tools of net-snmp ask a real agent over UDP, by every version, hash and cipher."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from snqd.exporters.snmp.settings import User
from snqd.exporters.snmp.tree import parts
from snqd.exporters.snmp.usm import HASHES, KEY_SIZES
from tests.support.documents import blocks
from tests.support.snmp import (
    AUTH,
    COMMUNITY,
    PRIVACY,
    SNQD,
    USER,
    V1,
    V2C,
    mibs,
    running_agent,
    running_snmpd,
    tool,
    v3,
)
from tests.support.views import alarm, depth, flow, queue, store, worker

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.snmp import RunningAgent

SYS_NAME = ".1.3.6.1.2.1.1.5.0"
USERS = tuple(
    User(f"{auth} {privacy}", auth, AUTH, privacy, PRIVACY if privacy != "none" else "")
    for auth in HASHES
    for privacy in (*KEY_SIZES, "none")
)


def fill(agent: RunningAgent) -> None:
    facts: list[Any] = [worker(1), worker(2), store(), alarm("lag", "mail0")]
    for number in range(30):
        facts += [queue(f"mail{number}"), depth(f"mail{number}", ready=number), flow(f"mail{number}", handled=number)]
    agent.show(*facts)


def oids(said: str) -> list[tuple[int, ...]]:
    found = re.findall(r"^\.([\d.]+) = (?!No more variables)", said, re.MULTILINE)
    return [tuple(map(int, each.split("."))) for each in found]


@pytest.mark.parametrize("flags", [V1, V2C, v3()], ids=["v1", "v2c", "v3"])
def test_get_and_getnext(flags: tuple[str, ...], agent: RunningAgent) -> None:
    assert tool("snmpget", *flags, agent.address, SYS_NAME) == f'{SYS_NAME} = STRING: "web1"\n'
    assert tool("snmpgetnext", *flags, agent.address, SYS_NAME) == '.1.3.6.1.2.1.1.6.0 = STRING: "here"\n'


def test_every_hash_and_cipher_that_the_configuration_knows() -> None:
    with running_agent(users=USERS) as agent:
        for user in USERS:
            for _ in range(2):  # discovery by pysnmp, then the fast path
                said = tool("snmpget", *v3(user), agent.address, SYS_NAME)
                assert said == f'{SYS_NAME} = STRING: "web1"\n', user


@pytest.mark.parametrize(
    ("name", "flags"),
    [("snmpwalk", V1), ("snmpwalk", V2C), ("snmpwalk", v3()), ("snmpbulkwalk", V2C), ("snmpbulkwalk", v3())],
    ids=["v1", "v2c", "v3", "v2c bulk", "v3 bulk"],
)
def test_walks_are_complete_and_in_order(name: str, flags: tuple[str, ...], agent: RunningAgent) -> None:
    fill(agent)
    said = tool(name, *flags, agent.address, ".1.3")
    assert "OID not increasing" not in said
    found = oids(said)
    assert found == sorted(set(found))
    agent.call(agent.agent.model.refresh)
    tree, position, there = agent.agent.tree, (0, 0), 0
    while (cell := tree.from_position(*position)) is not None:
        position = cell[1], cell[2]
        there += parts(cell[0])[1][0] != 0x46 or flags != V1
    assert len(found) == there > 700


def test_a_walk_that_goes_on_to_an_end_stops_there(agent: RunningAgent) -> None:
    fill(agent)
    said = tool("snmpwalk", *V2C, "-CE", f".{SNQD}.1.4", agent.address, f".{SNQD}.1.3")
    assert oids(said)[-1][: len(SNQD.split(".")) + 2] == tuple(map(int, f"{SNQD}.1.3".split(".")))


def test_a_table_is_shown_by_names(agent: RunningAgent) -> None:
    fill(agent)
    done = subprocess.run(
        ["snmptable", *V2C, "-m", "SNQD-MIB", "-Ci", "-CB", "-Cf", "|", agent.address, "SNQD-MIB::snqdQueueTable"],
        env=os.environ | {"MIBDIRS": str(mibs())},
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split("|") for line in done.stdout.splitlines() if "|" in line]
    header, *others = rows
    by_name = {row[0]: dict(zip(header, row, strict=True)) for row in others}
    assert len(by_name) == 30
    assert by_name['"mail7"']["snqdQueueDepth"].split() == ["7", "items"]
    assert by_name['"mail7"']["snqdQueueHandled"].split() == ["7", "items"]
    assert done.stderr == ""


def test_setting_is_refused_in_words(agent: RunningAgent) -> None:
    for flags, words in ((V2C, "notWritable"), (v3(), "notWritable"), (V1, "noSuchName")):
        said = tool("snmpset", *flags, agent.address, SYS_NAME, "s", "mine", code=None)
        assert words in said, said


def test_who_may_not_read_learns_nothing(agent: RunningAgent) -> None:
    wrong = User("stranger", "SHA-256", AUTH, "AES-128", PRIVACY)
    assert "Timeout" in tool("snmpget", "-v2c", "-c", "public", agent.address, SYS_NAME, code=1, patience="0.3")
    assert "Unknown user name" in tool("snmpget", *v3(wrong), agent.address, SYS_NAME, code=1)
    said = tool("snmpget", *v3(auth="another phrase"), agent.address, SYS_NAME, code=1, patience="0.5")
    assert "Authentication failure" in said
    said = tool("snmpget", *v3(privacy="another phrase"), agent.address, SYS_NAME, code=1, patience="0.5")
    assert "web1" not in said
    said = tool("snmpget", *v3(level="authNoPriv"), agent.address, SYS_NAME, code=None, patience="0.5")
    assert "web1" not in said


@pytest.mark.parametrize("flags", [V2C, v3()], ids=["v2c", "v3"])
def test_no_secret_can_be_read_wherever_one_looks(flags: tuple[str, ...], agent: RunningAgent) -> None:
    fill(agent)
    secrets = {COMMUNITY, AUTH, PRIVACY, USER.name}
    for root in (".1.3", ".0.0", ".2", ".1.3.6.1.6.3", ".1.3.6.1.4.1.20408"):
        said = tool("snmpbulkwalk", *flags, "-Oa", agent.address, root, code=None)
        as_hex = tool("snmpbulkwalk", *flags, "-Ox", agent.address, root, code=None).replace(" ", "").lower()
        for secret in secrets:
            assert secret not in said
            assert secret.encode().hex() not in as_hex
    for table in (".1.3.6.1.6.3.18.1.1.1.2", ".1.3.6.1.6.3.15.1.2.2.1.3", ".1.3.6.1.4.1.20408.3.1.1.1.3"):
        said = tool("snmpgetnext", *flags, agent.address, table, code=None)
        assert "No more variables" in said or not said.startswith(table), said


@pytest.mark.parametrize("flags", [V2C, v3()], ids=["v2c", "v3"])
def test_snmpd_shows_our_objects_among_its_own(flags: tuple[str, ...], agent: RunningAgent, tmp_path: Path) -> None:
    """The `proxy` lines of docs/snmp-agent.md: one agent for a poller, on the port of the host's."""
    fill(agent)
    lines = [line for block in blocks() for line in block.text.splitlines() if line.startswith("proxy ")]
    assert len(lines) == 2, lines
    line = lines[flags != V2C]
    for word, ours in (
        ("WORD", COMMUNITY), ("monitor", USER.name), ("AUTH", f'"{AUTH}"'), ("PRIVACY", f'"{PRIVACY}"'),
        ("localhost:1161", agent.address),
    ):  # fmt: skip
        line = line.replace(word, ours)
    with running_snmpd(f"rocommunity host 127.0.0.1\n{line}\n", tmp_path) as port:
        host = ("-v2c", "-c", "host", f"127.0.0.1:{port}")
        assert "STRING" in tool("snmpget", *host, ".1.3.6.1.2.1.1.1.0")
        walked = tool("snmpbulkwalk", *host, f".{SNQD}")
        assert len(oids(walked)) == len(oids(tool("snmpwalk", *flags, agent.address, f".{SNQD}"))) > 700
        assert tool("snmpget", *host, f".{SNQD}.1.3.1.7.5.109.97.105.108.55").endswith("Gauge32: 7\n")


@pytest.mark.parametrize("flags", [V1, V2C, v3()], ids=["v1", "v2c", "v3"])
def test_ipv6(flags: tuple[str, ...]) -> None:
    with running_agent("::1") as agent:
        said = tool("snmpget", *flags, f"udp6:[::1]:{agent.port}", SYS_NAME)
        assert said == f'{SYS_NAME} = STRING: "web1"\n'
