"""Whatever happens to datagrams on their way, one complete rotation makes the fleet right again."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from snqd.telemetry.fleet import Fleet
from snqd.telemetry.histogram import merged
from tests.support.telemetry import apply
from tests.wire.fleet_world import DEPTH_COUNTS, FLOW_COUNTS, World, journey, known

if TYPE_CHECKING:
    from snqd.telemetry.daemon_view import DaemonView
    from snqd.telemetry.totals import Totals
    from snqd.telemetry.wire import Datagram

seeds = st.integers(0, 2**32)
steps = st.integers(1, 40)


def scrambled(datagrams: list[Datagram], source: random.Random) -> list[Datagram]:
    """Some are lost, some come again, and the order is anything from nearly right to none at all."""
    kept = [each for each in datagrams if source.random() > 0.2]
    kept += [each for each in datagrams if source.random() < 0.2]
    reach = source.choice((1, 5, 1000))
    return [each for _place, each in sorted(enumerate(kept), key=lambda found: found[0] + source.random() * reach)]


def two_daemons(seed: int, length: int) -> tuple[list[World], list[Datagram], random.Random]:
    source = random.Random(seed)
    worlds = [World(name, source) for name in ("main", "other")]
    sent: list[Datagram] = []
    for world in worlds:
        sent += journey(world, length)
    sent.sort(key=lambda each: each.header.sent_at)
    return worlds, sent, source


@settings(max_examples=150)
@given(seeds, steps, st.booleans())
def test_a_complete_rotation_ends_in_exactly_what_the_daemon_says(seed: int, length: int, subscribes: bool) -> None:
    worlds, sent, source = two_daemons(seed, length)
    fleet = Fleet()
    apply(fleet, scrambled(sent, source))

    for world in worlds:
        if subscribes:
            world.clock += 0.1
            world.new_session()
        apply(fleet, scrambled_once(world.rotation(), source))
        view = fleet.daemons[f"{world.name}@host1"]
        found = known(view)

        assert {key: found.get(key) for key in world.facts} == world.facts
        assert view.daemon == world.daemon()
        assert view.is_complete
        assert {event.message for event in view.events} >= {event.message for event in world.events}
        check_totals(view)


def scrambled_once(datagrams: list[Datagram], source: random.Random) -> list[Datagram]:
    """Another order, with some repeated, and none lost."""
    found = datagrams + [each for each in datagrams if source.random() < 0.2]
    source.shuffle(found)
    return found


@settings(max_examples=60)
@given(seeds, steps)
def test_what_vanished_is_gone_after_its_time(seed: int, length: int) -> None:
    worlds, sent, source = two_daemons(seed, length)
    fleet = Fleet()
    apply(fleet, scrambled(sent, source))

    for world in worlds:
        for _ in range(19):
            world.clock += 1.0
            apply(fleet, world.rotation())
        view = fleet.daemons[f"{world.name}@host1"]

        assert known(view) == world.facts
        check_totals(view)


@given(seeds, steps)
def test_counters_never_go_back_within_a_boot(seed: int, length: int) -> None:
    _worlds, sent, source = two_daemons(seed, length)
    fleet = Fleet()
    seen: dict[tuple[str, int, tuple[str, str]], int] = {}

    for each in scrambled(sent, source):
        apply(fleet, [each])
        for view in fleet.daemons.values():
            for pair, flow in view.flows.items():
                place = (view.name, view.boot, pair)
                assert flow.handled >= seen.get(place, 0)
                seen[place] = flow.handled


@given(seeds, steps)
def test_events_come_once_each_and_in_order(seed: int, length: int) -> None:
    _worlds, sent, source = two_daemons(seed, length)
    fleet = Fleet()
    apply(fleet, scrambled(sent, source))

    for view in fleet.daemons.values():
        order = [(int(event.message.split()[0]), event.number) for event in view.events]
        assert order == sorted(set(order))
        assert view.events_taken == len(view.events)


@given(seeds, steps)
def test_nothing_is_lost_or_late_of_what_comes_in_order(seed: int, length: int) -> None:
    _worlds, sent, _source = two_daemons(seed, length)
    fleet = Fleet()
    apply(fleet, sent)

    for view in fleet.daemons.values():
        assert (view.lost, view.late, view.repeated, view.outdated, view.refused) == (0, 0, 0, 0, 0)


@given(seeds, st.sets(st.integers(1, 60)))
def test_losses_are_counted_exactly_when_nothing_is_reordered(seed: int, dropped: set[int]) -> None:
    world = World("main", random.Random(seed))
    sent = [datagram for _ in range(12) for datagram in world.rotation()][:60]
    arrived = [each for each in sent if each.header.sequence not in dropped]
    fleet = Fleet()
    apply(fleet, arrived)

    if arrived:
        first, last = arrived[0].header.sequence, arrived[-1].header.sequence
        (view,) = fleet.daemons.values()
        assert view.lost == sum(first < number < last for number in dropped)
        assert view.received == len(arrived)


@given(seeds, steps)
def test_what_was_lost_is_never_negative_and_late_ones_are_taken_back(seed: int, length: int) -> None:
    worlds, sent, source = two_daemons(seed, length)
    fleet = Fleet()
    for each in scrambled(sent, source):
        apply(fleet, [each])
        assert all(view.lost >= 0 for view in fleet.daemons.values())

    whole = Fleet()
    for world in worlds:
        datagrams = world.rotation() + world.rotation()
        source.shuffle(datagrams)
        apply(whole, datagrams)
    assert [view.lost for view in whole.daemons.values()] == [0, 0]


@settings(max_examples=40)
@given(seeds, steps)
def test_totals_that_are_asked_for_all_the_time_are_those_asked_for_once(seed: int, length: int) -> None:
    _worlds, sent, source = two_daemons(seed, length)
    fleet = Fleet()

    for each in scrambled(sent, source):
        apply(fleet, [each])
        for view in fleet.daemons.values():
            check_totals(view)


def check_totals(view: DaemonView) -> None:
    """The totals are the sums over what is there, to the last nanosecond."""
    groups: dict[tuple[str, ...], Totals] = {(): view.totals()}
    groups |= {("queue", name): each for name, each in view.queue_totals().items()}
    groups |= {("site", name): each for name, each in view.site_totals().items()}
    pairs = view.flows.keys() | view.depths.keys()
    names = {("queue", queue) for queue, _site in pairs} | {("site", site) for _queue, site in pairs}
    assert groups.keys() == names | {()}
    for name, totals in groups.items():
        chosen = {pair for pair in pairs if not name or name[1] == pair[name[0] == "site"]}
        flows = [view.flows[pair] for pair in chosen if pair in view.flows]
        depths = [view.depths[pair] for pair in chosen if pair in view.depths]
        assert totals.pairs.keys() == chosen
        for field in FLOW_COUNTS:
            assert getattr(totals, field) == sum(getattr(flow, field) for flow in flows)
        for field in DEPTH_COUNTS:
            assert getattr(totals, field) == sum(getattr(depth, field) for depth in depths)
        assert totals.estimates == sum(depth.is_estimate for depth in depths)
        assert totals.lag_seconds == max((depth.lag_seconds for depth in depths), default=0.0)
        assert totals.run_seconds == sum(round(flow.run_seconds * 10**9) for flow in flows) / 10**9
        assert totals.wait_seconds == sum(round(flow.wait_seconds * 10**9) for flow in flows) / 10**9
        assert totals.run() == merged(flow.run for flow in flows)
        assert totals.wait() == merged(flow.wait for flow in flows)
