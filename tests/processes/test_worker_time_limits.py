"""Time limits: every kind of handler is stopped, it fails and does not crash, and its neighbours pay nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from snqd.items import new_item
from tests.support.stopwatch import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from snqd.stores.records import ItemRecord
    from tests.support.daemons import Daemon, Place

    MakeDaemon = Callable[..., Daemon]

pytestmark = pytest.mark.fork

INLINE = """
LIMITS = dict(time_limit_seconds=0.3, max_attempts=2, backoff=AT_ONCE)

@handler("sleeps", **LIMITS)
def sleeps(payload, context):
    note("began", context)
    time.sleep(60)

@handler("loops", **LIMITS)
def loops(payload, context):
    note("began", context)
    while True:
        pass

@handler("swallows", **LIMITS)
def swallows(payload, context):
    note("began", context)
    while True:
        try:
            time.sleep(60)
        except Exception:
            pass

@handler("quick", time_limit_seconds=0.3)
def quick(payload, context):
    note("quick", context, n=payload)

@handler("unlimited", time_limit_seconds=0)
def unlimited(payload, context):
    time.sleep(0.7)
    note("unlimited", context)

@handler("long", time_limit_seconds=300)
def long(payload, context):
    time.sleep(0.7)
    note("long", context)
"""


def test_plain_handlers_past_their_limit_are_stopped_and_fail(make_daemon: MakeDaemon, place: Place) -> None:
    queues = ("sleeps", "loops", "swallows")
    late = {place.enqueue(queue): queue for queue in queues}
    place.enqueue_all([new_item("quick", n) for n in range(50)])
    place.enqueue("unlimited")
    place.enqueue("long")

    daemon = make_daemon(place, INLINE)
    place.wait_empty()

    for letter in place.dead():
        assert (letter.reason, letter.attempts, letter.crash_attempts) == ("attempts", 2, 0), letter
        assert letter.last_error == "TimeLimitExceeded: ran past its limit of 0.3 s"
        assert f"in {late[letter.id]}" in (letter.traceback or ""), "where it was is kept"
    assert sorted(late) == [letter.id for letter in place.dead()]
    assert {fact["attempt"] for fact in daemon.facts("quick")} == {1}
    assert len(daemon.facts("quick")) == 50
    assert len(daemon.facts("unlimited")) == len(daemon.facts("long")) == 1, "another item's timer stops nobody"
    for queue in queues:
        first, second = daemon.facts("began", queue=queue)
        assert second["at"] - first["at"] >= 0.3
    assert not daemon.events("WorkerExited"), "none of this has cost a worker"


def test_a_limit_is_kept_right_after_another_items_limit(make_daemon: MakeDaemon, sqlite_place: Place) -> None:
    source = """
@handler("q", time_limit_seconds=0.05, max_attempts=1)
def q(payload, context):
    note("began", context)
    try:
        time.sleep(60)
    finally:
        note("ended", context)
"""
    sqlite_place.enqueue_all([new_item("q", n) for n in range(8)])
    watch = Stopwatch()
    daemon = make_daemon(sqlite_place, source)
    sqlite_place.wait_empty()

    began, ended = daemon.facts("began"), daemon.facts("ended")
    assert len(began) == len(ended) == 8
    assert max(end["at"] - begin["at"] for begin, end in zip(began, ended, strict=True)) - watch.hindered < 0.6
    assert not daemon.events("WorkerKilled")


UNREACHABLE = """
@handler("gil", time_limit_seconds=0.5, max_attempts=2, backoff=AT_ONCE)
def gil(payload, context):
    note("began", context)
    hold_gil()

@handler("stubborn", time_limit_seconds=0.5, max_attempts=1)
def stubborn(payload, context):
    note("began", context)
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass

@handler("quick")
def quick(payload, context):
    note("quick", context, n=payload)
"""


def test_code_that_never_returns_to_the_interpreter_is_killed_and_fails_without_a_crash(
    make_daemon: MakeDaemon, place: Place
) -> None:
    gil, stubborn = place.enqueue("gil"), place.enqueue("stubborn")
    daemon = make_daemon(place, UNREACHABLE)
    daemon.wait_fact("began", item=gil)
    place.enqueue_all([new_item("quick", n) for n in range(20)])
    place.wait_empty()

    dead: dict[int, ItemRecord] = {letter.id: letter for letter in place.dead()}
    assert sorted(dead) == sorted([gil, stubborn])
    assert (dead[gil].reason, dead[gil].attempts, dead[gil].crash_attempts) == ("attempts", 2, 0)
    assert "time limit" in (dead[gil].last_error or "")
    assert (dead[stubborn].attempts, dead[stubborn].crash_attempts) == (1, 0)
    assert {fact["attempt"] for fact in daemon.facts("quick")} == {1}, "what was claimed beside it uses no attempt"
    killed = daemon.wait_events("WorkerKilled", 3)
    assert all("time limit of item" in event["reason"] for event in killed)
    gone = daemon.wait_event("WorkerExited", items=[gil])
    assert gone["signal"] == "SIGKILL"
    assert "time limit of item" in gone["reason"]
    assert not daemon.events("ItemCrashed")
    first, second = daemon.facts("began", item=gil)
    assert 1.4 < second["at"] - first["at"] < 20.0, "by the one who died, and not when its lease (60 s) was over"


CONCURRENT = """
LIMITS = dict(time_limit_seconds=0.4, max_attempts=2, backoff=AT_ONCE)

@handler("async-sleeps", concurrency=4, **LIMITS)
async def async_sleeps(payload, context):
    note("began", context)
    await asyncio.sleep(60)

@handler("async-swallows", **LIMITS)
async def async_swallows(payload, context):
    note("began", context)
    while True:
        try:
            await asyncio.sleep(60)
        except Exception:
            pass

@handler("own-timeout", max_attempts=1, time_limit_seconds=30)
async def own_timeout(payload, context):
    async with asyncio.timeout(0.01):
        await asyncio.sleep(60)

@handler("thread-loops", concurrency=2, **LIMITS)
def thread_loops(payload, context):
    note("began", context)
    while True:
        time.sleep(0.01)

@handler("steady", concurrency=8, time_limit_seconds=30)
async def steady(payload, context):
    note("steady", context, n=payload)
    await asyncio.sleep(1.5)
    note("steady end", context, n=payload)
"""


def test_concurrent_handlers_past_their_limit_are_stopped_beside_others_that_go_on(
    make_daemon: MakeDaemon, place: Place
) -> None:
    queues = ("async-sleeps", "async-swallows", "thread-loops")
    late = [place.enqueue(queue) for queue in queues]
    own = place.enqueue("own-timeout")
    place.enqueue_all([new_item("steady", n) for n in range(8)])

    daemon = make_daemon(place, CONCURRENT)
    place.wait_empty()

    dead: dict[int, ItemRecord] = {letter.id: letter for letter in place.dead()}
    assert sorted(dead) == sorted([*late, own])
    for number in late:
        assert (dead[number].reason, dead[number].attempts, dead[number].crash_attempts) == ("attempts", 2, 0)
        assert dead[number].last_error == "TimeLimitExceeded: ran past its limit of 0.4 s"
    assert dead[own].last_error == "TimeoutError", "a handler's own timeout is its own failure"
    assert len(daemon.facts("steady")) == len(daemon.facts("steady end")) == 8, "neighbours were not touched"
    assert not daemon.events("WorkerExited")


BLOCKING = """
@handler("blocks-loop", time_limit_seconds=0.5, max_attempts=1)
async def blocks_loop(payload, context):
    note("began", context)
    time.sleep(60)

@handler("blocked-thread", concurrency=2, time_limit_seconds=0.5, max_attempts=1)
def blocked_thread(payload, context):
    note("began", context)
    time.sleep(60)

@handler("beside", concurrency=4, time_limit_seconds=30)
async def beside(payload, context):
    note("beside", context)
    await hold_async("beside")
    note("beside end", context)
"""


@pytest.mark.parametrize("queue", ["blocks-loop", "blocked-thread"])
def test_a_concurrent_handler_that_cannot_be_reached_is_killed_and_its_neighbours_use_no_attempt(
    make_daemon: MakeDaemon, place: Place, queue: str
) -> None:
    beside = [place.enqueue("beside") for _ in range(3)]
    daemon = make_daemon(place, BLOCKING)
    daemon.wait_facts("beside", 3)

    late = place.enqueue(queue)
    killed = daemon.wait_event("WorkerKilled")
    daemon.open_gate("beside")
    place.wait_empty()

    assert f"time limit of item {late}" in killed["reason"]
    (dead,) = place.dead()
    assert (dead.id, dead.reason, dead.attempts, dead.crash_attempts) == (late, "attempts", 1, 0)
    assert sorted(fact["item"] for fact in daemon.facts("beside end")) == beside
    assert {fact["attempt"] for fact in daemon.facts("beside end")} == {1}, "begun again, but no attempt was used"
