"""`snqd drain`: works what is ready and leaves, for hosts that have only cron."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from snqd.items import new_item
from tests.support.stopwatch import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.daemons import Daemon, Place

    MakeDaemon = Callable[..., Daemon]

pytestmark = pytest.mark.fork

SOURCE = """
@handler("q", max_attempts=1)
def q(payload, context):
    note("ran", context, n=payload)
    if payload == "bad":
        raise ValueError("bad item")
    if payload == "deadly" and context.attempt == 1:
        die()
    if payload == "feeds":
        context.enqueue("q", "fed")
    if payload == "slow":
        time.sleep(0.2)

@handler("pausing")
async def pausing(payload, context):
    note("ran", context, n=payload)
"""


def test_drain_handles_everything_that_is_ready_and_leaves(make_daemon: MakeDaemon, place: Place) -> None:
    cron = make_daemon(place, SOURCE, start=False, daemon={"threads": 2})
    place.enqueue_all([new_item(queue, n) for queue in ("q", "pausing") for n in range(50)])
    place.enqueue("q", "feeds")
    later = place.enqueue("q", "later", delay_seconds=600)

    done = cron.command("drain", "--json")

    assert done.code == 0, done
    report = json.loads(done.out)
    assert (report["handled"], report["failed"], report["remaining"]) == (102, 0, 0)
    assert cron.facts("ran", n="fed"), "what a handler adds is handled too"
    assert [item.id for item in place.waiting()] == [later], "it does not wait for what is not due"
    assert done.err == "", "nothing to mail"

    watch = Stopwatch()
    assert cron.command("drain").code == 0
    assert watch.seconds < 5


def test_drain_stops_at_its_limits_and_its_exit_code_says_that_work_remains(
    make_daemon: MakeDaemon, place: Place
) -> None:
    cron = make_daemon(place, SOURCE, start=False, daemon={"threads": 2})
    place.enqueue_all([new_item("q", n) for n in range(30)])

    done = cron.command("drain", "--max-items", "7", "--json")
    assert done.code == 10
    assert json.loads(done.out)["handled"] == 7
    assert json.loads(done.out)["remaining"] == 23
    assert len(cron.facts("ran")) == 7

    place.enqueue_all([new_item("q", "slow") for _ in range(200)])
    watch = Stopwatch()
    done = cron.command("drain", "--max-seconds", "4")  # from when it is asked for: workers must have begun by then
    assert done.code == 10
    assert watch.seconds < 9, "all of it takes 20"
    assert len(cron.facts("ran", n="slow")) >= 2
    left = place.waiting()
    assert left
    assert {(item.state, item.attempts, item.crash_attempts) for item in left} == {("ready", 0, 0)}


def test_drain_tells_failures_and_repairs_a_crash_by_itself(make_daemon: MakeDaemon, place: Place) -> None:
    cron = make_daemon(place, SOURCE, start=False)
    deadly = place.enqueue("q", "deadly")
    bad = place.enqueue("q", "bad")
    place.enqueue_all([new_item("q", n) for n in range(20)])

    done = cron.command("drain", "--json")

    assert done.code == 11, done
    report = json.loads(done.out)
    assert (report["handled"], report["dead_lettered"], report["remaining"]) == (21, 1, 0)
    assert "Traceback" not in done.out
    assert place.waiting() == [], "the item that killed its worker was done by the next one"
    assert [letter.id for letter in place.dead()] == [bad]
    assert len(cron.facts("ran", item=deadly)) == 2
    assert {fact["n"] for fact in cron.facts("ran")} == {"deadly", "bad", *range(20)}


def test_drain_gives_a_poison_item_up_and_leaves(make_daemon: MakeDaemon, sqlite_place: Place) -> None:
    source = """
@handler("q")
def q(payload, context):
    note("ran", context, n=payload)
    if payload == "poison":
        die()
"""
    cron = make_daemon(sqlite_place, source, start=False, daemon={"respawn_delay_seconds": 0.01})
    sqlite_place.enqueue("q", "poison")
    sqlite_place.enqueue_all([new_item("q", n) for n in range(5)])

    done = cron.command("drain", "--json")

    (dead,) = sqlite_place.dead()
    assert (dead.reason, dead.crash_attempts) == ("crash", 3)
    assert sqlite_place.waiting() == []
    assert done.code == 11, done
    assert json.loads(done.out)["dead_lettered"] == 1
