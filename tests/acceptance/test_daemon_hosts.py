"""Several daemons on one database, as several hosts have it: they share the work and repair each other's loss."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from snqd.items import new_item
from tests.support.stopwatch import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.daemons import Daemon, Place

    MakeDaemon = Callable[..., Daemon]

pytestmark = [pytest.mark.fork, pytest.mark.pg]

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
"""
FIRST = {"threads": 2, "name": "first"}
SECOND = {"threads": 2, "name": "second"}


def test_two_daemons_share_the_work_and_no_item_runs_on_both(make_daemon: MakeDaemon, postgres_place: Place) -> None:
    first = make_daemon(postgres_place, SOURCE, daemon=FIRST, folder="first")
    second = make_daemon(postgres_place, SOURCE, daemon=SECOND, folder="second")
    postgres_place.enqueue_all([new_item("q", n) for n in range(400)])
    postgres_place.wait_empty()

    ours, theirs = ([fact["n"] for fact in daemon.facts("ran")] for daemon in (first, second))
    assert sorted(ours + theirs) == list(range(400))
    assert ours
    assert theirs


def test_the_items_of_a_daemon_killed_with_all_its_workers_are_finished_by_another(
    make_daemon: MakeDaemon, postgres_place: Place
) -> None:
    first = make_daemon(postgres_place, SOURCE, daemon=FIRST, folder="first")
    items = postgres_place.enqueue_all([new_item("held", n) for n in range(4)])
    first.wait_facts("began", 4)
    second = make_daemon(postgres_place, SOURCE, daemon=SECOND, folder="second", store={"sweep_seconds": 1})

    first.kill_group()
    watch = Stopwatch()
    began = second.wait_facts("began", 4)

    assert watch.until(max(fact["at"] for fact in began)) < 5.0, "long before the lease of 60 s is over"
    assert {fact["attempt"] for fact in began} == {1}, "nobody knows which item was to blame"
    assert second.wait_event("ItemsReclaimed")["reason"] == "its process is gone"
    second.open_gate("held")
    postgres_place.wait_empty()
    assert sorted(fact["item"] for fact in second.facts("ended")) == items


def test_the_items_of_a_host_that_is_gone_come_back_when_their_leases_end(
    make_daemon: MakeDaemon, postgres_place: Place
) -> None:
    """A claimant of another scope (host, boot or container) cannot be judged: only its lease tells."""
    first = make_daemon(postgres_place, SOURCE, daemon=FIRST, folder="first", store={"lease_seconds": 3})
    items = postgres_place.enqueue_all([new_item("held", n) for n in range(4)])
    first.wait_facts("began", 4)
    first.kill_group()
    postgres_place.sql(
        "UPDATE queue_item SET claimed_by = 'elsewhere' || substring(claimed_by from '/.*/') || '0badc0de', "
        "lease_until = now() + interval '3 seconds'"
    )
    ends_at = time.monotonic() + 3.0
    second = make_daemon(
        postgres_place, SOURCE, daemon=SECOND, folder="second", store={"lease_seconds": 3, "sweep_seconds": 0.3}
    )

    watch = Stopwatch()  # the leases may be over: a busy machine starts a daemon in seconds
    began = second.wait_facts("began", 4)

    assert min(fact["at"] for fact in began) >= ends_at - 0.1, "not before: the other host may well be alive"
    assert watch.until(max(fact["at"] for fact in began)) < 3.0 + 3.0
    assert {fact["attempt"] for fact in began} == {1}
    told = second.events("ItemsReclaimed")
    assert sum(event["count"] for event in told) == 4
    assert all(event["claimant"].startswith("elsewhere/") for event in told)
    second.open_gate("held")
    postgres_place.wait_empty()
    assert sorted(fact["item"] for fact in second.facts("ended")) == items


def test_leases_are_renewed_for_as_long_as_a_handler_takes(make_daemon: MakeDaemon, place: Place) -> None:
    source = """
@handler("sleeps")
def sleeps(payload, context):
    note("began", context)
    time.sleep(3.5)
    note("ended", context)
"""
    item = place.enqueue("sleeps")
    daemon = make_daemon(place, source, daemon={"threads": 2}, store={"lease_seconds": 1, "sweep_seconds": 0.2})
    daemon.wait_fact("ended", item=item)
    place.wait_empty()

    assert len(daemon.facts("began")) == 1, "three leases long, and nobody else took it"
    assert not daemon.events("ItemLeaseLost")
    assert not daemon.events("ItemsReclaimed")
