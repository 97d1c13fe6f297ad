from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snqd.telemetry.alarms import Alarms, Latch
from snqd.telemetry.rules import AlarmRules, QueueRules
from tests.support.views import (
    NOON,
    Stage,
    busy,
    canary,
    connection,
    depth,
    event,
    flow,
    memory,
    pause,
    queue,
    schedule,
    store,
    worker,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from snqd.telemetry.facts import AlarmFact, AnyFact

RULES = AlarmRules()
HEALTHY = (store(), worker(1), worker(2), queue())


class Watch:
    """Alarms of one daemon, looked at once a second."""

    def __init__(self, rules: AlarmRules = RULES) -> None:
        self.alarms = Alarms(rules)
        self.stage = Stage()
        self.changes: list[AlarmFact] = []

    def look(self, *facts: AnyFact) -> list[AlarmFact]:
        changes = self.alarms.judge(self.stage.show(*facts), self.stage.now)
        self.changes += changes
        return changes

    def look_for(self, seconds: int, *facts: AnyFact) -> list[AlarmFact]:
        """One look a second, at the same facts; what changed meanwhile."""
        changes = []
        for _ in range(seconds):
            changes += self.look(*facts)
            self.stage.now += 1.0
        return changes


def names(changes: list[AlarmFact]) -> list[tuple[str, str, bool]]:
    return [(each.name, each.subject, each.is_raised) for each in changes]


# what raises an alarm, and what a person is told


def test_a_daemon_that_is_well_has_no_alarm() -> None:
    watch = Watch()

    watch.look_for(120, *HEALTHY, flow(claimed=50, handled=50), depth(ready=5, lag_seconds=0.5), canary())

    assert watch.changes == []
    assert watch.alarms.facts() == []


def test_the_lag_of_a_queue_is_an_alarm() -> None:
    watch = Watch()
    overdue = depth(ready=1200, lag_seconds=372.0), depth(site="b.example", ready=4, lag_seconds=3.0)

    (raised,) = watch.look(*HEALTHY, flow(claimed=50), *overdue)

    assert raised.message == (
        "the oldest of 1,204 ready items in queue mail has waited 6m12s (alarm from 5m): snqd why mail"
    )
    assert (raised.name, raised.subject, raised.value, raised.threshold) == ("lag", "mail", 372.0, 300.0)
    assert (raised.is_raised, raised.since) == (True, NOON)


def test_a_queue_may_have_a_threshold_of_its_own() -> None:
    watch = Watch(replace(RULES, queues={"mail": QueueRules(lag_seconds=30.0), "bulk": QueueRules(lag_seconds=0.0)}))

    changes = watch.look(
        *HEALTHY, queue("bulk"), depth(ready=1, lag_seconds=31.0), depth("bulk", ready=1, lag_seconds=1e6)
    )

    assert names(changes) == [("lag", "mail", True)]


def test_what_is_paused_is_not_late_and_not_stalled() -> None:
    watch = Watch()

    watch.look_for(400, *HEALTHY, pause("mail", "a.example"), depth(paused=500), depth(site="b.example"))

    assert watch.changes == []


def test_a_paused_queue_may_wait() -> None:
    watch = Watch()

    watch.look_for(90, *HEALTHY, queue(paused="by anna"), depth(ready=5, lag_seconds=9000.0))

    assert watch.changes == []


def test_half_of_the_handlings_failing_is_an_alarm() -> None:
    watch = Watch()
    watch.look_for(10, *HEALTHY, flow(handled=10_000, failed=9000))

    changes = watch.look(*HEALTHY, flow(handled=10_010, failed=9025, retried=5))

    assert names(changes) == [("failures", "mail", True)]
    assert changes[0].message == (
        "25 of the last 40 handlings in queue mail failed within five minutes (62%, alarm from 50%): "
        "snqd items list --queue mail --state scheduled"
    )


def test_a_few_failures_are_too_few_for_a_ratio() -> None:
    watch = Watch()
    watch.look(*HEALTHY, flow())

    watch.look_for(60, *HEALTHY, flow(handled=1, failed=18))

    assert watch.changes == []


def test_failures_stay_an_alarm_while_the_handler_is_called_rarely() -> None:
    watch = Watch()
    watch.look(*HEALTHY, flow())
    watch.look_for(290, *HEALTHY, flow(failed=30))

    changes = watch.look_for(60, *HEALTHY, flow(failed=33))  # of the last 33 handlings, 30 were longer ago

    assert names(watch.changes) == [("failures", "mail", True)]
    assert changes == []


def test_failures_longer_ago_than_five_minutes_are_past() -> None:
    watch = Watch()
    watch.look(*HEALTHY, flow())
    watch.look_for(30, *HEALTHY, flow(failed=40))

    watch.look_for(320, *HEALTHY, flow(failed=40))

    assert names(watch.changes) == [("failures", "mail", True), ("failures", "mail", False)]
    assert watch.changes[1].message == "queue mail: 0% of the handlings within five minutes failed"


def test_what_failed_before_the_hub_began_is_not_judged() -> None:
    watch = Watch()

    watch.look_for(30, *HEALTHY, flow(failed=1000, dead_lettered=1000))

    assert watch.changes == []


def test_the_first_items_of_a_new_queue_are_judged() -> None:
    watch = Watch()
    watch.look_for(5, *HEALTHY)

    changes = watch.look(*HEALTHY, flow("new", dead_lettered=3, failed=3))

    assert names(changes) == [("dead_letters", "new", True)]


def test_workers_that_die_often_are_an_alarm() -> None:
    watch = Watch()
    deaths = [event("WorkerExited", number, worker="main.1", expected=False) for number in range(1, 8)]
    watch.look_for(10, *HEALTHY, *deaths[:5])

    changes = watch.look(*HEALTHY, *deaths)

    assert names(changes) == [("respawns", "main", True)]
    assert changes[0].message == "7 workers died within a minute (alarm from 6): snqd status"


def test_workers_that_are_replaced_on_purpose_are_no_alarm() -> None:
    watch = Watch()

    watch.look(*HEALTHY, *(event("WorkerExited", n, worker="main.1", expected=True) for n in range(1, 50)))

    assert watch.changes == []


def test_a_fatal_slot_is_an_alarm_at_once_and_is_over_when_the_slot_is_closed() -> None:
    watch = Watch()
    fatal = worker(2, state="fatal", pid=0, exit_reason="could not start: no module 'pil'")

    (raised,) = watch.look(store(), worker(1), fatal)
    watch.look_for(11, store(), worker(1), worker(2, state="closed", pid=0))

    assert raised.message == (
        "worker main.2 is given up until the daemon is reloaded: could not start: no module 'pil' (snqd status)"
    )
    assert names(watch.changes) == [("fatal", "main.2", True), ("fatal", "main.2", False)]
    assert watch.changes[1].message == "worker main.2 is not given up any more"


def test_items_beside_idle_workers_that_nobody_claims_are_an_alarm() -> None:
    watch = Watch()

    changes = watch.look_for(31, *HEALTHY, flow(claimed=9), depth(ready=3, lag_seconds=200.0))

    assert names(changes) == [("stalled", "mail", True)]
    assert changes[0].message == (
        "3 items could be claimed in queue mail and 2 workers are idle, yet none has been claimed for 30s "
        "(alarm from 30s): snqd why mail"
    )
    assert changes[0].since == NOON + 30


@pytest.mark.parametrize(
    "facts",
    [
        (store(), busy(1), busy(2), queue(), depth(ready=3, lag_seconds=200.0)),
        (store(), worker(1), queue(), depth(ready=3, lag_seconds=5.0)),
        (store(), worker(1, phase="draining"), queue(), depth(ready=3, lag_seconds=200.0)),
        (store(), worker(1), queue(held_back="site a.example is at its limit"), depth(ready=3, lag_seconds=200.0)),
    ],
    ids=["all are busy", "others take the old items", "the worker leaves", "a limit holds it back"],
)
def test_it_is_not_stalled_when(facts: tuple[AnyFact, ...]) -> None:
    watch = Watch()

    watch.look_for(60, *facts, flow(claimed=9))

    assert watch.changes == []


def test_it_is_not_stalled_when_something_is_claimed_now_and_then() -> None:
    watch = Watch()

    for claimed in range(4):
        watch.look_for(25, *HEALTHY, flow(claimed=claimed), depth(ready=3, lag_seconds=200.0))

    assert watch.changes == []


def test_a_queue_that_nobody_serves_is_an_alarm_when_its_items_wait() -> None:
    watch = Watch()
    unserved = depth("push", ready=5, lag_seconds=70.0)

    changes = watch.look_for(62, *HEALTHY, queue("push", workers=0, has_handler=False), unserved)

    assert names(changes) == [("no_handler", "push", True)]
    assert changes[0].message == (
        "5 items have waited 1m00s in queue push since no handler is registered for it (alarm from 1m): snqd why push"
    )


def test_a_group_that_nobody_serves_is_told_apart_from_a_handler_that_is_missing() -> None:
    watch = Watch()

    (raised,) = watch.look_for(62, *HEALTHY, queue("push", workers=0), depth("push", ready=1, lag_seconds=70.0))

    assert raised.message == (
        "1 item has waited 1m00s in queue push since no worker here serves it, although it has a handler "
        "(alarm from 1m): snqd why push"
    )


@pytest.mark.parametrize("elsewhere", [{"in_flight": 1}, {"lag_seconds": 2.0}])
def test_a_queue_that_another_daemon_works_is_no_alarm_here(elsewhere: dict[str, Any]) -> None:
    watch = Watch()
    there = depth("push", **({"ready": 5, "lag_seconds": 100.0} | elsewhere))

    watch.look_for(120, *HEALTHY, queue("push", workers=0, has_handler=False), there)

    assert watch.changes == []


def test_new_dead_letters_are_an_alarm_for_a_minute() -> None:
    watch = Watch()
    watch.look(*HEALTHY, flow(dead_lettered=7))

    watch.look_for(90, *HEALTHY, flow(dead_lettered=8))

    assert names(watch.changes) == [("dead_letters", "mail", True), ("dead_letters", "mail", False)]
    assert watch.changes[0].message == (
        "1 item of queue mail became a dead letter within a minute (alarm from 1): snqd dead list --queue mail"
    )


def test_a_store_that_does_not_answer_is_an_alarm() -> None:
    watch = Watch()

    changes = watch.look_for(7, worker(1), store(connected=False, since=NOON, problem="connection refused"))

    assert names(changes) == [("store", "postgres", True)]
    assert changes[0].message == (
        "the store has not answered for 5.0s (connection refused) (alarm from 5s): snqd schema status"
    )


def test_while_the_store_is_away_what_it_said_is_not_judged() -> None:
    watch = Watch()
    waiting = depth(ready=3, lag_seconds=250.0), canary(sent=2, returned=1, last_sent=NOON - 5, last_returned=NOON - 20)
    away = store(connected=False, since=NOON + 1)
    watch.look(*HEALTHY, *waiting)
    watch.stage.now += 1

    watch.look_for(200, worker(1), queue(), *waiting, away)
    watch.look_for(20, worker(1), queue(), *waiting, store(since=watch.stage.now))

    assert {each.name for each in watch.changes} == {"store"}


def test_an_alarm_outlives_the_time_in_which_it_cannot_be_judged() -> None:
    watch = Watch()
    overdue = depth(ready=3, lag_seconds=400.0)
    watch.look_for(2, *HEALTHY, flow(claimed=1), overdue)

    watch.look_for(60, worker(1), queue(), overdue, store(connected=False, since=watch.stage.now))

    assert names(watch.changes) == [("lag", "mail", True), ("store", "postgres", True)]


def test_a_memory_limit_that_comes_near_is_an_alarm() -> None:
    watch = Watch()
    little = memory(2, "mail", grown_bytes=2 * 2**20, items=9, limit_in_seconds=240.0)
    much = memory(2, "resize", grown_bytes=120 * 2**20, items=4000, limit_in_seconds=240.0)

    changes = watch.look(*HEALTHY, memory(1, limit_in_seconds=3600.0), much, little)

    assert names(changes) == [("memory", "main.2", True)]
    assert changes[0].message == (
        "worker main.2 reaches its soft memory limit in 4m00s (alarm below 10m), 120 MiB more after 4,000 items of "
        "queue resize: snqd status"
    )


def test_a_memory_limit_that_is_far_again_clears_the_alarm() -> None:
    watch = Watch()
    watch.look_for(1, *HEALTHY, memory(limit_in_seconds=0.0))

    watch.look_for(30, *HEALTHY, memory(limit_in_seconds=700.0))  # 600 / 700 is above the share that clears
    assert names(watch.changes) == [("memory", "main.1", True)]
    watch.look_for(12, *HEALTHY, memory(limit_in_seconds=-1.0))

    assert names(watch.changes)[1:] == [("memory", "main.1", False)]


def test_a_canary_that_does_not_come_back_is_an_alarm() -> None:
    watch = Watch()
    facts = [canary(sent=9, returned=8, last_sent=NOON + at, last_returned=NOON - 1) for at in (0, 30, 60)]
    watch.look_for(30, *HEALTHY, facts[0])
    watch.look_for(30, *HEALTHY, facts[1])

    (raised,) = watch.look(*HEALTHY, facts[2])

    assert raised.message == "the canary of queue mail has not come back for 1m00s (alarm from 1m): snqd why mail"


def test_a_canary_that_is_sent_rarely_is_not_missed_in_between() -> None:
    watch = Watch()

    watch.look_for(400, *HEALTHY, canary(sent=9, returned=9, last_sent=NOON, last_returned=NOON + 0.1))

    assert watch.changes == []


@pytest.mark.parametrize(
    "paused", [queue(paused="by anna"), pause("mail"), pause(site="default"), pause("mail", "default")]
)
def test_a_canary_has_its_time_anew_when_it_is_not_paused_any_more(paused: AnyFact) -> None:
    watch = Watch()
    out = canary(sent=9, returned=8, last_sent=NOON, last_returned=NOON - 1)
    watch.look_for(100, *HEALTHY, paused, out)

    watch.look_for(50, *HEALTHY, out)

    assert watch.changes == []


# hysteresis


def test_an_alarm_is_cleared_only_when_its_figure_has_stayed_good() -> None:
    watch = Watch()
    watch.look_for(1, *HEALTHY, flow(claimed=1), depth(ready=1, lag_seconds=300.0))
    watch.look_for(30, *HEALTHY, flow(claimed=2), depth(ready=1, lag_seconds=241.0))  # above four fifths
    watch.look_for(9, *HEALTHY, flow(claimed=3), depth(ready=1, lag_seconds=239.0))
    watch.look_for(1, *HEALTHY, flow(claimed=4), depth(ready=1, lag_seconds=241.0))
    assert names(watch.changes) == [("lag", "mail", True)]

    watch.look_for(11, *HEALTHY, flow(claimed=5), depth(ready=1, lag_seconds=2.0))

    assert names(watch.changes)[1:] == [("lag", "mail", False)]
    assert watch.changes[1].message == "queue mail: the oldest ready item has waited 2.0s"


def test_what_is_raised_is_told_with_its_figure_as_it_is_now_and_what_is_cleared_for_a_minute() -> None:
    watch = Watch()
    watch.look_for(5, *HEALTHY, flow(claimed=1), depth(ready=1, lag_seconds=300.0))
    watch.look(*HEALTHY, flow(claimed=2), depth(ready=1, lag_seconds=311.0))
    (raised,) = watch.alarms.facts()
    assert (raised.value, raised.since) == (311.0, NOON)

    watch.look_for(30, *HEALTHY, flow(claimed=3), depth())
    (cleared,) = watch.alarms.facts()
    assert not cleared.is_raised

    watch.look_for(60, *HEALTHY, flow(claimed=3), depth())
    assert watch.alarms.facts() == []


def test_a_queue_that_is_gone_has_no_alarm_any_more() -> None:
    watch = Watch()
    watch.look_for(2, *HEALTHY, queue("old", workers=0), depth("old", ready=1, lag_seconds=400.0))

    watch.look_for(60, *HEALTHY)  # the fold forgets what is not told for fifteen seconds

    assert names(watch.changes) == [("lag", "old", True), ("lag", "old", False)]
    assert watch.changes[1].message == "queue old: nothing is overdue"


def test_a_service_that_is_not_connected_is_told_with_its_reason_and_once_for_all_its_connections() -> None:
    watch = Watch()
    watch.look_for(30, *HEALTHY, connection(), connection("update@b.example"))
    why = "cannot connect to xmpp.example:5222"
    gone: dict[str, Any] = {"state": "backing off", "since": watch.stage.now, "problem": why}
    away = [connection(**gone), connection("update@b.example", **{**gone, "since": watch.stage.now + 5.0})]
    assert watch.look_for(59, *HEALTHY, *away) == []

    (alarm,) = watch.look_for(60, *HEALTHY, *away)
    assert names([alarm]) == [("connection", "xmpp", True)]
    assert alarm.message == (
        "xmpp is not connected as update@a.example and 1 other for 1m00s (alarm from 1m): "
        "cannot connect to xmpp.example:5222"
    )
    (over,) = watch.look_for(20, *HEALTHY, connection(), connection("update@b.example"))
    assert (names([over]), over.message) == ([("connection", "xmpp", False)], "xmpp is connected")


def test_a_schedule_on_which_no_daemon_acts_is_an_alarm_until_one_does() -> None:
    watch = Watch()
    assert watch.look(*HEALTHY, schedule(overdue_seconds=299.0), schedule("weekly")) == []

    (alarm,) = watch.look(*HEALTHY, schedule(overdue_seconds=420.0), schedule("weekly"))
    assert (names([alarm]), alarm.value) == ([("schedule", "nightly", True)], 420.0)
    assert alarm.message == (
        "schedule nightly of site a.example for queue mail has been overdue for 7m00s and no daemon acts on it "
        "(main@db7 did last) (alarm from 5m): snqd schedule list"
    )
    away = store(connected=False, since=watch.stage.now)
    assert names(watch.look_for(20, worker(1), away, schedule())) == [("store", "postgres", True)], (
        "it is not known now"
    )
    (over,) = [each for each in watch.look_for(20, *HEALTHY, schedule()) if each.name == "schedule"]
    assert (over.is_raised, over.message) == (False, "schedule nightly is not overdue any more")


def test_a_schedule_that_is_never_due_is_told_with_what_is_wrong() -> None:
    nowhere = schedule(sites=0, site="", declared_by="", overdue_seconds=600.0, problem="there is no site 'x'")

    (alarm,) = Watch().look(*HEALTHY, nowhere)

    assert alarm.message == (
        "schedule nightly for queue mail has been overdue for 10m00s: there is no site 'x' (alarm from 5m): "
        "snqd config check"
    )


def test_an_alarm_that_is_turned_off_is_cleared() -> None:
    watch = Watch()
    overdue = (*HEALTHY, flow(claimed=1), depth(ready=1, lag_seconds=400.0))
    watch.look_for(2, *overdue)

    watch.alarms.rules = replace(RULES, lag_seconds=0.0, stalled_seconds=0.0)
    watch.look_for(12, *overdue)

    assert names(watch.changes) == [("lag", "mail", True), ("lag", "mail", False)]


@pytest.mark.parametrize(
    "off",
    [
        "lag_seconds", "failure_ratio", "respawns_per_minute", "stalled_seconds", "no_handler_seconds",
        "dead_letters_per_minute", "store_seconds", "memory_seconds", "canary_seconds",
        "connection_seconds", "schedule_seconds",
    ],
)  # fmt: skip
def test_nought_turns_an_alarm_off(off: str) -> None:
    def everything(rules: AlarmRules) -> set[str]:
        watch = Watch(rules)
        deaths = [event("WorkerExited", number, expected=False) for number in range(1, 9)]
        bad: list[AnyFact] = [
            worker(1), memory(limit_in_seconds=1.0), flow(failed=50, dead_lettered=50), *deaths,
            depth(ready=1, lag_seconds=400.0), queue("push", workers=0), depth("push", ready=1, lag_seconds=400.0),
            queue(), canary(sent=1, last_sent=NOON), connection(state="backing off"),
            schedule(overdue_seconds=400.0),
        ]  # fmt: skip
        watch.look(worker(1))
        watch.look_for(62, store(), *bad)
        watch.look_for(8, store(connected=False, since=watch.stage.now), *bad)
        return {each.name for each in watch.changes}

    kind = off.removesuffix("_seconds").removesuffix("_per_minute").replace("failure_ratio", "failures")
    without = replace(RULES, **{off: 0.0})  # type: ignore[arg-type]
    assert everything(RULES) - everything(without) == {kind}


@settings(deadline=None)
@given(
    strains=st.lists(st.floats(0, 2) | st.sampled_from([0.79, 0.8, 1.0, float("nan"), float("inf")]), max_size=200),
    steps=st.lists(st.floats(0, 30), min_size=200, max_size=200),
    clear_share=st.floats(0.1, 1.0),
    hold_seconds=st.floats(0, 60),
)
def test_a_latch_never_flaps(strains: list[float], steps: list[float], clear_share: float, hold_seconds: float) -> None:
    latch, now, changes = Latch(), 0.0, []

    for strain, step in zip(strains, steps, strict=False):
        now += step
        if latch.step(strain, now, clear_share=clear_share, hold_seconds=hold_seconds):
            changes.append((now, latch.is_raised, strain))

    assert [is_raised for _, is_raised, _ in changes] == [at % 2 == 0 for at in range(len(changes))]
    assert all(later - earlier >= hold_seconds for (earlier, *_), (later, *_) in itertools.pairwise(changes))
    assert all(strain >= 1.0 if is_raised else strain < clear_share for _, is_raised, strain in changes)


_FIGURES: tuple[Callable[[int], AnyFact], ...] = (
    lambda level: depth(ready=level, lag_seconds=level * 40.0),
    lambda level: flow(claimed=level, failed=level * 10, handled=100 - level * 10, dead_lettered=level),
    lambda level: store(connected=level % 2 == 0, since=NOON - level * 3),
    lambda level: worker(1, state=("running", "fatal", "closed")[level % 3]),
    lambda level: memory(limit_in_seconds=level * 100.0 - 1),
    lambda level: canary(sent=2, last_sent=NOON - 50, last_returned=NOON - 40 * (level % 3)),
    lambda level: queue(workers=level % 2, has_handler=level % 3 > 0, paused="" if level % 5 else "by anna"),
)


_STEPS = (0.0, 1.0, 3.0, 9.875, 10.0, 61.0, -5.0)  # sums of them are exact


@given(
    st.lists(st.tuples(st.sampled_from(_STEPS), st.dictionaries(st.integers(0, 6), st.integers(0, 10))), max_size=60)
)
def test_no_figures_make_an_alarm_flap(looks: list[tuple[float, dict[int, int]]]) -> None:
    watch = Watch()
    told: dict[tuple[str, str], list[tuple[float, bool]]] = {}
    elapsed = 0.0

    for step, levels in looks:
        watch.stage.now += step
        elapsed += max(0.0, step)
        for change in watch.look(*(_FIGURES[kind](level) for kind, level in levels.items())):
            told.setdefault((change.name, change.subject), []).append((elapsed, change.is_raised))

    for changes in told.values():
        assert [is_raised for _, is_raised in changes] == [at % 2 == 0 for at in range(len(changes))]
        times = [at for at, _ in changes]
        assert all(later - earlier >= RULES.hold_seconds for earlier, later in itertools.pairwise(times))


def test_a_clock_that_is_set_back_delays_no_alarm() -> None:
    watch = Watch()
    watch.look_for(2, *HEALTHY, flow(claimed=1), depth(ready=1, lag_seconds=400.0))

    watch.stage.now -= 7200
    watch.look_for(14, *HEALTHY, flow(claimed=2), depth())

    assert names(watch.changes) == [("lag", "mail", True), ("lag", "mail", False)]
