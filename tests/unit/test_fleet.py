"""The fold, case by case: lives of a daemon, sessions, what vanishes, and what there is no room for."""

from __future__ import annotations

from typing import Any

from snqd.telemetry.daemon_view import EXPIRY_SECONDS, SESSIONS, SILENCE_SECONDS, DaemonView
from snqd.telemetry.fleet import GONE_SECONDS, Fleet
from snqd.telemetry.tables import Limits
from tests.support.telemetry import (
    BOOT,
    CONNECTION,
    DAEMON,
    DEPTH,
    EVENT,
    FLOW,
    HEADER,
    ONE_OF_EACH,
    QUEUE,
    STORE,
    WORKER,
    apply,
    changed,
    datagram,
)

PAIR = (FLOW.queue, FLOW.site)


def folded(*datagrams: Any, limits: Limits | None = None, now: float = 0.0) -> tuple[Fleet, DaemonView]:
    fleet = Fleet(limits)
    apply(fleet, datagrams, now=now)
    return fleet, fleet.daemons["main@host1"]


def test_every_kind_of_fact_has_its_place() -> None:
    _fleet, view = folded(datagram(*ONE_OF_EACH))

    assert view.daemon == DAEMON
    assert view.store == STORE
    assert view.workers["main.1"] == WORKER
    assert view.flows[PAIR] == FLOW
    assert view.depths[PAIR] == DEPTH
    assert view.queues["mail"] == QUEUE
    assert view.events == [EVENT]
    assert view.alarms.keys() == {("lag", "mail")}
    assert view.memory.keys() == {("main.1", "mail")}
    assert view.canaries.keys() == {"mail"}
    assert (view.key, view.source, view.sent_at) == ("main@host1", "192.0.2.1:5480", HEADER.sent_at)


def test_a_late_datagram_changes_what_is_older_and_not_what_is_newer() -> None:
    newer = changed(FLOW, handled=20)
    _fleet, view = folded(datagram(newer, sequence=3), datagram(FLOW, QUEUE, sequence=2))

    assert view.flows[PAIR] == newer
    assert view.queues["mail"] == QUEUE
    assert (view.received, view.late, view.repeated) == (2, 1, 0)


def test_a_repeated_datagram_is_counted_and_nothing_else() -> None:
    _fleet, view = folded(datagram(FLOW, EVENT), datagram(FLOW, EVENT))

    assert (view.received, view.repeated, view.late, view.lost) == (2, 1, 0, 0)
    assert view.events == [EVENT]


def test_a_respawned_hub_takes_over_and_its_events_begin_again_at_1() -> None:
    first, second = changed(EVENT, message="of the first hub"), changed(EVENT, message="of the second")
    _fleet, view = folded(
        datagram(FLOW, QUEUE, first, sequence=500),
        datagram(changed(FLOW, handled=30), second, sender=BOOT + 9, sequence=1),
        datagram(changed(FLOW, handled=10), changed(EVENT, number=2), sequence=501),
    )

    assert view.flows[PAIR].handled == 30
    assert view.queues["mail"] == QUEUE  # until it expires: the new hub has not come to it yet
    assert view.events == [first, second]
    assert (view.outdated, view.lost) == (1, 0)


def test_a_view_is_complete_when_the_present_hub_has_told_everything() -> None:
    daemon = changed(DAEMON, workers=1, flows=1, depths=1, queues=1)
    fleet, view = folded(datagram())
    complete = []
    for each in (
        datagram(daemon, WORKER, FLOW, DEPTH, sequence=2),
        datagram(QUEUE, sequence=3),
        datagram(daemon, WORKER, FLOW, QUEUE, sender=BOOT + 9),
        datagram(DEPTH, sender=BOOT + 9, sequence=2),
    ):
        apply(fleet, [each])
        complete.append(view.is_complete)

    assert complete == [False, True, False, True]


def test_a_view_is_not_complete_without_every_connection() -> None:
    fleet, view = folded(datagram(changed(DAEMON, connections=2), CONNECTION))
    assert not view.is_complete

    apply(fleet, [datagram(changed(CONNECTION, name="update@b.example"), sequence=2)])
    assert view.is_complete


def test_a_new_boot_replaces_everything_but_the_last_events() -> None:
    _fleet, view = folded(
        datagram(*ONE_OF_EACH, sequence=7),
        datagram(QUEUE, boot=BOOT + 99, sender=BOOT + 99),
        datagram(FLOW, sequence=8),
    )

    assert view.boot == BOOT + 99
    assert view.queues == {"mail": QUEUE}
    assert view.daemon is None
    assert not view.flows
    assert view.totals().handled == 0
    assert view.events == [EVENT]


def test_an_earlier_boot_is_believed_after_silence_since_clocks_are_set_back() -> None:
    fleet, view = folded(datagram(FLOW, boot=BOOT + 99))
    apply(fleet, [datagram(QUEUE)], now=SILENCE_SECONDS)
    assert not view.queues

    apply(fleet, [datagram(QUEUE)], now=SILENCE_SECONDS + 1)
    assert view.queues
    assert not view.flows


def test_a_new_session_takes_over_and_late_datagrams_of_the_old_one_do_not() -> None:
    _fleet, view = folded(
        datagram(FLOW, sequence=900, session=1),
        datagram(changed(FLOW, handled=30), sequence=1, session=2, sent_at=HEADER.sent_at + 1),
        datagram(changed(FLOW, handled=9), EVENT, sequence=901, session=1),
    )

    assert view.flows[PAIR].handled == 30
    assert view.events == [EVENT]
    assert view.lost == 0


def test_a_datagram_of_an_unknown_older_session_does_not_take_over() -> None:
    _fleet, view = folded(
        datagram(changed(FLOW, handled=30), session=2, sent_at=HEADER.sent_at + 1), datagram(FLOW, session=1)
    )

    assert view.flows[PAIR].handled == 30


def test_of_two_living_sessions_the_other_is_used_when_the_first_falls_silent() -> None:
    fleet, view = folded(datagram(FLOW, session=1), datagram(FLOW, session=2))
    news = changed(FLOW, handled=30)
    apply(fleet, [datagram(news, session=1, sequence=2)], now=SILENCE_SECONDS)
    assert view.flows[PAIR] == FLOW

    apply(fleet, [datagram(news, session=1, sequence=3)], now=SILENCE_SECONDS + 1)
    assert view.flows[PAIR] == news


def test_losses_of_earlier_hubs_stay_counted() -> None:
    _fleet, view = folded(
        datagram(), datagram(sequence=5), datagram(sender=BOOT + 9), datagram(sender=BOOT + 9, sequence=3)
    )

    assert view.lost == 4


def test_losses_of_sessions_that_are_forgotten_stay_counted() -> None:
    fleet, view = folded(datagram(FLOW, session=1), datagram(FLOW, session=1, sequence=5))
    for session in range(2, SESSIONS + 5):
        apply(fleet, [datagram(session=session, sequence=number) for number in (1, 3)])

    assert view.lost == 3 + SESSIONS + 3


def tick(fleet: Fleet, *facts: Any, begin: int, seconds: int, step: float = 1.0) -> None:
    for number in range(seconds):
        at = HEADER.sent_at + (begin + number) * step
        apply(fleet, [datagram(*facts, sequence=begin + number, sent_at=at)])


def test_facts_that_are_not_told_again_expire_by_the_clock_of_the_daemon() -> None:
    fleet, view = folded(datagram(FLOW, DEPTH, WORKER, QUEUE, STORE))
    tick(fleet, WORKER, begin=2, seconds=round(EXPIRY_SECONDS) - 1)
    assert view.flows

    tick(fleet, WORKER, begin=20, seconds=3)

    assert not any((view.flows, view.depths, view.queues, view.store))
    assert view.workers
    assert view.totals().handled == 0
    assert not view.queue_totals()
    assert fleet.facts == 1


def test_what_expired_does_not_count_for_completeness() -> None:
    other = changed(FLOW, site="b.example")
    daemon = changed(DAEMON, flows=2)
    fleet, view = folded(datagram(daemon, FLOW, other))
    assert view.is_complete

    tick(fleet, daemon, FLOW, begin=2, seconds=20)

    assert not view.is_complete


def test_a_late_datagram_does_not_bring_back_what_expired() -> None:
    fleet, view = folded(datagram(FLOW))
    tick(fleet, WORKER, begin=3, seconds=20)
    assert not view.flows

    apply(fleet, [datagram(FLOW, sequence=2)])

    assert not view.flows


def test_nothing_expires_while_nothing_comes_nor_by_one_leap_of_the_clock() -> None:
    fleet, view = folded(datagram(FLOW), datagram(WORKER, sequence=2, sent_at=HEADER.sent_at + 2))
    apply(fleet, [datagram(WORKER, sequence=3, sent_at=HEADER.sent_at + 3600)], now=3600.0)

    assert view.flows


def test_a_clock_that_is_set_back_stops_nothing() -> None:
    fleet, view = folded(datagram(FLOW, sent_at=HEADER.sent_at + 3600))
    apply(fleet, [datagram(changed(FLOW, handled=30), QUEUE, sequence=2)])
    assert view.flows[PAIR].handled == 30

    tick(fleet, QUEUE, begin=3, seconds=18)

    assert not view.flows
    assert view.queues


def test_only_the_latest_events_are_kept_and_those_pushed_out_do_not_come_back() -> None:
    fleet, view = folded(datagram(), limits=Limits(events=10))
    events = [changed(EVENT, number=number) for number in range(1, 31)]
    apply(fleet, [datagram(each, sequence=number + 2) for number, each in enumerate(events)])
    apply(fleet, [datagram(each, sequence=number + 50) for number, each in enumerate(events)])

    assert view.events == events[-10:]
    assert view.events_taken == 30
    assert fleet.facts == 10


def test_an_event_that_is_late_is_put_in_its_place() -> None:
    two, three = changed(EVENT, number=2), changed(EVENT, number=3)

    _fleet, view = folded(datagram(EVENT, three, sequence=2), datagram(two, sequence=1))

    assert view.events == [EVENT, two, three]


def test_a_late_event_finds_its_place_among_as_many_as_are_kept() -> None:
    numbers = (1, 3, 4, 5)
    fleet, view = folded(datagram(*(changed(EVENT, number=each) for each in numbers)), limits=Limits(events=4))

    apply(fleet, [datagram(changed(EVENT, number=2), sequence=2)])

    assert [event.number for event in view.events] == [2, 3, 4, 5]


def test_a_late_event_older_than_all_that_are_kept_is_not_taken() -> None:
    numbers = (3, 4, 5, 6)
    fleet, view = folded(datagram(*(changed(EVENT, number=each) for each in numbers)), limits=Limits(events=4))

    apply(fleet, [datagram(changed(EVENT, number=2), sequence=2)])

    assert [event.number for event in view.events] == [3, 4, 5, 6]


def test_an_event_that_was_pushed_out_for_want_of_room_does_not_come_back_when_there_is_some() -> None:
    two, three = changed(EVENT, number=2), changed(EVENT, number=3)
    fleet, view = folded(datagram(FLOW, EVENT, two), datagram(three, sequence=2), limits=Limits(facts=3))
    tick(fleet, begin=3, seconds=20)
    assert not view.flows

    apply(fleet, [datagram(EVENT, sequence=50)])

    assert view.events == [two, three]


def test_there_are_limits_per_daemon_and_what_is_beyond_is_counted() -> None:
    flows = [changed(FLOW, site=f"site{number}") for number in range(8)]

    fleet, view = folded(datagram(*flows), datagram(*flows, sequence=2), limits=Limits(pairs=5))

    assert list(view.flows.values()) == flows[:5]
    assert view.refused == 6
    assert view.totals().handled == 5 * FLOW.handled
    assert fleet.facts == 5


def test_all_daemons_together_have_a_limit_too_and_known_facts_are_still_renewed() -> None:
    fleet, view = folded(datagram(FLOW, QUEUE, EVENT), limits=Limits(facts=3))
    apply(fleet, [datagram(changed(FLOW, handled=9), WORKER, changed(EVENT, number=2), sequence=2)])
    apply(fleet, [datagram(FLOW, EVENT, daemon="other")])

    assert view.flows[PAIR].handled == 9
    assert not view.workers
    assert [event.number for event in view.events] == [2]
    assert fleet.daemons["other@host1"].refused == 2
    assert fleet.facts == 3


def test_too_many_daemons_are_refused_until_one_is_gone() -> None:
    fleet, _view = folded(datagram(FLOW), limits=Limits(daemons=2))
    apply(fleet, [datagram(FLOW, daemon="second")], now=1.0)
    apply(fleet, [datagram(FLOW, daemon="third")], now=2.0)
    assert fleet.daemons.keys() == {"main@host1", "second@host1"}
    assert fleet.refused == 1

    apply(fleet, [datagram(FLOW, daemon="third")], now=GONE_SECONDS + 1.0)

    assert fleet.daemons.keys() == {"third@host1", "second@host1"}
    assert fleet.facts == 2


def test_a_daemon_that_is_gone_makes_room_for_facts_but_not_itself_when_it_comes_back() -> None:
    fleet, view = folded(datagram(FLOW, QUEUE), limits=Limits(facts=2))
    apply(fleet, [datagram(FLOW, sequence=2)], now=GONE_SECONDS + 1)
    assert fleet.daemons["main@host1"] is view
    assert view.flows

    apply(fleet, [datagram(FLOW, daemon="other")], now=2 * GONE_SECONDS + 3)
    assert fleet.daemons.keys() == {"other@host1"}


def test_a_daemon_can_be_forgotten() -> None:
    fleet, _view = folded(datagram(*ONE_OF_EACH))

    fleet.forget("main@host1")
    fleet.forget("main@host1")

    assert not fleet.daemons
    assert fleet.facts == 0


def test_unknown_facts_are_counted() -> None:
    _fleet, view = folded(datagram(FLOW)._replace(unknown=3))

    assert view.unknown == 3


def test_totals_have_percentiles_and_the_highest_lag() -> None:
    slow = changed(FLOW, site="b.example", run=(80, 8))
    deep = changed(DEPTH, site="b.example", lag_seconds=7.0, is_estimate=True)
    fleet, view = folded(datagram(FLOW, slow, DEPTH, deep))

    mail = view.queue_totals()["mail"]
    assert (mail.handled, mail.ready, mail.lag_seconds, mail.estimates) == (16, 6, 7.0, 1)
    quick, long = mail.run_quantile(0.1), mail.run_quantile(0.9)
    assert quick is not None
    assert long is not None
    assert quick < 0.01 < long
    assert view.site_totals()["a.example"].wait_quantile(0.5) is not None

    apply(fleet, [datagram(changed(deep, lag_seconds=1.0), sequence=2)])
    assert view.queue_totals()["mail"].lag_seconds == DEPTH.lag_seconds


def test_changes_are_not_gathered_for_ever_when_nobody_asks_for_totals() -> None:
    fleet, view = folded(datagram())
    for number in range(60):
        flows = [changed(FLOW, site=f"{number} {place}") for place in range(200)]
        apply(fleet, [datagram(*flows, sequence=number + 2, sent_at=HEADER.sent_at + number)])

    assert len(view._flows.changed) < 6000
    assert view.totals().handled == len(view.flows) * FLOW.handled
