"""Workers that leave by their own policy: memory, number of items, age; and those that may not even start."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from snqd.items import new_item
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.daemons import Daemon, Place

    MakeDaemon = Callable[..., Daemon]

pytestmark = pytest.mark.fork

LEAK = """
KEPT = []

@handler("leaks")
def leaks(payload, context):
    note("ran", context, n=payload)
    KEPT.append(bytearray(b"x" * 30_000_000))
    time.sleep(0.05)
"""


def test_a_worker_whose_resident_memory_passes_the_limit_is_replaced_between_items(
    make_daemon: MakeDaemon, place: Place
) -> None:
    place.enqueue_all([new_item("leaks", n) for n in range(12)])
    daemon = make_daemon(place, LEAK, daemon={"memory_soft_limit": "150M"})
    place.wait_empty()

    ran = daemon.facts("ran")
    assert sorted(fact["n"] for fact in ran) == list(range(12)), "nothing lost, nothing twice"
    assert {fact["attempt"] for fact in ran} == {1}
    left = daemon.wait_event("MemoryRestart")
    assert left["rss_bytes"] > left["limit_bytes"] == 150 * 1024 * 1024
    gone = daemon.wait_event("WorkerExited")
    assert (gone["code"], gone["expected"], gone["items"]) == (101, True, [])
    assert len({fact["pid"] for fact in ran}) >= 2


def test_a_worker_that_is_born_above_the_limit_is_fatal_and_the_daemon_says_so(
    make_daemon: MakeDaemon, sqlite_place: Place
) -> None:
    source = "LARGE = bytearray(b'x' * 80_000_000)\n" + LEAK
    daemon = make_daemon(sqlite_place, source, daemon={"memory_soft_limit": "60M", "threads": 2}, ready=False)

    assert daemon.wait_exit() == 6

    reasons = [event["reason"] for event in daemon.events("SlotFatal")]
    assert len(reasons) == 2
    assert all("above its memory limit of 62,914,560" in reason for reason in reasons)
    assert len(daemon.events("WorkerSpawned")) == 2, "nobody tried it again and again"
    assert not daemon.events("WorkerReady")


COUNT = """
@handler("q")
def q(payload, context):
    time.sleep(0.01)
    note("ran", context, n=payload)
"""


def test_a_worker_is_replaced_after_so_many_items_or_so_long_and_loses_none(
    make_daemon: MakeDaemon, sqlite_place: Place
) -> None:
    sqlite_place.enqueue_all([new_item("q", n) for n in range(150)])
    daemon = make_daemon(sqlite_place, COUNT, daemon={"max_items": 20, "debug_memory": True})
    sqlite_place.wait_empty()

    assert sorted(fact["n"] for fact in daemon.facts("ran")) == list(range(150))
    exits = daemon.events("WorkerExited")
    assert len(exits) >= 2
    assert all(event["handled"] >= 20 for event in exits), "none leaves before it has done its number"
    assert all(event["code"] == 101 and "20 items" in event["reason"] for event in exits)
    assert daemon.events("WorkerUsage")[0]["rss_bytes"] > 1_000_000

    old = daemon.workers()[0].pid
    daemon.configure(daemon={"max_age_seconds": 0.5})
    daemon.stop()
    daemon.start()
    wait_until(lambda: len([e for e in daemon.events("WorkerExited") if "0.5 s old" in e["reason"]]) >= 2, "two aged")
    assert old not in {worker.pid for worker in daemon.workers()}
    assert not daemon.events("SlotFatal"), "leaving by policy is no crash"


def test_a_handler_that_refuses_to_end_does_not_keep_a_worker_that_leaves(
    make_daemon: MakeDaemon, sqlite_place: Place
) -> None:
    source = """
@handler("stubborn")
async def stubborn(payload, context):
    note("began", context)
    while True:
        try:
            await asyncio.sleep(60)
        except BaseException:
            pass
"""
    sqlite_place.enqueue("stubborn")
    daemon = make_daemon(sqlite_place, source, daemon={"max_age_seconds": 0.5, "grace_seconds": 0.2})

    began = daemon.wait_facts("began", 3, seconds=15)

    assert {fact["attempt"] for fact in began} == {1}, "it was cut short, which uses no attempt"
    assert len({fact["pid"] for fact in began}) == 3
    gone = daemon.wait_event("WorkerExited")
    assert (gone["code"], gone["expected"], gone["items"]) == (101, True, [])
    assert not daemon.events("ItemCrashed")
