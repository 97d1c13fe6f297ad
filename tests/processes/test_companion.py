"""The supervisor and its hub, with real processes: it is kept alive, and whatever it does the work goes on."""

from __future__ import annotations

import itertools
import os
import signal
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import is_gone, wait_until
from tests.support.stopwatch import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.processes import FakeDaemon

    MakeDaemon = Callable[..., FakeDaemon]

pytestmark = pytest.mark.fork


def test_a_hub_that_is_killed_is_replaced_and_no_worker_notices(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon({"*": {}, "hub": {}}, threads=2)
    workers = daemon.wait_ready(2)
    first = daemon.wait_event("HubStarted")

    os.kill(first["pid"], signal.SIGKILL)

    second = daemon.wait_events("HubStarted", 2)[1]
    gone = daemon.wait_event("HubExited")
    assert (gone["pid"], gone["reason"]) == (first["pid"], "killed by SIGKILL")
    assert (second["respawns"], second["pid"]) != (0, first["pid"])
    assert len(daemon.events("WorkerSpawned")) == len(workers)


def test_a_hub_that_cannot_start_is_tried_again_ever_less_often_and_never_given_up(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon({"*": {}, "hub": {"raise": "no hub today"}}, threads=1)
    daemon.wait_ready(1)
    exits = daemon.wait_events("HubExited", 4)
    assert all("no hub today" in event["reason"] for event in exits)
    times = [datetime.fromisoformat(event["time"]) for event in exits]
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert gaps[0] < gaps[1] < gaps[2], gaps

    daemon.behave({"*": {}, "hub": {}})
    daemon.wait_event("HubStarted")
    assert not daemon.events("SlotFatal")


def test_a_hub_whose_loop_does_not_move_is_killed_and_replaced(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon({"*": {}, "hub": {"stuck": True}}, threads=1, watchdog_seconds=1.0)
    daemon.wait_ready(1)

    gone = daemon.wait_event("HubExited")

    assert gone["reason"].startswith("stuck: its loop has not moved for")


def test_a_hub_that_ignores_term_does_not_keep_the_daemon(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon({"*": {}, "hub": {"ignores_term": True}}, threads=1)
    daemon.wait_ready(1)
    hub = daemon.wait_event("HubStarted")["pid"]

    watch = Stopwatch()
    daemon.signal(signal.SIGTERM)
    assert daemon.wait_exit() == 0

    assert watch.seconds < 10
    assert is_gone(hub)


def test_the_hub_is_the_last_to_leave(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon({"*": {"drain_seconds": 0.3}, "hub": {}}, threads=2)
    daemon.wait_ready(2)
    daemon.wait_event("HubStarted")

    daemon.signal(signal.SIGTERM)
    assert daemon.wait_exit() == 0

    names = [event["event"] for event in daemon.events() if event["event"] in ("WorkerExited", "DaemonStopped", "Left")]
    assert names == ["WorkerExited", "WorkerExited", "DaemonStopped", "Left"]
    assert not daemon.events("HubExited")


def test_the_hub_leaves_when_the_supervisor_is_killed(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon({"*": {}, "hub": {}}, threads=1)
    daemon.wait_ready(1)
    hub = daemon.wait_event("HubStarted")["pid"]

    daemon.signal(signal.SIGKILL)

    wait_until(lambda: is_gone(hub), "the hub is gone", seconds=2.0)
