"""Pace, lanes and errands: how many items a worker asks for."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from snqd.config.schema import StoreConfig
from snqd.handlers.base import BoundHandler, HandlerOptions
from snqd.items import QueueName
from snqd.stores.outcomes import Lane
from snqd.worker.errand import Errand
from snqd.worker.lanes import Mode, WorkLane, plan
from snqd.worker.pace import Pace

MAIL, NEWS, FEED = QueueName("mail"), QueueName("news"), QueueName("feed")


def a_pace(concurrency: int = 1) -> Pace:
    return Pace(concurrency=concurrency, prefetch_seconds=0.02, batch_limit=256)


def settle(pace: Pace, seconds_per_item: float, rounds: int = 40) -> None:
    for _ in range(rounds):
        pace.claimed()
        pace.ran(10, seconds_per_item * 10)


def test_a_lane_of_unknown_speed_holds_only_what_it_runs() -> None:
    assert a_pace().capacity == 1
    assert a_pace(8).capacity == 8


def test_fast_items_are_prefetched_up_to_twice_the_batch_limit() -> None:
    pace = a_pace()

    settle(pace, 0.00001)

    assert pace.capacity == 1 + 2 * 256


def test_items_slower_than_the_prefetch_time_are_never_held_unstarted() -> None:
    pace = a_pace()

    settle(pace, 0.2)

    assert pace.capacity == 1


def test_the_number_held_at_most_doubles_from_claim_to_claim() -> None:
    pace = a_pace()
    pace.ran(1, 0.00001)
    seen = []

    for _ in range(6):
        pace.claimed()
        seen.append(pace.capacity)

    assert all(later <= 2 * earlier for earlier, later in pairwise(seen))
    assert seen[-1] > seen[0]


def test_one_slow_item_after_many_fast_ones_is_believed_at_once() -> None:
    pace = a_pace()
    settle(pace, 0.00001)

    pace.ran_one(0.2)

    assert pace.capacity == 1


@given(st.lists(st.tuples(st.integers(1, 500), st.floats(0, 10)), max_size=50), st.integers(1, 64))
def test_capacity_never_falls_below_concurrency_nor_rises_past_two_batches(
    runs: list[tuple[int, float]], concurrency: int
) -> None:
    pace = a_pace(concurrency)

    for items, seconds in runs:
        pace.claimed()
        pace.ran(items, seconds)
        assert concurrency <= pace.capacity <= concurrency + 512


def a_lane(capacity: int, *, concurrency: int = 1) -> WorkLane:
    pace = a_pace(concurrency)
    settle(pace, 0.02 * concurrency / (capacity - concurrency) if capacity > concurrency else 1.0)
    assert abs(pace.capacity - capacity) <= 1
    return WorkLane((MAIL,), Mode.INLINE, pace, concurrency)


def test_a_busy_lane_waits_until_half_of_it_has_room() -> None:
    lane = a_lane(101)
    lane.claimed, lane.finished = 101, 40

    assert lane.wish(256) is None

    lane.finished = 60
    wish = lane.wish(256)
    assert wish is not None
    assert wish.limit >= 50


def test_an_idle_lane_asks_at_once_and_never_for_more_than_a_batch() -> None:
    lane = a_lane(400)

    wish = lane.wish(256)

    assert wish == Lane((MAIL,), 256)


def test_a_full_lane_asks_for_nothing() -> None:
    lane = a_lane(1)
    lane.claimed = 1

    assert lane.wish(256) is None


def handler(queue: str, *, is_async: bool = False, concurrency: int = 1) -> BoundHandler:
    options = HandlerOptions(queue=queue, concurrency=concurrency)
    return BoundHandler(options, lambda _payload, _context: None, is_async, f"app.{queue}")


def test_plain_handlers_share_the_main_thread() -> None:
    lanes = plan({MAIL: handler("mail"), NEWS: handler("news")}, StoreConfig())

    assert lanes[MAIL] is lanes[NEWS]
    assert lanes[MAIL].mode is Mode.INLINE


def test_beside_an_async_handler_plain_ones_run_in_threads_so_that_the_loop_turns() -> None:
    lanes = plan({MAIL: handler("mail"), NEWS: handler("news", is_async=True, concurrency=5)}, StoreConfig())

    assert lanes[MAIL].mode is Mode.THREAD
    assert lanes[NEWS].mode is Mode.TASK
    assert lanes[NEWS].concurrency == 5


def test_a_plain_handler_with_concurrency_has_threads_of_its_own() -> None:
    lanes = plan({MAIL: handler("mail"), FEED: handler("feed", concurrency=4)}, StoreConfig())

    assert lanes[MAIL].mode is Mode.INLINE
    assert lanes[FEED].mode is Mode.THREAD


def test_an_errand_with_enough_left_lets_each_lane_have_its_wish() -> None:
    lanes = [Lane((MAIL,), 6), Lane((NEWS,), 4)]

    assert Errand(max_items=10).limited(lanes, 0, now=0.0) == lanes
    assert Errand().limited(lanes, 1_000_000, now=0.0) == lanes


def test_an_errand_whose_items_become_scarce_asks_for_the_most_urgent_of_all_lanes() -> None:
    errand = Errand(max_items=10)
    lanes = [Lane((MAIL, FEED), 6), Lane((NEWS,), 3)]

    assert errand.limited(lanes, 2, now=0.0) == [Lane((MAIL, FEED, NEWS), 3)], "no lane gets more than it has room for"
    assert errand.limited(lanes, 8, now=0.0) == [Lane((MAIL, FEED, NEWS), 2)], "nor more than what is left"
    assert errand.limited(lanes, 10, now=0.0) == []
    assert errand.limited(lanes, 11, now=0.0) == []
    assert errand.limited([], 8, now=0.0) == []


@given(st.lists(st.integers(1, 300), max_size=6), st.integers(0, 2000), st.integers(1, 1000))
def test_an_errand_never_asks_for_more_than_is_left_nor_forgets_a_queue(
    limits: list[int], taken: int, most: int
) -> None:
    lanes = [Lane((QueueName(f"q{number}"),), limit) for number, limit in enumerate(limits)]

    allowed = Errand(max_items=most).limited(lanes, taken, now=0.0)

    assert sum(lane.limit for lane in allowed) <= max(0, most - taken)
    assert all(lane.limit > 0 for lane in allowed)
    asked = {queue for lane in allowed for queue in lane.queues}
    assert asked == ({queue for lane in lanes for queue in lane.queues} if taken < most else set())


def test_an_errand_starts_nothing_after_its_time() -> None:
    errand = Errand(until=100.0)

    assert errand.limited([Lane((MAIL,), 6)], 0, now=99.9) == [Lane((MAIL,), 6)]
    assert errand.limited([Lane((MAIL,), 6)], 0, now=100.0) == []


def test_a_time_too_short_to_divide_by_is_bounded_too() -> None:
    pace = a_pace()
    settle(pace, 5e-324)

    assert pace.capacity <= 1 + 512
