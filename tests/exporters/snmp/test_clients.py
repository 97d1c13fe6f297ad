"""Client libraries that others wrote read the same as ours says: gufo_snmp (Rust) and puresnmp (x690)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from gufo.snmp import Aes128Key, Sha1Key, SnmpVersion
from gufo.snmp import User as GufoUser
from gufo.snmp.aio import SnmpSession
from puresnmp import V2C, Client, PyWrapper

from snqd.exporters.snmp.settings import User
from tests.support.snmp import AUTH, COMMUNITY, PRIVACY, SNQD, running_agent
from tests.support.views import depth, flow, queue, store, worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.snmp import RunningAgent

SHA1 = User("sha1", "SHA-1", AUTH, "AES-128", PRIVACY)
DEPTH = f"{SNQD}.1.3.1.7"
HANDLED = f"{SNQD}.1.3.1.16"


@pytest.fixture
def agent() -> Iterator[RunningAgent]:
    """Twenty queues, and a user with the hash that these clients have."""
    with running_agent(users=(SHA1,)) as running:
        facts: list[Any] = [worker(), store()]
        for number in range(20):
            name = f"q{number:02}"
            facts += [queue(name), depth(name, ready=number), flow(name, handled=2**40 + number)]
        running.show(*facts)
        yield running


def expected() -> dict[str, int]:
    there = {f"{DEPTH}.3.113.{48 + number // 10}.{48 + number % 10}": number for number in range(20)}
    return there | {oid.replace(DEPTH, HANDLED): 2**40 + number for oid, number in there.items()}


@pytest.mark.parametrize("version", ["v2c", "v3"])
async def test_gufo_snmp(version: str, agent: RunningAgent) -> None:
    chosen: dict[str, Any] = {"version": SnmpVersion.v2c, "community": COMMUNITY}
    if version == "v3":
        user = GufoUser(SHA1.name, auth_key=Sha1Key(AUTH.encode()), priv_key=Aes128Key(PRIVACY.encode()))
        chosen = {"version": SnmpVersion.v3, "user": user}
    async with asyncio.timeout(20):
        async with SnmpSession("127.0.0.1", port=agent.port, timeout=5.0, **chosen) as session:
            assert await session.get("1.3.6.1.2.1.1.5.0") == b"web1"
            for walk in (session.getnext, session.getbulk):
                found = {oid: value for column in (DEPTH, HANDLED) async for oid, value in walk(column)}
                assert found == expected()
            assert len([oid async for oid, _value in session.getbulk(SNQD)]) > 400


async def test_puresnmp(agent: RunningAgent) -> None:
    client = PyWrapper(Client("127.0.0.1", V2C(COMMUNITY), port=agent.port))
    async with asyncio.timeout(20):
        assert await client.get("1.3.6.1.2.1.1.5.0") == b"web1"
        found = {bound.oid: bound.value for column in (DEPTH, HANDLED) async for bound in client.walk(column)}
        assert found == expected()
        bulk = {bound.oid: bound.value async for bound in client.bulkwalk([DEPTH, HANDLED])}
        assert bulk == expected()
