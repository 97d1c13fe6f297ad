"""Limits over real daemons: they hold over all hosts, the dead give back their room, and sites change theirs live."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from snqd.items import new_item
from tests.support.monitor import Monitor
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.daemons import Daemon, Place

    MakeDaemon = Callable[..., Daemon]

pytestmark = pytest.mark.fork

SOURCE = """
@handler("held", concurrency=4)
async def held(payload, context):
    note("began", context)
    await hold_async("held")

@handler("short", concurrency=4)
async def short(payload, context):
    note("began", context)
    await asyncio.sleep(0.01)
    note("ended", context)

@handler("other", concurrency=4)
async def other(payload, context):
    note("ran", context)
"""
FIRST, SECOND = ({"threads": 2, "name": name} for name in ("first", "second"))


def in_flight(place: Place, queue: str) -> int:
    return int(place.sql("SELECT count(*) FROM queue_item WHERE queue = ? AND state = 'claimed'", queue)[0][0])


@pytest.mark.pg
def test_two_daemons_never_have_more_in_flight_than_the_limit_together(
    make_daemon: MakeDaemon, postgres_place: Place
) -> None:
    limits = {"short": {"in_flight_limit": 3}}
    daemons = [
        make_daemon(postgres_place, SOURCE, daemon=daemon, folder=daemon["name"], queue=limits)
        for daemon in (FIRST, SECOND)
    ]
    postgres_place.enqueue_all([new_item("short", n) for n in range(200)])
    postgres_place.wait_empty(seconds=60)

    facts = [fact for daemon in daemons for fact in daemon.facts()]
    steps = sorted((fact["at"], 1 if fact["fact"] == "began" else -1) for fact in facts)
    running = most = 0
    for _at, step in steps:
        running += step
        most = max(most, running)
    assert len(facts) == 400
    assert most <= 3


@pytest.mark.pg
def test_the_room_of_a_host_that_dies_is_given_back_and_why_names_the_limit(
    make_daemon: MakeDaemon, postgres_place: Place
) -> None:
    settings = {"queue": {"held": {"in_flight_limit": 2}}, "store": {"lease_seconds": 2.0, "sweep_seconds": 0.2}}
    first = make_daemon(postgres_place, SOURCE, daemon=FIRST, folder="first", **settings)
    postgres_place.enqueue_all([new_item("held", n) for n in range(5)])
    first.wait_facts("began", 2)
    second = make_daemon(postgres_place, SOURCE, daemon=SECOND, folder="second", **settings)
    second.wait_hub()
    other = postgres_place.enqueue("other")

    wait_until(lambda: any(daemon.facts("ran", item=other) for daemon in (first, second)), "nothing else is held up")
    wait_until(lambda: "at its limit of 2 items in flight" in second.command("why", "held").out, "why says so")
    assert in_flight(postgres_place, "held") == 2
    assert len(first.facts("began")) == 2
    assert not second.facts("began")

    first.kill_group()
    second.wait_facts("began", 2)
    assert in_flight(postgres_place, "held") == 2
    second.open_gate("held")
    postgres_place.wait_empty()


def test_a_site_changes_its_limit_while_the_daemon_runs(make_daemon: MakeDaemon, place: Place) -> None:
    daemon = make_daemon(place, SOURCE, start=False, sites={"directory": "sites", "in_flight_limit": 1})
    sites = daemon.folder / "sites"
    sites.mkdir()
    for site in "ab":
        (sites / f"{site}.toml").write_text("")
    daemon.start()
    daemon.wait_ready()
    daemon.wait_hub()
    place.enqueue_all([new_item("held", n, site=site) for n in range(5) for site in "ab"])
    daemon.wait_facts("began", 2)
    place.enqueue("other", site="a")

    (sites / "a.toml.new").write_text("[snqd]\nin_flight_limit = 2\n")
    (sites / "a.toml.new").rename(sites / "a.toml")

    assert sorted(fact["site"] for fact in daemon.wait_facts("began", 3)) == ["a", "a", "b"]
    assert in_flight(place, "held") == 3
    assert not daemon.facts("ran"), "the site's other queue has no room either"
    daemon.open_gate("held")
    place.wait_empty(site="a")
    place.wait_empty(site="b")


def test_a_rate_is_kept(make_daemon: MakeDaemon, place: Place) -> None:
    daemon = make_daemon(place, SOURCE, queue={"other": {"rate_per_second": 20}}, daemon={"threads": 2})
    stored_at = time.monotonic()
    place.enqueue_all([new_item("other", n) for n in range(35)])

    times = sorted(fact["at"] for fact in daemon.wait_facts("ran", 35))

    assert times[-1] - stored_at > 0.7  # 20 at once, and 15 at 20 a second


def test_the_facts_and_why_say_that_a_rate_holds_a_queue_back(make_daemon: MakeDaemon, place: Place) -> None:
    daemon = make_daemon(place, SOURCE, queue={"other": {"rate_per_second": 0.2}}, daemon={"threads": 2})
    place.enqueue_all([new_item("other", n) for n in range(40)])
    with Monitor(daemon.wait_hub().address) as monitor:
        view = monitor.wait(lambda view: "other" in view.queues and view.queues["other"].held_back, "the fact says so")

    fact = view.queues["other"]
    assert (fact.rate_limit, fact.in_flight_limit) == (0.2, 0)
    assert fact.held_back == "queue other is at its limit of 12.0/min, over all daemons"
    assert not any(fact.held_back for fact in view.queues.values() if fact.queue != "other")
    assert fact.held_back in daemon.command("why", "other").out


ONE_QUEUE = """
@handler("other")
def other(payload, context):
    note("ran", context)
"""


def test_a_drain_waits_for_a_rate(make_daemon: MakeDaemon, place: Place) -> None:
    daemon = make_daemon(place, ONE_QUEUE, start=False, queue={"other": {"rate_per_second": 20}})
    place.enqueue_all([new_item("other", n) for n in range(25)])

    few = daemon.command("drain", "--max-items", "21")
    assert few.code == 10, few.err  # some are left
    assert len(daemon.facts("ran")) == 21
    rest = daemon.command("drain")

    assert rest.code == 0, rest.err
    assert len(daemon.facts("ran")) == 25
