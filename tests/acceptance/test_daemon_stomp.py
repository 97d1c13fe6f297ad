"""Daemons on brokers: they share the work, repair each other's loss, outlive the broker, and hear what is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from snqd.items import new_item
from tests.support.brokers import running_broker
from tests.support.daemons import Place
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.brokers import Broker
    from tests.support.daemons import Daemon

    MakeDaemon = Callable[..., Daemon]

pytestmark = [pytest.mark.fork, pytest.mark.stomp]

SOURCE = """
@handler("q")
def q(payload, context):
    note("ran", context, n=payload)
    time.sleep(0.003)

@handler("held", concurrency=2)
async def held(payload, context):
    note("began", context, n=payload)
    await hold_async("held")
    note("ended", context, n=payload)

@handler("fails", max_attempts=3, backoff=Backoff(first_seconds=0.3))
def fails(payload, context):
    note("tried", context, n=payload)
    raise ValueError("no luck")

@handler("poison")
def poison(payload, context):
    note("swallowed", context, n=payload)
    os.kill(os.getpid(), signal.SIGKILL)
"""
FIRST = {"threads": 2, "name": "first"}
SECOND = {"threads": 2, "name": "second"}
SECONDS = 60.0


@pytest.fixture(params=["rabbitmq", "activemq"])
def stomp_place(request: pytest.FixtureRequest) -> Place:
    broker: Broker = request.getfixturevalue(request.param)
    return Place(broker.url())


def test_two_daemons_share_the_work_and_no_item_runs_on_both(make_daemon: MakeDaemon, stomp_place: Place) -> None:
    first = make_daemon(stomp_place, SOURCE, daemon=FIRST, folder="first")
    second = make_daemon(stomp_place, SOURCE, daemon=SECOND, folder="second")
    stomp_place.enqueue_all([new_item("q", n) for n in range(400)])

    def ran() -> list[int]:
        return [fact["n"] for daemon in (first, second) for fact in daemon.facts("ran")]

    wait_until(lambda: len(ran()) >= 400, "all items have run", seconds=SECONDS)
    for daemon in (first, second):
        assert daemon.facts("ran"), "both have some"
        assert daemon.stop(seconds=SECONDS) == 0
    assert sorted(ran()) == list(range(400))


def test_the_items_of_a_host_that_is_killed_are_finished_by_another(
    make_daemon: MakeDaemon, stomp_place: Place
) -> None:
    few = {"prefetch_items": 2}  # so that no worker keeps more than it runs
    first = make_daemon(stomp_place, SOURCE, daemon=FIRST, folder="first", store=few)
    items = stomp_place.enqueue_all([new_item("held", n) for n in range(6)])
    first.wait_facts("began", 4, seconds=SECONDS)
    second = make_daemon(stomp_place, SOURCE, daemon=SECOND, folder="second", store=few)

    first.kill_group()
    began = second.wait_facts("began", 4, seconds=SECONDS)
    second.open_gate("held")
    second.wait_facts("ended", 6, seconds=SECONDS)

    assert {fact["attempt"] for fact in began} == {1}, "nobody knows which item was to blame"
    assert sorted(fact["item"] for fact in second.facts("ended")) == items


def test_a_failing_handler_stops_at_its_limit_and_an_item_that_kills_workers_too(
    make_daemon: MakeDaemon, stomp_place: Place
) -> None:
    daemon = make_daemon(stomp_place, SOURCE, daemon={**FIRST, "crash_limit": 2})
    stomp_place.enqueue("fails", 1)
    wait_until(lambda: len(stomp_place.dead()) == 1, "it is a dead letter", seconds=SECONDS)
    stomp_place.enqueue("poison", 2)

    wait_until(lambda: len(stomp_place.dead()) == 2, "both are dead letters", seconds=SECONDS)

    assert [fact["attempt"] for fact in daemon.facts("tried")] == [1, 2, 3]
    swallowed = daemon.facts("swallowed")
    assert len(swallowed) >= 2, "a crash whose word comes late is not counted: see docs/stomp.md"
    stomp_place.enqueue("q", 3)
    daemon.wait_fact("ran", n=3, seconds=SECONDS)
    assert daemon.facts("swallowed") == swallowed, "at its limit it is given to nobody any more"
    letters = {str(letter.queue): letter for letter in stomp_place.dead()}
    failed, poison = letters["fails"], letters["poison"]
    assert (failed.reason, failed.attempts, failed.last_error) == ("attempts", 3, "ValueError: no luck")
    assert failed.traceback is not None
    assert "raise ValueError" in failed.traceback
    assert (poison.reason, poison.crash_attempts) == ("crash", 2)
    assert daemon.wait_event("ItemDeadLettered", item=poison.id, reason="crash")


@pytest.mark.parametrize("kind", ["rabbitmq", "activemq"])
def test_a_broker_that_is_killed_and_started_again_loses_nothing(
    make_daemon: MakeDaemon, request: pytest.FixtureRequest, kind: str
) -> None:
    broker: Broker = request.getfixturevalue(f"own_{kind}")
    place = Place(broker.url())
    place.enqueue_all([new_item("q", n) for n in range(600)])
    daemon = make_daemon(place, SOURCE, daemon=FIRST)
    before = daemon.workers()
    daemon.wait_facts("ran", 50, seconds=SECONDS)

    broker.kill()
    daemon.wait_events("StoreLost", 2, seconds=SECONDS)
    broker.start()
    daemon.wait_events("StoreBack", 2, seconds=SECONDS)
    wait_until(lambda: {fact["n"] for fact in daemon.facts("ran")} == set(range(600)), "all have run", seconds=SECONDS)

    assert daemon.workers() == before, "no worker died of it"
    assert {fact["attempt"] for fact in daemon.facts("ran")} == {1}, "an outage uses no attempt"


def test_items_come_from_both_brokers_and_go_to_the_one_that_is_there(make_daemon: MakeDaemon) -> None:
    with running_broker("activemq") as one, running_broker("activemq") as two:
        both = Place(f"stomp://guest:guest@127.0.0.1:{one.port},127.0.0.1:{two.port}/shop")
        daemon = make_daemon(both, SOURCE, daemon=FIRST)
        Place(two.url("shop")).enqueue("q", "of the second")
        both.enqueue("q", "of the first")
        daemon.wait_fact("ran", n="of the second", seconds=SECONDS)
        daemon.wait_fact("ran", n="of the first", seconds=SECONDS)

        one.kill()
        both.enqueue("q", "without the first")
        daemon.wait_fact("ran", n="without the first", seconds=SECONDS)

        one.start()
        wait_until(lambda: _runs(daemon, Place(one.url("shop"))), "it is heard again", seconds=SECONDS)
        assert not daemon.events("StoreLost"), "one of both was there all the time"
        assert not daemon.events("WorkerExited")


def _runs(daemon: Daemon, place: Place) -> bool:
    number = place.enqueue("q", "of the first again")
    wait_until(lambda: daemon.facts("ran", item=number), "the item has run", seconds=SECONDS)
    return True


def test_what_is_asked_of_all_hosts_is_obeyed_on_all(make_daemon: MakeDaemon, stomp_place: Place) -> None:
    first = make_daemon(stomp_place, SOURCE, daemon={**FIRST, "threads": 1}, folder="first")
    second = make_daemon(stomp_place, SOURCE, daemon={**SECOND, "threads": 1}, folder="second")
    for daemon in (first, second):
        daemon.wait_hub()

    def both_are_there() -> bool:
        listed = first.command("ctl", "daemons")
        assert listed.code == 0, listed
        return "first" in listed.out and "second" in listed.out

    wait_until(both_are_there, "both daemons are listed", seconds=SECONDS)
    told = first.command("ctl", "threads", "2", "--all-hosts")

    assert told.code == 0, told
    assert "first" in told.out
    assert "second" in told.out
    for daemon in (first, second):
        daemon.wait_events("WorkerReady", 2, seconds=SECONDS)
    assert first.command("ctl", "shutdown", "--all-hosts").code == 0
    for daemon in (first, second):
        assert daemon.wait_exit(seconds=SECONDS) == 0


def test_a_site_that_is_added_on_one_host_is_served_by_both_once_all_are_told(
    make_daemon: MakeDaemon, stomp_place: Place, tmp_path: Path
) -> None:
    """The folder is one that both hosts see, and whose changes no kernel tells: the control topic does."""
    folder = tmp_path / "shared-sites"
    folder.mkdir()
    (folder / "old.toml").write_text("")
    sites = {"directory": str(folder), "watch": False}
    first = make_daemon(stomp_place, SOURCE, daemon=FIRST, folder="first", sites=sites)
    second = make_daemon(stomp_place, SOURCE, daemon=SECOND, folder="second", sites=sites)
    for daemon in (first, second):
        daemon.wait_hub()
    wait_until(lambda: "second" in first.command("ctl", "daemons").out, "both are listed", seconds=SECONDS)

    (folder / "new.toml").write_text('theme = "red"\n')
    told = first.command("ctl", "update", "new", "--all-hosts")
    assert told.code == 0, told
    for daemon in (first, second):
        daemon.wait_event("SitesUpdated", sites=["new"], seconds=SECONDS)
    stomp_place.enqueue_all([new_item("q", n, site="new") for n in range(400)])

    wait_until(lambda: len(first.facts("ran")) + len(second.facts("ran")) >= 400, "all have run", seconds=SECONDS)
    assert first.facts("ran")
    assert second.facts("ran")


def test_what_a_broker_cannot_do_is_told_in_one_line(make_daemon: MakeDaemon, stomp_place: Place) -> None:
    daemon = make_daemon(stomp_place, SOURCE, start=False)

    for words, why in (
        (("items", "list"), "does not show the items that wait"),
        (("pause", "--queue", "q"), "a pause cannot be kept in a STOMP broker"),
        (("drain",), "does not tell when nothing is left"),
    ):
        ended = daemon.command(*words)
        assert ended.code != 0
        assert why in ended.err
        assert len(ended.err.strip().splitlines()) == 1, ended.err
    assert daemon.command("dead", "list").code == 0
    status = daemon.command("status")
    assert status.code == 0, status
    assert "a broker does not show what waits" in status.out


@pytest.mark.parametrize(
    ("sections", "why"),
    [
        ({"schedule": {"nightly": {"queue": "q", "cron": "0 3 * * *"}}}, "there are schedules, and a STOMP broker"),
        ({"queue": {"q": {"in_flight_limit": 3}}}, "there are limits of what is in flight"),
        ({"store": {"dead_letter_days": 7}}, "store.dead_letter_days is set, and a STOMP broker"),
    ],
)
def test_settings_that_would_not_hold_are_refused_when_the_daemon_starts(
    make_daemon: MakeDaemon, rabbitmq: Broker, sections: dict[str, dict[str, object]], why: str
) -> None:
    daemon = make_daemon(Place(rabbitmq.url()), SOURCE, start=False, **sections)

    ended = daemon.command("run")

    assert ended.code == 2, ended
    assert why in ended.err
