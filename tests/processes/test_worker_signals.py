"""Signals to a daemon whose workers have real items in flight, and the death of the supervisor above them."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from snqd.items import new_item
from snqd.stores.records import ItemState
from tests.support.processes import is_gone, is_pending, wait_until
from tests.support.stopwatch import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.daemons import Daemon, Place

    MakeDaemon = Callable[..., Daemon]

pytestmark = pytest.mark.fork

KINDS = """
@handler("plain")
def plain(payload, context):
    note("began", context, n=payload)
    hold("go")
    note("ended", context, n=payload)

@handler("pausing", concurrency=2)
async def pausing(payload, context):
    note("began", context, n=payload)
    await hold_async("go")
    note("ended", context, n=payload)

@handler("threaded", concurrency=2)
def threaded(payload, context):
    note("began", context, n=payload)
    hold("go")
    note("ended", context, n=payload)
"""
INLINE = KINDS[: KINDS.index('@handler("pausing"')]


@pytest.mark.parametrize("source", [INLINE, KINDS], ids=["inline", "concurrent"])
def test_term_lets_running_items_finish_and_releases_the_others_without_an_attempt(
    make_daemon: MakeDaemon, place: Place, source: str
) -> None:
    queues = ("plain",) if source is INLINE else ("plain", "pausing", "threaded")
    at_once = 1 if source is INLINE else 5
    place.enqueue_all([new_item(queue, n) for queue in queues for n in range(6)])
    daemon = make_daemon(place, source)
    began = {fact["item"] for fact in daemon.wait_facts("began", at_once)}
    (worker,) = daemon.workers()

    daemon.send(signal.SIGTERM)
    unstarted = 6 * len(queues) - at_once
    wait_until(lambda: len(place.waiting(state=ItemState.READY)) == unstarted, "others can have what is not started")
    daemon.wait_event("DaemonStopping")  # nothing may have been claimed ahead, so the line above may say nothing
    wait_until(lambda: not is_pending(signal.SIGTERM, worker.pid), "the worker knows")
    assert not daemon.facts("ended")
    daemon.open_gate("go")
    assert daemon.wait_exit() == 0

    assert {fact["item"] for fact in daemon.facts("ended")} == began
    left = place.waiting()
    assert len(left) == 6 * len(queues) - at_once
    for item in left:
        assert (item.state, item.attempts, item.crash_attempts, item.claimed_by) == ("ready", 0, 0, None), item
    assert len(daemon.facts("began")) == at_once, "nothing was begun after TERM"
    gone = daemon.wait_event("WorkerExited")
    assert (gone["code"], gone["expected"], gone["reason"]) == (100, True, "drained")


@pytest.mark.parametrize("source", [INLINE, KINDS], ids=["inline", "concurrent"])
def test_an_item_cut_short_by_the_end_of_the_grace_period_uses_no_attempt_and_runs_later(
    make_daemon: MakeDaemon, place: Place, source: str
) -> None:
    queues = ("plain",) if source is INLINE else ("plain", "pausing", "threaded")
    items = [place.enqueue(queue) for queue in queues]
    daemon = make_daemon(place, source, daemon={"grace_seconds": 0.3})
    daemon.wait_facts("began", len(items))

    watch = Stopwatch()
    assert daemon.stop() == 0
    assert time.monotonic() - watch.began >= 0.3
    assert watch.seconds < 5.0

    for item in place.waiting():
        assert (item.state, item.attempts, item.crash_attempts) == ("ready", 0, 0)
    assert len(place.waiting()) == len(items)
    assert not daemon.events("ItemCrashed")

    daemon.open_gate("go")
    daemon.start()
    place.wait_empty()
    assert {fact["attempt"] for fact in daemon.facts("began")} == {1}


UNREACHABLE = """
@handler("sleeping-thread", concurrency=2)
def sleeping_thread(payload, context):
    note("began", context)
    time.sleep(60)

@handler("gil")
def gil(payload, context):
    note("began", context)
    hold_gil()
"""
STUBBORN = """
@handler("stubborn")
async def stubborn(payload, context):
    note("began", context)
    while True:
        try:
            await asyncio.sleep(60)
        except BaseException:
            pass
"""


@pytest.mark.parametrize("queue", ["sleeping-thread", "gil", "stubborn"])
def test_what_cannot_be_stopped_at_the_end_of_the_grace_period_uses_no_attempt_either(
    make_daemon: MakeDaemon, place: Place, queue: str
) -> None:
    item = place.enqueue(queue)
    source = STUBBORN if queue == "stubborn" else UNREACHABLE
    daemon = make_daemon(place, source, daemon={"grace_seconds": 0.2})
    daemon.wait_fact("began")

    watch = Stopwatch()
    assert daemon.stop() == 0

    assert watch.seconds < 6.0
    (left,) = place.waiting()
    assert (left.id, left.state, left.attempts, left.crash_attempts) == (item, "ready", 0, 0)


SLOW_TO_LEAVE = """
import threading

leave = os._exit

def leave_slowly(code):
    note("leaves", thread=threading.current_thread().name)
    time.sleep(1.5)
    leave(code)

os._exit = leave_slowly
"""


def test_a_worker_leaves_once_although_leaving_takes_long(make_daemon: MakeDaemon, sqlite_place: Place) -> None:
    """Coverage writes what it has measured where a process leaves: twice at a time, and SQLite's library crashes."""
    daemon = make_daemon(sqlite_place, SLOW_TO_LEAVE + INLINE)
    (worker,) = daemon.workers()

    assert daemon.stop() == 0

    assert [fact["thread"] for fact in daemon.facts("leaves", pid=worker.pid)] == ["MainThread"]


def test_quit_stops_at_once_and_gives_back_what_ran(make_daemon: MakeDaemon, place: Place) -> None:
    for queue in ("plain", "pausing", "threaded"):
        place.enqueue(queue)
    daemon = make_daemon(place, KINDS)
    daemon.wait_facts("began", 3)

    watch = Stopwatch()
    assert daemon.stop(signal.SIGQUIT) == 0

    assert watch.seconds < 3.0
    for item in place.waiting():
        assert (item.state, item.attempts, item.crash_attempts) == ("ready", 0, 0)
    assert len(place.waiting()) == 3
    assert not daemon.facts("ended")


def test_hup_replaces_workers_one_by_one_with_a_new_handler_and_drops_nothing(
    make_daemon: MakeDaemon, place: Place
) -> None:
    source = """
@handler("q")
def q(payload, context):
    time.sleep(0.002)
    note("ran", context, n=payload, release="{}", colour=context.site.settings["colour"])
"""
    first, second = source.replace("{}", "first"), source.replace("{}", "second release")
    daemon = make_daemon(place, first, daemon={"threads": 2}, settings={"colour": "red"})
    old = {worker.pid for worker in daemon.workers()}
    place.enqueue_all([new_item("q", n) for n in range(400)])
    daemon.wait_facts("ran", 20)

    daemon.handle(second)
    daemon.configure(daemon={"threads": 2}, settings={"colour": "blue"})
    daemon.send(signal.SIGHUP)
    daemon.wait_event("ReloadFinished")
    place.enqueue_all([new_item("q", n) for n in range(400, 500)])
    place.wait_empty()

    ran = daemon.facts("ran")
    assert sorted(fact["n"] for fact in ran) == list(range(500)), "each item once"
    assert {fact["attempt"] for fact in ran} == {1}
    assert {(fact["release"], fact["colour"]) for fact in ran} == {("first", "red"), ("second release", "blue")}
    assert {fact["release"] for fact in ran if fact["n"] >= 400} == {"second release"}
    assert not old & {worker.pid for worker in daemon.workers()}
    wait_until(lambda: len(daemon.workers()) == 2, "the extra worker of the rollout has left")
    assert "settings.colour" in str(daemon.wait_event("Reloading")["changes"])


def test_hup_with_something_wrong_keeps_the_old_workers_at_work(make_daemon: MakeDaemon, sqlite_place: Place) -> None:
    source = """
@handler("q")
def q(payload, context):
    note("ran", context, n=payload)
"""
    daemon = make_daemon(sqlite_place, source)
    (old,) = daemon.workers()

    def module_that_does_not_import() -> None:
        daemon.handle("import nonsense_that_does_not_exist\n" + source)

    def setting_that_cannot_be() -> None:
        daemon.handle(source)
        daemon.configure(daemon={"memory_soft_limit": "much"})

    def no_toml() -> None:
        (daemon.folder / "snqd.toml").write_text("[daemon\nthreads = 1\n")

    def another_store() -> None:
        daemon.configure(store={"url": "sqlite:///other.db"})

    wrong: list[tuple[str, Callable[[], None]]] = [
        ("no module named", module_that_does_not_import),
        ("memory_soft_limit", setting_that_cannot_be),
        ("snqd.toml", no_toml),
        ("store.url has changed", another_store),
    ]
    for count, (words, spoil) in enumerate(wrong, start=1):
        spoil()
        daemon.send(signal.SIGHUP)
        failed = daemon.wait_events("ReloadFailed", count)[-1]
        assert words.lower() in failed["error"].lower()
        sqlite_place.enqueue("q", count)
        assert daemon.wait_fact("ran", n=count)["pid"] == old.pid, "the old worker works on"

    daemon.handle(source)
    daemon.configure()
    daemon.send(signal.SIGHUP)
    daemon.wait_event("ReloadFinished")
    wait_until(lambda: is_gone(old.pid), "the old worker is gone")


def test_ttin_and_ttou_change_the_number_of_workers_and_usr1_tells_what_each_does(
    make_daemon: MakeDaemon, sqlite_place: Place
) -> None:
    daemon = make_daemon(sqlite_place, INLINE)
    item = sqlite_place.enqueue("plain")
    busy = daemon.wait_fact("began")["pid"]

    daemon.send(signal.SIGTTIN)
    daemon.wait_ready(2)
    daemon.wait_event("WorkerCountChanged", workers=2)

    daemon.send(signal.SIGUSR1)
    dumps = daemon.wait_events("WorkerDump", 2)
    wait_until(lambda: "in plain" in daemon.log_text(), "the Python stack of the handler is in the log")
    doing = {dump["pid"]: dump for dump in dumps}
    assert doing[busy]["state"] == "handling"
    assert doing[busy]["running"][0].startswith(f"{item} plain default ")
    assert [dump["running"] for pid, dump in doing.items() if pid != busy] == [[]]

    daemon.send(signal.SIGTTOU)
    daemon.wait_event("WorkerCountChanged", workers=1)
    wait_until(lambda: [worker.pid for worker in daemon.workers()] == [busy], "the second worker has left")
    daemon.open_gate("go")
    sqlite_place.wait_empty()


ORPHANS = """
@handler("idle")
def idle(payload, context):
    note("idle", context)

@handler("sleeps")
def sleeps(payload, context):
    note("began", context, n=payload)
    time.sleep(60)

@handler("loops")
def loops(payload, context):
    note("began", context, n=payload)
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass

@handler("threaded", concurrency=2)
def threaded(payload, context):
    note("began", context, n=payload)
    time.sleep(60)
"""


def test_no_child_outlives_a_killed_supervisor_and_the_next_daemon_has_the_items_at_once(
    make_daemon: MakeDaemon, place: Place
) -> None:
    for queue in ("sleeps", "loops", "threaded"):
        place.enqueue(queue, 1)
    daemon = make_daemon(place, ORPHANS, daemon={"threads": 4})
    daemon.wait_facts("began", 3)
    pids = [worker.pid for worker in daemon.workers()]
    assert len(pids) == 4, "one of them is idle"

    watch = Stopwatch()
    os.kill(daemon.pid, signal.SIGKILL)
    wait_until(lambda: all(map(is_gone, pids)), "every worker is gone")
    assert watch.seconds < 2.0
    daemon.wait_exit()

    successor = make_daemon(place, KINDS.replace('"plain"', '"sleeps"').replace('"pausing"', '"loops"'), folder="next")
    watch = Stopwatch()
    began = successor.wait_facts("began", 3)
    assert watch.until(max(fact["at"] for fact in began)) < 2.0
    assert {fact["attempt"] for fact in began} == {1}, "nobody is to blame"


def test_a_worker_that_is_stopped_by_the_system_is_seen_and_its_items_go_on(
    make_daemon: MakeDaemon, sqlite_place: Place
) -> None:
    """A frozen process does not renew: after the lease its items are another's, and its word comes too late."""
    source = """
@handler("q")
async def q(payload, context):
    note("began", context, n=payload)
    if context.attempt == 1 and payload == "freeze" and not os.path.exists("thawed"):
        open("thawed", "w").close()
        os.kill(os.getpid(), signal.SIGSTOP)
    note("ended", context, n=payload)
"""
    item = sqlite_place.enqueue("q", "freeze")
    daemon = make_daemon(sqlite_place, source, daemon={"threads": 2}, store={"lease_seconds": 1, "sweep_seconds": 0.2})
    frozen = daemon.wait_fact("began")["pid"]

    second = daemon.wait_facts("began", 2)[1]
    assert second["pid"] != frozen
    sqlite_place.wait_empty()
    os.kill(frozen, signal.SIGCONT)
    lost = daemon.wait_event("ItemLeaseLost")

    assert lost["item"] == item
    assert daemon.facts("began")[1]["token"] > daemon.facts("began")[0]["token"]
    assert json.dumps(sqlite_place.dead()) == "[]"
