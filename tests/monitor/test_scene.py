"""The scene: the same for equal seeds, full of history at once, and with all that an operator meets."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from snqd.telemetry.recording import Recorder, read
from snqd.telemetry.wire import LIMIT, Datagram, unpack
from snqmon.feeds.base import Feed, Player, Trust
from snqmon.feeds.scene import SceneFeed
from snqmon.feeds.scene_cast import BILLING, SHOPS
from snqmon.feeds.scene_story import CYCLE_SECONDS
from snqmon.model.course import Span
from snqmon.model.thresholds import Thresholds
from snqmon.model.world import World
from tests.wire.fleet_world import known

if TYPE_CHECKING:
    from pathlib import Path

EPOCH = 1_800_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = 50.0
        self.step = 0.0
        """By so much it goes on whenever somebody looks."""

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def opened(seed: int = 7, **options: Any) -> SceneFeed:
    return SceneFeed(seed, epoch=EPOCH, **options)


def seen(scene: Feed) -> dict[str, Any]:
    return {key: (known(view), list(view.events), view.received) for key, view in scene.fleet.daemons.items()}


def test_equal_seeds_play_alike_and_others_do_not() -> None:
    one, same, other = opened(7), opened(7), opened(8)
    for scene in (one, same, other):
        scene.go_to(30)

    assert seen(one) == seen(same)
    assert seen(one) != seen(other)


def test_what_is_shown_at_a_second_does_not_depend_on_how_it_was_reached() -> None:
    leapt, clock = opened(), Clock()
    leapt.go_to(40)
    watched = opened(clock=clock)
    clock.step = 1.0  # the past in as many turns as can be
    while not watched.is_begun:
        watched.turn()
    clock.step = 0.0
    for step in (0.3, 1.9, 0.05, 1.2, 0.7) * 8:
        clock.now += step
        watched.turn()
    while watched.now() < EPOCH + 40.1:
        clock.now += min(0.5, EPOCH + 40.2 - watched.now())
        watched.turn()

    assert int(watched.now()) == EPOCH + 40
    assert seen(watched) == seen(leapt)


def test_every_course_is_full_when_it_begins() -> None:
    scene = opened()
    world = World(scene, Thresholds())
    scene.watch(world.observe)
    scene.go_to(0)
    world.observe()

    for row in world.queues():
        courses = world.histories.daemons["main@web1"].queues[row.queue].courses
        assert courses is not None
        for span in Span:
            values = courses.values("lag", span, world.now)
            assert sum(value == value for value in values) >= 58, (row.queue, span, values)
    assert world.now == world.wall == EPOCH


def test_it_opens_in_bounded_turns_and_few_looks() -> None:
    """Measured: 0.75 s of processor time with courses; here only what that rests on, since coverage slows it down."""
    scene = opened()
    world = World(scene, Thresholds())
    looks = 0

    def look() -> None:
        nonlocal looks
        looks += 1
        world.observe()

    scene.watch(look)
    begun = time.thread_time()
    while not scene.is_begun:
        turned = time.thread_time()
        scene.turn()
        assert time.thread_time() - turned < 0.5, "a turn is bounded"

    assert looks <= 80
    assert time.thread_time() - begun < 5.0
    assert scene.turn() <= 1.0


def test_a_program_that_was_stopped_goes_on_where_it_was() -> None:
    clock = Clock()
    scene = opened(clock=clock)
    while not scene.is_begun:
        scene.turn()
    clock.now += 3600
    scene.turn()

    assert scene.now() - EPOCH <= 2.0


def test_a_cycle_has_all_that_an_operator_meets() -> None:
    scene = opened()
    raised: set[tuple[str, bool]] = set()
    paused: set[str] = set()
    held = 0
    highest = 0.0
    names: set[str] = set()
    scene.go_to(0)
    (view,) = scene.fleet.daemons.values()
    for second in range(0, CYCLE_SECONDS + 60, 5):
        scene.go_to(second)
        raised |= {(alarm.name, alarm.is_raised) for alarm in view.alarms.values()}
        paused |= {fact.paused for fact in view.queues.values() if fact.paused}
        paused |= {f"site {fact.site}" for fact in view.pauses.values() if fact.site and not fact.ended}
        held = max(held, view.totals().paused)
        highest = max(highest, view.totals().lag_seconds)
        names |= {event.name for event in view.events}
        assert view.is_complete
        assert view.lost == view.unknown == view.refused == 0

    assert {("lag", True), ("lag", False), ("dead_letters", True), ("memory", True)} <= raised
    assert any("search index" in words for words in paused)
    assert "site tiny.example" in paused
    assert held > 100
    assert 30 < highest < 300
    assert {
        "WorkerExited", "ItemCrashed", "ItemsReclaimed", "WorkerSpawned", "WorkerReady", "ItemFailed",
        "ItemDeadLettered", "ItemSlow", "AlarmRaised", "AlarmCleared", "MemoryRestart",
        "Paused", "Resumed",
    } <= names  # fmt: skip


def test_its_first_second_has_trouble_for_a_picture() -> None:
    scene = opened()
    scene.go_to(0)
    (view,) = scene.fleet.daemons.values()

    assert view.alarms["lag", "xmppout"].is_raised
    assert view.workers["main.2"].exit_reason == "killed by SIGSEGV (Segmentation fault)"
    assert view.sent_at - view.workers["main.2"].exit_at < 60
    assert {fact.state for fact in view.workers.values()} == {"running"}
    assert len(view.queues) == 8
    assert len(view.site_totals()) == 6


def test_counters_only_grow_and_claims_end_in_one_of_them() -> None:
    scene = opened()
    scene.go_to(0)
    (view,) = scene.fleet.daemons.values()
    before = dict(view.flows)
    scene.go_to(200)

    for pair, flow in view.flows.items():
        old = before[pair]
        assert flow.handled >= old.handled
        assert flow.failed >= old.failed
        assert flow.claimed == flow.handled + flow.failed
        assert sum(flow.run[1::2]) - sum(old.run[1::2]) == flow.claimed - old.claimed
        depth = view.depths[pair]
        assert min(depth.ready, depth.scheduled, depth.dead, depth.in_flight) >= 0
        assert (depth.lag_seconds > 0) == (depth.ready > 0)
    done = sum(worker.handled for worker in view.workers.values())
    assert done > 0


def test_several_daemons_play_beside_each_other() -> None:
    scene = opened(casts=(SHOPS, BILLING))
    scene.go_to(2)

    assert set(scene.fleet.daemons) == {"main@web1", "billing@web2"}
    assert all(view.is_complete for view in scene.fleet.daemons.values())
    alone = opened()
    alone.go_to(2)
    assert seen(scene)["main@web1"] == seen(alone)["main@web1"]


def test_what_it_tells_are_datagrams_that_can_be_recorded(tmp_path: Path) -> None:
    file = tmp_path / "scene.rec"
    scene = opened(recorder=Recorder(file, 2**24))
    scene.go_to(5)
    scene.close()

    records = list(read(file))
    assert max(len(data) for _at, data in records) <= LIMIT
    assert all(isinstance(unpack(data, None), Datagram) for _at, data in records)
    assert records[-1][0] == EPOCH + 5


def test_it_says_that_its_figures_are_made_up() -> None:
    scene = opened(11)
    scene.go_to(0)

    assert scene.status().trust is Trust.DEMO
    assert scene.status().words == "DEMO seed 11, made-up figures"
    assert scene.status().advice == ()
    assert not isinstance(scene, Player)
