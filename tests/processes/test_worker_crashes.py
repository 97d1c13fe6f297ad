"""Workers that die: what they ran pays for it, what they had only claimed does not, and all comes back at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from snqd.items import new_item
from tests.support.processes import wait_until
from tests.support.stopwatch import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from snqd.stores.records import ItemRecord
    from tests.support.daemons import Daemon, Place

    MakeDaemon = Callable[..., Daemon]

pytestmark = pytest.mark.fork

HELD = """
@handler("held", concurrency=3)
async def held(payload, context):
    note("began", context)
    await hold_async("held")
    note("ended", context)

@handler("other")
async def other(payload, context):
    note("other", context)
"""


def test_what_a_killed_worker_held_is_claimable_again_within_a_second(make_daemon: MakeDaemon, place: Place) -> None:
    items = place.enqueue_all([new_item("held", n, site="a.example") for n in range(6)])
    daemon = make_daemon(place, HELD, site={"a.example": {}}, store={"poll_interval_seconds": 30, "sweep_seconds": 30})
    ran = {fact["item"] for fact in daemon.wait_facts("began", 3)}
    (worker,) = daemon.workers()

    watch = Stopwatch()
    worker.kill()
    back = daemon.wait_facts("began", 6)[3:]

    assert watch.until(back[0]["at"]) < 1.0, "and even running again"
    crashed = daemon.wait_events("ItemCrashed", 3)
    assert {event["item"] for event in crashed} == ran
    assert {event["crash_attempts"] for event in crashed} == {1}
    assert all("SIGKILL" in event["error"] for event in crashed)
    for item in place.waiting():
        expected = (1, 1) if item.id in ran else (0, 0)
        assert (item.attempts, item.crash_attempts) == expected, "only what ran pays"
    gone = daemon.wait_event("WorkerExited", pid=worker.pid)
    assert (gone["signal"], gone["expected"], gone["queue"], gone["site"]) == ("SIGKILL", False, "held", "a.example")
    assert set(gone["items"]) == ran

    daemon.open_gate("held")
    place.wait_empty()
    assert {fact["item"] for fact in daemon.facts("ended")} == set(items)
    assert place.dead() == []


def test_a_batch_claimed_by_a_killed_worker_goes_on_with_the_next_one(make_daemon: MakeDaemon, place: Place) -> None:
    source = """
@handler("q")
def q(payload, context):
    note("began", context, n=payload)
    if payload == 150 and context.attempt == 1:
        hold("never")
"""
    place.enqueue_all([new_item("q", n) for n in range(200)])
    daemon = make_daemon(place, source)
    daemon.wait_fact("began", n=150)
    held = [item for item in place.waiting() if item.state == "claimed"]
    running = next(item for item in held if item.frame == b"150")

    killed_at = daemon.workers()[0].kill()
    place.wait_empty()

    by_number: dict[int, list[int]] = {}
    for fact in daemon.facts("began"):
        by_number.setdefault(fact["n"], []).append(fact["attempt"])
    assert sorted(by_number) == list(range(200))
    assert by_number[150] == [1, 2]
    assert [event["item"] for event in daemon.events("ItemCrashed")] == [running.id]
    used = {n: attempts for n, attempts in by_number.items() if n != 150 and set(attempts) != {1}}
    assert used == {}, "neighbours use no attempt"
    twice = {n for n, attempts in by_number.items() if n < 150 and len(attempts) > 1}
    early = [fact["n"] for fact in daemon.facts("began") if fact["n"] in twice and fact["at"] < killed_at - 0.5]
    assert early == [], "what was done well before the death had been acked"


POISON = """
@handler("poison")
def poison(payload, context):
    note("poison", context, how=payload)
    if payload == "kill":
        die()
    if payload == "exit":
        os._exit(3)
    if payload == "exit 100":
        os._exit(100)
    if payload == "segfault":
        ctypes.string_at(0)
    if payload == "sys.exit":
        sys.exit(7)
    if payload == "abort":
        os.abort()

@handler("good", max_attempts=1)
def good(payload, context):
    note("good", context, n=payload)
"""


def test_an_item_that_kills_its_worker_three_times_is_a_dead_letter_and_the_others_are_done(
    make_daemon: MakeDaemon, place: Place
) -> None:
    hows = ("kill", "exit", "exit 100", "segfault", "abort")  # 3 and 100 mean something when a worker says them
    poison = {place.enqueue("poison", how): how for how in hows}
    place.enqueue_all([new_item("good", n) for n in range(100)])

    daemon = make_daemon(place, POISON, daemon={"threads": 2, "respawn_delay_seconds": 0.01, "respawn_limit": 20})
    place.wait_empty(seconds=60)  # fifteen workers die before, and each is replaced

    dead: dict[int, ItemRecord] = {letter.id: letter for letter in place.dead()}
    assert sorted(dead) == sorted(poison)
    for number, how in poison.items():
        letter = dead[number]
        assert (letter.reason, letter.crash_attempts, letter.attempts) == ("crash", 3, 3), how
        assert len(letter.history) == 3
        assert len(daemon.facts("poison", how=how)) == 3
    reasons = {how: dead[number].last_error or "" for number, how in poison.items()}
    assert "SIGKILL" in reasons["kill"]
    assert reasons["exit"] == "a handler ended the process (exit code 3)"
    assert "SIGSEGV" in reasons["segfault"]
    assert "SIGABRT" in reasons["abort"]
    assert sorted(fact["n"] for fact in daemon.facts("good")) == list(range(100))
    assert {fact["attempt"] for fact in daemon.facts("good")} == {1}
    wait_until(lambda: len(daemon.workers()) == 2, "the daemon is whole")
    assert not daemon.events("SlotFatal")
    gone = [event for event in daemon.events("WorkerExited") if event["items"]]
    assert {event["signal"] for event in gone} == {"SIGKILL", "SIGSEGV", "SIGABRT", None}
    assert all(event["queue"] == "poison" and event["site"] == "default" for event in gone)


def test_sys_exit_in_a_handler_is_a_failure_and_not_the_workers_end(make_daemon: MakeDaemon, place: Place) -> None:
    source = """
@handler("plain", max_attempts=1)
def plain(payload, context):
    sys.exit(7)

@handler("threaded", max_attempts=1, concurrency=2)
def threaded(payload, context):
    sys.exit(7)

@handler("pausing", max_attempts=1)
async def pausing(payload, context):
    sys.exit(7)

@handler("interrupt", max_attempts=1)
async def interrupt(payload, context):
    raise KeyboardInterrupt

@handler("plain-interrupt", max_attempts=1)
def plain_interrupt(payload, context):
    raise KeyboardInterrupt
"""
    queues = ("plain", "threaded", "pausing", "interrupt", "plain-interrupt")
    for queue in queues:
        place.enqueue(queue)
    daemon = make_daemon(place, source)
    place.wait_empty()

    errors = {letter.queue: (letter.reason, letter.crash_attempts, letter.last_error) for letter in place.dead()}
    assert errors == {
        queue: ("attempts", 0, "KeyboardInterrupt" if "interrupt" in queue else "SystemExit: 7") for queue in queues
    }
    assert not daemon.events("WorkerExited")


def test_an_outcome_is_reported_soon_although_the_next_item_of_the_batch_takes_long(
    make_daemon: MakeDaemon, place: Place
) -> None:
    """Otherwise a crash of the long one would repeat what was done long before."""
    source = """
@handler("q")
def q(payload, context):
    note("began", context, n=payload)
    if payload == 100:
        hold("long")
"""
    place.enqueue_all([new_item("q", n) for n in range(120)])
    daemon = make_daemon(place, source)
    daemon.wait_fact("began", n=100)

    watch = Stopwatch()
    wait_until(lambda: min(int(item.frame) for item in place.waiting()) == 100, "everything before it is acked")

    assert watch.seconds < 1.0


def test_a_long_item_does_not_keep_items_that_another_worker_could_start(make_daemon: MakeDaemon, place: Place) -> None:
    source = """
@handler("q")
def q(payload, context):
    if payload == "long":
        note("long", context)
        hold("long")
    note("began", context, n=payload)
"""
    place.enqueue_all([new_item("q", n) for n in range(300)])
    place.enqueue("q", "long")
    place.enqueue_all([new_item("q", n) for n in range(1000, 1100)])
    daemon = make_daemon(place, source, daemon={"threads": 2})
    daemon.wait_fact("long")
    place.enqueue_all([new_item("q", n) for n in range(2000, 2050)])

    watch = Stopwatch()
    wait_until(lambda: len(daemon.facts("began")) == 450, "everything but the long one")

    assert watch.seconds < 3.0
    assert {fact["attempt"] for fact in daemon.facts("began")} == {1}
