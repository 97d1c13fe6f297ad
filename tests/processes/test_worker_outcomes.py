"""What a handler says, and what becomes of its item, in real workers on real stores."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

from snqd.items import new_item

if TYPE_CHECKING:
    from collections.abc import Callable

    from snqd.stores.records import ItemRecord
    from tests.support.daemons import Daemon, Place

    MakeDaemon = Callable[..., Daemon]

pytestmark = pytest.mark.fork

MIXED = """
@handler("plain")
def plain(payload, context):
    note("ran", context, n=payload)

@handler("pausing")
async def pausing(payload, context):
    await asyncio.sleep(0.01)
    note("ran", context, n=payload)

@handler("threaded", concurrency=4)
def threaded(payload, context):
    time.sleep(0.01)
    note("ran", context, n=payload)

class Kept(Handler):
    queue = "kept"
    def __init__(self):
        self.count = 0
    def handle(self, payload, context):
        self.count += 1
        note("ran", context, n=payload)
"""


def test_items_of_every_kind_of_handler_and_site_run_once_and_leave(make_daemon: MakeDaemon, place: Place) -> None:
    queues, sites = ("plain", "pausing", "threaded", "kept"), ("a.example", "b.example")
    items = [new_item(queue, n, site=site) for queue in queues for site in sites for n in range(25)]
    place.enqueue_all(items)

    daemon = make_daemon(place, MIXED, daemon={"threads": 2}, site={"a.example": {"x": 1}, "b.example": {"x": 2}})
    daemon.wait_facts("ran", len(items))
    place.wait_empty()

    ran = sorted((fact["queue"], fact["site"], fact["n"], fact["attempt"]) for fact in daemon.facts("ran"))
    assert ran == sorted((item.queue, item.site, n, 1) for item, n in zip(items, [*range(25)] * 8, strict=True))
    assert daemon.stop() == 0
    exits = daemon.events("WorkerExited")
    assert sum(each["handled"] for each in exits) == len(items)
    assert place.dead() == []


OUTCOMES = """
@handler("later")
def later(payload, context):
    note("ran", context)
    if context.attempt == 1:
        raise Retry("not yet", after=payload)

@handler("pointless")
def pointless(payload, context):
    raise Discard("nobody wants it")

def deep(payload):
    raise ValueError(f"cannot do {payload}")

@handler("failing", max_attempts=3, backoff=Backoff(first_seconds=0.05, factor=4.0, jitter=0.0))
def failing(payload, context):
    note("ran", context)
    deep(payload)

@handler("async-failing", max_attempts=2, backoff=AT_ONCE)
async def async_failing(payload, context):
    note("ran", context)
    raise KeyError("missing")

@handler("giving-up", max_attempts=2)
def giving_up(payload, context):
    raise Retry("never ready", after=0)

@handler("text")
def text(payload, context):
    note("ran", context, payload=payload)
"""


def test_each_outcome_of_a_handler_decides_its_items_fate(make_daemon: MakeDaemon, place: Place) -> None:
    later = place.enqueue("later", 0.3)
    pointless = place.enqueue("pointless")
    failing = place.enqueue("failing", "this")
    async_failing = place.enqueue("async-failing")
    giving_up = place.enqueue("giving-up")
    bad = place.sql(
        "INSERT INTO queue_item (queue, frame) VALUES ('text', ?) RETURNING id", b'{"not": json'
    )[0][0]  # fmt: skip
    odd = place.sql("INSERT INTO queue_item (queue, frame, codec) VALUES ('text', ?, 'pickle') RETURNING id", b"x")[0][
        0
    ]

    daemon = make_daemon(place, OUTCOMES)
    place.wait_empty()

    first, second = daemon.facts("ran", item=later)
    assert second["attempt"] == 2
    assert second["at"] - first["at"] >= 0.3, "Retry(after) is obeyed"
    assert daemon.wait_event("ItemRetried", item=later)["error"] == "Retry: not yet"
    assert daemon.wait_event("ItemDiscarded", item=pointless)["reason"] == "nobody wants it"

    one, two, three = daemon.facts("ran", item=failing)
    assert two["at"] - one["at"] >= 0.05
    assert three["at"] - two["at"] >= 0.2, "retries wait longer and longer"

    dead: dict[int, ItemRecord] = {letter.id: letter for letter in place.dead()}
    assert sorted(dead) == sorted([failing, async_failing, giving_up, bad, odd]), "and nothing else is given up"
    assert (dead[failing].reason, dead[failing].attempts) == ("attempts", 3)
    assert dead[failing].last_error == "ValueError: cannot do this"
    assert [entry.attempt for entry in dead[failing].history] == [1, 2, 3]
    trace = dead[failing].traceback or ""
    assert "in deep" in trace, "the traceback leads to where it was raised"
    assert "execution.py" not in trace, "and leaves out the daemon's own frames"
    assert "in async_failing" in (dead[async_failing].traceback or "")
    assert (dead[giving_up].reason, dead[giving_up].attempts) == ("attempts", 2)
    assert "never ready" in (dead[giving_up].last_error or "")
    assert dead[bad].reason == dead[odd].reason == "bad_item"
    assert "json" in (dead[bad].last_error or "")
    assert "unknown codec 'pickle'" in (dead[odd].last_error or "")
    assert dead[bad].frame == b'{"not": json', "the frame is kept"
    assert not daemon.facts("ran", queue="text"), "no handler saw what could not be decoded"
    assert not daemon.events("WorkerExited"), "no failure has cost a worker"


CODECS = """
@handler("any")
def any_codec(payload, context):
    note("ran", context, payload=payload.hex() if isinstance(payload, bytes) else payload, kind=type(payload).__name__)
"""


def test_a_handler_gets_the_payload_that_was_enqueued_whatever_its_codec(make_daemon: MakeDaemon, place: Place) -> None:
    place.enqueue("any", {"a": [1, 2.5, None, "ü"]})
    place.enqueue("any", "grüße\0", codec="text")
    place.enqueue("any", bytes(range(256)), codec="raw")
    daemon = make_daemon(place, CODECS)

    kinds = {fact["kind"]: fact["payload"] for fact in daemon.wait_facts("ran", 3)}

    assert kinds["dict"] == {"a": [1, 2.5, None, "ü"]}
    assert kinds["str"] == "grüße\0"
    assert kinds["bytes"] == bytes(range(256)).hex()


ORDER = """
@handler("q")
def q(payload, context):
    note("ran", context, n=payload)
"""


def test_priority_delay_and_unique_keys_are_obeyed(make_daemon: MakeDaemon, place: Place) -> None:
    place.enqueue("q", "normal")
    place.enqueue("q", "urgent", priority=-5)
    place.enqueue("q", "idle", priority=5)
    place.enqueue("q", "keyed", unique_key="k")
    with place.open() as store:
        assert store.enqueue([new_item("q", "again", unique_key="k")]) == [None]
    began = time.monotonic()
    place.enqueue("q", "delayed", delay_seconds=1.2)

    daemon = make_daemon(place, ORDER)
    place.wait_empty()
    ran = [fact["n"] for fact in daemon.facts("ran")]
    assert [what for what in ran if what != "delayed"] == ["urgent", "normal", "keyed", "idle"]
    assert daemon.facts("ran", n="delayed")[0]["at"] - began >= 1.19

    place.enqueue("q", "once more", unique_key="k")
    daemon.wait_fact("ran", n="once more")


def test_a_delayed_item_runs_when_it_is_due_and_not_at_the_next_poll(make_daemon: MakeDaemon, place: Place) -> None:
    daemon = make_daemon(place, ORDER, store={"poll_interval_seconds": 30, "sweep_seconds": 30})
    place.enqueue("q", "first")
    daemon.wait_fact("ran", n="first")

    began = time.monotonic()
    place.enqueue("q", "delayed", delay_seconds=0.5)

    late = daemon.wait_fact("ran", n="delayed")["at"] - began
    assert 0.49 <= late < 1.5


def test_items_of_an_unknown_site_wait_are_reported_and_run_when_the_site_is_known(
    make_daemon: MakeDaemon, place: Place
) -> None:
    source = """
@handler("q", max_attempts=1)
def q(payload, context):
    note("ran", context, mail=context.site.settings["mail"])
"""
    known = {"a.example": {"mail": "a@a.example"}}
    daemon = make_daemon(place, source, site=known, settings={"mail": "nobody@example"}, daemon={"threads": 2})
    stranger = place.enqueue("q", 1, site="b.example")
    ours = place.enqueue("q", 1, site="a.example")

    daemon.wait_fact("ran", item=ours, site="a.example", mail="a@a.example")
    told = daemon.wait_event("UnknownSite")
    assert (told["site"], told["queue"], told["level"]) == ("b.example", "q", "warning")
    waiting = place.wait_item(stranger, lambda item: item.state == "scheduled")
    assert (waiting.attempts, waiting.crash_attempts, waiting.claimed_by) == (0, 0, None)
    assert "unknown site 'b.example'" in (waiting.last_error or "")
    assert not daemon.facts("ran", item=stranger), "it never runs under another site's settings"

    daemon.configure(
        site={**known, "b.example": {"mail": "b@b.example"}}, settings={"mail": "nobody@example"}, daemon={"threads": 2}
    )
    daemon.send(signal.SIGHUP)
    daemon.wait_event("ReloadFinished")

    daemon.wait_fact("ran", item=stranger, site="b.example", mail="b@b.example", attempt=1, seconds=5)


def test_a_queue_without_a_handler_keeps_its_items_and_an_event_says_so(make_daemon: MakeDaemon, place: Place) -> None:
    lost = place.enqueue("nobodys", 1)
    daemon = make_daemon(place, ORDER)
    other = place.enqueue("q", 1)

    daemon.wait_fact("ran", item=other)
    told = daemon.wait_event("NoHandler")

    assert (told["queue"], told["level"]) == ("nobodys", "warning")
    (left,) = place.waiting(queue="nobodys")
    assert (left.id, left.state, left.attempts, left.claimed_by) == (lost, "ready", 0, None)
    assert not daemon.events("NoHandler", queue="q")


def test_a_site_that_is_badly_configured_is_set_aside_and_the_others_run(
    make_daemon: MakeDaemon, sqlite_place: Place
) -> None:
    daemon = make_daemon(sqlite_place, ORDER, start=False, sites={"directory": "sites"})
    sites = daemon.folder / "sites"
    sites.mkdir()
    (sites / "good.example.toml").write_text("x = 1\n")
    (sites / "bad.example.toml").write_text("x = = 1\n")
    good = sqlite_place.enqueue("q", 1, site="good.example")
    bad = sqlite_place.enqueue("q", 1, site="bad.example")

    daemon.start()
    daemon.wait_fact("ran", item=good)

    aside = daemon.wait_event("SiteSetAside", site="bad.example")
    assert "bad.example.toml" in aside["reason"]
    sqlite_place.wait_item(bad, lambda item: item.state == "scheduled" and item.attempts == 0)
    assert not daemon.facts("ran", item=bad)
