"""What the first screen answers, for one daemon and for several."""

from __future__ import annotations

import pytest

from snqmon.feeds.base import Trust
from snqmon.model.cells import Grade
from snqmon.model.fleet_totals import store_of
from snqmon.model.thresholds import Thresholds
from snqmon.model.world import World
from tests.support.views import alarm, busy, daemon_fact, depth, event, flow, memory, queue, store, worker
from tests.support.worlds import ToldFeed, world_of

POSTGRES = "postgresql://snqd@db.example/queue"


def test_a_healthy_daemon() -> None:
    glance = world_of(worker(1), busy(2), queue(), depth(ready=3, lag_seconds=1.5), store()).glance()

    assert glance.title == "main@host"
    assert glance.up.words == "up 1h00m, workers 2/2"
    assert glance.pace.words.startswith("3 ready, worst lag 1.5s in mail")
    assert glance.worst.words == "nothing is in trouble"
    assert glance.trust.words == "LIVE 0.0s, lost 0"
    assert {answer.grade for answer in (glance.up, glance.pace, glance.worst, glance.trust)} == {Grade.GOOD}
    assert len(glance.answers) == 5


def test_before_anything_is_heard() -> None:
    feed = ToldFeed(trust=Trust.WAITING)
    world = World(feed, Thresholds())
    world.observe()

    assert all(answer.words for answer in world.glance().answers)
    assert {answer.grade for answer in world.glance().answers} == {Grade.DIM}


@pytest.mark.parametrize(
    ("facts", "sentence", "place"),
    [
        ([store(connected=False, problem="refused")], "the store has not answered for 1h00m: refused", "daemons"),
        ([worker(1, state="fatal", pid=0)], "no worker of daemon main is running", "daemons"),
        ([worker(1), worker(2, state="fatal", pid=0, exit_reason="boot failed")],
         "worker slot main.2 is given up: boot failed", "workers"),
        ([worker(1), queue(workers=0), depth(ready=4, lag_seconds=2.0)], "queue mail has no worker: 4 items wait",
         "queues"),
        ([worker(1), queue(is_growing=True), depth(ready=1204, lag_seconds=38.0)],
         "queue mail is 38s behind: 1,204 items wait, and they get more", "queues"),
        ([worker(1), queue(drain_seconds=250.0), depth(ready=9, lag_seconds=12.0, is_estimate=True)],
         "queue mail is 12s behind: about 9 items wait, done in 4m10s", "queues"),
        ([worker(1), queue(paused="by ann since noon: repair"), depth(paused=9)],
         "queue mail is paused by ann since noon: repair; 9 items wait", "queues"),
        ([worker(1, beat=1_799_999_969.0)], "worker main.1 is stuck: its loop has not turned for 31s", "workers"),
        ([worker(1), worker(2, state="backoff", pid=0)], "worker main.2 waits before it is started again", "workers"),
        ([worker(1, rss_bytes=96, memory_limit_bytes=100), memory(1, grown_bytes=3, limit_in_seconds=60.0)],
         "worker main.1 has 96B, 96% of its soft limit and reaches it in 1m00s because of mail", "workers"),
        ([worker(1), alarm("canary", "mail")], "alarm canary: mail is bad", "alarms"),
        ([worker(1), store(round_trip_seconds=0.4)], "the store is slow: its smallest question takes 400ms", "daemons"),
    ],
)  # fmt: skip
def test_the_worst_thing_is_told_in_a_sentence(facts: list[object], sentence: str, place: str) -> None:
    worst = world_of(*facts).glance().worst  # type: ignore[arg-type]

    assert worst.words.startswith(sentence)
    assert worst.key == place
    assert worst.row is not None
    assert worst.grade > Grade.GOOD


def test_what_hides_the_others_is_told_first() -> None:
    glance = world_of(
        store(connected=False), worker(1), queue(), depth(ready=5, lag_seconds=900.0), alarm("lag"), alarm("memory"),
    ).glance()  # fmt: skip

    assert glance.worst.words.startswith("the store has not answered")
    assert glance.worst.words.endswith("(and 3 more)")
    grades = [trouble.grade for trouble in glance.troubles]
    assert grades == sorted(grades, reverse=True)


def test_what_needs_somebody_to_act_is_told_before_what_is_to_be_looked_at() -> None:
    late, full = depth(ready=5, lag_seconds=12.0), worker(1, rss_bytes=99, memory_limit_bytes=100)
    glance = world_of(queue(), late, full).glance()

    assert [(trouble.grade, trouble.screen) for trouble in glance.troubles] == [
        (Grade.ACT, "workers"), (Grade.LOOK, "queues"),
    ]  # fmt: skip


def test_the_last_failure_is_quoted() -> None:
    glance = world_of(
        worker(1), queue(),
        event("ItemFailed", 1, seconds_ago=12.0, queue="mail", error="ValueError: boom\n  at x"),
        event("WorkerExited", 2, seconds_ago=1.0, worker="main.1", reason="drained", expected=True),
    ).glance()  # fmt: skip

    assert glance.failing.words.endswith("last 12s ago: ValueError: boom at x (mail)")


def test_a_share_of_failures_is_judged_once_there_are_a_few() -> None:
    feed = ToldFeed()
    world = World(feed, Thresholds())
    for second in range(12):
        feed.tell(worker(1), queue(), flow(handled=second * 3, failed=second))
        world.observe()
        feed.pass_time(1.0)

    assert world.glance().failing.grade is Grade.ACT
    assert "(25%)" in world.glance().failing.words
    assert "queue mail fails: 25% of its handlings within the last minute" in [
        trouble.sentence for trouble in world.glance().troubles
    ]


def test_a_feed_that_is_lost_is_told_and_ages_go_on() -> None:
    feed = ToldFeed(trust=Trust.STALE)
    feed.tell(worker(1), queue(), depth(ready=1, lag_seconds=1.0))
    world = World(feed, Thresholds())
    world.observe()
    feed.pass_time(47.0)
    world.observe()

    glance = world.glance()
    assert glance.trust.words.startswith("STALE 47.0s")
    assert glance.trust.grade is Grade.ACT
    assert glance.worst.words.startswith("daemon main@host has not been heard of for 47s")
    assert glance.up.words.startswith("silent 47s")
    (row,) = world.workers()
    assert row.state == "idle", "that we hear nothing is no fault of the worker"
    assert row.since_seconds == 3647.0


def test_several_daemons_on_one_store_count_it_once() -> None:
    feed = ToldFeed()
    for host, ready in (("one", 5), ("two", 7)):
        feed.tell(worker(1), depth(ready=ready), store(), daemon=f"main@{host}")
        feed.pass_time(1.0)
    other = (worker(1), depth(ready=100), store())
    feed.tell(*other, daemon_fact(other, store="sqlite:///snqd.db"), daemon="main@three")
    world = World(feed, Thresholds())
    world.observe()

    glance = world.glance()
    assert world.has_many_daemons
    assert glance.title == "3 daemons"
    assert glance.totals.ready == 107
    assert glance.up.words.startswith("3 of 3 daemons live, workers 3/")


def test_a_store_that_a_daemon_cannot_reach_is_counted_by_one_that_can() -> None:
    feed = ToldFeed()
    feed.tell(worker(1), depth(ready=5), store(), daemon="main@one")
    feed.pass_time(1.0)
    feed.tell(worker(1), depth(ready=99), store(connected=False), daemon="main@two")
    world = World(feed, Thresholds())
    world.observe()

    assert world.glance().totals.ready == 5
    assert world.glance().worst.words.startswith("main@two: the store has not answered")


@pytest.mark.parametrize(
    ("address", "is_shared"),
    [(POSTGRES, True), ("postgresql://localhost/queue", False), ("postgresql:///queue", False),
     ("sqlite:////var/lib/snqd.db", False), ("", False)],
)  # fmt: skip
def test_which_stores_are_the_same_on_two_hosts(address: str, is_shared: bool) -> None:
    feed = ToldFeed()
    for host in ("one", "two"):
        feed.tell(daemon_fact(store=address), daemon=f"main@{host}")
    world = World(feed, Thresholds())
    world.observe()

    assert (len({store_of(moment) for moment in world.moments.values()}) == 1) is is_shared


def test_courses_of_several_daemons_are_added_up() -> None:
    feed = ToldFeed()
    world = World(feed, Thresholds())
    for second in range(6):
        for host, pace in (("one", 2), ("two", 5)):
            feed.tell(queue(), flow(handled=second * pace), depth(ready=4), daemon=f"main@{host}")
        world.observe()
        feed.pass_time(1.0)

    assert world.glance().course("out")[-1] == 7.0
    assert world.glance().course("ready")[-1] == 4.0


def test_the_short_tables_have_the_worst_first() -> None:
    glance = world_of(
        queue("calm"), queue("late"), queue("deep"), depth("calm"), depth("late", ready=1, lag_seconds=50.0),
        depth("deep", ready=500, lag_seconds=1.0), worker(1), busy(2, seconds=9.0), busy(3, seconds=90.0),
        worker(4, state="fatal", pid=0),
    ).glance()  # fmt: skip

    assert [row.queue for row in glance.worst_queues(2)] == ["late", "deep"]
    assert [row.worker for row in glance.worst_workers(3)] == ["main.4", "main.3", "main.2"]


def test_what_makes_the_figures_doubtful_is_said() -> None:
    feed = ToldFeed()
    feed.tell(worker(1), depth(ready=9, is_estimate=True), is_complete=False)
    world = World(feed, Thresholds())
    world.observe()

    words = world.glance().trust.words
    assert "depths with ~ are estimates" in words
    assert "facts are still coming in" in words


def test_a_legacy_daemon_has_no_depths() -> None:
    world = world_of(daemon_fact(dialect="legacy"), flow(handled=5), worker(1, beat=0.0))

    (row,) = world.queues()
    assert (row.ready, row.lag_seconds, row.dead) == (None, None, None)
    assert row.grade is Grade.GOOD or row.grade is Grade.DIM
    assert "legacy daemons tell neither depths nor lags" in world.glance().trust.words
    assert world.glance().failing.words.endswith("dead letters not known")
