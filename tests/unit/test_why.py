from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import pytest

from snqd.cli.app import app
from snqd.telemetry.why import Answer, Cause, why
from tests.support.views import (
    NOON,
    alarm,
    busy,
    connection,
    daemon_fact,
    depth,
    event,
    flow,
    limit,
    pause,
    queue,
    schedule,
    store,
    view_of,
    worker,
)

if TYPE_CHECKING:
    from snqd.telemetry.facts import AnyFact

SERVED = (daemon_fact(), store(), worker(1), worker(2), queue())


AWAY: dict[str, Any] = {"state": "backing off", "since": NOON - 250}
CARRIED = (
    daemon_fact(), store(), queue("xmppout", workers=1), busy(1, queue="xmppout", seconds=240.0),
    depth("xmppout", ready=40, in_flight=20, lag_seconds=200.0),
)  # fmt: skip


class Case(NamedTuple):
    """Facts, and what a person is told."""

    facts: tuple[AnyFact, ...]
    cause: Cause
    sentence: str
    command: str
    site: str | None = None
    queue: str = "mail"


WAITING_PAUSED = (depth(paused=3), depth(site="b.example", paused=4))
CASES = {
    "the store is away": Case(
        (*SERVED, depth(ready=12), store(connected=False, since=NOON - 42, problem="connection refused")),
        Cause.STORE,
        "the store has not answered for 42s: connection refused; what waits cannot be claimed, and is kept",
        "psql postgresql://snqd@db.example/queue -c 'SELECT 1'",
    ),
    "nothing waits since its schedule is overdue": Case(
        (*SERVED, depth(), schedule(overdue_seconds=420.0, sites=3), schedule("weekly", overdue_seconds=9.0)),
        Cause.SCHEDULE,
        "nothing waits in queue mail: schedule nightly of 3 sites for queue mail has been overdue for 7m00s and no "
        "daemon acts on it (main@db7 did last)",
        "snqd schedule list",
    ),
    "its schedule is for a site that there is not": Case(
        (*SERVED, schedule(overdue_seconds=60.0, sites=1, site="x", problem="there is no site 'x'")),
        Cause.SCHEDULE,
        "nothing waits in queue mail: schedule nightly of site x for queue mail has been overdue for 1m00s: "
        "there is no site 'x'",
        "snqd config check",
    ),
    "nothing waits, and its schedule is not overdue": Case(
        (*SERVED, depth(), schedule(), schedule("other", queue="news", overdue_seconds=99.0)),
        Cause.NOTHING_WAITS,
        "nothing waits in queue mail",
        "snqd status",
    ),
    "it is paused": Case(
        (*SERVED, pause("mail", reason="the relay is down", expires=NOON + 3600), depth(paused=12)),
        Cause.PAUSED,
        "queue mail is paused by anna since 2027-01-15 06:00 UTC, until 09:00 UTC: the relay is down; "
        "12 items of queue mail wait until it is resumed",
        "snqd resume --queue mail",
    ),
    "it is paused, and the fact that says so is still to come": Case(
        (*SERVED, queue(paused="by anna since noon"), depth(paused=12)),
        Cause.PAUSED,
        "queue mail is paused by anna since noon; 12 items wait until it is resumed",
        "snqd resume --queue mail",
    ),
    "its site is paused": Case(
        (*SERVED, pause(site="a.example"), depth(paused=1), depth(site="b.example", ready=2)),
        Cause.PAUSED,
        "site a.example is paused by anna since 2027-01-15 06:00 UTC; "
        "1 item of queue mail (site a.example) waits until it is resumed",
        "snqd resume --site a.example",
        site="a.example",
    ),
    "it is paused for its site, and the site too": Case(
        (*SERVED, pause("mail", "a.example"), pause(site="a.example"), depth(paused=3)),
        Cause.PAUSED,
        "site a.example is paused by anna since 2027-01-15 06:00 UTC; queue mail of site a.example is paused too; "
        "3 items of queue mail (site a.example) wait until it is resumed",
        "snqd resume --site a.example",
        site="a.example",
    ),
    "every site with items is paused": Case(
        (*SERVED, pause("mail", "a.example"), pause(site="b.example"), *WAITING_PAUSED),
        Cause.PAUSED,
        "7 items of queue mail could be claimed, but queue mail of site a.example is paused by anna since "
        "2027-01-15 06:00 UTC, and 1 other pause like that",
        "snqd resume --queue mail --site a.example",
    ),
    "a pause that is over is none": Case(
        (*SERVED, pause("mail", ended=NOON - 5), depth(ready=1, lag_seconds=1.0)),
        Cause.MOVES,
        "1 item of queue mail could be claimed (the oldest for 1.0s): just come",
        "snqd status --watch",
    ),
    "it is at its limit": Case(
        (*SERVED, limit("mail", in_flight=2), depth(ready=7, in_flight=1), depth(site="b.example", in_flight=1)),
        Cause.LIMIT,
        "queue mail is at its limit of 2 items in flight, over all daemons; "
        "7 items of queue mail could be claimed (the oldest for 1m30s)",
        "snqd config show queue.mail.in_flight_limit",
    ),
    "its rate is used up": Case(
        (*SERVED, queue(out_per_second=0.1), limit("mail", rate=0.1), depth(ready=7)),
        Cause.LIMIT,
        "queue mail is at its limit of 6.0/min, over all daemons; "
        "7 items of queue mail could be claimed (the oldest for 1m30s)",
        "snqd config show queue.mail.rate_per_second",
    ),
    "its site is at its limit over all queues": Case(
        (*SERVED, limit(site="*", in_flight=3), depth(ready=7, in_flight=1), depth("other", in_flight=2)),
        Cause.LIMIT,
        "site a.example is at its limit of 3 items in flight, over all daemons; "
        "7 items of queue mail (site a.example) could be claimed (the oldest for 1m30s)",
        "snqd config show sites",
        site="a.example",
    ),
    "every site is at its limit in the queue": Case(
        (
            *SERVED, limit("mail", "*", in_flight=1), limit("mail", "b.example", in_flight=2),
            depth(ready=7, in_flight=1), depth(site="b.example", ready=1, in_flight=2),
        ),
        Cause.LIMIT,
        "every site with ready items is at its limit: queue mail of site a.example is at its limit of "
        "1 item in flight, over all daemons; 8 items of queue mail could be claimed (the oldest for 1m30s)",
        "snqd config show queue.mail.site_in_flight_limit",
    ),
    "nobody has heard of the queue": Case(
        (*SERVED[:-1], queue("other"), depth("other", ready=1)),
        Cause.UNKNOWN_QUEUE,
        "queue mail has no items and no handler: nobody here has heard of that name",
        "snqd status",
    ),
    "nothing waits": Case((*SERVED, depth()), Cause.NOTHING_WAITS, "nothing waits in queue mail", "snqd status"),
    "nothing of the site waits": Case(
        (*SERVED, depth(ready=4)),
        Cause.NOTHING_WAITS,
        "nothing waits in queue mail (site b.example)",
        "snqd status",
        "b.example",
    ),
    "the site is not configured": Case(
        (*SERVED, depth(scheduled=5), event("UnknownSite", queue="mail", site="a.example")),
        Cause.SITE,
        "site a.example is not configured: 5 items of queue mail wait until that is put right",
        "snqd config check",
    ),
    "the site is set aside": Case(
        (
            *SERVED, depth(scheduled=5), depth(site="b.example", ready=3),
            event("SiteSetAside", seconds_ago=86400, site="a.example", reason="a.example.toml, line 3: no value"),
        ),
        Cause.SITE,
        "site a.example is set aside (a.example.toml, line 3: no value): 5 items of queue mail wait until that is put "
        "right",
        "snqd config check",
        "a.example",
    ),
    "no handler": Case(
        (daemon_fact(), store(), worker(), queue(workers=0, has_handler=False), depth(ready=12)),
        Cause.NO_HANDLER,
        "no handler is registered here for queue mail: is its module in handlers.modules?",
        "snqd config show handlers",
    ),
    "no handler here, but elsewhere": Case(
        (daemon_fact(), store(), worker(), queue(workers=0, has_handler=False), depth(ready=12, in_flight=2)),
        Cause.NO_HANDLER,
        "no handler is registered here for queue mail: is its module in handlers.modules? "
        "Another daemon holds 2 items of it, so it may move there",
        "snqd config show handlers",
    ),
    "every slot is fatal": Case(
        (
            daemon_fact(), store(), queue(workers=0), depth(ready=12),
            worker(1, state="fatal", pid=0, exit_reason="8 quick deaths in a row, the last: error", exit_at=NOON - 9),
            worker(2, state="backoff", pid=0),
        ),
        Cause.NO_WORKER,
        "no worker of daemon main is running: 1 backoff, 1 fatal; "
        "main.1 ended: 8 quick deaths in a row, the last: error",
        "kill -HUP 4000",
    ),
    "the workers are being started": Case(
        (daemon_fact(), store(), queue(workers=0), depth(ready=1), worker(state="starting", phase="starting")),
        Cause.NO_WORKER,
        "no worker of daemon main is running: 1 starting",
        "snqd status",
    ),
    "no worker is wanted": Case(
        (daemon_fact(), store(), queue(workers=0), depth(ready=1), worker(state="closed", pid=0)),
        Cause.NO_WORKER,
        "daemon main has no worker",
        "kill -TTIN 4000",
    ),
    "no worker serves its group": Case(
        (daemon_fact(), store(), worker(), queue(workers=0), depth(ready=12)),
        Cause.NOT_SERVED,
        "queue mail has a handler, but no worker here serves its group: is the group in daemon.serve?",
        "snqd config show daemon.serve",
    ),
    "the loop of the worker is stuck": Case(
        (daemon_fact(), store(), worker(beat=NOON - 75), queue(), depth(ready=12)),
        Cause.STUCK,
        "the only worker is stuck: no loop has turned for 1m15s, although no item runs; USR1 shows in the log where",
        "kill -USR1 4000",
    ),
    "not connected": Case(
        (*CARRIED, connection("a@a.example", problem="refused", **AWAY),
         connection("b@b.example", state="connecting", since=NOON - 9)),
        Cause.NOT_CONNECTED,
        "xmpp is not connected as a@a.example and 1 other for 4m10s: refused; "
        "60 items of queue xmppout wait until it is",
        "snqd config show xmpp",
        queue="xmppout",
    ),
    "what is left waits for another attempt": Case(
        (*SERVED, depth(scheduled=120), event("ItemFailed", queue="mail", site="a.example", error="timed out\nat 3")),
        Cause.FAILING,
        "the handler of queue mail fails, last with: timed out; 120 items wait for another attempt or for their time",
        "snqd items list --queue mail --state scheduled",
    ),
    "the handler fails at once": Case(
        (daemon_fact(), store(), busy(), queue(), depth(ready=9, scheduled=2), alarm("failures")),
        Cause.FAILING,
        "the handler of queue mail fails; 2 items wait for another attempt or for their time",
        "snqd items list --queue mail --state scheduled",
    ),
    "all items are delayed": Case(
        (*SERVED, depth(scheduled=7)),
        Cause.DELAYED,
        "all 7 items of queue mail are scheduled for later",
        "snqd items retry --queue mail",
    ),
    "the only item of a site is delayed": Case(
        (*SERVED, flow(failed=2, retried=1), depth(scheduled=1), depth(site="b.example", ready=8)),
        Cause.DELAYED,
        "the only item of queue mail (site a.example) is scheduled for later, by those who enqueued them or after "
        "one of 3 failures since the daemon's start",
        "snqd items retry --queue mail --site a.example",
        "a.example",
    ),
    "a dead worker's leases": Case(
        (
            daemon_fact(), store(), worker(1), queue(), depth(in_flight=3),
            worker(2, state="backoff", pid=0, exit_reason="killed by SIGKILL", exit_at=NOON - 1),
        ),
        Cause.HELD,
        "3 items of queue mail are claimed and none runs here: held by worker main.2, which died (killed by SIGKILL), "
        "or by another daemon; leases run out by themselves",
        "snqd items list --queue mail --state claimed",
    ),
    "the last items run": Case(
        (daemon_fact(), store(), busy(seconds=95), queue(), depth(in_flight=1)),
        Cause.MOVES,
        "1 item of queue mail is claimed and nothing waits; "
        "longest of all runs item 7 of queue mail, for 1m35s in worker main.1",
        "snqd items list --queue mail --state claimed",
    ),
    "all are busy with something else": Case(
        (
            daemon_fact(), store(), queue(), depth(ready=12),
            busy(1, queue="resize", item=70, seconds=700), busy(2, queue="resize"), busy(3, queue="mail"),
        ),
        Cause.BUSY,
        "all 3 workers are busy (2 with resize, 1 with mail); longest of all runs item 70 of queue resize, for 11m40s "
        "in worker main.1; 12 items of queue mail could be claimed (the oldest for 1m30s)",
        "kill -TTIN 4000",
    ),
    "too few hands": Case(
        (
            daemon_fact(), store(), busy(), depth(ready=2_000_000, is_estimate=True),
            queue(out_per_second=40.0, in_per_second=55.0, is_growing=True),
        ),
        Cause.BUSY,
        "the only worker is busy (1 with mail) and too few: 40/s go out and 55/s come in; longest of all runs item 7 "
        "of queue mail, for 2.0s in worker main.1; "
        "about 2,000,000 items of queue mail could be claimed (the oldest for 1m30s)",
        "kill -TTIN 4000",
    ),
    "cleanup is pinned": Case(
        (
            *SERVED, depth(ready=12),
            store(pin_pid=815, pin_age_seconds=7500, dead_rows=1_200_000, pin_query="SELECT pg_sleep($1)"),
        ),
        Cause.PINNED,
        "claims are slow: a transaction of process 815, open for 2h05m, keeps 1,200,000 dead rows from being cleaned "
        "up (SELECT pg_sleep($1)); 12 items of queue mail could be claimed (the oldest for 1m30s)",
        "psql postgresql://snqd@db.example/queue -c 'SELECT pg_terminate_backend(815)'",
    ),
    "cleanup is pinned by what is no process": Case(
        (
            *SERVED, depth(ready=12),
            store(pin_pid=-1, pin_age_seconds=7500, dead_rows=1_200_000, pin_query="replication slot standby_2"),
        ),
        Cause.PINNED,
        "claims are slow: replication slot standby_2, for 2h05m, keeps 1,200,000 dead rows from being cleaned up; "
        "12 items of queue mail could be claimed (the oldest for 1m30s)",
        "psql postgresql://snqd@db.example/queue -c 'SELECT * FROM pg_replication_slots'",
    ),
    "it moves": Case(
        (*SERVED, queue(out_per_second=40.0, in_per_second=0.2, drain_seconds=30.0), depth(ready=1200)),
        Cause.MOVES,
        "queue mail moves: 40/s go out and 12.0/min come in, what is ready is done in 30s; "
        "1,200 items of queue mail could be claimed (the oldest for 1m30s)",
        "snqd status --watch",
    ),
    "they have just come": Case(
        (*SERVED, depth(ready=2, lag_seconds=0.4)),
        Cause.MOVES,
        "2 items of queue mail could be claimed (the oldest for 0.4s): just come",
        "snqd status --watch",
    ),
    "the facts do not say": Case(
        (*SERVED, depth(ready=12)),
        Cause.NOT_KNOWN,
        "the facts do not say why: 12 items of queue mail could be claimed (the oldest for 1m30s) and 2 workers are "
        "idle, yet nothing is claimed; USR1 has each worker say in the log what it does",
        "kill -USR1 4000",
    ),
    "numbers that are old say so": Case(
        (*SERVED, depth(ready=12, at=NOON - 40)),
        Cause.NOT_KNOWN,
        "the facts do not say why: 12 items of queue mail could be claimed (the oldest for 1m30s) (counted 40s ago) "
        "and 2 workers are idle, yet nothing is claimed; USR1 has each worker say in the log what it does",
        "kill -USR1 4000",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_person_is_told_the_cause_and_what_to_do(name: str) -> None:
    case = CASES[name]

    answer = why(view_of(*case.facts), case.queue, case.site, now=NOON)

    assert answer == Answer(case.cause, case.sentence, case.command)


def test_every_cause_has_a_case() -> None:
    tested = {case.cause for case in CASES.values()} | {Cause.NOT_HEARD}

    assert tested == set(Cause)


@pytest.mark.parametrize("command", sorted({case.command for case in CASES.values()}))
def test_the_command_exists(command: str) -> None:
    program, *words = shlex.split(command)

    assert program in ("snqd", "kill", "psql")
    if program == "snqd":
        with app.make_context("snqd", list(words)) as context:
            _parse(context, app, words)


def _parse(context: click.Context, group: click.Command, words: list[str]) -> None:
    """As click does, but nothing is run."""
    assert isinstance(group, click.Group)
    _name, found, rest = group.resolve_command(context, words)
    assert found is not None
    if isinstance(found, click.Group):
        _parse(context, found, rest)
    else:
        found.make_context(found.name, rest, parent=context)


def test_a_store_that_is_away_is_told_before_everything_that_it_said() -> None:
    facts = (daemon_fact(), worker(state="fatal"), queue(has_handler=False), depth(paused=1), pause("mail"))

    answer = why(view_of(*facts, store(connected=False, since=NOON - 5)), "mail", now=NOON)

    assert answer.cause is Cause.STORE


def test_a_queue_is_held_up_by_its_own_connections_only() -> None:
    def cause(*connections: AnyFact, site: str | None = None) -> Cause:
        return why(view_of(*CARRIED, *connections), "xmppout", site, now=NOON).cause

    mine, shared = connection("mine", site="a.example", **AWAY), connection("shared", **AWAY)
    assert cause(mine, connection("other", site="b.example")) is not Cause.NOT_CONNECTED
    assert cause(mine, connection("other", site="b.example"), site="a.example") is Cause.NOT_CONNECTED
    assert cause(shared, connection("other", site="b.example"), site="a.example") is Cause.NOT_CONNECTED
    assert cause(connection("feed", service="feeds", **AWAY)) is not Cause.NOT_CONNECTED
    mail = view_of(*SERVED, depth(ready=1), connection("mine", **AWAY))
    assert why(mail, "mail", now=NOON).cause is not Cause.NOT_CONNECTED


PINNED = store(pin_pid=815, pin_age_seconds=7500, dead_rows=1_200_000)


@pytest.mark.parametrize(
    ("facts", "cause"),
    [
        ((worker(state="fatal"), queue(workers=0, has_handler=False), depth(ready=1)), Cause.NO_HANDLER),
        ((worker(beat=NOON - 75), queue(workers=0), depth(ready=1)), Cause.NOT_SERVED),
        ((busy(), queue(), depth(ready=1), PINNED), Cause.BUSY),
        ((worker(), queue(), depth(ready=1, lag_seconds=0.4), PINNED), Cause.MOVES),
        ((worker(), queue(out_per_second=1.0, is_growing=True), depth(ready=1), PINNED), Cause.PINNED),
        ((worker(), queue(out_per_second=1.0), depth(ready=1), PINNED), Cause.MOVES),
        ((worker(), queue(), depth(ready=1), alarm("failures"), PINNED), Cause.FAILING),
    ],
)
def test_of_two_causes_the_one_that_would_be_left_is_not_told_first(facts: tuple[AnyFact, ...], cause: Cause) -> None:
    assert why(view_of(store(), *facts), "mail", now=NOON).cause is cause


def test_one_site_that_is_refused_does_not_explain_the_others() -> None:
    refused = event("UnknownSite", queue="mail", site="a.example")

    answer = why(view_of(*SERVED, depth(scheduled=5), depth(site="b.example", ready=3), refused), "mail", now=NOON)

    assert answer.cause is not Cause.SITE


def test_failures_of_yesterday_are_no_reason() -> None:
    failed = event("ItemFailed", queue="mail", site="a.example", error="timed out", seconds_ago=86400)

    answer = why(view_of(*SERVED, depth(scheduled=12), failed), "mail", now=NOON)

    assert answer.cause is Cause.DELAYED


def test_a_daemon_that_is_silent_is_not_spoken_for() -> None:
    answer = why(view_of(*SERVED, depth(ready=12)), "mail", now=NOON + 95)

    assert answer.cause is Cause.NOT_HEARD
    assert answer.sentence == (
        "daemon main has not been heard of for 1m35s: what is known is that old, so this cannot be said"
    )


def test_facts_that_are_still_coming_in_are_not_taken_for_all() -> None:
    answer = why(view_of(*SERVED[1:], is_complete=False), "resize", now=NOON)

    assert answer.cause is Cause.NOT_KNOWN
    assert answer.sentence == "the facts of daemon main are still coming in"


@pytest.mark.parametrize("first", ["SiteSetAside", "UnknownSite"])
def test_a_site_is_accused_by_the_last_word_on_it(first: str) -> None:
    queue = "mail" if first == "UnknownSite" else ""
    refused = event(first, 1, seconds_ago=60, site="a.example", queue=queue, reason="bad")
    mended = event("SitesUpdated", 2, seconds_ago=30, daemon="main", sites=["a.example"])
    again = event("SiteSetAside", 3, seconds_ago=20, site="a.example", reason="worse")

    def cause(*facts: AnyFact) -> Cause:
        return why(view_of(*SERVED, depth(ready=3), *facts), "mail", "a.example", now=NOON).cause

    assert cause(refused) is Cause.SITE
    assert cause(refused, mended) is not Cause.SITE
    assert cause(refused, mended, again) is Cause.SITE


def test_a_site_that_lacks_another_queue_is_not_accused() -> None:
    aside = event("SiteSetAside", 1, seconds_ago=60, site="a.example", queue="feed", reason="it has no feed")

    assert why(view_of(*SERVED, depth(ready=3), aside), "mail", "a.example", now=NOON).cause is not Cause.SITE


def test_one_failure_among_items_that_move_is_no_reason() -> None:
    failed = event("ItemFailed", queue="mail", site="a.example", error="timed out")

    answer = why(view_of(*SERVED, depth(ready=12), failed), "mail", now=NOON)

    assert answer.cause is Cause.NOT_KNOWN


def test_failures_of_another_site_are_not_this_ones_reason() -> None:
    failed = event("ItemFailed", queue="mail", site="b.example", error="timed out")

    answer = why(view_of(*SERVED, depth(scheduled=12), failed), "mail", "a.example", now=NOON)

    assert answer.cause is Cause.DELAYED


def test_names_that_a_shell_would_read_are_quoted() -> None:
    name = "mail; rm -rf ~"

    answer = why(view_of(*SERVED, queue(name), depth(name, scheduled=2)), name, now=NOON)

    assert answer.command == "snqd items retry --queue 'mail; rm -rf ~'"


def test_a_limit_that_a_site_has_lifted_or_has_not_reached_holds_nothing_back() -> None:
    limits = (limit("mail", "*", in_flight=1), limit("mail", "b.example"), limit(site="a.example", in_flight=5))
    view = view_of(*SERVED, *limits, depth(ready=7, in_flight=1), depth(site="b.example", ready=1, in_flight=2))

    assert why(view, "mail", now=NOON).cause is not Cause.LIMIT
    assert why(view, "mail", "b.example", now=NOON).cause is not Cause.LIMIT
    assert why(view, "mail", "a.example", now=NOON).cause is Cause.LIMIT


def test_a_rate_that_is_used_to_the_full_is_told_though_all_workers_are_busy() -> None:
    hands = (daemon_fact(), store(), busy(1, queue="other"), limit("mail", rate=5.0), depth(ready=900))

    full, slow = (view_of(*hands, queue(out_per_second=rate, drain_seconds=-1.0)) for rate in (4.9, 2.0))

    assert why(full, "mail", now=NOON).sentence.startswith("queue mail is at its limit of 5.0/s, over all daemons")
    assert why(slow, "mail", now=NOON).cause is Cause.BUSY


def test_a_rate_of_which_nothing_has_been_used_for_a_minute_is_not_the_reason() -> None:
    def cause(rate: float, out: float) -> Cause:
        view = view_of(
            *SERVED[:-1], queue(out_per_second=out), limit("mail", rate=rate), depth(ready=9, lag_seconds=90)
        )
        return why(view, "mail", now=NOON).cause

    assert cause(rate=0.5, out=0.5) is Cause.LIMIT
    assert cause(rate=0.5, out=0.0) is not Cause.LIMIT
    assert cause(rate=0.01, out=0.0) is Cause.LIMIT, "it lets an item through in 100 s"


def test_what_has_just_come_is_not_held_back_by_a_rate() -> None:
    view = view_of(*SERVED, limit("mail", rate=5.0), depth(ready=1, lag_seconds=0.2))

    assert why(view, "mail", now=NOON).cause is Cause.MOVES
