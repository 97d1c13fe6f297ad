"""Schedules as they are declared, what is decided about due times, and what is told of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from snqd.config.catalogue import Declared, Form
from snqd.config.schedules import Key, Schedule, declared_schedules, of_no_site
from snqd.config.schema import Config, ScheduleConfig
from snqd.config.site_image import SiteImage, publish
from snqd.config.site_options import site_options
from snqd.errors import ConfigError
from snqd.telemetry.events import ScheduleMissed, ScheduleRan, ScheduleSkipped
from snqd.telemetry.lines import message_of
from snqd.worker.schedule_events import Told, told_events
from snqd.worker.schedules import Turn, turn_of

if TYPE_CHECKING:
    from pathlib import Path

MINUTELY = Schedule(Key("a", "tick"), "q", "* * * * *", "UTC")
HOUR = 1_800_000_000.0  # a full hour
DAILY = Schedule(Key("a", "nightly"), "q", "0 0 * * *", "UTC")


def site(queues: tuple[str, ...] | None = None, problem: str = "", **schedules: dict[str, Any]) -> Declared:
    return Declared(Form.TOML, "a.toml", problem=problem, queues=queues, schedules=schedules)


def keys(config: Config, **sites: Declared) -> set[str]:
    return {f"{key.site}/{key.name}" for key in declared_schedules(config, sites.items())}


# ---- what is declared


def test_a_schedule_is_of_its_site_or_of_every_site_that_has_the_queue() -> None:
    config = Config(
        schedule={
            "one": ScheduleConfig(queue="q", cron="@daily", site="a"),
            "all": ScheduleConfig(queue="q", cron="@daily", site="*"),
            "off": ScheduleConfig(queue="q", cron="@daily", site="*", enabled=False),
            "lost": ScheduleConfig(queue="q", cron="@daily", site="nobody"),
        }
    )

    found = keys(config, a=site(), b=site(("q",)), c=site(("other",)), d=site(problem="bad"))

    assert found == {"a/one", "a/all", "b/all"}
    (problem,) = of_no_site(config, {"a"})
    assert problem.startswith("schedule.lost is never due: there is no site 'nobody'")


def test_a_site_has_its_own_beside_and_in_place_of_those_for_all() -> None:
    config = Config(schedule={"all": ScheduleConfig(queue="q", cron="@daily", site="*", priority=3)})
    own = {"queue": "q", "cron": "@hourly"}

    found = declared_schedules(config, {"a": site(all=own, more=own), "b": site(all={"enabled": False})}.items())

    assert set(found) == {Key("a", "all"), Key("a", "more")}
    assert (found[Key("a", "all")].cron, found[Key("a", "all")].priority) == ("@hourly", 0)


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("x", "snqd.schedule is 'x': must be a table: write [snqd.schedule.NAME]"),
        ({"n": 1}, "snqd.schedule.n is 1: must be a table"),
        ({"n": {"queue": "q"}}, "snqd.schedule.n has no cron: set snqd.schedule.n.cron"),
        ({"n": {"cron": "@daily"}}, "snqd.schedule.n has no queue"),
        ({"n": {"queue": "q", "corn": 1}}, "unknown key snqd.schedule.n.corn: did you mean snqd.schedule.n.cron?"),
        ({"n": {"queue": "q", "cron": "@daily", "site": "b"}}, "unknown key snqd.schedule.n.site"),
        ({"n": {"queue": "q", "cron": "0 25 * * *"}}, "snqd.schedule.n.cron is '0 25 * * *': the hour (field 2"),
        ({"n": {"queue": "q", "cron": "@daily", "zone": "berlin"}}, "did you mean 'Europe/Berlin'?"),
        ({"n": {"queue": "q", "cron": "@daily", "payload": {"due": 1}}}, "due is added by snqd: name yours otherwise"),
        ({"n": {"queue": "other", "cron": "@daily"}}, "snqd.schedule.n.queue is 'other', which snqd.queues lacks"),
        ({" n": {}}, "schedule name ' n' is not valid"),
    ],
)
def test_a_wrong_schedule_of_a_site_says_what_is_wrong(table: object, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        site_options({"snqd": {"queues": ["q"], "schedule": table}})

    assert problem in str(caught.value)


def test_a_site_can_leave_out_what_it_switches_off() -> None:
    assert site_options({"snqd": {"schedule": {"n": {"enabled": False}}}}).schedules == {"n": {"enabled": False}}


def test_the_image_of_the_sites_keeps_their_schedules(tmp_path: Path) -> None:
    catalogue = {"a": site(("q",), nightly={"queue": "q", "cron": "@daily", "payload": {"n": [1]}}), "b": site()}
    publish(tmp_path / "sites", catalogue)

    image = SiteImage(tmp_path / "sites")

    assert dict(image.items()) == catalogue
    assert image.has_schedules
    publish(tmp_path / "sites", {"b": site()})
    assert not SiteImage(tmp_path / "sites").has_schedules


def test_an_item_says_which_schedule_it_is_of_and_when_it_was_due() -> None:
    schedule = Schedule(Key("a", "nightly"), "q", "0 3 * * *", "Europe/Berlin", {"n": 1}, priority=5, overlap="skip")

    item = schedule.item(HOUR, is_late=False, frame_limit_bytes=1000)
    late = schedule.item(HOUR, is_late=True, frame_limit_bytes=1000)

    assert json.loads(item.frame) == {"n": 1, "schedule": "nightly", "due": "2027-01-15T09:00:00+01:00"}
    assert (item.site, item.queue, item.priority, item.available_at) == ("a", "q", 5, HOUR)
    assert (item.unique_key, MINUTELY.item(HOUR, is_late=False, frame_limit_bytes=99).unique_key) == (
        "schedule nightly",
        None,
    )
    assert (late.frame, late.available_at) == (item.frame, None), "it waits since now, and is no lag of hours"


# ---- what is decided


def test_nothing_is_done_before_a_time_has_come() -> None:
    assert turn_of(DAILY, HOUR, HOUR + 3600) is None
    assert turn_of(MINUTELY, HOUR, HOUR - 100) is None, "the clock was set back"


def test_each_time_that_is_not_missed_gets_an_item() -> None:
    secondly = MINUTELY._replace(cron="* * * * * *")

    assert turn_of(MINUTELY, HOUR, HOUR + 60.01) == Turn(HOUR + 60, (HOUR + 60,))
    assert turn_of(secondly, HOUR, HOUR + 3.5) == Turn(HOUR + 3, (HOUR + 1, HOUR + 2, HOUR + 3))


def test_many_at_once_are_done_in_parts_and_none_is_left_out() -> None:
    secondly = MINUTELY._replace(cron="* * * * * *", missed_after_seconds=1000)
    last_due = HOUR
    done: list[float] = []
    while (turn := turn_of(secondly, last_due, HOUR + 250)) is not None:
        assert len(turn.on_time) <= 100
        done += turn.on_time
        last_due = turn.due

    assert done == [HOUR + number for number in range(1, 251)]


@pytest.mark.parametrize(("missed", "is_made_up"), [("once", True), ("skip", False)])
def test_what_was_missed_is_made_up_for_once_or_not_at_all(missed: str, is_made_up: bool) -> None:
    schedule = DAILY._replace(missed=missed)
    last_due = HOUR - HOUR % 86400

    turn = turn_of(schedule, last_due, last_due + 3 * 86400 + 7200)

    assert turn == Turn(last_due + 3 * 86400, (), 3, last_due + 86400, last_due + 3 * 86400, is_made_up)
    assert turn_of(schedule, turn.due, last_due + 3 * 86400 + 7200) is None


def test_a_time_that_gets_its_item_makes_up_for_those_before() -> None:
    turn = turn_of(MINUTELY, HOUR, HOUR + 600.5)

    assert turn == Turn(HOUR + 600, (HOUR + 600,), 9, HOUR + 60, HOUR + 540)


def test_a_short_outage_misses_nothing() -> None:
    assert turn_of(DAILY, HOUR, 86400 * 20834 + 59) == Turn(86400 * 20834, (86400 * 20834,))
    late = turn_of(DAILY, HOUR, 86400 * 20834 + 61)
    assert late is not None
    assert late.missed == 1
    patient = DAILY._replace(missed_after_seconds=3600)
    assert turn_of(patient, HOUR, 86400 * 20834 + 3000) == Turn(86400 * 20834, (86400 * 20834,))


def test_a_year_of_missed_seconds_is_counted_up_to_a_thousand() -> None:
    secondly = MINUTELY._replace(cron="* * * * * *")

    turn = turn_of(secondly, HOUR - 366 * 86400, HOUR)

    assert turn is not None
    assert (turn.missed, turn.first_missed, turn.last_missed) == (1000, HOUR - 366 * 86400 + 1, HOUR - 60)


# ---- what is told


def test_sites_that_were_due_together_are_one_event() -> None:
    turn = Turn(HOUR, (HOUR,))
    told = [Told(DAILY._replace(key=Key(name, "nightly")), turn, 1, "") for name in "abc"]
    told.append(Told(MINUTELY, Turn(HOUR, (HOUR - 60, HOUR)), 2, ""))

    found = list(told_events("main.1", told))

    who = {"worker": "main.1", "queue": "q", "due": HOUR}
    assert found == [
        ScheduleRan(**who, schedule="nightly", site="", sites=3, items=3),  # type: ignore[arg-type]
        ScheduleRan(**who, schedule="tick", site="a", sites=1, items=2),  # type: ignore[arg-type]
    ]
    assert message_of(found[0]) == (
        "schedule nightly (queue q, 3 sites) was due at 2027-01-15 08:00:00 UTC: 3 items enqueued"
    )


def test_missed_times_are_told_and_whether_they_are_made_up_for() -> None:
    missed = Turn(HOUR, (), 2, HOUR - 86400, HOUR, is_made_up=True)
    told = [Told(DAILY, missed, 1, ""), Told(DAILY, missed._replace(is_made_up=False), 0, "")]

    ran, *found = told_events("main.1", told)

    assert isinstance(ran, ScheduleRan)
    assert [isinstance(event, ScheduleMissed) and event.ran for event in found] == [True, False]
    assert [message_of(event) for event in found] == [
        "schedule nightly (queue q, site a) missed 2 due times, no daemon was there: 2027-01-14 08:00:00 UTC to "
        "2027-01-15 08:00:00 UTC; it runs now in their place",
        "schedule nightly (queue q, site a) missed 2 due times, no daemon was there: 2027-01-14 08:00:00 UTC to "
        "2027-01-15 08:00:00 UTC; nothing runs in their place",
    ]


def test_items_that_are_not_there_are_told_with_their_reason() -> None:
    turn = Turn(HOUR, (HOUR,))
    told = [Told(DAILY, turn, 0, ""), Told(MINUTELY, turn, 0, "frame of 99 bytes is larger than the limit")]

    found = list(told_events("main.1", told))

    assert [isinstance(event, ScheduleSkipped) and event.reason for event in found] == [
        "the item before still waits or runs (overlap = skip)",
        "frame of 99 bytes is larger than the limit",
    ]
