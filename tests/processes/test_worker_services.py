"""Services: they run beside the handlers, are told from them when they fail, and outlast the last running item."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from snqd.items import new_item
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.daemons import Daemon, Place

    MakeDaemon = Callable[..., Daemon]

pytestmark = pytest.mark.fork

BOTH = """
from snqd import new_item
from snqd.telemetry.facts import ConnectionFact

class Link(Handler, Service):
    queue = "out"
    group = "xmpp"

    def __init__(self):
        self.is_open = False

    async def run(self, context):
        self.is_open = True
        note("opened", worker=context.worker, sites=sorted(context.sites))
        await context.enqueue([new_item("in", {"n": n}) for n in range(3)])
        context.tell(ConnectionFact(
            worker=context.worker, service="test", name="link", site="", state="connected", since=1.0, problem="",
            retry_at=0.0, ping_seconds=0.5, sent=1, acknowledged=2, unacknowledged=3, received=4, connects=5))
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            self.is_open = False
            note("closed")

    async def handle(self, payload, context):
        note("began", context)
        await hold_async("out")
        note("handled", context, is_open=self.is_open, group="xmpp")


@handler("in")
def received(payload, context):
    note("in", context, n=payload["n"])
"""


def test_a_service_shares_its_instance_with_the_handler_and_outlasts_it(make_daemon: MakeDaemon, place: Place) -> None:
    place.enqueue("out")
    daemon = make_daemon(place, BOTH, daemon={"serve": ["main", "xmpp"], "threads": 2})
    daemon.wait_ready(3)
    daemon.wait_fact("began")
    daemon.wait_facts("in", 3)

    daemon.send(signal.SIGTERM)
    daemon.wait_event("DaemonStopping")
    daemon.open_gate("out")

    assert daemon.wait_exit() == 0
    (opened,) = daemon.facts("opened")
    assert opened["worker"] == "main.1", "a single group has one worker, the first"
    assert opened["sites"] == ["default"]
    assert all(fact["pid"] != opened["pid"] for fact in daemon.facts("in")), "which does nothing else"
    assert daemon.facts("handled")[0]["is_open"]
    last = daemon.facts()[-1]
    assert (last["fact"], last["pid"]) == ("closed", opened["pid"])


def test_a_service_that_fails_is_an_event_and_runs_again(make_daemon: MakeDaemon, sqlite_place: Place) -> None:
    source = """
class Fails(Service):
    runs = 0
    async def run(self, context):
        self.runs += 1
        note("run", runs=self.runs)
        if self.runs == 1:
            raise OSError("no such feed")

@handler("q")
def q(payload, context):
    note("handled", context)
"""
    daemon = make_daemon(sqlite_place, source)

    event = daemon.wait_event("ServiceFailed")
    assert (event["worker"], event["service"], event["error"]) == ("main.1", "app.Fails", "OSError: no such feed")
    assert "no such feed" in event["traceback"]
    sqlite_place.enqueue("q")
    daemon.wait_fact("handled")
    daemon.wait_facts("run", 2)


def test_a_worker_may_have_a_service_and_no_handler(make_daemon: MakeDaemon, sqlite_place: Place) -> None:
    source = "class Alone(Service):\n    async def run(self, context):\n        note('run')\n"
    daemon = make_daemon(sqlite_place, source)

    daemon.wait_fact("run")
    assert daemon.stop() == 0


def test_a_rejected_item_is_a_dead_letter_at_once(make_daemon: MakeDaemon, sqlite_place: Place) -> None:
    place = sqlite_place
    number = place.enqueue("q")
    daemon = make_daemon(place, "@handler('q')\ndef q(payload, context):\n    raise Reject('it has no recipient')\n")

    event = daemon.wait_event("ItemDeadLettered")
    assert (event["item"], event["reason"], event["error"], event["attempt"]) == (
        number,
        "bad_item",
        "it has no recipient",
        1,
    )
    wait_until(lambda: [letter.id for letter in place.dead()] == [number], "it is among the dead letters")


WAITS = """
class Waits(Handler):
    queue = "q"
    concurrency = 300
    waits = True

    async def handle(self, payload, context):
        context.waiting()
        note("waits", context)
        await hold_async("q")
        note("done", context)
"""


def test_hundreds_may_wait_at_once_and_none_is_blamed_for_a_death(make_daemon: MakeDaemon, sqlite_place: Place) -> None:
    place = sqlite_place
    daemon = make_daemon(place, WAITS, store={"batch_limit": 40})
    ids = [item for _ in range(5) for item in place.enqueue_all([new_item("q", number) for number in range(50)])]
    begun = daemon.wait_facts("waits", 250)
    assert [fact["item"] for fact in begun] == ids, "they begin in order"

    daemon.workers()[0].kill()
    again = daemon.wait_facts("waits", 500)[250:]
    assert [fact["item"] for fact in again] == ids
    assert {(item.attempts, item.crash_attempts) for item in place.waiting()} == {(0, 0)}
    assert daemon.events("ItemCrashed") == []

    daemon.open_gate("q")
    place.wait_empty()
    assert len(daemon.facts("done")) == 250
