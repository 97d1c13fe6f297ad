"""What the context gives a handler: facts, a logger, further queues, and a transaction that commits with the ack."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.processes import is_gone, wait_until
from tests.support.stopwatch import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.daemons import Daemon, Place

    MakeDaemon = Callable[..., Daemon]

pytestmark = pytest.mark.fork

FACTS = """
@handler("q", max_attempts=2, backoff=AT_ONCE)
def q(payload, context):
    note("ran", context, settings=dict(context.site.settings), limits=dict(context.site.settings["limits"]))
    context.logger.info("looking at %s", payload["n"], extra={"colour": "red"})
    try:
        context.site.settings["mail"] = "mine"
    except TypeError:
        note("read only", context)
    if context.attempt == 1:
        raise ValueError("once")
"""


def test_the_context_says_site_item_queue_attempt_and_logs_with_them(make_daemon: MakeDaemon, place: Place) -> None:
    item = place.enqueue("q", {"n": 41}, site="a.example")
    daemon = make_daemon(
        place,
        FACTS,
        settings={"mail": "x@example", "limits": {"size": 1, "rate": 2}},
        site={"a.example": {"limits": {"rate": 9}}},
    )
    first, second = daemon.wait_facts("ran", 2)
    place.wait_empty()

    assert first["settings"]["mail"] == "x@example"
    assert first["limits"] == {"size": 1, "rate": 9}, "the site overrides the daemon's settings, table by table"
    assert (first["item"], first["queue"], first["site"], first["attempt"]) == (item, "q", "a.example", 1)
    assert (second["item"], second["attempt"]) == (item, 2)
    assert second["token"] > first["token"], "the fencing token grows with every claim"
    assert len(daemon.facts("read only")) == 2, "no handler can change what the next one sees"
    (line, _again) = [each for each in daemon.events() if each.get("message") == "looking at 41"]
    assert (line["item"], line["queue"], line["site"], line["attempt"]) == (item, "q", "a.example", 1)
    assert (line["logger"], line["colour"], line["worker"]) == ("snqd.handler", "red", "main.1")


FURTHER = """
@handler("plain")
def plain(payload, context):
    context.enqueue("end", "plain")
    context.enqueue("end", "elsewhere", site="b.example")
    hold("plain")

@handler("pausing")
async def pausing(payload, context):
    await context.enqueue_async("end", "async")

@handler("atomic", max_attempts=2, backoff=AT_ONCE)
def atomic(payload, context):
    context.enqueue("end", f"atomic {context.attempt}", atomically=True)
    context.enqueue("end", f"second {context.attempt}", atomically=True, unique_key=f"k{context.attempt}")
    note("atomic", context)
    if context.attempt == 1:
        raise ValueError("not this time")
    hold("atomic")

@handler("too-large", max_attempts=1)
def too_large(payload, context):
    context.enqueue("end", "x" * 2000)

@handler("end", group="main")
async def end(payload, context):
    note("end", context, what=payload)
"""


def test_a_handler_feeds_further_queues_at_once_or_together_with_its_ack(make_daemon: MakeDaemon, place: Place) -> None:
    for queue in ("plain", "pausing", "atomic", "too-large"):
        place.enqueue(queue, site="a.example")
    daemon = make_daemon(
        place,
        FURTHER,
        daemon={"threads": 2},
        store={"frame_limit_bytes": 1000},
        site={"a.example": {}, "b.example": {}},
    )

    assert daemon.wait_fact("end", what="plain")["site"] == "a.example", "its own site by default"
    assert daemon.wait_fact("end", what="elsewhere")["site"] == "b.example"
    daemon.wait_fact("end", what="async")
    daemon.wait_fact("atomic", attempt=2)
    assert "larger than the limit of 1,000" in daemon.wait_event("ItemDeadLettered", queue="too-large")["error"]
    place.wait_empty(queue="pausing")
    assert not [fact for fact in daemon.facts("end") if "atomic" in fact["what"]], "not before the handler is done"

    daemon.open_gate("plain")
    daemon.open_gate("atomic")
    daemon.wait_fact("end", what="atomic 2")
    daemon.wait_fact("end", what="second 2")
    place.wait_empty()
    whats = sorted(fact["what"] for fact in daemon.facts("end"))
    assert whats == ["async", "atomic 2", "elsewhere", "plain", "second 2"], "nothing of the failed attempt exists"


TRANSACTIONAL = """
def effect(context, what):
    mark = "?" if type(context.connection).__module__.startswith(("sqlite3", "snqd")) else "%s"
    context.connection.execute(f"INSERT INTO effect VALUES ({mark})", (what,))

@handler("commit", transactional=True)
def commit(payload, context):
    effect(context, "commit")
    context.enqueue("next", "from commit", atomically=True)
    context.enqueue("next", "also")

@handler("rollback", transactional=True, max_attempts=2, backoff=AT_ONCE)
def rollback(payload, context):
    effect(context, f"rollback {context.attempt}")
    context.enqueue("next", f"from rollback {context.attempt}", atomically=True)
    if context.attempt == 1:
        raise ValueError("no")

@handler("killed", transactional=True)
def killed(payload, context):
    effect(context, f"killed {context.attempt}")
    note("inside", context)
    if context.attempt == 1:
        die()

@handler("broken", transactional=True, max_attempts=1)
def broken(payload, context):
    try:
        context.connection.execute("SELECT nonsense FROM nowhere")
    except Exception:
        pass
    effect(context, "broken")

@handler("ended", transactional=True, max_attempts=1)
def ended(payload, context):
    effect(context, "ended")
    context.connection.commit()

@handler("slow", transactional=True, max_attempts=1, time_limit_seconds=0.2)
def slow(payload, context):
    effect(context, "slow")
    time.sleep(30)

@handler("plain")
def plain(payload, context):
    note("plain", context, connection=repr(context.connection))

@handler("next")
def next_one(payload, context):
    note("next", context, what=payload)
"""


def test_a_transactional_handlers_effects_commit_with_its_ack_or_not_at_all(
    make_daemon: MakeDaemon, place: Place
) -> None:
    place.sql("CREATE TABLE effect (what text)")
    daemon = make_daemon(place, TRANSACTIONAL)
    for queue in ("commit", "rollback", "ended", "slow", "plain", "killed"):
        place.enqueue(queue)

    place.wait_empty()

    effects = sorted(what for (what,) in place.sql("SELECT what FROM effect"))
    assert effects == ["commit", "killed 2", "rollback 2"]
    # The worker that is killed may have handled one of them whose ack was still to come: it is handled again.
    assert {fact["what"] for fact in daemon.facts("next")} == {"also", "from commit", "from rollback 2"}
    assert sorted((letter.queue, letter.reason) for letter in place.dead()) == [
        ("ended", "attempts"),
        ("slow", "attempts"),
    ]
    assert len(daemon.facts("inside")) == 2
    assert daemon.facts("plain")[0]["connection"] == "None", "only who asks gets a transaction"
    killed = daemon.wait_event("ItemCrashed")
    assert (killed["queue"], killed["crash_attempts"]) == ("killed", 1)


@pytest.mark.pg
def test_a_statement_that_failed_inside_a_handlers_transaction_is_not_acked_away(
    make_daemon: MakeDaemon, postgres_place: Place
) -> None:
    postgres_place.sql("CREATE TABLE effect (what text)")
    daemon = make_daemon(postgres_place, TRANSACTIONAL)
    postgres_place.enqueue("broken")
    postgres_place.enqueue("commit")

    postgres_place.wait_empty()

    (dead,) = postgres_place.dead()
    assert dead.queue == "broken"
    assert "transaction is aborted" in (dead.last_error or "") or "cannot be committed" in (dead.last_error or "")
    assert postgres_place.sql("SELECT what FROM effect") == [("commit",)]
    assert not daemon.events("StoreLost"), "the handler's mistake is not the store's"


def test_a_transactional_handler_that_was_killed_in_the_middle_leaves_no_effect(
    make_daemon: MakeDaemon, place: Place
) -> None:
    source = """
@handler("q", transactional=True)
def q(payload, context):
    mark = "?" if type(context.connection).__module__.startswith(("sqlite3", "snqd")) else "%s"
    context.connection.execute(f"INSERT INTO effect VALUES ({mark})", (str(context.attempt),))
    note("inside", context)
    hold("go")
"""
    place.sql("CREATE TABLE effect (what text)")
    item = place.enqueue("q")
    daemon = make_daemon(place, source)
    pid = daemon.wait_fact("inside")["pid"]

    daemon.workers()[0].kill()
    wait_until(lambda: is_gone(pid), "the worker is gone")
    daemon.wait_fact("inside", attempt=2)
    assert place.sql("SELECT what FROM effect") == []
    watch = Stopwatch()
    daemon.open_gate("go")
    place.wait_empty(ids=(item,))

    assert watch.seconds < 5
    assert place.sql("SELECT what FROM effect") == [("2",)]
