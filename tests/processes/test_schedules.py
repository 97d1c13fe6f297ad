"""Schedules in real daemons: one item of each due time, over restarts, deaths, hosts and changes of configuration."""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from snqd.stores.schedules import Wanted
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.daemons import Daemon, Place

    MakeDaemon = Callable[..., Daemon]

pytestmark = pytest.mark.fork

SOURCE = """
@handler("q")
def q(payload, context):
    note("ran", context, **payload)

@handler("slow")
def slow(payload, context):
    note("slow", context, **payload)
    hold("slow")
"""
EACH_SECOND = {"queue": "q", "cron": "* * * * * *", "missed_after_seconds": 3600}
LONG_AGO = "2001-09-09 01:46:40"


def due_times(place: Place, *daemons: Daemon, schedule: str = "tick", site: str = "default") -> Counter[float]:
    """How many items each due time has had. (One item may run twice, when its worker is killed.)"""
    waiting = {record.id: record.frame for record in place.waiting(site=site)}
    payloads = {item: json.loads(frame) for item, frame in waiting.items()}
    payloads |= {fact["item"]: fact for daemon in daemons for fact in daemon.facts("ran", site=site)}
    found = [payload["due"] for payload in payloads.values() if payload["schedule"] == schedule]
    return Counter(datetime.fromisoformat(due).timestamp() for due in found)


def wait_due(until: float, *daemons: Daemon) -> None:
    """Until items of all due times up to `until` have run."""

    def newest() -> float:
        facts = [fact["due"] for daemon in daemons for fact in daemon.facts("ran")]
        return max((datetime.fromisoformat(due).timestamp() for due in facts), default=0.0)

    wait_until(lambda: newest() >= until, f"an item that was due at {until} or later", seconds=60)


def assert_each_second_once(found: Counter[float]) -> None:
    assert found == Counter(range(int(min(found)), int(max(found)) + 1))


def make_last_due_long_ago(place: Place) -> None:
    """As if no daemon had been there since 2001."""
    if place.kind == "postgres":
        place.sql(f"UPDATE queue_schedule SET last_due = '{LONG_AGO}+00', last_run = NULL")
    else:
        place.sql("UPDATE queue_schedule SET last_due = 1e9, last_run = NULL")


def test_each_due_time_has_one_item_over_the_death_of_a_worker_and_a_restart(
    make_daemon: MakeDaemon, place: Place
) -> None:
    daemon = make_daemon(place, SOURCE, daemon={"threads": 2}, schedule={"tick": EACH_SECOND})
    daemon.wait_facts("ran", 2)

    daemon.watch_holder().kill()
    wait_due(time.time() + 1, daemon)
    daemon.stop()
    daemon.start()
    wait_due(time.time() + 1, daemon)

    daemon.stop()
    assert_each_second_once(due_times(place, daemon))


def test_two_daemons_share_the_due_times_and_one_goes_on_when_the_other_is_killed(
    make_daemon: MakeDaemon, postgres_place: Place
) -> None:
    """As on two hosts: they have nothing in common but the database."""
    one, two = (
        make_daemon(postgres_place, SOURCE, folder=name, daemon={"name": name}, schedule={"tick": EACH_SECOND})
        for name in ("one", "two")
    )
    wait_due(time.time() + 3, one, two)

    one.kill_group()
    wait_due(time.time() + 3, two)

    two.stop()
    assert_each_second_once(due_times(postgres_place, one, two))
    assert two.events("ScheduleRan")


@pytest.mark.parametrize("missed", ["once", "skip"])
def test_what_was_missed_while_no_daemon_was_there_is_told_and_made_up_for(
    make_daemon: MakeDaemon, place: Place, missed: str
) -> None:
    schedule = {"queue": "q", "cron": "0 0 1 1 *", "missed": missed}
    with place.open() as store:
        store.keep_schedules([Wanted("default", "yearly", "q", "0 0 1 1 * UTC")], "main@another")
    make_last_due_long_ago(place)

    daemon = make_daemon(place, SOURCE, schedule={"yearly": schedule})

    event = daemon.wait_event("ScheduleMissed")
    assert (event["schedule"], event["site"], event["ran"]) == ("yearly", "default", missed == "once")
    this_year = datetime.now(UTC).year
    assert (event["times"], event["first"]) == (this_year - 2001, datetime(2002, 1, 1, tzinfo=UTC).timestamp())
    if missed == "once":
        assert daemon.wait_fact("ran")["due"] == f"{this_year}-01-01T00:00:00+00:00"
    daemon.stop()
    daemon.start()
    daemon.wait_ready(2)
    wait_until(lambda: not place.waiting(), "nothing waits")
    daemon.stop()
    assert len(daemon.events("ScheduleMissed")) == 1, "it is told once"
    assert len(daemon.facts("ran")) == (missed == "once")


def test_a_schedule_of_a_site_comes_changes_and_goes_with_its_declaration(
    make_daemon: MakeDaemon, sqlite_place: Place
) -> None:
    daemon = make_daemon(sqlite_place, SOURCE, start=False, sites={"directory": "sites"}, store={"sweep_seconds": 0.2})
    sites = daemon.folder / "sites"
    sites.mkdir()
    declare(sites, "a", "theme = 1\n")
    daemon.start()
    daemon.wait_ready()
    daemon.wait_hub()

    declare(sites, "a", '[snqd.schedule.own]\nqueue = "q"\ncron = "* * * * * *"\npayload = { n = 1 }\n')
    first = daemon.wait_fact("ran", schedule="own", site="a")
    declare(sites, "a", '[snqd.schedule.own]\nqueue = "q"\ncron = "* * * * * *"\npayload = { n = 2 }\n')
    daemon.wait_fact("ran", schedule="own", site="a", n=2)
    declare(sites, "a", "theme = 2\n")
    wait_until(lambda: sqlite_place.sql("SELECT count(*) FROM queue_schedule") == [(0,)], "it is forgotten")

    assert first["n"] == 1
    assert len(daemon.events("WorkerSpawned")) == 1, "no worker was replaced"
    daemon.stop()
    assert_each_second_once(due_times(sqlite_place, daemon, schedule="own", site="a"))


def declare(folder: Path, site: str, text: str) -> None:
    fresh = folder / f"{site}.new"
    fresh.write_text(text)
    fresh.replace(folder / f"{site}.toml")


def test_a_reload_brings_and_takes_schedules_and_one_for_all_sites_has_an_item_of_each(
    make_daemon: MakeDaemon, sqlite_place: Place
) -> None:
    sites = {"a": {"x": 1}, "b": {"snqd": {"schedule": {"tick": {"enabled": False}}}}, "c": {"x": 1}}
    daemon = make_daemon(sqlite_place, SOURCE, site=sites)
    daemon.configure(site=sites, schedule={"tick": {**EACH_SECOND, "site": "*"}})
    daemon.send(signal.SIGHUP)
    daemon.wait_event("ReloadFinished")
    for site in ("a", "c"):
        daemon.wait_fact("ran", schedule="tick", site=site)
    assert daemon.wait_event("ScheduleRan", sites=2, items=2)["site"] == ""

    daemon.configure(site=sites)
    daemon.send(signal.SIGHUP)
    daemon.wait_events("ReloadFinished", 2)

    wait_until(lambda: sqlite_place.sql("SELECT count(*) FROM queue_schedule") == [(0,)], "it is forgotten")
    assert not daemon.facts("ran", site="b")


def test_no_item_is_put_behind_one_that_runs_where_that_is_not_wanted(
    make_daemon: MakeDaemon, sqlite_place: Place
) -> None:
    schedule = {**EACH_SECOND, "queue": "slow", "overlap": "skip"}
    daemon = make_daemon(sqlite_place, SOURCE, schedule={"tick": schedule})

    daemon.wait_fact("slow")
    skipped = daemon.wait_event("ScheduleSkipped")
    daemon.open_gate("slow")

    daemon.wait_facts("slow", 2)
    assert skipped["reason"] == "the item before still waits or runs (overlap = skip)"


def test_an_alarm_tells_of_a_schedule_that_no_daemon_keeps(make_daemon: MakeDaemon, place: Place) -> None:
    with place.open() as store:
        store.keep_schedules([Wanted("default", "tick", "q", "* * * * * * UTC")], "main@gone")
    make_last_due_long_ago(place)  # so that the hub's first look shows it: an idle daemon looks again 15 s later
    daemon = make_daemon(place, SOURCE, alarms={"hold_seconds": 0.0})

    raised = daemon.wait_event("AlarmRaised", subject="tick")

    assert raised["name"] == "schedule"
    assert "main@gone did last" in raised["message"]
    why = daemon.command("why", "q")
    assert "nothing waits in queue q: schedule tick of site default" in why.out
    assert "snqd schedule list" in why.out
    health = daemon.command("health")
    assert (health.code, "critical schedule: schedule tick" in health.out) == (2, True)

    forgot = daemon.command("schedule", "forget", "tick")

    assert (forgot.code, forgot.err) == (0, "snqd: forgot schedule tick of 1 site\n")
    daemon.wait_event("AlarmCleared", subject="tick", seconds=60)
    assert daemon.command("schedule", "forget", "tick").err == "snqd: nobody knows a schedule tick\n"


def test_a_schedule_that_is_declared_here_is_not_forgotten(make_daemon: MakeDaemon, sqlite_place: Place) -> None:
    daemon = make_daemon(sqlite_place, SOURCE, start=False, schedule={"tick": EACH_SECOND})

    done = daemon.command("schedule", "forget", "tick")

    assert done.code != 0
    assert "schedule tick is declared here" in done.err
