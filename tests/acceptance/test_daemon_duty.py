"""A group that may have one worker only, served by several daemons on one store: one works, the others stand by."""

from __future__ import annotations

import re
import signal
import time
from typing import TYPE_CHECKING

import psycopg
import pytest

from snqd.items import new_item
from tests.support.daemons import Place
from tests.support.pgbouncer import running_pooler
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.daemons import Daemon

    MakeDaemon = Callable[..., Daemon]

pytestmark = pytest.mark.fork
TAKEOVER_SECONDS = 9
"""Two thirds of it must be longer than a busy machine keeps a worker from renewing, or the first one leaves unasked."""
SOURCE = """
class Link(Handler, Service):
    queue = "out"
    group = "xmpp"
    concurrency = 4
    waits = True

    async def run(self, context):
        note("opened", worker=context.worker)
        try:
            await asyncio.Event().wait()
        finally:
            note("closed", worker=context.worker)

    async def handle(self, payload, context):
        note("began", context, n=payload)
        await hold_async("out")
        note("ended", context, n=payload)


@handler("mail")
def mail(payload, context):
    note("mail", context)
"""


def settings(name: str, *serve: str) -> dict[str, object]:
    return {"name": name, "serve": list(serve) or ["xmpp"], "threads": 1, "takeover_seconds": TAKEOVER_SECONDS}


@pytest.fixture(params=["direct", pytest.param("pooler", marks=pytest.mark.pooler)])
def shared_place(request: pytest.FixtureRequest, postgres_place: Place) -> Iterator[Place]:
    """PostgreSQL, reached directly or through a transaction pooler."""
    if request.param == "direct":
        yield postgres_place
    else:
        assert postgres_place.database is not None
        with running_pooler(postgres_place.database) as pooler:
            yield Place(pooler.url, postgres_place.database)


@pytest.mark.pg
def test_the_second_stands_by_and_takes_over_when_the_first_is_killed(
    make_daemon: MakeDaemon, shared_place: Place
) -> None:
    place = shared_place
    first = make_daemon(place, SOURCE, daemon=settings("first"), folder="first")
    first.wait_fact("opened")
    place.enqueue_all([new_item("out", n) for n in range(10)])
    first.wait_facts("began", 4)
    second = make_daemon(place, SOURCE, daemon=settings("second", "main", "xmpp"), folder="second", ready=False)
    standby = second.wait_event("WorkerStandsBy")
    place.enqueue("mail")
    second.wait_fact("mail")

    assert (standby["worker"], standby["groups"]) == ("second.1", ["xmpp"])
    assert "/first.1/" in standby["claimant"]
    assert len(second.events("WorkerStandsBy")) == 1, "told once"
    assert second.facts("opened") == []

    first.kill_group()
    killed_at = time.monotonic()
    begun = [fact["n"] for fact in second.wait_facts("began", 4, seconds=60)]
    assert time.monotonic() - killed_at < TAKEOVER_SECONDS + 30
    assert begun == [0, 1, 2, 3], "what the first had claimed comes before what waits"
    taken = second.wait_event("WorkerOnDuty")
    assert (taken["worker"], "/first.1/" in taken["before"]) == ("second.1", True)
    second.open_gate("out")
    place.wait_empty()
    assert [fact["n"] for fact in second.facts("began")] == list(range(10))
    assert second.stop() == 0
    assert place.sql("SELECT count(*) FROM group_duty") == [(0,)], "who leaves for good says so"


@pytest.mark.pg
def test_what_a_host_that_is_gone_had_claimed_comes_before_what_waits(
    make_daemon: MakeDaemon, postgres_place: Place
) -> None:
    """Nobody sees whether a process of another host is dead. Its items are leased for a minute, its duty for 9 s."""
    place = postgres_place
    first = make_daemon(place, SOURCE, daemon=settings("first"), folder="first")
    place.enqueue_all([new_item("out", n) for n in range(10)])
    first.wait_facts("began", 4)
    first.kill_group()
    elsewhere = "'elsewhere' || substring({0} from '/.*/') || '0badc0de'"
    place.sql(f"UPDATE queue_item SET claimed_by = {elsewhere.format('claimed_by')} WHERE claimed_by IS NOT NULL")
    place.sql(f"UPDATE group_duty SET claimant = {elsewhere.format('claimant')}, until = now() + interval '9 seconds'")

    second = make_daemon(place, SOURCE, daemon=settings("second"), folder="second")
    second.wait_event("WorkerStandsBy")
    assert [fact["n"] for fact in second.wait_facts("began", 4, seconds=60)] == [0, 1, 2, 3]
    reclaimed = second.wait_event("ItemsReclaimed")
    assert (reclaimed["count"], reclaimed["reason"]) == (4, "second.1 has taken over")
    second.open_gate("out")
    place.wait_empty()


@pytest.mark.pg
def test_who_stops_hands_over_at_once_and_who_is_respawned_goes_on(
    make_daemon: MakeDaemon, postgres_place: Place
) -> None:
    long = {"takeover_seconds": 600}
    first = make_daemon(postgres_place, SOURCE, daemon=settings("first") | long, folder="first")
    first.wait_fact("opened")
    second = make_daemon(postgres_place, SOURCE, daemon=settings("second") | long, folder="second")
    second.wait_event("WorkerStandsBy")

    first.workers()[0].kill()
    first.wait_facts("opened", 2)
    assert first.events("WorkerStandsBy") == [], "its successor need not wait for the time to be over"
    assert first.stop() == 0
    second.wait_fact("opened")

    closed = max(fact["at"] for fact in first.facts("closed"))
    assert min(fact["at"] for fact in second.facts("opened")) >= closed, "there are never two"


@pytest.mark.pg
def test_who_cannot_reach_the_store_stops_serving_before_another_begins(
    make_daemon: MakeDaemon, postgres_place: Place
) -> None:
    """The store's row is given to another host, as it is when this one was cut off: it must notice and leave."""
    daemon = make_daemon(postgres_place, SOURCE, daemon=settings("first"), folder="first")
    daemon.wait_fact("opened")
    postgres_place.sql(
        "UPDATE group_duty SET claimant = 'elsewhere/other.1/7.7/0badc0de', until = now() + interval '12 s'"
    )

    daemon.wait_fact("closed")
    exited = daemon.wait_event("WorkerExited")
    assert "elsewhere/other.1/7.7/0badc0de serves group xmpp now" in exited["reason"]
    daemon.wait_event("WorkerStandsBy", claimant="elsewhere/other.1/7.7/0badc0de")
    daemon.wait_facts("opened", 2, seconds=60)


@pytest.mark.pg
def test_a_store_that_hangs_costs_the_duty_in_time(make_daemon: MakeDaemon, postgres_place: Place) -> None:
    """A lock keeps every renewal waiting, so the store's thread hangs in its call; the worker is gone all the same."""
    daemon = make_daemon(postgres_place, SOURCE, daemon=settings("first"), folder="first")
    daemon.wait_fact("opened")
    database = postgres_place.database
    assert database is not None
    with psycopg.connect(database.url) as connection:
        connection.execute("LOCK TABLE group_duty")
        exited = daemon.wait_event("WorkerExited", seconds=60)
        assert "could not tell the store for 6 s that it serves group xmpp" in exited["reason"]
    daemon.wait_facts("opened", 2)


@pytest.mark.pg
def test_status_health_and_why_say_that_it_stands_by(make_daemon: MakeDaemon, postgres_place: Place) -> None:
    place = postgres_place
    first = make_daemon(place, SOURCE, daemon=settings("first"), folder="first")
    first.wait_fact("opened")
    second = make_daemon(place, SOURCE, daemon=settings("second"), folder="second")
    second.wait_event("WorkerStandsBy")
    second.wait_hub()
    place.enqueue_all([new_item("out", n) for n in range(10)])
    first.wait_facts("began", 4)

    said = second.command("status")
    assert re.search(r"second\.1 +\S* *standby", said.out), said.out
    wait_until(lambda: "stands by" in second.command("why", "out").out, "it is known why the queue does not move here")
    assert "/first.1/" in second.command("why", "out").out
    health = second.command("health")
    assert (health.code, "1 worker stands by" in health.out) == (0, True), health


def test_a_drain_leaves_a_served_group_to_its_daemon(make_daemon: MakeDaemon, place: Place) -> None:
    daemon = make_daemon(place, SOURCE, daemon=settings("first"))
    daemon.wait_fact("opened")
    place.enqueue_all([new_item("out", n) for n in range(10)])
    daemon.wait_facts("began", 4)

    drained = daemon.command("drain")

    assert "stands by: group xmpp is served by" in drained.err, drained
    assert len(daemon.facts("opened")) == 1
    assert {fact["n"] for fact in daemon.facts("began")} == {0, 1, 2, 3}


def test_on_sqlite_a_second_daemon_is_refused_and_the_next_one_goes_on(
    make_daemon: MakeDaemon, sqlite_place: Place
) -> None:
    first = make_daemon(sqlite_place, SOURCE, daemon=settings("first"), folder="first")
    sqlite_place.enqueue_all([new_item("out", n) for n in range(10)])
    first.wait_facts("began", 4)
    second = make_daemon(sqlite_place, SOURCE, daemon=settings("second"), folder="second", ready=False)
    assert second.wait_exit() != 0
    assert "already serves" in second.log_text()

    first.kill_group()
    second.start()
    second.open_gate("out")
    sqlite_place.wait_empty()
    assert [fact["n"] for fact in second.facts("began")] == list(range(10))
    assert second.stop(signal.SIGTERM) == 0
