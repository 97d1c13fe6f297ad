"""Wake-ups: whoever enqueues, and whatever the worker with the watch is doing, nobody waits for the poll of 30 s."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from snqd.items import new_item
from tests.support.stopwatch import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.daemons import Daemon, Place, Worker

    MakeDaemon = Callable[..., Daemon]

pytestmark = pytest.mark.fork

FAR = {"poll_interval_seconds": 30, "sweep_seconds": 30}
SOON_SECONDS = 1.5
"""Far below the poll and the sweep; `bench/` measures the real figure."""
SOURCE = """
@handler("q")
def q(payload, context):
    note("ran", context, n=payload)

@handler("busy")
def busy(payload, context):
    note("busy", context)
    hold(payload or "busy")

@handler("later", backoff=AT_ONCE)
def later(payload, context):
    note("later", context)
    if context.attempt < 4:
        raise Retry("again", after=0.15)
"""


def settle(daemon: Daemon, place: Place, n: int | str = -1) -> None:
    """Let the daemon fall asleep: it has looked, lingered and found nothing."""
    place.enqueue("q", n)
    daemon.wait_fact("ran", n=n)
    time.sleep(0.3)  # longer than any worker lingers: what follows must be a wake-up's work


def insert_from_outside(place: Place, payload: int) -> None:
    """One plain INSERT by another program: psql, or the sqlite3 module in a process of its own."""
    statement = f"INSERT INTO queue_item (queue, frame) VALUES ('q', '{payload}')"
    if place.kind == "postgres":
        psql = shutil.which("psql")
        assert psql is not None, "psql comes with the server"
        subprocess.run([psql, place.url, "-qc", statement], check=True)
    else:
        file = place.url.removeprefix("sqlite:///")
        code = f"import sqlite3; c = sqlite3.connect({file!r}); c.execute({statement!r}); c.commit()"
        subprocess.run([sys.executable, "-c", code], check=True)


def test_an_item_inserted_by_any_program_is_picked_up_at_once(make_daemon: MakeDaemon, place: Place) -> None:
    daemon = make_daemon(place, SOURCE, store=FAR, daemon={"threads": 2})
    settle(daemon, place)

    for n in range(3):
        insert_from_outside(place, n)
        watch = Stopwatch()
        assert watch.until(daemon.wait_fact("ran", n=n)["at"]) < SOON_SECONDS
    assert not daemon.events("ListenUnavailable")


def occupy(daemon: Daemon, place: Place, worker: Worker) -> None:
    """Have `worker` run a handler that takes long; the others are idle afterwards."""
    for attempt in range(50):
        gate = f"busy.{attempt}"
        place.enqueue("busy", gate)
        if daemon.wait_facts("busy", attempt + 1)[-1]["pid"] == worker.pid:
            return
        daemon.open_gate(gate)
    raise AssertionError(f"{worker.name} never took an item")


def test_another_worker_looks_when_the_one_with_the_watch_is_busy(make_daemon: MakeDaemon, place: Place) -> None:
    daemon = make_daemon(place, SOURCE, store=FAR, daemon={"threads": 2})
    settle(daemon, place)
    occupy(daemon, place, daemon.watch_holder())
    time.sleep(0.3)

    for n in range(5):
        watch = Stopwatch()
        place.enqueue("q", n)
        assert watch.until(daemon.wait_fact("ran", n=n)["at"]) < SOON_SECONDS
        time.sleep(0.1)


def test_what_another_worker_schedules_is_run_when_it_is_due(make_daemon: MakeDaemon, place: Place) -> None:
    """Who has the watch makes due items ready, and must learn of a retry that another worker asked for."""
    daemon = make_daemon(place, SOURCE, store=FAR, daemon={"threads": 2})
    settle(daemon, place)
    occupy(daemon, place, daemon.watch_holder())

    watch = Stopwatch()
    place.enqueue("later")
    times = [fact["at"] for fact in daemon.wait_facts("later", 4)]

    assert watch.until(times[-1]) < 3 * (0.15 + SOON_SECONDS)
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert min(gaps) >= 0.149


def test_every_worker_can_be_busy_and_the_first_that_is_free_goes_on(make_daemon: MakeDaemon, place: Place) -> None:
    daemon = make_daemon(place, SOURCE, store=FAR, daemon={"threads": 2})
    settle(daemon, place)
    place.enqueue("busy")
    place.enqueue("busy")
    daemon.wait_facts("busy", 2)
    for n in range(10):
        place.enqueue("q", n)
    time.sleep(0.3)
    assert not [fact for fact in daemon.facts("ran") if fact["n"] >= 0]

    watch = Stopwatch()
    daemon.open_gate("busy")
    place.wait_empty()
    assert watch.until(max(fact["at"] for fact in daemon.facts("ran"))) < SOON_SECONDS


def test_the_watch_is_taken_over_when_its_holder_is_killed(make_daemon: MakeDaemon, place: Place) -> None:
    daemon = make_daemon(place, SOURCE, store=FAR, daemon={"threads": 2})

    for n in range(3):
        ready = len(daemon.events("WorkerReady"))
        victim = daemon.watch_holder()
        victim.kill()
        daemon.wait_ready(ready + 1)
        assert daemon.watch_holder().pid != victim.pid
        settle(daemon, place, f"after {n}")
        watch = Stopwatch()
        place.enqueue("q", n)
        assert watch.until(daemon.wait_fact("ran", n=n)["at"]) < SOON_SECONDS


def test_a_burst_whose_wake_ups_are_debounced_leaves_nothing_behind(make_daemon: MakeDaemon, place: Place) -> None:
    daemon = make_daemon(place, SOURCE, store=FAR, daemon={"threads": 2})
    settle(daemon, place)

    count = 0
    with place.open() as store:
        for pause in (0.0, 0.001, 0.003, 0.006, 0.012):
            for _ in range(60):
                store.enqueue([new_item("q", count)])
                count += 1
                time.sleep(pause)
    watch = Stopwatch()
    daemon.wait_facts("ran", count + 1)

    assert watch.until(max(fact["at"] for fact in daemon.facts("ran"))) < SOON_SECONDS
    assert sorted(fact["n"] for fact in daemon.facts("ran")) == list(range(-1, count))


def test_a_retry_is_run_when_it_is_due_whichever_worker_asked_for_it(make_daemon: MakeDaemon, place: Place) -> None:
    daemon = make_daemon(place, SOURCE, store=FAR, daemon={"threads": 3})
    settle(daemon, place)

    watch = Stopwatch()
    for _ in range(6):
        place.enqueue("later")
    ended_at = max(fact["at"] for fact in daemon.wait_facts("later", 24))

    assert watch.until(ended_at) < 3 * (0.15 + SOON_SECONDS)
    by_item: dict[int, list[float]] = {}
    for fact in daemon.facts("later"):
        by_item.setdefault(fact["item"], []).append(fact["at"])
    gaps = [after - before for times in by_item.values() for before, after in itertools.pairwise(times)]
    assert len(gaps) == 18
    assert min(gaps) >= 0.149


def test_a_worker_with_the_watch_that_does_not_move_keeps_nobody_from_due_items(
    make_daemon: MakeDaemon, sqlite_place: Place
) -> None:
    soon = {"sweep_seconds": 0.2, "poll_interval_seconds": 0.5}
    daemon = make_daemon(sqlite_place, SOURCE, store=soon, daemon={"threads": 2})
    settle(daemon, sqlite_place)
    holder = daemon.watch_holder()

    os.kill(holder.pid, signal.SIGSTOP)
    try:
        watch = Stopwatch()
        item = sqlite_place.enqueue("q", "delayed", delay_seconds=0.1)
        assert watch.until(daemon.wait_fact("ran", item=item)["at"]) < 6.0
    finally:
        os.kill(holder.pid, signal.SIGCONT)


@pytest.mark.pg
def test_without_notifications_workers_poll_and_say_so(make_daemon: MakeDaemon, postgres_place: Place) -> None:
    daemon = make_daemon(postgres_place, SOURCE, store={"listen": False, "poll_interval_seconds": 0.2})

    told = daemon.wait_event("ListenUnavailable")
    assert (told["poll_seconds"], told["level"]) == (0.2, "warning")
    postgres_place.enqueue("q", 1)
    daemon.wait_fact("ran", n=1)
