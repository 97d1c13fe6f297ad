"""One target: traps once, informs until they are acknowledged or given up, whatever comes back."""

from __future__ import annotations

import itertools
import random
from math import inf
from typing import Any

import pytest

from snqd.exporters.snmp import ber, v3
from snqd.exporters.snmp.identity import Identity
from snqd.exporters.snmp.notify.target import WAITING_LIMIT, Counts, Notification, Target
from snqd.exporters.snmp.notify.ways import ByCommunity, ByOurEngine, ByTheirEngine
from snqd.exporters.snmp.settings import TargetSettings
from snqd.exporters.snmp.usm import keys_of
from tests.exporters.snmp.fuzz_snmp import changed
from tests.support.snmp import COMMUNITY, ENGINE_ID, USER
from tests.support.snmp_messages import message, pdu
from tests.support.snmp_receiver import NOT_IN_TIME, UNKNOWN_ENGINE, UNKNOWN_USER, WRONG_DIGEST, Receiver

SEVEN = Notification("dead_letter", 7, ber.tlv(ber.SEQUENCE, ber.tlv(ber.OBJECT, b"\x2b") + b"\x05\x00"))
EIGHT = Notification("dead_letter", 8, SEVEN.bindings)


class Sent:
    """A target, and what it gave to the network."""

    def __init__(self, way: Any, **changes: Any) -> None:
        given: dict[str, Any] = {"name": "noc", "host": "h", "port": 162, "is_inform": True, "timeout_seconds": 1.0}
        self.now = 100.0
        self.counts = Counts()
        self.target = Target(TargetSettings(**given | changes), way, self.counts)
        self.problem = ""
        """What the network says to the next messages."""

    def turn(self, seconds: float = 0.0) -> list[bytes]:
        self.now += seconds
        sent: list[bytes] = []

        def send(data: bytes) -> str:
            if not self.problem:
                sent.append(data)
            return self.problem

        if self.target.due <= self.now:
            self.target.turn(self.now, send)
        return sent

    def talk(self, receiver: Receiver) -> None:
        """Until there is nothing more to say now."""
        for _ in range(20):
            sent = self.turn()
            if not sent:
                return
            for data in sent:
                self.target.take(receiver.answer(data), self.now)
        raise AssertionError("they do not come to an end")


def by_community(**changes: Any) -> Sent:
    return Sent(ByCommunity(COMMUNITY), **changes)


def by_their_engine(**changes: Any) -> Sent:
    return Sent(ByTheirEngine(USER, ENGINE_ID), **changes)


def response(data: bytes, **changes: Any) -> bytes:
    """The answer of a receiver of version 2c."""
    return message(pdu(0xA2, [], **{"number": request_id(data)} | changes))


def request_id(data: bytes) -> int:
    at, end = ber.enter(data, 0, len(data), ber.SEQUENCE)
    at = ber.enter(data, ber.read_integer(data, at, end)[1], end, ber.OCTETS)[1]
    at, end = ber.enter(data, at, end, 0xA6)
    return ber.read_integer(data, at, end)[0]


def test_a_trap_goes_once() -> None:
    sent = by_community(is_inform=False)
    sent.target.put(SEVEN, sent.now)
    assert len(sent.turn()) == 1
    assert not sent.turn(100.0)
    assert sent.counts == Counts(sent=1)
    assert sent.target.due == inf


def test_a_trap_that_did_not_arrive_is_counted_and_a_problem_until_others_do() -> None:
    sent = by_community(is_inform=False)
    sent.problem = "Network is unreachable"
    sent.target.put(SEVEN, sent.now)
    sent.turn()
    assert (sent.counts, sent.target.problem) == (Counts(failed=1), "Network is unreachable")
    sent.problem = ""
    sent.target.put(EIGHT, sent.now)
    sent.turn()
    sent.target.refused(sent.now)
    sent.target.settle(sent.now + 10)
    assert (sent.counts, sent.target.problem) == (Counts(sent=1, failed=2), "nobody listens there")
    sent.target.put(EIGHT, sent.now)
    sent.turn(20.0)
    sent.target.settle(sent.now + 2)
    assert sent.target.problem == ""


def test_an_inform_goes_until_it_is_acknowledged() -> None:
    sent = by_community()
    sent.target.put(SEVEN, sent.now)
    (first,) = sent.turn()
    assert not sent.turn(0.9)
    (second,) = sent.turn(0.2)
    assert first == second  # the receiver may know that it has it
    assert sent.target.take(response(first), sent.now)
    assert not sent.turn(1000.0)
    assert sent.counts == Counts(sent=1, acknowledged=1, retried=1)
    assert not sent.target.waiting
    assert not sent.target.take(response(first), sent.now)  # once more


def test_each_try_waits_twice_as_long_and_then_it_is_given_up() -> None:
    sent = by_community(retries=3)
    sent.target.put(SEVEN, sent.now)
    times = []
    for _ in range(400):
        if sent.turn(0.25):
            times.append(sent.now)
    assert [later - earlier for earlier, later in itertools.pairwise(times)] == [1.0, 2.0, 4.0]
    assert sent.counts == Counts(sent=1, retried=3, failed=1)
    assert sent.target.problem == "it does not answer"
    sent.target.put(EIGHT, sent.now)
    (data,) = sent.turn()
    sent.target.take(response(data), sent.now)
    assert sent.target.problem == ""


def test_what_a_receiver_does_not_want_is_not_sent_again() -> None:
    sent = by_community()
    sent.target.put(SEVEN, sent.now)
    (data,) = sent.turn()
    sent.target.take(response(data, first=16), sent.now)
    assert not sent.turn(1000.0)
    assert sent.counts == Counts(sent=1, failed=1)
    assert sent.target.problem == "it refuses informs with error status 16"


def test_when_too_many_wait_the_oldest_is_given_up() -> None:
    sent = by_community()
    for number in range(WAITING_LIMIT + 5):
        sent.target.put(Notification("dead_letter", number, b""), sent.now)
    assert [each.sequence for each in sent.target.waiting] == list(range(5, WAITING_LIMIT + 5))
    assert sent.counts.failed == 5


def test_answers_to_something_else_are_not_taken() -> None:
    sent = by_community()
    sent.target.put(SEVEN, sent.now)
    (data,) = sent.turn()
    number = request_id(data)
    for answer in (
        response(data, number=number ^ 1),
        message(pdu(0xA2, [], number=number), community="other"),
        message(pdu(0xA2, [], number=number), version=0),
        message(pdu(0xA0, [], number=number)),
        message(pdu(0xA8, [], number=number)),
        data,
        response(data)[:-1],
        b"",
    ):
        assert not sent.target.take(answer, sent.now)
    assert len(sent.target.waiting) == 1


def test_a_trap_of_version_3_is_authentic_by_our_engine() -> None:
    identity = Identity(ENGINE_ID, 9)
    sent = Sent(ByOurEngine(USER, identity, lambda: 55.5), is_inform=False)
    sent.target.put(SEVEN, sent.now)
    sent.target.put(EIGHT, sent.now)
    data, other = sent.turn()
    account = v3.account_of(USER, keys_of(USER, ENGINE_ID))
    read = v3.read(data)
    assert (read.engine_id, read.boots, read.time, read.flags) == (ENGINE_ID, 9, 55, v3.AUTH | v3.PRIVACY)
    assert v3.is_authentic(data, read, account)
    assert v3.read(other).salt != read.salt
    assert SEVEN.bindings in v3.scoped_pdu(data, read, account)
    assert SEVEN.bindings not in data


def test_the_engine_of_a_receiver_is_asked_for_and_its_time_is_learned() -> None:
    sent, receiver = by_their_engine(), Receiver()
    for each in (SEVEN, EIGHT):
        sent.target.put(each, sent.now)

    sent.talk(receiver)

    assert len(receiver.received) == 2
    assert sent.counts == Counts(sent=2, acknowledged=2)
    sent.now += 500.0
    receiver.time += 500
    sent.target.put(SEVEN, sent.now)
    (data,) = sent.turn()  # it is known
    sent.target.take(receiver.answer(data), sent.now)
    assert sent.counts == Counts(sent=3, acknowledged=3)


def test_a_receiver_that_begins_again_or_is_another_engine_is_followed() -> None:
    sent, receiver = by_their_engine(), Receiver()
    sent.target.put(SEVEN, sent.now)
    sent.talk(receiver)
    receiver.boots, receiver.time = 8, 0
    sent.target.put(SEVEN, sent.now)
    sent.talk(receiver)
    receiver.become(b"\x80\0\0\0\5other")
    sent.target.put(SEVEN, sent.now)
    sent.talk(receiver)
    assert sent.counts == Counts(sent=3, acknowledged=3)


def test_an_engine_that_forgot_its_boots_is_known_again_when_an_inform_was_given_up() -> None:
    sent, receiver = by_their_engine(retries=0), Receiver()
    sent.target.put(SEVEN, sent.now)
    sent.talk(receiver)
    receiver.boots = 2  # an earlier one is not believed: anybody could have recorded it
    sent.target.put(SEVEN, sent.now)
    sent.talk(receiver)
    assert sent.counts.acknowledged == 1
    sent.turn(2.0)
    assert sent.counts.failed == 1
    sent.target.put(EIGHT, sent.now)
    sent.talk(receiver)
    assert sent.counts.acknowledged == 2


@pytest.mark.parametrize(
    ("counter", "told"),
    [
        (UNKNOWN_USER, "it does not know the user"),
        (WRONG_DIGEST, "it has another pass phrase or hash for the user"),
    ],
)
def test_why_a_receiver_does_not_take_an_inform_is_told(counter: int, told: str) -> None:
    sent, receiver = by_their_engine(retries=1), Receiver()
    sent.target.put(SEVEN, sent.now)
    (question,) = sent.turn()
    sent.target.take(receiver.answer(question), sent.now)
    (data,) = sent.turn()
    sent.target.take(receiver.report(data, counter), sent.now)
    assert sent.target.problem == told
    assert not sent.turn()  # anybody could have said it: it is tried again in time, and no sooner
    assert len(sent.turn(1.0)) == 1
    sent.turn(10.0)
    assert (sent.counts.failed, sent.target.problem) == (1, told)


def test_what_is_not_authentic_moves_nothing() -> None:
    sent, receiver, liar = by_their_engine(), Receiver(), Receiver()
    sent.target.put(SEVEN, sent.now)
    (question,) = sent.turn()
    sent.target.take(receiver.answer(question), sent.now)
    (data,) = sent.turn()
    request = receiver.request_of(data)
    liar.boots, liar.time = 2**31 - 2, 5
    spoiled = bytearray(liar.report(data, NOT_IN_TIME, flags=v3.AUTH))
    spoiled[-1] ^= 1
    early = receiver.response(data, request + 1)
    for answer in (
        liar.report(data, NOT_IN_TIME),
        bytes(spoiled),
        receiver.response(data, request, flags=0),
        receiver.response(data, request, flags=v3.AUTH),
        early,
    ):
        sent.target.take(answer, sent.now)
        assert not sent.turn()
    assert sent.counts.acknowledged == 0
    sent.target.take(receiver.response(data, request), sent.now)
    assert sent.counts.acknowledged == 1


def test_a_report_that_nobody_asked_for_moves_nothing() -> None:
    sent, receiver, liar = by_their_engine(), Receiver(), Receiver(b"\x80\0\0\0\5liar")
    sent.target.put(SEVEN, sent.now)
    (question,) = sent.turn()
    read = v3.read(question)
    start = question.index(read.number_raw)
    other = (read.number ^ 1).to_bytes(len(read.number_raw) - 2, "big")
    forged = question[: start + 2] + other + question[start + len(read.number_raw) :]
    assert not sent.target.take(liar.answer(forged), sent.now)
    sent.target.take(receiver.answer(question), sent.now)
    assert not sent.target.take(liar.answer(forged), sent.now)
    (data,) = sent.turn()
    assert v3.read(data).engine_id == receiver.engine_id


def test_what_is_on_its_way_to_a_receiver_that_is_down_for_days_does_not_grow() -> None:
    sent = by_their_engine(retries=20)
    for number in range(3000):
        if number % 100 == 0:
            sent.target.put(SEVEN, sent.now)
        sent.turn(10.0)
    assert sent.target.waiting
    assert len(sent.target._messages) <= 8


def test_a_receiver_that_asks_for_ever_is_not_answered_for_ever() -> None:
    sent, receiver = by_their_engine(retries=1), Receiver()
    sent.target.put(SEVEN, sent.now)
    messages = 0
    for step in range(2000):
        for data in sent.turn(0.01):
            messages += 1
            receiver.become(b"\x80\0\0\0\5" + step.to_bytes(4, "big"))
            sent.target.take(receiver.report(data, UNKNOWN_ENGINE), sent.now)
    assert messages <= 2 * 6
    assert sent.counts.failed == 1


def test_changed_answers_never_raise_and_nothing_is_kept() -> None:
    source = random.Random(20261126)
    acknowledged = 0
    for number in range(150):
        for sent, answer_of in (
            (by_community(retries=0), response),
            (by_their_engine(retries=0), Receiver().answer),
        ):
            sent.target.put(SEVEN, sent.now)
            for _ in range(4):
                for data in sent.turn():
                    answer = answer_of(data)
                    if source.random() < 0.7:
                        answer = changed(source, answer)
                    sent.target.take(answer, sent.now)
            acknowledged += sent.counts.acknowledged
            sent.turn(10.0)
            assert sent.counts.acknowledged + sent.counts.failed == 1, number
            assert not sent.target._messages
    assert 50 < acknowledged < 250
