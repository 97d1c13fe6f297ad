"""What a manager is answered: exceptions, errors, sizes, versions, and what the agent counts meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from snqd.exporters.snmp import ber, columns
from snqd.exporters.snmp.answering import (
    BULK_BINDINGS,
    BULK_LIMIT,
    GET,
    GET_BULK,
    GET_NEXT,
    MESSAGE_LIMIT,
    NO_ACCESS,
    NO_SUCH_NAME,
    NOT_WRITABLE,
    TOO_BIG,
)
from snqd.exporters.snmp.indices import name_index
from snqd.exporters.snmp.views import VIEW, is_in_view
from tests.exporters.snmp.conftest import Asked
from tests.support.snmp import USER
from tests.support.snmp_messages import Answered, message, message_v3, open_v3, pdu, read_message, read_response

if TYPE_CHECKING:
    from snqd.exporters.snmp.ber import Oid

SYS_NAME = (1, 3, 6, 1, 2, 1, 1, 5, 0)
SYS_LOCATION = (1, 3, 6, 1, 2, 1, 1, 6, 0)
LAST = (1, 3, 6, 1, 6, 3, 15, 1, 1, 6, 0)
SET = 0xA3
TEXT = ber.tlv(ber.OCTETS, b"x")


def answer(asked: Asked, inner: bytes, *, version: int = 1) -> Answered:
    found = asked.ask(message(inner, version=version))
    assert found is not None
    return read_message(found)


def tags(found: Answered) -> list[int]:
    return [tag for _oid, tag, _value in found.bindings]


async def test_everything_that_can_be_read_is_in_the_view_and_nothing_of_it_is_a_secret(asked: Asked) -> None:
    known = asked.known()
    assert len(known) > 400
    assert [oid for oid in known if not is_in_view(oid)] == []
    for subtree in VIEW:
        assert any(oid[: len(subtree)] == subtree for oid in known), subtree


async def test_what_is_missing_is_told_for_each_object_apart(asked: Asked) -> None:
    found = answer(asked, pdu(GET, [SYS_NAME, (*SYS_NAME[:-1], 7), (1, 3, 6, 1, 2, 1, 2, 1, 0)]))
    assert (found.status, tags(found)) == (0, [ber.OCTETS, ber.NO_SUCH_INSTANCE, ber.NO_SUCH_OBJECT])


async def test_behind_the_last_object_the_view_ends(asked: Asked) -> None:
    found = answer(asked, pdu(GET_NEXT, [LAST]))
    assert (found.status, tags(found), found.bindings[0][0]) == (0, [ber.END_OF_MIB_VIEW], LAST)


async def test_a_bulk_stops_at_the_first_row_that_is_all_beyond_the_end(asked: Asked) -> None:
    found = answer(asked, pdu(GET_BULK, [LAST, LAST], 0, 50))
    assert tags(found) == [ber.END_OF_MIB_VIEW] * 2


async def test_a_walk_meets_every_object_once_and_its_end_has_the_name_of_the_last_one(asked: Asked) -> None:
    met: list[Oid] = [(1, 3)]
    while True:
        found = answer(asked, pdu(GET_BULK, [met[-1]], 0, 7))
        met += [oid for oid, tag, _value in found.bindings if tag != ber.END_OF_MIB_VIEW]
        if ber.END_OF_MIB_VIEW in tags(found):
            break
    assert met[1:] == asked.known()
    assert (found.bindings[-1][0], tags(found).count(ber.END_OF_MIB_VIEW)) == (LAST, 1)

    together = answer(asked, pdu(GET_BULK, [met[-4]], 0, 50))
    assert [oid for oid, _tag, _value in together.bindings] == [met[-3], met[-2], LAST, LAST]


async def test_a_bulk_has_its_non_repeaters_first_and_then_row_by_row(asked: Asked) -> None:
    labels, healths = (*columns.QUEUES.oid, 2), (*columns.QUEUES.oid, 3)
    found = answer(asked, pdu(GET_BULK, [SYS_NAME, labels, healths], 1, 3))
    names = [oid for oid, _tag, _value in found.bindings]
    rows = [name_index(f"mail{number}") for number in (0, 1, 2)]
    assert names == [SYS_LOCATION, *[(*column, *row) for row in rows for column in (labels, healths)]]


@pytest.mark.parametrize(("first", "second", "count"), [(0, 0, 0), (5, 9, 2), (1, 0, 1), (0, 2**31 - 1, None)])
async def test_absurd_bulks_are_answered(first: int, second: int, count: int | None, asked: Asked) -> None:
    found = answer(asked, pdu(GET_BULK, [SYS_NAME, SYS_NAME], first, second))
    assert found.status == 0
    assert len(found.bindings) == count if count is not None else 2 < len(found.bindings) <= BULK_BINDINGS


async def test_no_bulk_is_larger_than_a_frame(asked: Asked) -> None:
    whole = asked.ask(message(pdu(GET_BULK, [(1, 3)] * 60, 0, 100)))
    assert whole is not None
    assert len(whole) <= BULK_LIMIT


async def test_an_answer_that_would_be_too_big_says_so(asked: Asked) -> None:
    found = answer(asked, pdu(GET, [(*columns.WORKERS.oid, 24, 2)] * 30))
    assert (found.status, found.at, found.bindings) == (TOO_BIG, 0, [])


async def test_version_1_has_no_exceptions_and_no_counters_of_64_bits(asked: Asked) -> None:
    handled = (*columns.QUEUES.oid, 15, *name_index("mail3"))
    for missing in (handled, (1, 3, 6, 1, 2, 1, 2, 1, 0), (*SYS_NAME[:-1], 9)):
        found = answer(asked, pdu(GET, [SYS_NAME, missing]), version=0)
        assert (found.status, found.at, tags(found)) == (NO_SUCH_NAME, 2, [ber.NULL, ber.NULL])
    found = answer(asked, pdu(GET_NEXT, [LAST]), version=0)
    assert (found.status, found.at, found.bindings) == (NO_SUCH_NAME, 1, [(LAST, ber.NULL, b"")])
    found = answer(asked, pdu(GET_NEXT, [(*columns.QUEUES.oid, 12, *name_index("mail9"))]), version=0)
    assert found.bindings[0][0] == (*columns.QUEUES.oid, 24, *name_index("mail0")) or found.bindings[0][1] != 0x46


async def test_a_walk_by_version_1_meets_all_but_the_counters_of_64_bits(asked: Asked) -> None:
    at: Oid = (1, 3)
    walked = []
    while (found := answer(asked, pdu(GET_NEXT, [at]), version=0)).status == 0:
        at = found.bindings[0][0]
        walked.append(at)
    everything = asked.known()
    assert walked == [oid for oid in everything if tags(answer(asked, pdu(GET, [oid]))) != [ber.COUNTER64]]
    assert len(walked) < len(everything)


@pytest.mark.parametrize(
    ("names", "version", "status", "at"),
    [
        ([SYS_NAME], 1, NOT_WRITABLE, 1),
        ([(*columns.TOTALS.oid, 1, 0)], 1, NOT_WRITABLE, 1),
        ([SYS_NAME, (1, 3, 6, 1, 6, 3, 16, 1)], 1, NO_ACCESS, 2),
        ([SYS_NAME], 0, NO_SUCH_NAME, 1),
        ([SYS_NAME, (1, 3, 6, 1, 6, 3, 16, 1)], 0, NO_SUCH_NAME, 2),
        ([], 1, 0, 0),
    ],
)
async def test_nothing_can_be_set(names: list[Oid], version: int, status: int, at: int, asked: Asked) -> None:
    found = answer(asked, pdu(SET, names, value=TEXT), version=version)
    assert (found.status, found.at) == (status, at)
    assert [(oid, tag, value) for oid, tag, value in found.bindings] == [(name, ber.OCTETS, b"x") for name in names]


REPORTED = {
    "usmStatsUnsupportedSecLevels": None,
    "usmStatsNotInTimeWindows": {"time": 1000},
    "usmStatsUnknownUserNames": {"name": b"stranger"},
    "usmStatsUnknownEngineIDs": {"engine_id": b"\x80\0\0\0\x05other"},
    "usmStatsWrongDigests": {"spoil": True},
}


@pytest.mark.parametrize("number", [2, 3, 4, 5])
async def test_what_is_not_authentic_is_reported_and_counted(number: int, asked: Asked) -> None:
    name = list(REPORTED)[number - 1]
    inner = pdu(GET, [SYS_NAME])
    changes: dict[str, Any] = REPORTED[name] or {}

    found = asked.ask(message_v3(inner, **changes))

    assert found is not None
    scoped = open_v3(found, USER).scoped if number == 2 else found
    report = scoped[scoped.index(b"\xa8") :]
    ((oid, tag, value),) = read_response(report, tag=0xA8).bindings
    assert (oid, tag, value) == ((1, 3, 6, 1, 6, 3, 15, 1, 1, number, 0), ber.COUNTER32, b"\1")
    told = answer(asked, pdu(GET, [oid]))
    assert told.bindings == [(oid, ber.COUNTER32, b"\1")]


async def test_a_user_with_a_cipher_is_not_answered_without(asked: Asked) -> None:
    found = asked.ask(message_v3(pdu(GET, [SYS_NAME]), flags=5))
    assert found is not None
    assert b"web1" not in found
    found = asked.ask(message_v3(pdu(GET, [SYS_NAME]), flags=4))
    assert found is not None
    assert b"web1" not in found


async def test_a_context_that_is_not_there_is_reported(asked: Asked) -> None:
    found = asked.ask(message_v3(pdu(GET, [SYS_NAME]), context=b"other"))
    assert found is not None
    scoped = open_v3(found).scoped
    ((oid, _tag, _value),) = read_response(scoped[scoped.index(b"\xa8") :], tag=0xA8).bindings
    assert oid == (1, 3, 6, 1, 6, 3, 12, 1, 5, 0)  # snmpUnknownContexts


SNMP = (1, 3, 6, 1, 2, 1, 11)


async def test_the_group_snmp_counts(asked: Asked) -> None:
    def counted(number: int) -> int:
        found = answer(asked, pdu(GET, [(*SNMP, number, 0)]))
        return int.from_bytes(found.bindings[0][2], "big")

    numbers = {
        "in": 1,
        "out": 2,
        "versions": 3,
        "communities": 4,
        "asn": 6,
        "vars": 13,
        "get": 15,
        "next": 16,
        "set": 17,
    }
    before = {name: counted(number) for name, number in numbers.items()}
    asked.ask(message(pdu(GET_NEXT, [SYS_NAME, SYS_NAME])))
    asked.ask(message(pdu(GET_BULK, [SYS_NAME], 0, 3)))
    asked.ask(message(pdu(GET_NEXT, [SYS_NAME]), version=0))
    asked.ask(message(pdu(SET, [SYS_NAME], value=TEXT)))
    asked.ask(message(pdu(GET, [SYS_NAME]), community="wrong"))
    asked.ask(message(pdu(GET, [SYS_NAME]), version=9))
    asked.ask(message(pdu(GET, [SYS_NAME]))[:-3])
    after = {name: counted(number) for name, number in numbers.items()}

    grown = {name: after[name] - before[name] for name in numbers}
    # Each look is a request of its own, counted before or after the figure it asks for is read.
    looks = len(numbers)
    assert (grown["in"] - looks, grown["out"] - looks) == (7, 4)
    assert (grown["versions"], grown["communities"], grown["asn"]) == (1, 1, 1)
    assert (grown["next"], grown["set"], grown["get"] - looks) == (3, 1, 0)
    assert grown["vars"] - looks == 2 + 3 + 1


async def test_a_figure_that_cannot_be_told_is_an_error_for_that_request_alone(asked: Asked) -> None:
    def broken(_row: object) -> object:
        raise RuntimeError("no figure")

    tree = asked.agent.tree
    place = next(number for number, each in enumerate(tree._leaves) if each.oid == (1, 3, 6, 1, 2, 1, 1, 6))
    tree._leaves[place].read = broken
    for inner in (pdu(GET, [SYS_NAME, SYS_LOCATION]), pdu(GET_NEXT, [SYS_LOCATION, SYS_NAME])):
        for version in (0, 1):
            found = answer(asked, inner, version=version)
            assert (found.status, found.at) == (5, 2)
    assert answer(asked, pdu(GET_BULK, [SYS_NAME], 0, 5)).status == 5
    assert answer(asked, pdu(GET, [SYS_NAME])).status == 0
    assert asked.agent.counters.defects == 5


async def test_datagrams_that_are_too_long_are_dropped_before_they_are_read(asked: Asked) -> None:
    oids = [SYS_NAME] * 400
    assert len(message(pdu(GET, oids))) > MESSAGE_LIMIT
    assert asked.ask(message(pdu(GET, oids))) is None
    assert asked.agent.counters.too_long == 1


async def test_who_is_not_in_a_network_is_not_listened_to() -> None:
    asked = Asked(networks=("10.0.0.0/8", "192.0.2.1"))
    try:
        assert asked.ask(message(pdu(GET, [SYS_NAME]))) is None
        assert (asked.agent.counters.foreign, asked.agent.counters.in_pkts) == (1, 0)
    finally:
        asked.close()


async def test_one_source_is_answered_so_often_and_no_more() -> None:
    asked = Asked(requests_per_second=10)
    try:
        request = message(pdu(GET, [SYS_NAME]))
        answered = sum(asked.ask(request) is not None for _ in range(100))
        assert answered == 20
        asked.now += 1.0
        assert sum(asked.ask(request) is not None for _ in range(100)) == 10
        asked.now += 1.0
        slow = message(pdu(GET, [SYS_NAME]), version=0)
        assert sum(asked.ask(slow) is not None for _ in range(100)) == 1
    finally:
        asked.close()


async def test_without_a_community_neither_version_1_nor_2c_is_answered() -> None:
    asked = Asked(community=None)
    try:
        for version in (0, 1):
            for community in ("", "public", "reader"):
                assert asked.ask(message(pdu(GET, [SYS_NAME]), version=version, community=community)) is None
        assert asked.ask(message_v3(pdu(GET, [SYS_NAME]))) is not None
    finally:
        asked.close()
