"""Items past their time limit and loops that are stuck: what the supervisor sees on the board, it ends."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.support.processes import halt, wait_until
from tests.support.stopwatch import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.processes import FakeDaemon

    MakeDaemon = Callable[..., FakeDaemon]

pytestmark = pytest.mark.fork


def test_an_item_past_its_time_limit_costs_its_worker_the_life(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon({"1": {"claims": True, "run_item": 77, "limit": 0.3}, "*": {}}, threads=2)
    watch = Stopwatch()
    pids = daemon.wait_ready(2)

    daemon.behave({"*": {}})
    killed = daemon.wait_event("WorkerKilled")

    assert time.monotonic() - watch.began > 1.2, "the limit, and one second in which the worker can end it itself"
    assert watch.seconds < 4
    assert (killed["worker"], killed["pid"]) == ("main.1", pids[0])
    assert killed["reason"].startswith("time limit of item 77 (queue mail, site alpha.example): it ran for 1.")
    gone = daemon.wait_event("WorkerExited")
    assert (gone["reason"], gone["items"]) == (killed["reason"], [77])
    repaired = daemon.wait_event("ItemsReclaimed")
    assert repaired["reason"] == f"1/77: {killed['reason']}", "Killed.TIME_LIMIT and the item, for the repair"


def test_time_limits_do_not_count_as_quick_deaths(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon({"*": {"claims": True, "run_item": 77, "limit": 0.01}}, threads=1, respawn_limit=2)

    daemon.wait_events("WorkerKilled", 3)

    assert daemon.events("SlotFatal") == []
    assert {event["delay_seconds"] for event in daemon.events("WorkerRespawning")} == {0.0}


def test_an_item_without_a_limit_may_run_for_ever(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon(
        {"1": {"run_item": 5, "stuck": True}, "2": {"run_item": 6, "limit": 0.1}}, threads=2, watchdog_seconds=0.5
    )

    daemon.wait_event("WorkerKilled", worker="main.2")

    assert daemon.events("WorkerKilled", worker="main.1") == []


def test_a_replacement_is_not_killed_for_the_deadline_of_its_predecessor(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon({"1": {"claims": True, "run_item": 5, "limit": 0.2}}, threads=1)
    daemon.wait_event("WorkerReady")
    daemon.behave({"1": {"start_seconds": 2.5}})  # so long the words of the dead one are on the board

    daemon.wait_event("WorkerKilled")
    daemon.wait_events("WorkerReady", 2)

    assert len(daemon.events("WorkerKilled")) == 1


def test_a_worker_whose_loop_is_stuck_is_killed(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon({"1": {"stuck": True}, "*": {}}, threads=2, watchdog_seconds=1.5)
    daemon.wait_ready(2)

    killed = daemon.wait_event("WorkerKilled")

    assert killed["worker"] == "main.1"
    assert "its loop has not moved for" in killed["reason"]
    assert daemon.events("WorkerKilled", worker="main.2") == []


def test_workers_are_not_killed_because_the_whole_daemon_was_frozen(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon({"*": {}}, threads=1, watchdog_seconds=4.0)
    (pid,) = daemon.wait_ready(1)
    process = psutil.Process(daemon.pid)

    halt(pid)
    before = process.num_ctx_switches().voluntary
    wait_until(lambda: process.num_ctx_switches().voluntary >= before + 2, "the supervisor has seen the last beat")
    halt(daemon.pid)
    thaw_at = time.monotonic() + 5.0
    wait_until(lambda: time.monotonic() > thaw_at, "more than the watchdog's time has passed")
    daemon.signal(signal.SIGUSR1)
    os.kill(daemon.pid, signal.SIGCONT)
    daemon.wait_event("WorkerDump")  # it has looked, and the worker is still frozen
    os.kill(pid, signal.SIGCONT)

    assert daemon.events("WorkerKilled") == []
