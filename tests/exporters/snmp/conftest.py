"""An agent that is asked in this process: by its fast paths, and by pysnmp behind them."""

from __future__ import annotations

import dataclasses
import socket
from typing import TYPE_CHECKING, Any

import pytest

from snqd.exporters.snmp import ber
from snqd.exporters.snmp.agent import Agent
from snqd.exporters.snmp.identity import Identity
from snqd.exporters.snmp.tree import parts
from tests.support.snmp import ENGINE_ID, listener, settings
from tests.support.snmp_messages import BOOTS
from tests.support.views import Stage, alarm, depth, flow, queue, store, worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from snqd.exporters.snmp.ber import Oid


class Asked:
    """The agent's clock stands still, so that two answers to one request can be compared."""

    def __init__(self, **changes: Any) -> None:
        self.now = 1000.0
        self._listener = listener()
        self._manager = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._manager.bind(("127.0.0.1", 0))
        self._manager.settimeout(0.0)
        self.agent = Agent(settings(**changes), Identity(ENGINE_ID, BOOTS), self._listener, clock=lambda: self.now)
        stage = Stage()
        stage.now = self.now
        facts: list[Any] = [worker(1), worker(2, pid=0, exit_reason="x" * 300), store(), alarm("lag", "mail0")]
        for number in range(12):
            name = f"mail{number}"
            facts += [queue(name), depth(name, ready=number, enqueued=3 * number), flow(name, handled=2**number)]
            facts += [depth(name, "other.example"), flow(name, "other.example")]
        self.agent.model.told(stage.show(*facts))

    def by_pysnmp(self, data: bytes) -> bytes | None:
        """None: it gave no answer."""
        self.agent.engine.take(data, self._manager.getsockname())
        return self._received()

    def both(self, data: bytes) -> tuple[bytes | None, bytes | None]:
        """What the fast path answers, and pysnmp, with all counters as they were before."""
        counters = self.agent.counters
        before = dataclasses.asdict(counters)
        fast = self.agent.answer_fast(data)
        for name, value in before.items():
            setattr(counters, name, value)
        return fast, self.by_pysnmp(data)

    def ask(self, data: bytes) -> bytes | None:
        """As it comes from the network."""
        self.agent.take(data, self._manager.getsockname())
        return self._received()

    def known(self) -> list[Oid]:
        """Every object there is."""
        self.agent.model.refresh()
        found, position = [], (0, 0)
        while (cell := self.agent.tree.from_position(*position)) is not None:
            found.append(ber.read_oid(parts(cell[0])[0]))
            position = cell[1], cell[2]
        return found

    def _received(self) -> bytes | None:
        try:
            return self._manager.recv(65535)
        except BlockingIOError:
            return None

    def close(self) -> None:
        self.agent.engine.close()
        self._listener.close()
        self._manager.close()


@pytest.fixture
async def asked() -> AsyncIterator[Asked]:
    """With twelve queues of two sites."""
    found = Asked()
    yield found
    found.close()
