"""What a monitor may have done through the control socket of a real daemon, and that telemetry shows it."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from typing import TYPE_CHECKING, Any

import pytest

from snqd.errors import SnqdError
from snqd.items import new_item
from snqd.stores.fingerprint import is_fingerprint
from snqd.telemetry.asking import ask_hub
from snqd.telemetry.exits import WorkerExit
from tests.support.monitor import Monitor
from tests.support.processes import is_gone, wait_until
from tests.support.stopwatch import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from snqd.telemetry.facts import PauseFact
    from tests.support.daemons import Daemon, Place

    MakeDaemon = Callable[..., Daemon]

pytestmark = pytest.mark.fork

SOURCE = """
@handler("work")
def work(payload, context):
    note("handled", context, payload=payload)

@handler("held")
def held(payload, context):
    note("began", context)
    hold("held")
    note("handled", context)

@handler("bad", max_attempts=1)
def bad(payload, context):
    raise ValueError(f"no {payload}")
"""
SITES: dict[str, dict[str, str]] = {"default": {}, "a": {}, "b": {}}


def asking(daemon: Daemon) -> Callable[..., dict[str, Any]]:
    """Asks the daemon's hub, which has to be there."""
    daemon.wait_hub()
    path = daemon.folder / "main.sock"

    def ask(what: str, **fields: Any) -> dict[str, Any]:
        return ask_hub(path, {"ask": what, **fields}, seconds=30.0)

    wait_until(path.exists, "the socket is there")
    return ask


def pause_of(monitor: Monitor, queue: str, site: str) -> PauseFact:
    return monitor.view.pauses[queue, site]


def test_a_queue_is_paused_and_goes_on_at_once_when_it_is_resumed(make_daemon: MakeDaemon, place: Place) -> None:
    daemon = make_daemon(place, SOURCE, daemon={"threads": 2}, alarms={"lag_seconds": 0.5, "stalled_seconds": 0.5})
    ask = asking(daemon)
    place.enqueue("work", 0)
    daemon.wait_fact("handled", payload=0)

    said = ask("pause", queue="work", site=None, reason="the relay is down", author="ada", seconds=3600)["said"]
    assert said.startswith("queue work is paused by ada since ")
    assert said.endswith(" UTC: the relay is down")
    time.sleep(1.0)  # what is promised
    place.enqueue_all([new_item("work", number) for number in range(1, 21)])
    place.enqueue("held", 0)
    daemon.wait_fact("began")

    with Monitor(daemon.wait_hub().address) as monitor:
        view = monitor.wait(
            lambda view: (depth := view.depths.get(("work", "default"))) is not None and depth.paused == 20,
            "the depth is told as paused",
        )
        assert (view.depths["work", "default"].ready, view.depths["work", "default"].lag_seconds) == (0, 0.0)
        assert view.queue_totals()["work"].paused == 20
        monitor.wait(lambda view: "ada" in view.queues["work"].paused, "the queue says that it is paused")
        assert view.queues["work"].paused.endswith("the relay is down")
        fact = pause_of(monitor, "work", "")
        assert (fact.author, fact.reason, fact.ended) == ("ada", "the relay is down", 0.0)
        assert round(fact.expires - fact.since) == 3600
        assert monitor.view.is_complete
        monitor.wait_event("Paused", queue="work", site="", author="ada", reason="the relay is down")
        why = ask("why", queue="work")
        assert why["cause"] == "paused"
        assert "20 items of queue work wait until it is resumed" in why["sentence"]
        assert why["command"] == "snqd resume --queue work"
        assert [event["payload"] for event in daemon.facts("handled")] == [0]
        assert daemon.events("AlarmRaised") == []

        watch = Stopwatch()
        assert ask("resume", queue="work", author="bob")["said"].startswith("queue work goes on after ")
        daemon.open_gate("held")
        daemon.wait_facts("handled", 22)
        assert watch.seconds < 2.0
        event = monitor.wait_event("Resumed", queue="work", site="", author="bob")
        assert event.message.endswith("resumed by bob")
        monitor.wait(lambda _view: pause_of(monitor, "work", "").ended > 0, "the pause is told as ended")
        assert pause_of(monitor, "work", "").ended_by == "bob"
        monitor.wait(lambda view: not view.queues["work"].paused, "the queue is not paused any more")


def test_an_idle_worker_begins_within_a_moment_of_the_resume(make_daemon: MakeDaemon, place: Place) -> None:
    daemon = make_daemon(place, SOURCE, store={"poll_interval_seconds": 30.0}, site=SITES)
    ask = asking(daemon)
    for target in ({"queue": "work"}, {"site": "a"}, {"queue": "work", "site": "a"}):
        ask("pause", **target)
        time.sleep(1.0)  # what is promised
        number = place.enqueue("work", 1, site="a")
        place.wait_item(number, lambda item: item.state == "paused")
        time.sleep(0.3)
        assert daemon.facts("handled", item=number) == []

        watch = Stopwatch()
        ask("resume", **target)
        daemon.wait_fact("handled", item=number)
        assert watch.seconds < 1.0


def test_a_paused_site_does_not_stop_the_others(make_daemon: MakeDaemon, place: Place) -> None:
    daemon = make_daemon(place, SOURCE, site=SITES)
    ask = asking(daemon)
    ask("pause", site="a", author="ada", reason="it floods us")
    time.sleep(1.0)
    place.enqueue_all([new_item("work", number, site="a") for number in range(300)])
    place.enqueue_all([new_item("work", number, site="b") for number in range(300)])

    daemon.wait_facts("handled", 300)

    assert {fact["site"] for fact in daemon.facts("handled")} == {"b"}
    with Monitor(daemon.wait_hub().address) as monitor:
        view = monitor.wait(
            lambda view: (depth := view.depths.get(("work", "a"))) is not None and depth.paused == 300,
            "they are paused",
        )
        assert view.queues["work"].paused == "", "the queue as a whole is not"
        monitor.wait(lambda view: ("", "a") in view.pauses, "the pause is told")
    why = ask("why", queue="work", site="a")
    assert (why["cause"], why["command"]) == ("paused", "snqd resume --site a")
    assert ask("why", queue="work")["cause"] == "paused"
    ask("resume", site="a", author="ada")
    place.wait_empty()


def test_an_item_behind_a_paused_flood_is_not_left_to_the_next_poll(make_daemon: MakeDaemon, place: Place) -> None:
    daemon = make_daemon(place, SOURCE, store={"poll_interval_seconds": 60.0}, site=SITES)
    asking(daemon)("pause", site="a")
    time.sleep(1.0)  # what is promised
    flood = [new_item("work", number, site="a") for number in range(20_000)]

    place.enqueue_all([*flood, new_item("work", 0, site="b")])

    for _ in range(5):  # on a disk that takes long to sync, SQLite's watch may miss a commit: make another
        if _is_soon(lambda: place.sql("select count(*) from queue_item where state = 'paused'")[0][0] > 0):
            break
        place.enqueue("work", 0, site="a")
    daemon.wait_fact("handled", site="b")
    assert len(daemon.facts("handled")) == 1


def _is_soon(fact: Callable[[], bool]) -> bool:
    try:
        return wait_until(fact, "it has begun", seconds=3.0)
    except AssertionError:
        return False


def test_a_pause_holds_over_a_restart_and_a_hub_does_not_tell_it_twice(make_daemon: MakeDaemon, place: Place) -> None:
    daemon = make_daemon(place, SOURCE)
    ask = asking(daemon)
    ask("pause", queue="work", author="ada", seconds=3600)
    daemon.wait_event("Paused", queue="work")
    os.kill(daemon.wait_hub().pid, signal.SIGKILL)
    second = daemon.wait_hub(2)
    with Monitor(second.address) as monitor:
        monitor.wait(lambda view: ("work", "") in view.pauses and view.is_complete, "the next hub knows it")
    assert len(daemon.events("Paused")) == 1
    assert daemon.stop() == 0

    number = place.enqueue("work", 7)
    daemon.start()
    daemon.wait_ready(2)
    place.wait_item(number, lambda item: item.state == "paused")
    assert daemon.facts("handled") == []


def test_pauses_are_refused_in_words(make_daemon: MakeDaemon, sqlite_place: Place) -> None:
    ask = asking(make_daemon(sqlite_place, SOURCE))
    for fields, words in (
        ({}, "needs a queue, a site or both"),
        ({"queue": ""}, "queue name '' is not valid"),
        ({"queue": 7}, r"Expected `str | null`, got `int` - at `\$.queue`"),
        ({"queue": "work", "seconds": 0}, r"Expected `float` > 0"),
        ({"queue": "work", "until": 5}, "unknown field `until`"),
    ):
        with pytest.raises(SnqdError, match=words):
            ask("pause", **fields)
    with pytest.raises(SnqdError, match="queue work is not paused, nor is anything else"):
        ask("resume", queue="work")
    ask("pause", site="a")
    with pytest.raises(SnqdError, match="queue work is not paused: paused are site a"):
        ask("resume", queue="work")


def test_dead_letters_are_told_retried_and_discarded(make_daemon: MakeDaemon, place: Place) -> None:
    daemon = make_daemon(place, SOURCE, site=SITES)
    ask = asking(daemon)
    place.enqueue_all([new_item("bad", f"secret {number}", site="ab"[number % 2]) for number in range(5)])
    daemon.wait_events("ItemDeadLettered", 5)
    wait_until(lambda: len(place.dead()) == 5, "what the events tell is committed")

    found = ask("dead", queue="bad", site=None, limit=3, after=None)
    letters = found["letters"]
    assert len(letters) == 3
    assert letters == sorted(letters, key=lambda letter: (letter["died"], letter["id"]), reverse=True)
    first = letters[0]
    assert (first["queue"], first["reason"], first["attempts"], first["crash_attempts"]) == ("bad", "attempts", 1, 0)
    assert first["error"].startswith("ValueError: no secret")
    assert {letter["group"] for letter in letters} == {first["group"]}
    assert is_fingerprint(first["group"])
    assert "raise ValueError" in first["traceback"]
    assert [entry["attempt"] for entry in first["history"]] == [1]
    assert "frame" not in first
    assert "payload" not in first
    rest = ask("dead", queue="bad", limit=3, after=letters[-1]["id"])["letters"]
    assert len({letter["id"] for letter in letters + rest}) == 5
    assert ask("dead", queue="bad", site="a") | {"letters": 0} == {"letters": 0, "count": 3, "is_estimate": False}
    wait_until(lambda: ask("dead", limit=1)["count"] == 5, "the count is what the facts say")

    ids = [letters[0]["id"], letters[1]["id"]]
    assert ask("retry", ids=ids, author="ada") == {"said": "2 dead letters were retried", "count": 2}
    event = daemon.wait_event("DeadLettersRetried")
    assert (event["author"], event["count"], event["ids"]) == ("ada", 2, ids)
    daemon.wait_events("ItemDeadLettered", 7)
    wait_until(lambda: len(place.dead()) == 5, "what the events tell is committed")
    assert ask("discard", ids=None, queue="bad", site="b", author="bob") == {
        "said": "2 dead letters were discarded",
        "count": 2,
    }
    event = daemon.wait_event("DeadLettersDiscarded", author="bob")
    assert (event["queue"], event["site"], event["count"], event["ids"]) == ("bad", "b", 2, [])
    assert {letter.site for letter in place.dead()} == {"a"}
    assert ask("discard", queue="bad", site="b")["count"] == 0
    for action in ("retry", "discard"):
        with pytest.raises(SnqdError, match=f"{action}: name dead letters by ids, queue or site"):
            ask(action, ids=None, author="ada")
    assert len(place.dead()) == 3


def test_a_correction_from_the_command_line_is_in_the_log_of_the_daemon(make_daemon: MakeDaemon, place: Place) -> None:
    daemon = make_daemon(place, SOURCE)
    asking(daemon)
    place.enqueue("bad", 1)
    daemon.wait_event("ItemDeadLettered")
    wait_until(lambda: len(place.dead()) == 1, "what the event tells is committed")

    done = daemon.command("dead", "discard", "--queue", "bad", "--yes")

    assert (done.code, done.out) == (0, "1 dead letter deleted\n")
    event = daemon.wait_event("Corrected")
    assert (event["kind"], event["count"], event["stayed"], event["outcome"]) == ("discard_dead", 1, 0, "done")
    assert event["wanted"].startswith("queue=bad until=")
    assert "@" in event["author"]


def test_a_worker_is_restarted_when_it_has_finished_what_it_runs(make_daemon: MakeDaemon, place: Place) -> None:
    daemon = make_daemon(place, SOURCE, daemon={"threads": 2})
    ask = asking(daemon)
    place.enqueue("held", 0)
    began = daemon.wait_fact("began")
    busy, other = daemon.workers()
    if busy.pid != began["pid"]:
        busy, other = other, busy

    said = ask("restart", worker=busy.name, author="ada")["said"]

    assert said == f"worker {busy.name} (pid {busy.pid}) finishes what it runs and is replaced"
    assert daemon.wait_event("WorkerRestartAsked")["author"] == "ada"
    with Monitor(daemon.wait_hub().address) as monitor:
        monitor.wait(lambda view: view.workers[busy.name].state == "stopping", "it is asked to leave")
    assert not is_gone(busy.pid), "its item is not cut short"
    daemon.open_gate("held")
    left = daemon.wait_event("WorkerExited", worker=busy.name)
    assert (left["pid"], left["code"], left["expected"], left["reason"]) == (
        busy.pid,
        WorkerExit.SHUTDOWN,
        True,
        "drained",
    )
    wait_until(lambda: len(daemon.events("WorkerReady", worker=busy.name)) == 2, "another takes its place")
    assert [worker.name for worker in daemon.workers()] == ["main.1", "main.2"]
    assert not is_gone(other.pid)
    assert len(daemon.facts("handled")) == 1
    with pytest.raises(SnqdError, match=r"there is no worker 'main\.9': the workers are main\.1, main\.2"):
        ask("restart", worker="main.9", author="ada")


def test_the_hub_goes_on_while_the_store_keeps_an_action_waiting(make_daemon: MakeDaemon, sqlite_place: Place) -> None:
    daemon = make_daemon(sqlite_place, SOURCE)
    ask = asking(daemon)
    path = sqlite_place.url.removeprefix("sqlite:///")
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")  # nobody else can write
    try:
        watch = Stopwatch()
        with pytest.raises(SnqdError, match="has not answered within 10 s: what was asked may still be done"):
            ask("pause", queue="work", author="ada")
        assert watch.seconds < 15.0
        watch = Stopwatch()
        assert ask("where")["daemon"] == "main"
        assert watch.seconds < 1.0
    finally:
        connection.close()
    daemon.wait_event("Paused", queue="work", author="ada")
