"""Whatever bytes come: no exception, no answer that is too large, nothing kept. A short form of `fuzz_snmp.py`."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from tests.exporters.snmp.fuzz_snmp import _KEPT_BYTES, attack, hostile, kept_by_pysnmp, memory_kept
from tests.support.snmp import USER
from tests.support.snmp_messages import message, message_v3, pdu

if TYPE_CHECKING:
    from tests.exporters.snmp.conftest import Asked

SYS_NAME = (1, 3, 6, 1, 2, 1, 1, 5, 0)


async def test_changed_requests_are_answered_or_refused_and_nothing_is_kept(asked: Asked) -> None:
    source, known = random.Random(20261126), asked.known()
    attack(asked, source, known, 1000)
    before = kept_by_pysnmp(asked)

    answered = attack(asked, source, known, 1000)

    assert 0 < answered < 1000
    assert kept_by_pysnmp(asked) <= before
    assert memory_kept(asked, source, known, 400) < _KEPT_BYTES
    assert asked.agent.counters.defects == 0


async def test_each_hostile_message_alone_leaves_nothing_behind(asked: Asked) -> None:
    for data in hostile():
        asked.ask(data)
        before = kept_by_pysnmp(asked)
        for _ in range(5):
            asked.ask(data)
        assert kept_by_pysnmp(asked) == before, data.hex()
    assert asked.agent.counters.defects == 0


async def test_after_all_of_it_managers_are_answered(asked: Asked) -> None:
    attack(asked, random.Random(2), asked.known(), 300)
    for request in (message(pdu(0xA0, [SYS_NAME])), message_v3(pdu(0xA0, [SYS_NAME]), user=USER)):
        assert asked.ask(request) is not None
