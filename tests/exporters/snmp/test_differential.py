"""The fast paths and pysnmp give the same answers, to thousands of random requests."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from snqd.exporters.snmp import ber, columns
from snqd.exporters.snmp.answering import BULK_LIMIT, GET, GET_BULK, MESSAGE_LIMIT, NO_ERROR, TOO_BIG
from snqd.exporters.snmp.settings import User
from tests.exporters.snmp.conftest import Asked
from tests.support.snmp import AUTH, COMMUNITY, PRIVACY
from tests.support.snmp_messages import message, message_v3, open_v3, pdu, random_pdu, read_message

if TYPE_CHECKING:
    from collections.abc import Iterator

SYS_NAME = (1, 3, 6, 1, 2, 1, 1, 5, 0)
REQUESTS_V2C = 2000
REQUESTS_V3 = 150
USERS = [
    User("nobody-reads", "SHA-512", AUTH, "AES-256", PRIVACY),
    User("open", "SHA-1", AUTH, "none"),
    User("old", "SHA-1", AUTH, "AES-192", PRIVACY),
    User("mid", "SHA-384", AUTH, "AES-128", PRIVACY),
    User("é", "SHA-224", AUTH, "AES-256", PRIVACY),
]


def requests(asked: Asked, count: int) -> Iterator[bytes]:
    source, known = random.Random(20261126), asked.known()
    long_text = (*columns.WORKERS.oid, 24, 2)
    yield pdu(GET, [long_text] * 30)
    for _ in range(count):
        inner = random_pdu(source, known)
        if len(inner) < MESSAGE_LIMIT - 300:
            yield inner


async def test_version_2c_is_answered_octet_for_octet_as_pysnmp_does(asked: Asked) -> None:
    seen: set[int] = set()
    for inner in requests(asked, REQUESTS_V2C):
        request = message(inner)
        fast, slow = asked.both(request)
        assert fast is not None, request.hex()
        assert fast == slow, request.hex()
        assert len(fast) <= (BULK_LIMIT if inner[0] == GET_BULK else MESSAGE_LIMIT)
        seen.add(read_message(fast).status)
    assert seen == {NO_ERROR, TOO_BIG}


@pytest.mark.parametrize("user", USERS, ids=lambda user: f"{user.auth} {user.privacy}")
async def test_version_3_is_answered_as_pysnmp_does(user: User) -> None:
    asked = Asked(users=(user,))
    try:
        source = random.Random(1)
        for inner in requests(asked, REQUESTS_V3):
            request = message_v3(
                inner, user=user, most=source.choice((484, 1000, 65507)), number=source.getrandbits(31)
            )
            fast, slow = asked.both(request)
            assert fast is not None, request.hex()
            assert slow is not None, request.hex()
            ours, theirs = open_v3(fast, user), open_v3(slow, user)
            assert abs(ours.time - theirs.time) <= 1  # pysnmp reckons in whole seconds of the wall clock
            assert ours._replace(time=0) == theirs._replace(time=0), request.hex()
    finally:
        asked.close()


async def test_no_answer_of_version_3_is_larger_than_the_manager_takes(asked: Asked) -> None:
    for inner in requests(asked, 400):
        for answer in asked.both(message_v3(inner, most=484)):
            assert answer is not None
            assert len(answer) <= 484


async def test_the_salt_of_an_answer_never_comes_twice(asked: Asked) -> None:
    request = message_v3(pdu(GET, [SYS_NAME]))
    answers = [asked.agent.answer_fast(request) for _ in range(1000)]
    assert len({answer and answer[-90:] for answer in answers}) == len(answers)


def doubtful() -> dict[str, bytes]:
    """Requests that are nobody's, or not quite usual: the fast path must leave each of them to pysnmp."""
    good = pdu(GET, [SYS_NAME])
    return {
        "another community": message(good, community="public"),
        "no community": message(good, community=""),
        "a longer community": message(good, community=COMMUNITY + "x"),
        "version 1": message(good, version=0),
        "version 9": message(good, version=9),
        "set": message(pdu(0xA3, [SYS_NAME], value=ber.tlv(ber.OCTETS, b"x"))),
        "trap": message(pdu(0xA7, [SYS_NAME])),
        "response": message(pdu(0xA2, [SYS_NAME])),
        "a value in a get": message(pdu(GET, [SYS_NAME], value=ber.integer(5))),
        "trailing octets": message(good) + b"\0",
        "cut": message(good)[:-1],
        "unknown user": message_v3(good, name=b"stranger"),
        "wrong digest": message_v3(good, spoil=True),
        "another engine": message_v3(good, engine_id=b"\x80\0\0\0\x05other"),
        "no engine": message_v3(good, engine_id=b"", flags=4, name=b""),
        "another context": message_v3(good, context=b"ctx"),
        "earlier boots": message_v3(good, boots=2),
        "later boots": message_v3(good, boots=4),
        "out of the window": message_v3(good, time=151),
        "no privacy": message_v3(good, flags=5),
        "no authentication": message_v3(good, flags=4),
        "tiny answers": message_v3(good, most=483),
        "set by a user": message_v3(pdu(0xA3, [SYS_NAME], value=ber.tlv(ber.OCTETS, b"x"))),
    }


@pytest.mark.parametrize("name", doubtful())
async def test_what_is_doubtful_is_left_to_pysnmp(name: str, asked: Asked) -> None:
    assert asked.agent.answer_fast(doubtful()[name]) is None


@pytest.mark.parametrize("name", ["another community", "trap", "response", "cut", "version 9", "trailing octets"])
async def test_what_deserves_no_answer_gets_none(name: str, asked: Asked) -> None:
    assert asked.ask(doubtful()[name]) is None


async def test_a_negative_number_of_repetitions_counts_as_none(asked: Asked) -> None:
    answer = asked.ask(message(pdu(GET_BULK, [SYS_NAME], -1, -5)))
    assert answer is not None
    assert read_message(answer) == (7, 0, 0, [])
