"""The hub's side of subscription: who is believed, who is answered, and with how many bytes."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snqd.telemetry import messages
from snqd.telemetry.messages import Code, Message
from snqd.telemetry.subscribers import COOKIE_SECONDS, LEASE_SECONDS, MOST, MOST_PER_HOST, Subscribers
from snqd.telemetry.wire import Refused, seal
from tests.support.telemetry import KEY

if TYPE_CHECKING:
    from snqd.telemetry.subscribers import Address

HERE: Address = ("192.0.2.7", 40001)
ELSEWHERE: Address = ("198.51.100.9", 40001)
OTHER_KEY = b"another key, as long"
NONCE = 77


def said(answer: bytes | None, key: bytes | None = None) -> Message:
    assert answer is not None
    message = messages.read(answer, key)
    assert isinstance(message, Message), message
    return message


def cookie_for(
    hub: Subscribers, address: Address, now: float, *, nonce: int = NONCE, key: bytes | None = None
) -> bytes:
    answer = said(hub.handle(messages.ask(nonce, key), address, now), key)
    assert (answer.kind, answer.nonce) == (messages.CHALLENGE, nonce)
    return answer.cookie


def join(hub: Subscribers, address: Address, now: float, *, nonce: int = NONCE, key: bytes | None = None) -> Message:
    cookie = cookie_for(hub, address, now, nonce=nonce, key=key)
    return said(hub.handle(messages.subscribe(nonce, cookie, 4.0, key), address, now), key)


@pytest.mark.parametrize("key", [None, KEY])
def test_who_gives_the_cookie_back_is_a_subscriber(key: bytes | None) -> None:
    hub = Subscribers(key)

    answer = join(hub, HERE, 0.0, key=key)

    assert (answer.kind, answer.nonce, answer.figure) == (messages.GRANTED, NONCE, LEASE_SECONDS)
    assert hub.live[HERE].frames_per_second == 4.0


def test_an_ask_leaves_nothing_behind() -> None:
    hub = Subscribers(None)
    before = repr(vars(hub))

    for number in range(1000):
        hub.handle(messages.ask(number + 1, None), (f"198.51.100.{number % 250}", number), 0.0)

    assert repr(vars(hub)) == before
    assert not hub.live


@pytest.mark.parametrize(
    ("address", "nonce", "after"),
    [
        (ELSEWHERE, NONCE, 0.0),
        (("192.0.2.7", 40002), NONCE, 0.0),
        (HERE, NONCE + 1, 0.0),
        (HERE, NONCE, 2 * COOKIE_SECONDS),
    ],
    ids=["another host", "another port", "another nonce", "too late"],
)
def test_a_cookie_is_good_for_its_address_and_nonce_and_some_seconds(
    address: Address, nonce: int, after: float
) -> None:
    hub = Subscribers(None)
    cookie = cookie_for(hub, HERE, 0.0)

    answer = said(hub.handle(messages.subscribe(nonce, cookie, 4.0, None), address, after))

    assert answer.kind == messages.CHALLENGE
    assert not hub.live


def test_a_cookie_is_good_across_the_end_of_a_slot() -> None:
    hub = Subscribers(None)
    cookie = cookie_for(hub, HERE, COOKIE_SECONDS - 0.1)

    hub.handle(messages.subscribe(NONCE, cookie, 4.0, None), HERE, COOKIE_SECONDS + 0.1)

    assert HERE in hub.live


def test_another_process_does_not_know_the_cookie() -> None:
    cookie = cookie_for(Subscribers(None), HERE, 0.0)
    hub = Subscribers(None)

    assert said(hub.handle(messages.subscribe(NONCE, cookie, 4.0, None), HERE, 0.0)).kind == messages.CHALLENGE
    assert not hub.live


@given(st.binary(max_size=300), st.sampled_from([None, KEY]), st.sampled_from(range(14, 34)), st.booleans())
def test_no_answer_is_longer_than_what_it_answers(body: bytes, key: bytes | None, kind: int, is_framed: bool) -> None:
    hub = Subscribers(key)
    data = seal(kind, body, key) if is_framed else body

    answer = hub.handle(data, HERE, 0.0)

    assert answer is None or len(answer) <= len(data)
    assert not hub.live


@pytest.mark.parametrize("size", range(8, 60))
def test_an_ask_that_is_shorter_than_its_answer_has_none(size: int) -> None:
    hub = Subscribers(None)
    ask = seal(messages.ASK, bytes(size), None)

    answer = hub.handle(ask, HERE, 0.0)

    assert (answer is None) == (len(ask) < len(messages.challenge(0, b"0" * 16, None)))


@pytest.mark.parametrize(
    ("ours", "theirs", "code"),
    [(KEY, OTHER_KEY, Code.WRONG_KEY), (KEY, None, Code.KEY_NEEDED), (None, KEY, Code.NO_KEY)],
)
def test_who_has_not_our_key_is_told_so(ours: bytes | None, theirs: bytes | None, code: Code) -> None:
    hub = Subscribers(ours)
    ask = messages.ask(NONCE, theirs)

    answer = hub.handle(ask, HERE, 0.0)

    assert answer is not None
    assert len(answer) <= len(ask)
    told = messages.read_plain_refusal(answer)
    assert told is not None
    assert (told.nonce, told.code, told.text) == (NONCE, code, messages.WORDS[code])
    assert hub.bad.total() == 1


def test_who_speaks_another_version_is_told_so() -> None:
    ask = bytearray(messages.ask(NONCE, None))
    ask[4] = 9

    answer = Subscribers(None).handle(bytes(ask), HERE, 0.0)

    assert answer is not None
    told = messages.read_plain_refusal(answer)
    assert told is not None
    assert (told.nonce, told.code) == (NONCE, Code.VERSION)


def test_strangers_are_answered_seldom() -> None:
    hub = Subscribers(KEY)
    ask = messages.ask(NONCE, OTHER_KEY)

    from_one = [hub.handle(ask, HERE, number / 1000) for number in range(1000)]
    from_many = [
        hub.handle(ask, (f"10.0.{number // 250}.{number % 250}", 1), 1 + number / 1000) for number in range(1000)
    ]

    assert sum(answer is not None for answer in from_one) <= 6
    assert sum(answer is not None for answer in from_many) <= 60


def test_a_subscription_that_is_not_renewed_ends() -> None:
    hub = Subscribers(None)
    join(hub, HERE, 0.0)

    hub.expire(LEASE_SECONDS - 0.1)
    assert hub.live
    hub.expire(LEASE_SECONDS)
    assert not hub.live


def test_a_subscription_that_is_renewed_goes_on() -> None:
    hub = Subscribers(None)
    cookie = join(hub, HERE, 0.0).cookie
    for now in range(3, 60, 3):
        hub.expire(now)
        answer = said(hub.handle(messages.subscribe(NONCE, cookie, 8.0, None), HERE, now))
        assert answer.kind == messages.GRANTED
        cookie = answer.cookie

    assert hub.live[HERE].frames_per_second == 8.0


def test_an_old_renewal_cannot_be_used_to_keep_a_subscription_alive() -> None:
    """Somebody who overheard it sends it again and again, in the name of a monitor that is gone."""
    hub = Subscribers(None)
    cookie = join(hub, HERE, 0.0).cookie
    renewal = messages.subscribe(NONCE, cookie, 4.0, None)

    for now in range(60):
        hub.expire(now)
        hub.handle(renewal, HERE, now)

    assert not hub.live


def test_what_was_overheard_starts_nothing_after_the_bye() -> None:
    hub = Subscribers(KEY)
    cookie = cookie_for(hub, HERE, 0.0, key=KEY)
    overheard = messages.subscribe(NONCE, cookie, 4.0, KEY)
    hub.handle(overheard, HERE, 0.0)
    assert hub.live
    hub.handle(messages.bye(NONCE, cookie, KEY), HERE, 1.0)
    assert not hub.live

    answers = {said(hub.handle(overheard, HERE, now / 2), KEY).kind for now in range(2, 60)}

    assert not hub.live
    assert answers == {messages.REFUSAL, messages.CHALLENGE}


def test_a_bye_needs_the_cookie() -> None:
    hub = Subscribers(None)
    join(hub, HERE, 0.0)

    assert hub.handle(messages.bye(NONCE, b"0" * 16, None), HERE, 0.0) is None

    assert hub.live


def test_a_socket_that_begins_again_has_one_subscription() -> None:
    hub = Subscribers(None)
    join(hub, HERE, 0.0)

    join(hub, HERE, 1.0, nonce=NONCE + 1)

    assert [each.nonce for each in hub.live.values()] == [NONCE + 1]


def test_one_host_has_at_most_eight_subscriptions_and_is_told_so() -> None:
    hub = Subscribers(None)
    for port in range(MOST_PER_HOST):
        assert join(hub, ("192.0.2.7", port), 0.0).kind == messages.GRANTED

    refused = join(hub, ("192.0.2.7", 999), 0.0)

    assert (refused.kind, refused.code) == (messages.REFUSAL, Code.FULL)
    assert "your address has 8 subscriptions already" in refused.text
    assert join(hub, ("192.0.2.7", 0), 0.0, nonce=5).kind == messages.GRANTED
    assert join(hub, ELSEWHERE, 0.0).kind == messages.GRANTED


def test_a_daemon_has_at_most_64_subscribers_and_says_so() -> None:
    hub = Subscribers(None)
    for number in range(MOST):
        assert join(hub, (f"10.0.0.{number}", 1), 0.0).kind == messages.GRANTED

    refused = join(hub, HERE, 0.0)

    assert refused.code == Code.FULL
    assert "64 subscribers already" in refused.text


def test_a_subscriber_that_vanished_is_dropped_early_but_not_by_one_message() -> None:
    hub = Subscribers(None)
    cookie = join(hub, HERE, 0.0).cookie
    hub.strike(HERE, 1.0)
    hub.strike(HERE, 1.0)
    hub.handle(messages.subscribe(NONCE, cookie, 4.0, None), HERE, 1.0)  # it lives
    hub.strike(HERE, 2.0)
    hub.strike(HERE, 2.0)
    hub.strike(ELSEWHERE, 2.0)
    assert hub.live

    hub.strike(HERE, 2.0)

    assert not hub.live


@pytest.mark.parametrize(
    ("wanted", "given"),
    [(4.0, 4.0), (1e9, 20.0), (0.0, 0.1), (-3.0, 0.1), (math.nan, 1.0), (math.inf, 1.0)],
)
def test_the_pace_is_within_bounds(wanted: float, given: float) -> None:
    hub = Subscribers(None)
    cookie = cookie_for(hub, HERE, 0.0)

    hub.handle(messages.subscribe(NONCE, cookie, wanted, None), HERE, 0.0)

    assert hub.live[HERE].frames_per_second == pytest.approx(given)


def test_an_answer_is_not_answered() -> None:
    """Two hubs that are made to talk to each other would not stop."""
    hub = Subscribers(None)
    for data in (
        messages.challenge(NONCE, b"0" * 16, None),
        messages.granted(NONCE, b"0" * 16, 10.0, None),
        messages.refusal(NONCE, Code.FULL, "x" * 200, None),
        seal(1, struct.pack("!Q", NONCE).ljust(200), None),
        seal(200, struct.pack("!Q", NONCE).ljust(200), None),
    ):
        assert hub.handle(data, HERE, 0.0) is None


def test_text_of_a_stranger_is_fit_for_a_terminal() -> None:
    told = messages.read(messages.refusal(NONCE, 200, "\x1b[31mno\n\x00way" + "ä" * 200, None), None)

    assert not isinstance(told, Refused)
    assert told.text.startswith("[31mno  way")
    assert told.text.rstrip("\ufffd").isprintable()
