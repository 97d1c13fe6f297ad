"""The manager's side of the codec: what it takes for an answer, and what it says of an agent that lies."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, Any

import pytest

from snqd.check.snmp.community import CommunitySession
from snqd.check.snmp.manager import Manager
from snqd.check.snmp.pdus import Response, encode
from snqd.check.snmp.user import User, UserSession
from snqd.check.snmp.wire import PORT, Host, parse_host
from snqd.exporters.snmp.answering import GET, RESPONSE
from snqd.exporters.snmp.ber import Unusual
from tests.support.snmp import AUTH, COMMUNITY, ENGINE_ID, PRIVACY, USER
from tests.support.snmp_messages import message, message_v3, pdu

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from snqd.check.snmp.pdus import Session
    from tests.exporters.snmp.conftest import Asked

SYS_NAME = (1, 3, 6, 1, 2, 1, 1, 5, 0)
STATS = (1, 3, 6, 1, 6, 3, 15, 1, 1)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("web1", Host("web1", PORT)), ("web1:161", Host("web1", 161)), ("192.0.2.1:65535", Host("192.0.2.1", 65535)),
        ("2001:db8::1", Host("2001:db8::1", PORT)), ("[::1]:161", Host("::1", 161)), ("[::1]", Host("::1", PORT)),
    ],
)  # fmt: skip
def test_a_host_may_have_a_port(text: str, host: Host) -> None:
    assert parse_host(text) == host
    assert parse_host(str(host)) == host


@pytest.mark.parametrize(
    "text", ["", ":1", "h:", "h:0", "h:65536", "h:x", "h:²", "[::1", "[::1]x", "[]:1", "a b", "a\n"]
)
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no HOST or HOST:PORT|port must be"):
        parse_host(text)


def sessions() -> Iterator[Session]:
    yield CommunitySession(COMMUNITY)
    yield UserSession(User(USER.name, USER.auth, AUTH, USER.privacy, PRIVACY))


async def test_a_changed_answer_is_refused_or_the_same(asked: Asked) -> None:
    """What proves itself is taken only as it was; what does not may be another answer, but never an error of ours."""
    source = random.Random(20261126)
    for session in sessions():
        number = 4711
        question = encode(GET, number, [SYS_NAME])
        right: Response | None = None
        answer = b""
        while right is None:
            answer = asked.ask(session.wrap(question, number)) or b""
            right = session.open(answer, number)
        assert [binding.content for binding in right.bindings] == [b"web1"]
        taken = 0
        for _ in range(3000):
            changed = bytearray(answer)
            for _ in range(source.randrange(1, 4)):
                place = source.randrange(len(changed))
                match source.randrange(3):
                    case 0:
                        changed[place] = source.randrange(256)
                    case 1:
                        del changed[place : place + source.randrange(1, 9)]
                    case _:
                        changed[place:place] = source.randbytes(source.randrange(1, 9))
                if not changed:
                    break
            if bytes(changed) == answer:
                continue
            try:
                found = session.open(bytes(changed), number)
            except Unusual:
                continue
            taken += 1
            assert isinstance(session, CommunitySession), bytes(changed).hex()
            assert isinstance(found, Response)
        assert (taken > 0) is isinstance(session, CommunitySession)


def test_a_session_heeds_only_what_is_proven() -> None:
    session = UserSession(User(USER.name, USER.auth, AUTH, USER.privacy, PRIVACY))

    def report(number: int) -> bytes:
        return pdu(0xA8, [(*STATS, number, 0)], value=b"\x41\x01\x05")

    def refused(data: bytes) -> str:
        with pytest.raises(Unusual) as raised:
            session.open(data, 99)
        return str(raised.value)

    assert "another engine" in refused(message_v3(pdu(RESPONSE, [SYS_NAME], number=99)))
    assert session.open(message_v3(report(4), flags=0, time=100), 99) is None  # who it is
    assert refused(message_v3(pdu(RESPONSE, [SYS_NAME], number=99), flags=0)) == "an answer that is not authentic"
    assert refused(message_v3(pdu(RESPONSE, [SYS_NAME], number=99), spoil=True)) == "an answer that is not authentic"
    assert refused(message_v3(report(2), flags=0, time=900)) == "a time that is not authentic"
    plain = message_v3(pdu(RESPONSE, [SYS_NAME], number=99), flags=1, time=100)
    assert refused(plain) == "an answer without the privacy that was asked for"
    assert refused(message_v3(pdu(RESPONSE, [SYS_NAME], number=98), time=100)) == "an answer to something else"
    assert refused(message_v3(pdu(RESPONSE, [SYS_NAME], number=99), boots=2)) == "an answer of an earlier time"
    assert session.open(message_v3(report(2), flags=1, boots=4, time=7), 99) is None  # it has begun anew
    found = session.open(message_v3(pdu(RESPONSE, [SYS_NAME], number=99), boots=4, time=8), 99)
    assert found is not None
    assert found.bindings[0].oid == SYS_NAME
    other = ENGINE_ID[:-1] + b"\xff"
    assert session.open(message_v3(report(4), flags=0, engine_id=other), 99) is None  # another one in its place
    assert "another engine" in refused(message_v3(pdu(RESPONSE, [SYS_NAME], number=99)))


def test_an_engine_that_is_always_another_is_not_asked_for_ever() -> None:
    session = UserSession(User(USER.name, "SHA-1", AUTH, "none", ""))
    report = pdu(0xA8, [(*STATS, 4, 0)], value=b"\x41\x01\x05")
    with pytest.raises(Exception, match="another engine, or at another time, in every answer"):  # noqa: PT012
        for number in range(100):
            session.open(message_v3(report, flags=0, engine_id=ENGINE_ID[:-1] + bytes((number,))), 99)


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([(RESPONSE, [SYS_NAME], 5, 1)], "the agent answers genErr"),
        ([(RESPONSE, [SYS_NAME], 77, 1)], "the agent answers error 77"),
        ([(RESPONSE, [(1, 3, 6)], 0, 0)], "the agent answers with other objects than it was asked for"),
        ([(RESPONSE, [], 0, 0)], "the agent answers with other objects than it was asked for"),
    ],
)
def test_an_agent_that_answers_nonsense_to_a_get(answers: list[Any], said: str) -> None:
    assert _asked_of(answers, lambda manager: manager.get([SYS_NAME])) == f"127.0.0.1:9: {said}"


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([(RESPONSE, [], 0, 0)], "the agent answers a walk with nothing"),
        ([(RESPONSE, [(1, 3, 6, 1)] * 2, 0, 0)], "the agent's walk goes back"),
        ([(RESPONSE, [(1, 3, 6, 9), (1, 3, 6, 8)], 0, 0)], "the agent's walk goes back"),
        ([(RESPONSE, [(1, 3, 6, 1), (1, 3, 6, 2), (1, 3, 6, 3)], 0, 0)], "the agent's walk has more than 2 objects"),
    ],
)
def test_an_agent_whose_walk_does_not_end(answers: list[Any], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("snqd.check.snmp.manager._MOST", 2)
    assert _asked_of(answers, lambda manager: list(manager.walk([(1, 3, 6)]))) == f"127.0.0.1:9: {said}"


def _asked_of(answers: list[Any], ask: Callable[[Manager], object]) -> str:
    """What a manager says of an agent that gives these answers, whatever it is asked."""

    class Lying:
        def wrap(self, _pdu: bytes, _number: int) -> bytes:
            return b""

        def open(self, _data: bytes, number: int) -> Response:
            kind, oids, status, at = answers[0]
            return CommunitySession("x").open(message(pdu(kind, oids, status, at, number=number)), number)

        def doubt(self) -> str:
            return ""

    class Echo:
        def send(self, _data: bytes) -> None: ...

        def receive(self, _seconds: float) -> bytes:
            return b"anything"

        def settle(self) -> None: ...

    manager = Manager(Host("127.0.0.1", 9), Lying())
    manager._wire = Echo()  # type: ignore[assignment]  # no socket is needed to lie
    with pytest.raises(Exception, match=r"^127") as raised:
        ask(manager)
    return re.sub(r"\s+", " ", str(raised.value))
