"""`snqd schedule`, with no daemon in sight, and what the other commands say of schedules."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from snqd.stores.schedules import Due, Wanted

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.daemons import Daemon, Ended, Place

    MakeDaemon = Callable[..., Daemon]

SCHEDULES = {
    "nightly": {"queue": "report", "cron": "30 2 * * *", "zone": "Europe/Berlin"},
    "digest": {"queue": "mail", "cron": "@daily", "site": "*", "payload": {"kind": "digest"}, "overlap": "skip"},
}
HANDLER = """
@handler("q")
def q(payload, context): ...
"""
SITES = {"default": {"x": 1}, "b": {"x": 1}}


@pytest.fixture
def snqd(make_daemon: MakeDaemon, place: Place) -> Callable[..., Ended]:
    return make_daemon(place, start=False, schedule=SCHEDULES, site=SITES).command


def columns(line: str) -> list[str]:
    return [word.strip() for word in line.split("  ") if word.strip()]


def test_schedules_are_listed_with_what_they_mean_and_when_they_are_due(
    snqd: Callable[..., Ended], place: Place
) -> None:
    header, digest, nightly = snqd("schedule", "list").out.splitlines()

    assert columns(header) == ["NAME", "SITE", "QUEUE", "CRON", "ZONE", "LAST RUN", "NEXT RUN", "MEANS"]
    assert columns(digest)[:6] == ["digest", "2 sites", "mail", "@daily", "UTC", "-"]
    assert columns(digest)[-1] == "At 00:00 every day"
    assert columns(nightly)[:6] == ["nightly", "default", "report", "30 2 * * *", "Europe/Berlin", "-"]

    assert len(snqd("schedule", "list", "--site", "b").out.splitlines()) == 2
    assert snqd("schedule", "list", "--site", "nobody").out == "site nobody has no schedules\n"
    found = [json.loads(line) for line in snqd("schedule", "list", "--json").out.splitlines()]
    assert [(each["name"], each["site"], each["last_run"]) for each in found] == [
        ("digest", "b", None),
        ("digest", "default", None),
        ("nightly", "default", None),
    ]


def test_what_nobody_has_acted_on_is_overdue_and_what_others_declare_says_so(
    snqd: Callable[..., Ended], place: Place
) -> None:
    with place.open() as store:
        ours, theirs = (
            Wanted("default", "nightly", "report", "30 2 * * * Europe/Berlin"),
            Wanted("z", "x", "q", "@daily UTC"),
        )
        kept = store.keep_schedules([ours, theirs], "main@elsewhere")
        long_ago = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
        store.run_schedules([Due("default", "nightly", kept.rows[0].last_due, long_ago, ())], "main@elsewhere")

    lines = {columns(line)[0]: line for line in snqd("schedule", "list").out.splitlines()}

    assert "2026-01-01 01:30:00+00:00 overdue" in lines["nightly"]
    assert lines["x"].endswith("declared by main@elsewhere")


def test_a_schedule_is_run_by_hand(snqd: Callable[..., Ended], place: Place) -> None:
    assert snqd("schedule", "run", "nightly").out == "1 item enqueued for queue report\n"
    (item,) = place.waiting(queue="report")
    payload = json.loads(item.frame)
    assert payload["schedule"] == "nightly"
    assert abs(datetime.fromisoformat(payload["due"]).timestamp() - item.created) < 60

    several = snqd("schedule", "run", "digest")
    assert (several.code, several.err) == (
        2,
        "snqd: error: schedule digest has 2 sites: say --site SITE, or --all (see 'snqd schedule run --help')\n",
    )
    assert snqd("schedule", "run", "digest", "--site", "b").out == "1 item enqueued for queue mail\n"
    both = snqd("schedule", "run", "digest", "--all").out.splitlines()
    assert both == [
        "site b: the item before still waits or runs (overlap = skip)",
        "1 item enqueued for queue mail",
    ]
    assert sorted(item.site for item in place.waiting(queue="mail")) == ["b", "default"]
    assert snqd("schedule", "run", "digest", "--all").code == 1


def test_the_last_run_by_hand_is_listed(snqd: Callable[..., Ended], place: Place) -> None:
    with place.open() as store:
        store.keep_schedules([Wanted("default", "nightly", "report", "30 2 * * * Europe/Berlin")], "main@here")

    snqd("schedule", "run", "nightly")

    (found,) = (json.loads(line) for line in snqd("schedule", "list", "--json").out.splitlines() if "nightly" in line)
    assert found["last_run"] is not None


def test_due_times_to_come_are_said_in_words_and_by_the_clocks_there(snqd: Callable[..., Ended]) -> None:
    words, *times = snqd("schedule", "next", "nightly", "--count", "3").out.splitlines()
    tried = snqd("schedule", "next", "--cron", "0 0 29 2 *", "--count", "1").out.splitlines()

    assert words == "At 02:30 every day (Europe/Berlin)"
    assert len(times) == 3
    assert all(" 02:30:00+0" in line or " 03:00:00+02:00" in line for line in times)
    assert tried[0] == "At 00:00 on February 29 (UTC)"
    assert "-02-29 00:00:00+00:00  in " in tried[1]


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (("next",), 2, "say NAME, or --cron with or without --zone (see 'snqd schedule next --help')"),
        (("next", "nightly", "--zone", "UTC"), 2, "say NAME, or --cron with or without --zone"),
        (("next", "nihgtly"), 1, "there is no schedule 'nihgtly': did you mean 'nightly'?"),
        (("run", "nightly", "--site", "b"), 1, "there is no schedule 'nightly' of site b: there are digest"),
        (
            ("next", "--cron", "0 25 * * *"),
            2,
            "cron is \"0 25 * * *\": the hour (field 2, column 3) is '25': must be 0",
        ),
        (("next", "--cron", "@daily", "--zone", "x/y"), 2, 'zone is "x/y": no such time zone: '),
    ],
)
def test_what_is_wrong_is_one_line(snqd: Callable[..., Ended], words: tuple[str, ...], code: int, problem: str) -> None:
    done = snqd("schedule", *words)

    assert (done.code, done.out) == (code, "")
    assert done.err.startswith(f"snqd: error: {problem}")
    assert done.err.count("\n") == 1


def test_a_wrong_schedule_of_the_configuration_is_told_with_its_place(make_daemon: MakeDaemon, place: Place) -> None:
    schedules = {"a": {"cron": "0 25 * * *"}, "b": {"queue": "q", "corn": "* * * * *", "payload": {"due": 1}}}
    daemon = make_daemon(place, start=False, schedule=schedules)

    done = daemon.command("config", "check")

    problems = [line.partition("snqd.toml:")[2].partition(": ")[2] for line in done.err.splitlines()]
    assert problems == [
        "schedule.a.cron is \"0 25 * * *\": the hour (field 2, column 3) is '25': must be 0 to 23; or *, lists, "
        "a-b, */step",
        "unknown key schedule.b.corn: did you mean schedule.b.cron?",
        "schedule.b.payload is {'due': 1}: due is added by snqd: name yours otherwise",
        'schedule.a has no queue: set schedule.a.queue, as in queue = "mail"',
        'schedule.b has no cron: set schedule.b.cron, as in cron = "30 2 * * *"',
    ]


def test_a_schedule_of_a_site_that_is_not_there_is_told(make_daemon: MakeDaemon, place: Place) -> None:
    schedule = {"lost": {"queue": "q", "cron": "@daily", "site": "nobody"}}
    daemon = make_daemon(place, HANDLER, start=False, schedule=schedule)

    check, listed = daemon.command("config", "check"), daemon.command("schedule", "list")

    problem = "schedule.lost is never due: there is no site 'nobody': correct schedule.lost.site ('*' = every site)\n"
    assert (check.code, check.err) == (2, f"snqd: error: {problem}")
    assert (listed.code, listed.out, listed.err) == (0, "there are no schedules\n", f"snqd: {problem}")


def test_who_only_empties_the_queues_adds_nothing_to_them(make_daemon: MakeDaemon, place: Place) -> None:
    daemon = make_daemon(place, HANDLER, start=False, schedule={"tick": {"queue": "q", "cron": "* * * * * *"}})
    place.enqueue("q")

    done = daemon.command("drain")

    assert done.code == 0, done
    with place.open() as store:
        assert store.schedules() == []
    assert place.waiting() == []
