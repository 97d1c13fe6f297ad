"""Every row of the supervisor's signal table, with real processes."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from snqd.telemetry.board import SlotState, Word
from tests.support.processes import halt, is_gone, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.processes import FakeDaemon

    MakeDaemon = Callable[..., FakeDaemon]

pytestmark = pytest.mark.fork


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_term_and_int_let_workers_finish_what_they_run(fake_daemon: MakeDaemon, number: signal.Signals) -> None:
    daemon = fake_daemon({"*": {"drain_seconds": 0.4}}, threads=2)
    pids = daemon.wait_ready(2)

    daemon.signal(number)

    assert daemon.wait_exit() == 0
    assert daemon.wait_event("DaemonStopping")["reason"] == number.name
    exits = daemon.events("WorkerExited")
    assert [(event["reason"], event["code"], event["expected"]) for event in exits] == [("drained", 100, True)] * 2
    assert daemon.events("WorkerKilled") == []
    assert daemon.events("WorkerRespawning") == []
    assert all(is_gone(pid) for pid in pids)


def test_a_worker_that_does_not_drain_is_killed_after_the_grace_period(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon({"*": {"ignores_term": True, "claims": True, "run_item": 7}}, threads=1, grace_seconds=0.2)
    daemon.wait_ready(1)

    begun = time.monotonic()
    daemon.signal(signal.SIGTERM)

    assert daemon.wait_exit() == 0
    assert time.monotonic() - begun >= 0.2
    assert daemon.wait_event("WorkerKilled")["reason"] == "cut short: the grace period of 0.2 s is over"
    gone = daemon.wait_event("WorkerExited")
    assert (gone["signal"], gone["items"], gone["queue"], gone["site"]) == ("SIGKILL", [7], "mail", "alpha.example")


@pytest.mark.parametrize(
    ("first", "second"),
    [(signal.SIGINT, signal.SIGINT), (signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGTERM)],
)
def test_a_second_int_or_term_stops_at_once(
    fake_daemon: MakeDaemon, first: signal.Signals, second: signal.Signals
) -> None:
    daemon = fake_daemon({"*": {"ignores_term": True}}, threads=2, grace_seconds=60)
    daemon.wait_ready(2)

    daemon.signal(first)
    daemon.wait_event("DaemonStopping", reason=first.name)
    daemon.signal(second)

    assert daemon.wait_exit(seconds=5) == 0
    assert daemon.wait_event("DaemonStopping", reason=f"second {second.name}")["grace_seconds"] == 0


def test_two_ints_that_arrive_together_are_two(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon({"*": {"ignores_term": True}}, threads=1, grace_seconds=60)
    daemon.wait_ready(1)

    halt(daemon.pid)
    daemon.signal(signal.SIGINT)
    daemon.signal(signal.SIGTERM)  # the kernel keeps one pending signal of each number
    os.kill(daemon.pid, signal.SIGCONT)

    assert daemon.wait_exit(seconds=5) == 0


def test_quit_stops_at_once_and_blames_no_item(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon({"*": {"claims": True, "run_item": 3}}, threads=2, grace_seconds=60)
    daemon.wait_ready(2)

    daemon.signal(signal.SIGQUIT)

    assert daemon.wait_exit(seconds=5) == 0
    for gone in daemon.events("WorkerExited"):
        assert gone["reason"] == "stopped at once by SIGQUIT"
    repaired = daemon.wait_events("ItemsReclaimed", 2, worker="janitor")
    assert all(event["reason"].startswith("2/0: ") for event in repaired), "Killed.SHUTDOWN, and no item is to blame"


def test_quit_kills_a_worker_that_does_not_obey_it(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon({"*": {}}, threads=1, grace_seconds=60)
    (pid,) = daemon.wait_ready(1)
    halt(pid)  # it can obey nothing

    daemon.signal(signal.SIGQUIT)

    assert daemon.wait_exit(seconds=5) == 0
    assert daemon.wait_event("WorkerExited")["signal"] == "SIGKILL"


def test_ttin_adds_a_worker_and_ttou_removes_the_highest(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon(threads=1)
    daemon.wait_ready(1)

    daemon.signal(signal.SIGTTIN)
    daemon.wait_event("WorkerReady", worker="main.2")
    daemon.signal(signal.SIGTTOU)
    gone = daemon.wait_event("WorkerExited")

    assert (gone["worker"], gone["reason"]) == ("main.2", "drained")
    assert [event["workers"] for event in daemon.wait_events("WorkerCountChanged", 2)] == [2, 1]
    view = daemon.board().slot(2)
    wait_until(lambda: view.get(Word.STATE) == SlotState.CLOSED, "slot 2 is closed on the board")
    assert daemon.events("WorkerExited", worker="main.1") == []


def test_ttou_never_removes_the_last_worker_and_says_so(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon(threads=1)
    daemon.wait_ready(1)

    daemon.signal(signal.SIGTTOU)

    refused = daemon.wait_event("WorkerCountChanged")
    assert (refused["workers"], refused["reason"]) == (1, "SIGTTOU refused: at least 1")
    assert daemon.events("WorkerExited") == []


def test_usr1_tells_what_every_worker_does_and_lets_it_show_its_stack(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon({"2": {"run_item": 42, "handled": 5, "rss": 1 << 20}}, threads=2)
    pids = daemon.wait_ready(2)

    daemon.signal(signal.SIGUSR1)

    dumps = daemon.wait_events("WorkerDump", 2)
    assert [dump["pid"] for dump in dumps] == pids
    assert (dumps[1]["handled"], dumps[1]["rss_bytes"]) == (5, 1 << 20)
    assert dumps[1]["running"][0].startswith("42 mail alpha.example 0.")
    wait_until(lambda: daemon.log_text().count("most recent call first") == 2, "both Python stacks are in the log")
    assert "in _loop" in daemon.log_text()


def test_usr2_changes_nothing(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon(threads=1)
    daemon.wait_ready(1)

    daemon.signal(signal.SIGUSR2)
    daemon.signal(signal.SIGUSR1)

    daemon.wait_event("WorkerDump")
    assert daemon.events("WorkerExited") == []


def test_signals_of_a_terminal_to_the_whole_group_reach_workers_without_harm(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon({"*": {"drain_seconds": 0.2}}, threads=2)
    daemon.wait_ready(2)

    os.killpg(daemon.pid, signal.SIGINT)

    assert daemon.wait_exit() == 0
    assert [event["reason"] for event in daemon.events("WorkerExited")] == ["drained"] * 2


def test_a_signal_sent_right_after_the_fork_is_never_lost(fake_daemon: MakeDaemon, tmp_path: Path) -> None:
    (tmp_path / "term-at-spawn").touch()

    daemon = fake_daemon(threads=100)

    assert daemon.wait_exit(seconds=100) == 0, "100 processes that begin and end take their time on a busy machine"
    assert [event["code"] for event in daemon.events("WorkerExited")] == [100] * 100
    assert daemon.wait_event("DaemonStopping")["reason"] == "every worker was shut down"
