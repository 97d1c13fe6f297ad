"""Both sides of a subscription over a network that a test draws: whatever it does, one is subscribed or told why."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snqd.telemetry import messages
from snqd.telemetry.messages import Code
from snqd.telemetry.subscribers import Subscribers
from snqd.telemetry.subscription import State, Subscription
from snqd.telemetry.wire import seal
from tests.support.telemetry import KEY

ADDRESS = ("192.0.2.7", 40001)
OTHER_KEY = b"another key, as long"
FRAME = "frame"


@dataclass
class World:
    """A monitor, a hub that tells something every half second, and the wires between them."""

    monitor: Subscription
    hub: Subscribers | None
    drop: float = 0.0
    repeat: float = 0.0
    late: float = 0.0
    spoil: float = 0.0
    seed: int = 1
    now: float = 1000.0
    asked: int = 0
    wires: list[tuple[float, str, bytes, int]] = field(default_factory=list)
    """Arrival, whereto, bytes, session of a frame."""

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.frame_at = 0.0

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += 0.01
            self.send("hub", self.monitor.due(self.now))
            self.deliver()
            if self.hub is not None:
                self.hub.expire(self.now)
                if self.now >= self.frame_at:
                    self.frame_at = self.now + 0.5
                    for subscriber in self.hub.live.values():
                        self.send("monitor", FRAME.encode(), subscriber.nonce)

    def send(self, to: str, data: bytes | None, session: int = 0) -> None:
        if data is None:
            return
        self.asked += to == "hub"
        for _ in range(1 + (self.random.random() < self.repeat)):
            if self.random.random() >= self.drop:
                delay = self.random.random() * 0.3 if self.random.random() < self.late else 0.002
                self.wires.append((self.now + delay, to, self.spoiled(data), session))

    def spoiled(self, data: bytes) -> bytes:
        if self.random.random() >= self.spoil:
            return data
        at = self.random.randrange(len(data))
        return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]

    def deliver(self) -> None:
        come = sorted(each for each in self.wires if each[0] <= self.now)
        self.wires = [each for each in self.wires if each[0] > self.now]
        for _at, to, data, session in come:
            if to == "hub":
                if self.hub is not None:
                    self.send("monitor", self.hub.handle(data, ADDRESS, self.now))
            elif data != FRAME.encode():
                self.send("hub", self.monitor.handle(data, self.now))
            elif session == self.monitor.nonce:
                self.monitor.heard(self.now)

    def be_calm(self) -> None:
        self.drop = self.repeat = self.late = self.spoil = 0.0


def world(
    ours: bytes | None = None, theirs: bytes | None = None, *, frames_per_second: float = 4.0, seed: int = 1
) -> World:
    """`ours` is the monitor's key."""
    made = World(Subscription(ours, frames_per_second), Subscribers(theirs), seed=seed)
    made.monitor.begin(made.now)
    return made


@pytest.mark.parametrize("key", [None, KEY])
def test_it_receives_after_two_exchanges(key: bytes | None) -> None:
    here = world(key, key)
    assert here.monitor.words(here.now) == "asking"

    here.run(0.1)

    assert here.monitor.state == State.RECEIVING
    assert here.monitor.words(here.now) == "receiving"
    assert here.asked == 2


def test_it_renews_and_is_kept_for_as_long_as_it_lives() -> None:
    here = world()
    here.run(60.0)

    nonce = here.monitor.nonce
    assert here.hub is not None
    assert [each.nonce for each in here.hub.live.values()] == [nonce]
    assert here.asked <= 2 + 60 / 3


def test_it_is_forgotten_when_it_closes() -> None:
    here = world()
    here.run(1.0)

    here.send("hub", here.monitor.close(here.now))
    here.run(0.1)

    assert here.hub is not None
    assert not here.hub.live
    assert here.monitor.words(here.now) == "closed"
    assert here.monitor.due(here.now + 100.0) is None


@pytest.mark.parametrize(
    ("ours", "theirs", "words"),
    [
        (OTHER_KEY, KEY, "refused: wrong key"),
        (None, KEY, "refused: a key is needed: the daemon has one, and none was given here"),
        (KEY, None, "refused: the daemon has no key: ask without one, or give it the key"),
    ],
)
def test_without_a_common_key_it_says_so_and_asks_on_slowly(
    ours: bytes | None, theirs: bytes | None, words: str
) -> None:
    here = world(ours, theirs)

    here.run(20.0)

    assert here.monitor.state == State.REFUSED
    assert here.monitor.words(here.now) == words
    assert here.asked <= 12


def test_a_key_that_is_mended_is_enough() -> None:
    here = world(KEY, OTHER_KEY)
    here.run(5.0)

    here.hub = Subscribers(KEY)
    here.run(2.5)

    assert here.monitor.state == State.RECEIVING


def test_another_version_is_told_in_words() -> None:
    monitor = Subscription(None)
    monitor.begin(0.0)
    ask = monitor.due(0.0)
    assert ask is not None
    refusal = bytearray(messages.refusal(monitor.nonce, Code.VERSION, "the daemon speaks version 9", None))
    refusal[4] = 9

    assert monitor.handle(bytes(refusal), 0.1) is None

    assert monitor.words(0.1) == "version mismatch: the daemon speaks version 9 of the wire, this program 1"


def test_silence_is_noticed_after_two_seconds_and_said() -> None:
    here = world()
    here.run(5.0)
    hub, here.hub = here.hub, None

    here.run(2.6)
    assert here.monitor.state == State.SILENT
    here.run(9.9)
    assert here.monitor.words(here.now) == "silent for 12 s, asking again"

    here.hub = hub
    here.run(2.1)
    assert here.monitor.words(here.now) == "receiving"


def test_a_hub_that_begins_again_is_found_by_itself() -> None:
    here = world()
    here.run(5.0)
    nonce = here.monitor.nonce

    here.hub = Subscribers(None)
    here.run(2.8)

    assert here.monitor.state == State.RECEIVING
    assert here.monitor.nonce != nonce, "the numbers of its datagrams begin at 1 again"
    assert list(here.hub.live) == [ADDRESS]


def test_a_slow_receiver_is_patient() -> None:
    here = world(frames_per_second=0.1)
    here.run(0.1)
    nonce = here.monitor.nonce
    here.frame_at = here.now + 20.0

    here.run(19.0)

    assert here.monitor.state == State.RECEIVING
    assert here.monitor.nonce == nonce


def test_a_lost_grant_is_asked_for_again_while_frames_come() -> None:
    monitor, hub = Subscription(None), Subscribers(None)
    monitor.begin(0.0)
    ask = monitor.due(0.0)
    assert ask is not None
    challenge = hub.handle(ask, ADDRESS, 0.0)
    assert challenge is not None
    subscribe = monitor.handle(challenge, 0.0)
    assert subscribe is not None
    hub.handle(subscribe, ADDRESS, 0.0)  # the answer is lost

    monitor.heard(0.1)

    renewal = monitor.due(1.2)
    assert renewal is not None
    assert hub.handle(renewal, ADDRESS, 1.2) is not None
    assert hub.live[ADDRESS].expires == pytest.approx(11.2)


def test_a_refusal_in_mid_stream_from_whomever_changes_nothing() -> None:
    here = world(KEY, KEY)
    here.run(1.0)

    for code in Code:
        assert here.monitor.handle(messages.refusal(here.monitor.nonce, code, "go away", None), here.now) is None

    assert here.monitor.state == State.RECEIVING


def test_messages_for_another_nonce_or_without_the_key_are_counted_and_passed_over() -> None:
    here = world(KEY, KEY)
    other = here.monitor.nonce + 1
    for message in (
        messages.challenge(other, b"0" * 16, KEY),
        messages.granted(other, b"0" * 16, 10.0, KEY),
        messages.granted(here.monitor.nonce, b"0" * 16, 10.0, None),
        messages.granted(here.monitor.nonce, b"0" * 16, 10.0, OTHER_KEY),
        messages.refusal(other, Code.FULL, "", None),
    ):
        assert here.monitor.handle(message, here.now) is None

    assert here.monitor.state == State.ASKING
    assert here.monitor.bad.total() == 5


def test_nobody_listens_is_said_while_the_network_says_so() -> None:
    here = world()
    here.run(1.0)
    here.hub = None

    here.monitor.unreachable(here.now)
    assert here.monitor.words(here.now) == "nobody listens there, asking again"

    here.run(20.0)
    assert here.monitor.words(here.now) == "asking"


def test_a_change_of_pace_is_told_at_once() -> None:
    here = world()
    here.run(1.0)

    here.monitor.change_pace(10.0, here.now)
    here.run(0.1)

    assert here.hub is not None
    assert here.hub.live[ADDRESS].frames_per_second == 10.0


@given(st.data())
def test_whatever_the_network_did_one_is_subscribed_or_told_why(data: st.DataObject) -> None:
    keys = st.sampled_from([None, KEY, OTHER_KEY])
    shares = st.sampled_from([0.0, 0.2, 0.5])
    ours, theirs = data.draw(keys), data.draw(keys)
    here = world(ours, theirs, seed=data.draw(st.integers(0, 10_000)))
    for _ in range(data.draw(st.integers(1, 6))):
        here.drop, here.repeat, here.late = data.draw(shares), data.draw(shares), data.draw(shares)
        here.spoil = data.draw(shares) if ours and theirs else 0.0
        here.run(data.draw(st.floats(0.01, 4.0)))
        what = data.draw(st.sampled_from(["nothing", "nothing", "restart", "gone", "new key", "begin"]))
        if what == "gone":
            here.hub = None
        elif what == "restart" or here.hub is None:
            here.hub = Subscribers(theirs)
        elif what == "new key":
            theirs = data.draw(keys)
            here.hub = Subscribers(theirs)
        elif what == "begin":
            here.monitor.begin(here.now)
    here.be_calm()
    here.hub = here.hub or Subscribers(theirs)
    here.run(5.0)

    if ours == theirs:
        assert here.monitor.state == State.RECEIVING
        assert [each.nonce for each in here.hub.live.values()] == [here.monitor.nonce]
    else:
        assert here.monitor.words(here.now).startswith("refused: ")
        assert not here.hub.live


@given(st.binary(max_size=300), st.sampled_from([None, KEY]))
def test_hostile_bytes_do_nothing_to_a_monitor(body: bytes, key: bytes | None) -> None:
    here = world(key, key)
    here.run(0.5)

    for data in (body, *(seal(kind, body, None) for kind in range(14, 34))):
        here.monitor.handle(data, here.now)
    here.run(0.5)

    assert here.monitor.state == State.RECEIVING
