"""Between a real relay and a real feed, a fifth of all datagrams is lost, and others come twice, late or spoiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from snqd.telemetry.feed import Feed
from snqd.telemetry.fleet import Fleet
from tests.support.lossy import CALM, DEAD, SPOILING, STORM, Dice, LossyProxy, Weather
from tests.support.relays import drive, known, pass_time, relay, told, view
from tests.support.stopwatch import Stopwatch
from tests.support.telemetry import DAEMON, EVENT, FLOW, HEADER, KEY, ONE_OF_EACH, QUEUE, WORKER, changed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snqd.hub.relay import Relay


@pytest.fixture
def hub() -> Iterator[Relay]:
    made = relay(key=KEY)
    made.update(ONE_OF_EACH)
    yield made
    made.close()


def work(hub: Relay, turn: int) -> None:
    """What a busy daemon tells, with an event now and then."""
    hub.update([changed(DAEMON, datagrams_sent=hub.sent)])
    hub.update(changed(WORKER, worker=f"main.{n}", beat=float(turn), handled=turn) for n in range(8))
    hub.update(changed(FLOW, site=f"site{n}.example", handled=turn * n) for n in range(turn % 60))
    if turn % 3 == 0:
        name = ("WorkerExited", "WorkerRespawning", "ItemDeadLettered", "AlarmRaised")[turn % 4]
        hub.update([changed(EVENT, number=EVENT.number + turn // 3, name=name)])


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("weather", [STORM, SPOILING], ids=["storm", "spoiling"])
def test_every_rare_event_arrives_and_the_state_is_right_two_seconds_after_the_storm(
    hub: Relay, weather: Weather, seed: int
) -> None:
    fleet = Fleet()
    with (
        LossyProxy(hub.address, seed=seed, weather=weather) as network,
        Feed([network.address], fleet=fleet, key=KEY, frames_per_second=4.0) as feed,
    ):
        drive(hub, feed, until=lambda: fleet.daemons)
        for turn in range(1, 61):
            work(hub, turn)
            pass_time(hub, feed, seconds=0.05)
        pass_time(hub, feed, seconds=2.0)
        network.be_calm()
        watch = Stopwatch()
        drive(hub, feed, until=lambda: told(fleet) == known(hub))

        assert watch.seconds < 2.0
        assert {event.number for event in view(fleet).events} == set(range(1, EVENT.number + 60 // 3 + 1))
        assert network.counts["dropped"] > 8
        assert view(fleet).lost > 0, "loss is visible"


def test_who_joins_in_a_storm_is_complete_within_seconds(hub: Relay) -> None:
    hub.update(changed(FLOW, site=f"site{number}.example", handled=number) for number in range(300))
    fleet = Fleet()
    with (
        LossyProxy(hub.address, seed=5) as network,
        Feed([network.address], fleet=fleet, key=KEY) as feed,
    ):
        watch = Stopwatch()
        drive(hub, feed, until=lambda: told(fleet) == known(hub))

        assert watch.seconds < 5.0


def test_while_a_fifth_is_lost_a_change_is_seen_within_two_seconds(hub: Relay) -> None:
    fleet = Fleet()
    with (
        LossyProxy(hub.address, seed=6, weather=Weather(drop=0.2, repeat=0.0, reorder=0.0)) as network,
        Feed([network.address], fleet=fleet, key=KEY, frames_per_second=4.0) as feed,
    ):
        drive(hub, feed, until=lambda: told(fleet) == known(hub))
        for turn in range(1, 21):
            wanted = changed(QUEUE, in_per_second=float(turn))
            watch = Stopwatch()
            hub.update([wanted])
            drive(hub, feed, until=lambda wanted=wanted: view(fleet).queues["mail"] == wanted)  # type: ignore[misc]
            assert watch.seconds < 2.0


def test_when_the_network_is_down_it_is_said_and_mends_itself(hub: Relay) -> None:
    fleet = Fleet()
    with (
        LossyProxy(hub.address, seed=7, weather=CALM) as network,
        Feed([network.address], fleet=fleet, key=KEY) as feed,
    ):
        drive(hub, feed, until=lambda: told(fleet) == known(hub))
        network.weather = DEAD
        drive(hub, feed, until=lambda: feed.sources()[0].words.startswith("silent for "))
        hub.update([changed(QUEUE, in_per_second=77.0)])

        network.be_calm()
        watch = Stopwatch()
        drive(hub, feed, until=lambda: told(fleet) == known(hub))

        assert watch.seconds < 4.0
        assert feed.sources()[0].words == "receiving"


def test_a_hub_that_is_respawned_in_the_storm_is_followed(hub: Relay) -> None:
    fleet = Fleet()
    with (
        LossyProxy(hub.address, seed=8) as network,
        Feed([network.address], fleet=fleet, key=KEY) as feed,
    ):
        drive(hub, feed, until=lambda: told(fleet))
        second = relay(key=KEY, sender=HEADER.sender + 1)
        second.update([*ONE_OF_EACH, changed(DAEMON, hub_pid=999)])

        network.retarget(second.address)
        drive(second, feed, until=lambda: told(fleet) == known(second))
        second.close()


def test_pushed_datagrams_pass_the_storm_too() -> None:
    fleet = Fleet()
    with (
        Feed(fleet=fleet, listen="127.0.0.1:0", key=KEY) as feed,
        LossyProxy(feed.listens_at, seed=9, weather=SPOILING) as network,
    ):
        hub = relay(key=KEY, listen="none", monitors=[f"udp://{network.address}"])
        hub.update(ONE_OF_EACH)
        for turn in range(1, 41):
            work(hub, turn)
            pass_time(hub, feed, seconds=0.05)
        network.be_calm()
        watch = Stopwatch()
        drive(hub, feed, until=lambda: told(fleet) == known(hub))
        assert watch.seconds < 2.0
        hub.close()


def test_the_dice_do_what_they_are_told() -> None:
    data = bytes(range(256))
    dice = Dice(1)

    fates = [list(dice.fates(data, SPOILING)) for _ in range(10_000)]

    copies = [copy for fate in fates for copy in fate]
    assert sum(not fate for fate in fates) == pytest.approx(2000, rel=0.1)
    assert sum(len(fate) == 2 for fate in fates) == pytest.approx(1600, rel=0.1)
    assert sum(delay > 0 for delay, _data in copies) == pytest.approx(0.2 * len(copies), rel=0.1)
    assert sum(copy != data for _delay, copy in copies) == pytest.approx(0.2 * len(copies), rel=0.1)
    assert [list(Dice(1).fates(data, STORM)) for _ in range(9)] == [list(Dice(1).fates(data, STORM)) for _ in range(9)]
    assert list(dice.fates(data, CALM)) == [(0.0, data)]
