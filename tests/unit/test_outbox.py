"""What is told when: frames, rotation, echoes and events, by a clock that the test turns."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snqd.telemetry import outbox as outbox_module
from snqd.telemetry.cursor import EVENT_SENDS, TOLD_EVENTS, Cursor
from snqd.telemetry.facts import AnyFact, DaemonFact, EventFact, FlowFact, QueueFact, WorkerFact
from snqd.telemetry.outbox import Outbox
from snqd.telemetry.wire import FACT_LIMIT, encode_fact, fill
from tests.support.telemetry import DAEMON, DEPTH, EVENT, FLOW, ONE_OF_EACH, QUEUE, WORKER, changed

if TYPE_CHECKING:
    from collections.abc import Callable

_decoder: msgspec.msgpack.Decoder[AnyFact] = msgspec.msgpack.Decoder(AnyFact)


class Listener:
    """A receiver and a clock. `loss` of the datagrams do not arrive."""

    def __init__(
        self,
        outbox: Outbox,
        frames_per_second: float = 4.0,
        *,
        loss: float = 0.0,
        seed: int = 1,
        is_lossless: bool = False,
    ) -> None:
        self.cursor = outbox.cursor(frames_per_second, is_lossless=is_lossless)
        self.now = 1000.0
        self.loss = loss
        self.step = 0.005
        self.heard: list[tuple[float, AnyFact]] = []
        self.datagrams: list[tuple[float, int]] = []
        self._random = random.Random(seed)

    def listen(self, seconds: float, *, also: Callable[[float], None] | None = None) -> list[AnyFact]:
        """Let time pass. What is heard meanwhile; `also` is called every 5 ms."""
        end, before = self.now + seconds, len(self.heard)
        while self.now < end - 1e-9:
            self.now += self.step
            if also is not None:
                also(self.now)
            if self.cursor.due <= self.now:
                self._take()
        return [fact for _at, fact in self.heard[before:]]

    def state(self) -> dict[object, AnyFact]:
        return {(type(fact), fact.key): fact for _at, fact in self.heard}

    def rate(self, seconds: float) -> float:
        """Datagrams a second, of the last `seconds`."""
        return sum(count for at, count in self.datagrams if at > self.now - seconds) / seconds

    def _take(self) -> None:
        groups = list(fill(self.cursor.take(self.now)))
        self.datagrams.append((self.now, len(groups)))
        for group in groups:
            if self._random.random() >= self.loss:
                self.heard += [(self.now, _decoder.decode(each)) for each in group]


def filled(*facts: AnyFact) -> Outbox:
    outbox = Outbox()
    outbox.update(facts)
    return outbox


def flow(number: int, handled: int = 0) -> FlowFact:
    return changed(FLOW, site=f"site{number}.example", handled=handled)


def event(number: int, name: str = "WorkerExited") -> EventFact:
    return changed(EVENT, number=number, name=name)


def large(*, workers: int = 1000, flows: int = 30_000) -> Outbox:
    """The largest fleet that is promised to be complete in two seconds."""
    outbox = Outbox()
    outbox.update([changed(DAEMON, workers=workers, flows=flows, depths=flows)])
    outbox.update(changed(WORKER, worker=f"main.{number}") for number in range(workers))
    outbox.update(changed(FLOW, queue=f"q{n % 30}", site=f"site{n}.example", handled=n) for n in range(flows))
    outbox.update(changed(DEPTH, queue=f"q{n % 30}", site=f"site{n}.example", ready=n) for n in range(flows))
    return outbox


def known(outbox: Outbox) -> dict[object, AnyFact]:
    return {(type(entry.fact), entry.fact.key): entry.fact for entry in outbox.everything()}


def test_a_receiver_that_joins_is_told_everything_at_once_and_once() -> None:
    told = Listener(filled(*ONE_OF_EACH)).listen(0.01)

    assert sorted(map(repr, told)) == sorted(map(repr, [each for each in ONE_OF_EACH if each is not EVENT] + [EVENT]))


def test_what_a_screen_needs_most_is_told_first() -> None:
    told = Listener(filled(FLOW, DEPTH, WORKER, QUEUE, DAEMON)).listen(0.01)

    assert told == [DAEMON, QUEUE, WORKER, DEPTH, FLOW]


def test_a_change_is_told_with_the_next_frame() -> None:
    outbox = filled(FLOW)
    listener = Listener(outbox, frames_per_second=4.0)
    listener.listen(1.0)

    outbox.update([changed(FLOW, handled=9)])

    assert changed(FLOW, handled=9) in listener.listen(0.26)


def test_a_fact_that_changes_all_the_time_is_told_once_a_frame() -> None:
    outbox = filled(DAEMON, flow(1), *(flow(number) for number in range(100, 200)))
    listener = Listener(outbox, frames_per_second=4.0)
    listener.listen(1.0)

    told = listener.listen(3.0, also=lambda now: outbox.update([flow(1, int(now * 1000))]))

    assert 11 <= sum(isinstance(fact, FlowFact) and fact.site == "site1.example" for fact in told) <= 13


@pytest.mark.parametrize("every", [1, 20])
def test_datagrams_do_not_grow_with_items(every: int) -> None:
    """The same flows, twenty times as many items."""
    outbox = filled(DAEMON, *(flow(number) for number in range(50)))
    listener = Listener(outbox, frames_per_second=4.0)

    def work(now: float) -> None:
        for step in range(every):
            outbox.update(flow(number, int(now * 1e6) + step) for number in range(50))

    listener.listen(3.0, also=work)

    assert 12 <= listener.rate(2.0) <= 24  # 50 flows of about 70 bytes are 3 datagrams, told four times a second


def test_what_only_ticks_is_no_news_but_is_told_in_the_rotation() -> None:
    outbox = filled(DAEMON, WORKER)
    listener = Listener(outbox, frames_per_second=20.0)
    listener.listen(1.0)

    told = listener.listen(2.0, also=lambda now: outbox.update([changed(WORKER, beat=now)]))

    beats = [fact.beat for fact in told if isinstance(fact, WorkerFact)]
    assert 3 <= len(beats) <= 6
    assert beats[-1] > listener.now - 0.6


@pytest.mark.parametrize("frames_per_second", [1.0, 4.0, 20.0])
@pytest.mark.parametrize("size", [3, 300, 3000])
def test_every_fact_is_told_at_least_once_a_second(size: int, frames_per_second: float) -> None:
    outbox = filled(DAEMON, *(flow(number) for number in range(size)))
    listener = Listener(outbox, frames_per_second)
    listener.listen(1.5)

    for _ in range(3):
        assert {fact.key for fact in listener.listen(1.05) if isinstance(fact, FlowFact)} == {
            flow(number).key for number in range(size)
        }


def test_a_small_fleet_that_does_nothing_is_told_in_a_few_datagrams_a_second() -> None:
    outbox = filled(
        DAEMON,
        *(changed(WORKER, worker=f"main.{number}") for number in range(4)),
        *(changed(QUEUE, queue=f"queue{number}") for number in range(6)),
        *(flow(number) for number in range(6)),
        *(changed(DEPTH, site=f"site{number}") for number in range(6)),
    )
    listener = Listener(outbox, frames_per_second=4.0)

    listener.listen(5.0, also=lambda now: outbox.update([changed(DAEMON, hub_cpu_seconds=now)]))

    assert listener.rate(4.0) <= 5


def test_a_receiver_that_wants_few_frames_gets_few_datagrams() -> None:
    outbox = filled(DAEMON, FLOW)
    listener = Listener(outbox, frames_per_second=0.1)

    listener.listen(60.0, also=lambda now: outbox.update([changed(FLOW, handled=int(now * 1000))]))

    assert listener.rate(50.0) <= 0.5


def test_the_largest_fleet_is_complete_within_two_seconds_in_slices_that_fit_a_buffer() -> None:
    outbox = large()
    listener = Listener(outbox)
    listener.step = 0.001

    listener.listen(1.9)

    assert listener.state() == known(outbox)
    assert outbox.size > 3_400_000
    for at, _count in listener.datagrams:
        burst = sum(count for other, count in listener.datagrams if at <= other < at + 0.0099)
        assert burst <= 80, "a socket's buffer of usual size holds 92, and is emptied every 10 ms"


@pytest.mark.parametrize(("buffer_bytes", "is_complete"), [(0, False), (212_992, False), (8 * 1024 * 1024, True)])
def test_a_larger_buffer_makes_up_for_a_sender_that_comes_late(buffer_bytes: int, is_complete: bool) -> None:
    outbox = large()
    listener = Listener(outbox)
    listener.cursor.buffer_bytes = buffer_bytes
    listener.step = 0.03

    listener.listen(1.9)

    assert (listener.state() == known(outbox)) == is_complete


def test_the_rotation_goes_on_while_more_changes_than_can_be_told() -> None:
    outbox = large(workers=10, flows=8_000)
    listener = Listener(outbox, frames_per_second=20.0)
    listener.listen(2.0)
    turn = 0

    def work(_now: float) -> None:
        nonlocal turn
        turn += 1
        if turn % 10 == 0:
            outbox.update(changed(FLOW, queue=f"q{n % 30}", site=f"site{n}.example", handled=turn) for n in range(3500))

    told = listener.listen(2.0, also=work)

    assert {(type(fact), fact.key) for fact in told} == set(known(outbox))


def test_the_beginning_of_the_list_does_not_starve_its_end() -> None:
    outbox = large(workers=10, flows=8_000)
    listener = Listener(outbox, frames_per_second=20.0)
    listener.listen(2.0)
    handled = 0

    def work(now: float) -> None:
        nonlocal handled
        handled += 1
        outbox.update([changed(FLOW, queue=f"q{n % 30}", site=f"site{n}.example", handled=handled) for n in range(100)])

    listener.listen(1.0, also=work)
    outbox.update([changed(FLOW, queue="q19", site="site7999.example", handled=1)])

    assert any(isinstance(fact, FlowFact) and fact.handled == 1 for fact in listener.listen(0.1, also=work))


def test_a_fact_that_is_removed_is_told_no_more() -> None:
    outbox = filled(DAEMON, flow(1), flow(2))
    listener = Listener(outbox)
    listener.listen(1.0)

    outbox.remove([(FlowFact, flow(1).key), (FlowFact, ("no", "such"))])

    told = listener.listen(2.0)
    assert flow(2) in told
    assert flow(1) not in told
    assert outbox.size == sum(len(encode_fact(fact)) for fact in (DAEMON, flow(2)))


def test_what_is_not_among_those_that_hold_is_told_no_more_but_events_are() -> None:
    outbox = filled(DAEMON, flow(1), flow(2))
    outbox.update([EVENT])

    outbox.retain({(DaemonFact, ()), (FlowFact, flow(2).key), (FlowFact, ("no", "such"))})

    told = Listener(outbox).listen(2.0)
    assert {fact for fact in told if not isinstance(fact, EventFact)} == {DAEMON, flow(2)}
    assert EVENT in told


def test_a_fact_that_is_removed_before_its_turn_is_not_told() -> None:
    outbox = large(workers=10, flows=2_000)
    listener = Listener(outbox)
    listener.listen(0.006)  # the first slice

    outbox.remove([(FlowFact, ("q19", "site1999.example"))])

    assert len(listener.heard) < 3000
    assert not any(isinstance(fact, FlowFact) and fact.site == "site1999.example" for fact in listener.listen(2.0))


@pytest.mark.parametrize("frames_per_second", [1.0, 4.0, 20.0])
def test_a_change_is_told_once_more_a_quarter_of_a_second_later(frames_per_second: float) -> None:
    """The rotation of so many facts comes a second later."""
    outbox = filled(DAEMON, *(flow(number) for number in range(3000)))
    listener = Listener(outbox, frames_per_second)
    listener.listen(2.0)
    wanted = [flow(number, 9) for number in range(3000)][::500]

    outbox.update(wanted)
    told = listener.listen(0.3)

    assert [told.count(fact) for fact in wanted] == pytest.approx([2] * len(wanted), abs=1)
    assert sum(told.count(fact) for fact in wanted) >= 2 * len(wanted)


def test_an_event_is_told_at_once_and_then_again_over_two_seconds() -> None:
    outbox = filled(DAEMON)
    listener = Listener(outbox, frames_per_second=1.0)
    listener.listen(1.111)
    begun = listener.now

    outbox.update([event(1), event(1)])
    listener.listen(2.5)

    moments = [at - begun for at, fact in listener.heard if isinstance(fact, EventFact)]
    assert moments[0] <= 0.01
    for repeat in range(EVENT_SENDS):
        assert any(moment == pytest.approx(repeat * 0.25, abs=0.05) for moment in moments)
    assert len(moments) <= EVENT_SENDS + 1  # once among the latest events


def test_who_loses_nothing_is_told_events_and_changes_once_and_the_rest_more_slowly() -> None:
    outbox = filled(DAEMON, *(flow(number) for number in range(40)))
    listener = Listener(outbox, 1.0, is_lossless=True)
    listener.listen(3.0)

    outbox.update([event(1), flow(7, handled=5)])
    heard = listener.listen(1.4)

    assert heard.count(event(1)) == 2, "at once, and as one of the latest"
    assert heard.count(flow(7, handled=5)) == 1
    heard = listener.listen(20.0)
    assert {heard.count(flow(number, handled=5 * (number == 7))) for number in range(40)} <= {9, 10, 11, 12}


def test_every_rare_event_arrives_though_a_fifth_is_lost() -> None:
    outbox = filled(DAEMON)
    listener = Listener(outbox, loss=0.2, seed=7)
    sent = 0

    def work(_now: float) -> None:
        nonlocal sent
        if random.Random(sent).random() < 0.1:
            outbox.update([event(sent + 1, ("WorkerExited", "ItemDeadLettered", "AlarmRaised")[sent % 3])])
        sent += 1

    listener.listen(10.0, also=work)
    listener.listen(2.0)

    assert {fact.number for _at, fact in listener.heard if isinstance(fact, EventFact)} == {
        entry.fact.key[0] for entry in outbox.events_since(0)
    }
    assert outbox.event_count > 100


def test_a_flood_of_events_is_bounded_and_does_not_drown_the_rare_ones() -> None:
    outbox = filled(DAEMON)
    listener = Listener(outbox)
    number = 0

    def work(_now: float) -> None:
        nonlocal number
        for _ in range(50):  # ten thousand a second
            number += 1
            outbox.update([event(number, "ItemDeadLettered")])

    listener.listen(3.0, also=work)
    number += 1
    outbox.update([event(number, "WorkerExited")])
    told = listener.listen(0.1, also=work)

    assert any(isinstance(fact, EventFact) and fact.name == "WorkerExited" for fact in told)
    assert listener.rate(2.0) < 60
    assert listener.cursor.events_skipped > 10_000


def test_who_joins_late_is_told_the_latest_events() -> None:
    outbox = filled(DAEMON, *(event(number) for number in range(1, 101)))

    told = Listener(outbox, loss=0.2).listen(1.0)

    assert {fact.number for fact in told if isinstance(fact, EventFact)} == set(range(101 - TOLD_EVENTS, 101))


def test_the_latest_events_are_told_again_slowly() -> None:
    outbox = filled(DAEMON, *(event(number) for number in range(1, 11)))
    listener = Listener(outbox)
    listener.listen(3.0)

    told = [fact.number for fact in listener.listen(12.0) if isinstance(fact, EventFact)]

    assert set(told) == set(range(1, 11))
    assert len(told) <= 14


def test_a_fact_is_encoded_once_for_all_receivers(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[AnyFact] = []

    def counted(fact: AnyFact) -> bytes:
        encoded.append(fact)
        return encode_fact(fact)

    monkeypatch.setattr(outbox_module, "encode_fact", counted)
    outbox = filled(DAEMON, FLOW)
    listeners = [Listener(outbox) for _ in range(5)]

    for listener in listeners:
        listener.listen(2.0)

    assert encoded == [DAEMON, FLOW]


def test_a_fact_that_was_lost_is_right_again_within_two_seconds_of_steady_loss() -> None:
    """20 % loss, a thousand changes, each a fact that is silent afterwards."""
    outbox = filled(DAEMON, *(flow(number) for number in range(40)))
    listener = Listener(outbox, loss=0.2, seed=3)
    listener.listen(2.0)
    late = 0
    for change in range(1000):
        wanted = flow(change % 40, change + 1)
        outbox.update([wanted])
        late += wanted not in listener.listen(2.0)

    assert late <= 5


@given(st.data())
def test_whatever_is_lost_everything_is_right_two_seconds_after_it_ends(data: st.DataObject) -> None:
    outbox = filled(DAEMON)
    listener = Listener(
        outbox, data.draw(st.sampled_from([0.7, 1.0, 4.0, 20.0])), loss=0.5, seed=data.draw(st.integers())
    )
    steps = st.lists(st.tuples(st.integers(0, 60), st.booleans(), st.floats(0, 0.6)), max_size=25)
    for handled, (number, is_removed, pause) in enumerate(data.draw(steps)):
        if is_removed:
            outbox.remove([(FlowFact, flow(number).key)])
        else:
            outbox.update([flow(number, handled)])
        listener.listen(pause)

    listener.loss = 0.0
    listener.listen(2.0)

    told = listener.state()
    assert {key: told.get(key) for key in known(outbox)} == known(outbox)


def test_a_fact_of_the_largest_size_finds_its_way() -> None:
    outbox = filled(DAEMON, changed(QUEUE, queue="q" * 900), changed(QUEUE, queue="r" * 1100))
    listener = Listener(outbox)
    listener.listen(1.0)

    told = [fact for fact in listener.listen(1.0) if isinstance(fact, QueueFact)]

    assert {fact.queue[0] for fact in told} == {"q", "r"}
    assert max(len(encode_fact(fact)) for fact in told) <= FACT_LIMIT


def test_a_cursor_of_an_empty_outbox_waits() -> None:
    outbox = Outbox()
    cursor: Cursor = outbox.cursor(4.0)

    assert cursor.take(1.0) == []
    assert cursor.due == float("inf")

    outbox.update([DAEMON])
    assert cursor.due <= 1.26
    assert [type(_decoder.decode(each)) for each in cursor.take(1.26)] == [DaemonFact]
