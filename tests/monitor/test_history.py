"""What the monitor remembers: rates when the picture is complete, gaps, boots, workers that fade, bounded courses."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING

import pytest

from snqd.telemetry.fleet import Fleet
from snqd.telemetry.histogram import tally
from snqmon.model import history
from snqmon.model.cells import Grade
from snqmon.model.thresholds import Thresholds
from snqmon.model.world import World
from tests.support.crowds import Crowd
from tests.support.views import NOON, busy, depth, event, flow, memory, queue, store, worker
from tests.support.worlds import ToldFeed

if TYPE_CHECKING:
    from snqd.telemetry.facts import AnyFact
    from snqmon.model.rows import QueueRow


class Watched:
    """One daemon that tells its facts once a second while the monitor looks."""

    def __init__(self) -> None:
        self.feed = ToldFeed()
        self.world = World(self.feed, Thresholds())

    def tell(self, *facts: AnyFact, life: int = 0, is_complete: bool = True) -> None:
        self.feed.tell(*facts, life=life, is_complete=is_complete)
        self.world.observe()
        self.feed.pass_time(1.0)

    @property
    def mail(self) -> QueueRow:
        return next(row for row in self.world.queues() if row.queue == "mail")

    def course(self, figure: str, count: int) -> list[float | None]:
        return [None if isnan(value) else value for value in self.mail.course(figure)[-count:]]


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_rates_are_of_what_the_counters_rose(watched: Watched) -> None:
    for second in range(20):
        watched.tell(queue(), flow(handled=100 + 3 * second, failed=second, retried=0), depth(enqueued=4 * second))

    assert watched.course("out", 3) == [3.0, 3.0, 3.0]
    assert watched.course("in", 3) == [4.0, 4.0, 4.0]
    assert watched.course("failed", 3) == [1.0, 1.0, 1.0]
    assert watched.mail.fail_rate == pytest.approx(1.0)
    assert watched.mail.failed_share == pytest.approx(0.25)


def test_what_comes_while_a_fleet_is_told_first_is_no_rate(watched: Watched) -> None:
    watched.tell(queue(), flow(handled=5), is_complete=False)
    watched.tell(queue(), flow(handled=5), flow(site="b.example", handled=1_000_000), is_complete=False)
    for _ in range(5):
        watched.tell(queue(), flow(handled=5), flow(site="b.example", handled=1_000_000))

    assert watched.mail.track.courses is not None
    assert watched.mail.track.courses.peaks["out"] == 0.0
    assert watched.mail.fail_rate == 0.0


def test_a_picture_that_stays_incomplete_is_noted_after_a_while(watched: Watched) -> None:
    for second in range(15):
        watched.tell(queue(), flow(handled=second), is_complete=False)

    assert watched.course("out", 1) == [1.0]


def test_telemetry_that_is_lost_is_a_gap(watched: Watched) -> None:
    for second in range(10):
        watched.tell(queue(), flow(handled=second))
    for _ in range(8):
        watched.feed.pass_time(1.0)
        watched.world.observe()
    assert watched.course("out", 3) == [None, None, None]

    for second in range(4):
        watched.tell(queue(), flow(handled=100 + second))

    assert watched.course("out", 3) == [1.0, 1.0, 1.0]
    assert None in watched.course("out", 10)
    assert watched.mail.track.courses is not None
    assert watched.mail.track.courses.peaks["out"] == 1.0


def test_a_source_a_little_slower_than_a_second_leaves_no_gaps(watched: Watched) -> None:
    for second in range(40):
        watched.tell(queue(), flow(handled=second * 10))
        watched.feed.pass_time(0.13)

    assert None not in watched.course("out", 30)


def test_a_recording_that_is_played_fast_has_no_gaps(watched: Watched) -> None:
    for second in range(40):
        watched.feed.tell(queue(), flow(handled=second))
        watched.feed.pass_time(1.0)
        if second % 8 == 7:
            watched.world.observe()

    assert watched.course("out", 20) == [1.0] * 20


def test_counters_begin_again_with_a_boot(watched: Watched) -> None:
    for second in range(10):
        watched.tell(queue(), flow(handled=1000 + second))
    for second in range(4):
        watched.tell(queue(), flow(handled=5000 + 2 * second), life=1)

    assert watched.course("out", 3) == [2.0, 2.0, 2.0]
    assert watched.mail.track.courses is not None
    assert watched.mail.track.courses.peaks["out"] == 2.0
    assert watched.mail.out_rate == 0.0, "the hub says this rate itself"


def test_percentiles_are_of_the_last_minute_and_else_since_the_boot(watched: Watched) -> None:
    slow = tuple(number for bucket in tally([3.0] * 50) for number in bucket)
    for _ in range(3):
        watched.tell(queue(), flow(handled=50, run=slow))
    values, is_recent = watched.mail.run
    assert not is_recent
    assert values.p95 == pytest.approx(3.0, rel=0.2)

    both = tuple(number for bucket in tally([0.01] * 50 + [3.0] * 50) for number in bucket)
    for _ in range(3):
        watched.tell(queue(), flow(handled=100, run=both))

    values, is_recent = watched.mail.run
    assert is_recent
    assert values.p95 == pytest.approx(0.01, rel=0.2)
    assert watched.course("run_p95", 4)[-3] == pytest.approx(0.01, rel=0.2)


def test_a_queue_without_items_is_one_too(watched: Watched) -> None:
    watched.tell(queue("mail"), queue("push"), flow("mail"))

    assert [row.queue for row in watched.world.queues()] == ["mail", "push"]


def test_a_worker_that_vanishes_fades_for_a_minute(watched: Watched) -> None:
    watched.tell(worker(1), worker(2))
    for _ in range(60):
        watched.tell(worker(1))
    assert [(row.worker, row.is_gone, row.state) for row in watched.world.workers()] == [
        ("main.1", False, "silent 1m00s"), ("main.2", True, "gone"),
    ]  # fmt: skip

    for _ in range(20):
        watched.tell(worker(1))

    assert [row.worker for row in watched.world.workers()] == ["main.1"]


def test_deaths_are_kept_when_other_events_push_them_out(watched: Watched) -> None:
    death = event("WorkerExited", 1, worker="main.1", pid=4001, reason="killed by signal 9", expected=False)
    watched.tell(worker(1), death)
    for number in range(2, 1000, 100):
        watched.tell(worker(1), *(event("ItemFailed", number + each, item=number) for each in range(100)))
    (row,) = watched.world.workers()

    assert all(found.name == "ItemFailed" for found in watched.world.events())
    assert row.deaths == 1
    assert [found.fields["pid"] for found in row.track.life] == [4001]


def test_a_worker_that_left_as_it_was_asked_to_did_not_die(watched: Watched) -> None:
    watched.tell(worker(1), event("WorkerExited", 1, worker="main.1", pid=4001, reason="drained", expected=True))
    (row,) = watched.world.workers()

    assert row.deaths == 0


def test_the_processor_time_of_a_new_process_begins_anew(watched: Watched) -> None:
    for second in range(10):
        watched.tell(worker(1, pid=10, cpu_seconds=500.0 + second * 0.5))
    assert watched.world.workers()[0].cores == pytest.approx(0.5)

    for second in range(10):
        watched.tell(worker(1, pid=11, cpu_seconds=second * 0.25))

    assert watched.world.workers()[0].cores == pytest.approx(0.25)


def test_the_rates_of_pairs_are_noted_while_somebody_looks(watched: Watched) -> None:
    for second in range(12):
        watched.tell(queue(), flow(handled=second * 2), depth(ready=1))
        watched.world.pairs(daemon="main@host", queue="mail")
    (row,) = watched.world.pairs(daemon="main@host", queue="mail")
    assert row.site == "a.example"
    assert row.out_rate == pytest.approx(2.0)

    for second in range(20):
        watched.tell(queue(), flow(handled=second * 2), depth(ready=1))

    assert not watched.world.moments["main@host"].history.pairs
    assert watched.world.pairs(daemon="nobody@host", queue="mail") == []


def test_courses_are_bounded_and_what_is_opened_has_one(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MOST_COURSES", 10)
    monkeypatch.setattr(history, "MOST_OPENED", 2)
    watched.world = World(watched.feed, Thresholds())
    crowd = Crowd(sites=30, queues=2, workers=1)

    def observe() -> dict[str, bool]:
        crowd.tell(watched.feed)
        watched.world.observe()
        watched.feed.pass_time(1.0)
        return {row.site: row.track.courses is not None for row in watched.world.sites()}

    for _ in range(24):
        observe()
    assert sum(observe().values()) == 8
    assert all(row.out_rate for row in watched.world.sites()), "the others have their rates"

    past = watched.world.moments["main@host"].history
    for site in crowd.sites[-3:]:
        assert past.open("sites", site) is not None
    assert past.open("sites", "nowhere") is None
    assert [site for site in crowd.sites[10:] if observe()[site]] == crowd.sites[-2:]
    assert len(past._turns) == 12

    past.close()
    assert past._flow_budget.left == 10


def test_a_daemon_that_is_forgotten_gives_its_courses_back(watched: Watched) -> None:
    watched.tell(queue(), flow(), worker(1))
    flows, workers = watched.world.histories._flows, watched.world.histories._workers
    assert (flows.left, workers.left) == (history.MOST_COURSES - 2, history.MOST_WORKERS - 1)

    watched.feed.fleet.forget("main@host")
    watched.world.observe()

    assert (flows.left, workers.left) == (history.MOST_COURSES, history.MOST_WORKERS)
    assert watched.world.find("queues", ("main@host", "mail")) is None


def test_a_recording_that_went_elsewhere_begins_anew(watched: Watched) -> None:
    for second in range(5):
        watched.tell(queue(), flow(handled=second * 9))
    watched.feed.fleet = Fleet()
    for second in range(5):
        watched.tell(queue(), flow(handled=second))

    (daemon,) = watched.world.daemons()
    assert daemon.view is watched.feed.fleet.daemons["main@host"]
    assert watched.course("out", 6) == [None, None, 1.0, 1.0, 1.0, 1.0]


def test_a_memory_forecast_is_the_soonest(watched: Watched) -> None:
    watched.tell(
        worker(1, rss_bytes=10, memory_limit_bytes=100), store(),
        memory(1, "mail", grown_bytes=5, limit_in_seconds=900.0),
        memory(1, "push", grown_bytes=9, limit_in_seconds=100.0),
        memory(1, "text", grown_bytes=7, limit_in_seconds=400.0),
        memory(1, "web", grown_bytes=0, limit_in_seconds=-1.0),
    )  # fmt: skip
    (row,) = watched.world.workers()

    assert row.limit_in_seconds == 100.0
    assert [fact.queue for fact in row.memory] == ["push", "text", "mail", "web"]


def test_a_worker_whose_plain_handler_keeps_its_loop_still_is_not_silent(watched: Watched) -> None:
    watched.tell(busy(1, beat=NOON - 300.0), worker(2, beat=NOON - 300.0))

    assert [row.state for row in watched.world.workers()] == ["handling mail", "silent 5m00s"]


def test_a_queue_that_is_paused_may_wait_as_long_as_it_likes(watched: Watched) -> None:
    watched.tell(queue(paused="by ann"), depth(ready=5, lag_seconds=900.0))
    (daemon,) = watched.world.daemons()

    assert daemon.lag_grade is Grade.GOOD
    assert watched.mail.grade is Grade.LOOK


def test_a_site_that_has_the_daemon_for_itself_is_no_noisy_neighbour(watched: Watched) -> None:
    for second in range(5):
        watched.tell(queue(), flow(handled=second, run_seconds=float(second)), depth(ready=9, lag_seconds=1.0))
    (site,) = watched.world.sites()

    assert site.slots_share == 1.0
    assert site.slots_grade is Grade.GOOD
