from __future__ import annotations

import re

import pytest

from snqd.telemetry.health import Code, Kind, health
from tests.support.views import (
    NOON,
    alarm,
    busy,
    daemon_fact,
    depth,
    flow,
    queue,
    store,
    view_of,
    worker,
)

WELL = (store(), worker(1, rss_bytes=1000, respawns=1), busy(2), queue(), flow(handled=120, failed=3, dead_lettered=1))
WAITING = depth(ready=12, scheduled=3, in_flight=1, dead=4, lag_seconds=3.25)
PERFDATA = re.compile(r"[a-z_]+=-?\d+(\.\d+)?(s|B|c)?(;(\d+)?){0,4}")


def test_a_daemon_that_is_well_is_ok_with_its_figures() -> None:
    answer = health(view_of(*WELL, WAITING), "full", NOON)

    assert answer.code == 0
    assert answer.line == ("SNQD OK: daemon main: 2 workers, the store answers, 12 items ready, the oldest for 3.2s")
    assert answer.perfdata == (
        "workers=2;;;0;2 busy=1;;;0 ready=12;;;0 scheduled=3;;;0 in_flight=1;;;0 lag=3.25s;;;0 dead=4;;;0 "
        "handled=120c;;;0 failed=3c;;;0 dead_lettered=1c;;;0 respawns=1c;;;0 rss=1000B;;;0 store=0.0012s;;;0 "
        "alarms=0;;;0"
    )
    assert str(answer) == f"{answer.line} | {answer.perfdata}"


@pytest.mark.parametrize("kind", ["live", "ready", "full"])
def test_figures_have_the_form_of_nagios_plugins(kind: Kind) -> None:
    answer = health(view_of(*WELL, WAITING, alarm("lag")), kind, NOON + 1)

    assert all(PERFDATA.fullmatch(figure) for figure in answer.perfdata.split(" "))


@pytest.mark.parametrize("kind", ["live", "ready", "full"])
def test_nothing_is_said_of_a_daemon_that_is_not_known(kind: Kind) -> None:
    assert health(None, kind, NOON) == (3, "SNQD UNKNOWN: nothing is known of the daemon yet", "")


@pytest.mark.parametrize(("kind", "code"), [("live", 2), ("ready", 3), ("full", 3)])
def test_a_hub_that_does_not_turn_is_not_live_and_its_facts_are_not_present(kind: Kind, code: int) -> None:
    answer = health(view_of(*WELL), kind, NOON + 42)

    assert answer == (code, f"SNQD {Code(code).name}: daemon main has not been heard of for 42s", "silence=42s;;;0")


def test_a_daemon_lives_also_when_its_store_is_away_and_its_workers_are_fatal() -> None:
    view = view_of(daemon_fact(hub_rss_bytes=5), store(connected=False), worker(state="fatal"), alarm("store"))

    answer = health(view, "live", NOON)

    assert answer == (0, "SNQD OK: daemon main lives", "silence=0s;;10;0 uptime=3600s;;;0 hub_rss=5B;;;0")


def test_a_daemon_is_ready_when_a_worker_claims_and_the_store_answers() -> None:
    answer = health(view_of(*WELL, alarm("lag")), "ready", NOON)

    assert (answer.code, answer.line) == (0, "SNQD OK: daemon main: 2 workers, the store answers")


@pytest.mark.parametrize(
    "one",
    [
        worker(state="starting", phase="starting"),
        worker(phase="draining"),
        worker(state="fatal"),
        worker(beat=NOON - 60),
    ],
    ids=["starting", "draining", "fatal", "stuck"],
)
def test_a_daemon_whose_workers_do_not_claim_is_not_ready(one: object) -> None:
    answer = health(view_of(store(), one), "ready", NOON)  # type: ignore[arg-type]

    assert (answer.code, answer.line) == (2, "SNQD CRITICAL: daemon main: no worker claims")


def test_a_worker_that_a_long_handler_keeps_is_ready() -> None:
    assert health(view_of(store(), busy(seconds=600, beat=NOON - 600)), "ready", NOON).code == 0


def test_a_daemon_without_its_store_is_not_ready() -> None:
    away = store(connected=False, since=NOON - 8, problem="connection refused")

    answer = health(view_of(worker(), away), "ready", NOON)

    assert answer.line == ("SNQD CRITICAL: daemon main: the store has not answered for 8.0s (connection refused)")
    assert "store=" not in answer.perfdata


def test_a_store_that_has_not_been_asked_is_not_known() -> None:
    answer = health(view_of(worker()), "ready", NOON)

    assert (answer.code, answer.line) == (3, "SNQD UNKNOWN: daemon main: the store has not been asked yet")


@pytest.mark.parametrize("name", ["failures", "respawns", "fatal", "dead_letters", "memory"])
def test_somebody_should_look(name: str) -> None:
    answer = health(view_of(*WELL, alarm(name)), "full", NOON)

    assert (answer.code, answer.line) == (1, f"SNQD WARNING: daemon main: warning {name}: mail is bad")


@pytest.mark.parametrize("name", ["lag", "stalled", "no_handler", "store", "canary", "connection", "schedule"])
def test_work_is_not_done(name: str) -> None:
    answer = health(view_of(*WELL, alarm("fatal", "main.2", since=NOON - 900), alarm(name)), "full", NOON)

    assert answer.code == 2
    assert answer.line == (f"SNQD CRITICAL: daemon main: critical {name}: mail is bad; warning fatal: main.2 is bad")


def test_an_alarm_that_is_over_is_not_counted() -> None:
    assert health(view_of(*WELL, alarm("lag", is_raised=False)), "full", NOON).code == 0


def test_a_daemon_that_is_not_ready_is_critical_whatever_its_alarms_are() -> None:
    answer = health(view_of(store(), worker(state="fatal"), alarm("fatal", "main.1")), "full", NOON)

    assert (answer.code, answer.line) == (
        2, "SNQD CRITICAL: daemon main: no worker claims; warning fatal: main.1 is bad",
    )  # fmt: skip


def test_what_is_known_to_be_bad_is_worse_than_what_is_not_known() -> None:
    answer = health(view_of(worker(), alarm("memory")), "full", NOON)

    assert answer.code == 1


def test_many_alarms_are_counted_and_not_listed() -> None:
    answer = health(view_of(*WELL, *(alarm("lag", f"queue{number}") for number in range(8))), "full", NOON)

    assert answer.line.count("critical lag") == 5
    assert answer.line.endswith("; and 3 alarms more")


def test_a_name_cannot_begin_the_figures_or_another_line() -> None:
    answer = health(view_of(*WELL, alarm("lag", "a|b=1\nc\x1b[2J")), "full", NOON)

    assert answer.line == "SNQD CRITICAL: daemon main: critical lag: a/b=1 c [2J is bad"
