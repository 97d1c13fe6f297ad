"""What went wrong in 2010 (`docs/architecture.md`), each a test here where it concerns workers and their items."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from snqd.items import new_item
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.daemons import Daemon, Place

    MakeDaemon = Callable[..., Daemon]

pytestmark = pytest.mark.fork

SOURCE = """
@handler("q")
def q(payload, context):
    note("ran", context, n=payload)

@handler("failing", max_attempts=3, backoff=Backoff(first_seconds=0.5, jitter=0.0))
def failing(payload, context):
    note("failed", context)
    raise ValueError("no")

@handler("a-queue-whose-name-is-as-long-as-a-name-may-be-and-not-8-letter")
def long_name(payload, context):
    note("long", context)

@handler("pickled", max_attempts=1)
def pickled(payload, context):
    note("pickled", context, kind=type(payload).__name__)
"""


def test_a_failing_item_waits_behind_the_others_and_its_limit_applies(make_daemon: MakeDaemon, place: Place) -> None:
    """Then: a failing item was retried at the head, at once, for ever, and its retry limit never applied."""
    failing = place.enqueue("failing", priority=-100)
    daemon = make_daemon(place, SOURCE)
    daemon.wait_fact("failed")
    place.enqueue_all([new_item("q", n) for n in range(50)])
    daemon.wait_facts("ran", 50)

    assert len(daemon.facts("failed")) == 1, "everything else was done before its second attempt"
    place.wait_empty()
    assert len(daemon.facts("failed")) == 3
    assert [letter.id for letter in place.dead()] == [failing]


def test_a_claim_whose_owner_vanished_expires(make_daemon: MakeDaemon, place: Place) -> None:
    """Then: `claimed` never expired."""
    item = place.enqueue("q", 1)
    place.sql(
        "UPDATE queue_item SET state = 'claimed', claimed_by = 'gone/main.1/1.1/elsewhere', token = 99, lease_until = "
        + ("now() - interval '1 second'" if place.kind == "postgres" else "unixepoch() - 1")
    )
    daemon = make_daemon(place, SOURCE)

    daemon.wait_fact("ran", item=item)
    assert daemon.wait_event("ItemsReclaimed")["claimant"] == "gone/main.1/1.1/elsewhere"


def test_an_item_is_noticed_in_milliseconds_and_times_are_not_whole_seconds(
    make_daemon: MakeDaemon, place: Place
) -> None:
    """Then: ten seconds to notice an item, and whole-second timing."""
    daemon = make_daemon(place, SOURCE)
    waits = []
    for n in range(10):
        began = time.monotonic()
        place.enqueue("q", n)
        waits.append(daemon.wait_fact("ran", n=n)["at"] - began)

    assert sorted(waits)[5] < 0.25, waits
    later = place.enqueue("q", "later", delay_seconds=30)
    found = place.item(later)
    assert found is not None
    assert 29.9 < found.available_at - found.created < 30.1
    assert (found.created % 1, found.available_at % 1) != (0, 0)


def test_queue_names_are_long_and_payloads_are_never_unpickled(make_daemon: MakeDaemon, place: Place) -> None:
    """Then: queue names of 8 characters, payloads through a native deserialiser."""
    import pickle

    long_name = "a-queue-whose-name-is-as-long-as-a-name-may-be-and-not-8-letter"
    assert len(long_name) == 63
    place.enqueue(long_name)
    place.enqueue("pickled", pickle.dumps({"a": 1}), codec="raw")
    place.sql("INSERT INTO queue_item (queue, frame, codec) VALUES ('pickled', ?, 'pickle')", pickle.dumps({"a": 1}))
    daemon = make_daemon(place, SOURCE)
    daemon.wait_fact("long")
    place.wait_empty()

    assert [fact["kind"] for fact in daemon.facts("pickled")] == ["bytes"], "bytes stay bytes"
    (dead,) = place.dead()
    assert (dead.reason, dead.codec) == ("bad_item", "pickle")


def test_discards_are_counted_as_discards_and_the_same_on_every_store(make_daemon: MakeDaemon, place: Place) -> None:
    """Then: discards counted as handled, and different counters for the same event in different stores."""
    source = """
@handler("each", max_attempts=2, backoff=AT_ONCE)
def each(payload, context):
    if payload == "discard":
        raise Discard("no")
    if payload == "fail":
        raise ValueError("no")
    if payload == "retry" and context.attempt == 1:
        raise Retry("later", after=0.01)
"""
    for payload in ("done", "done", "discard", "fail", "retry"):
        place.enqueue("each", payload)
    daemon = make_daemon(place, source)
    place.wait_empty()
    assert daemon.stop() == 0

    (gone,) = daemon.events("WorkerExited")
    counts = {word: gone[word] for word in ("handled", "failed", "retried", "dead_lettered", "discarded")}
    assert counts == {"handled": 3, "failed": 1, "retried": 1, "dead_lettered": 1, "discarded": 1}


def test_a_worker_that_cannot_live_is_respawned_with_back_off_and_given_up_in_the_end(
    make_daemon: MakeDaemon, sqlite_place: Place
) -> None:
    """Then: respawn without back-off."""
    source = """
@handler("q")
def q(payload, context):
    note("ran", context, n=payload)

if os.environ.get("SNQD_TEST_FACTS") and os.path.exists("broken"):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    daemon = make_daemon(sqlite_place, source, daemon={"respawn_limit": 4, "respawn_delay_seconds": 0.1, "threads": 1})
    (daemon.folder / "broken").touch()
    daemon.workers()[0].kill()

    assert daemon.wait_exit() == 6
    delays = [event["delay_seconds"] for event in daemon.events("WorkerRespawning")]
    assert delays == [0.0, 0.1, 0.2]
    assert "quick deaths" in daemon.wait_event("SlotFatal")["reason"]
    (daemon.folder / "broken").unlink()
    daemon.start()
    sqlite_place.enqueue("q", 1)
    daemon.wait_fact("ran", n=1)
    wait_until(lambda: sqlite_place.waiting() == [], "all is well again")
