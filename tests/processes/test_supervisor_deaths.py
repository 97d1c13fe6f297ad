"""What follows a worker's death, with real processes: respawn, back-off, fatal, repair, and the daemon's own death."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from snqd.telemetry.board import SlotState, Word
from tests.support.processes import children_of, is_gone, process_state, wait_until
from tests.support.stopwatch import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.processes import FakeDaemon

    MakeDaemon = Callable[..., FakeDaemon]

pytestmark = pytest.mark.fork


def test_a_worker_killed_by_sigkill_is_replaced_within_half_a_second(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon({"*": {"claims": True, "run_item": 12, "rss": 5 << 20}}, threads=1)
    (pid,) = daemon.wait_ready(1)

    watch = Stopwatch()
    os.kill(pid, signal.SIGKILL)
    daemon.wait_events("WorkerReady", 2)

    assert watch.seconds < 0.5
    gone = daemon.wait_event("WorkerExited")
    assert (gone["pid"], gone["code"], gone["signal"], gone["expected"]) == (pid, None, "SIGKILL", False)
    assert (gone["items"], gone["queue"], gone["site"], gone["rss_bytes"]) == ([12], "mail", "alpha.example", 5 << 20)
    assert gone["reason"].startswith("killed by SIGKILL")
    assert daemon.wait_event("WorkerSpawned", respawns=1)["worker"] == "main.1"


def test_the_replacement_finds_its_predecessors_last_words(fake_daemon: MakeDaemon, tmp_path: Path) -> None:
    daemon = fake_daemon({"*": {"claims": True, "run_item": 12}}, threads=1)
    (pid,) = daemon.wait_ready(1)

    os.kill(pid, signal.SIGSEGV)

    repaired = daemon.wait_event("ItemsReclaimed", worker="main.1")
    assert (repaired["claimant"], repaired["count"]) == (f"claimant-{pid}", 1)
    assert repaired["reason"] == "0/0: killed by SIGSEGV (Segmentation fault)"
    assert (tmp_path / "bell").exists(), "the living workers were told of the death"


def test_last_words_wait_for_a_worker_that_lives_long_enough_to_read_them(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon({"*": {"claims": True, "run_item": 12}}, threads=1, respawn_delay_seconds=0.01)
    (pid,) = daemon.wait_ready(1)

    daemon.behave({"*": {"exit_at_start": 1}})
    os.kill(pid, signal.SIGKILL)
    daemon.wait_events("WorkerExited", 3)
    daemon.behave({"*": {}})

    assert daemon.wait_event("ItemsReclaimed")["claimant"] == f"claimant-{pid}"
    exits = daemon.events("WorkerExited")
    assert [event["items"] for event in exits[:3]] == [[12], [], []], "the words are told once"


def test_a_worker_that_held_nothing_needs_no_repair(fake_daemon: MakeDaemon, tmp_path: Path) -> None:
    daemon = fake_daemon({"*": {}}, threads=1)
    (pid,) = daemon.wait_ready(1)

    os.kill(pid, signal.SIGKILL)
    daemon.wait_events("WorkerReady", 2)

    assert daemon.events("ItemsReclaimed") == []
    assert not (tmp_path / "bell").exists()


def test_a_crash_loop_backs_off_and_ends_fatal_while_other_slots_go_on(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon({"1": {"exit_at_start": 1}, "*": {}}, threads=2, respawn_limit=4, respawn_delay_seconds=0.05)

    fatal = daemon.wait_event("SlotFatal")

    assert (fatal["worker"], fatal["reason"]) == ("main.1", "4 quick deaths in a row, the last: error")
    delays = [event["delay_seconds"] for event in daemon.events("WorkerRespawning")]
    assert delays == [0.0, 0.05, 0.1]
    board = daemon.board()
    wait_until(lambda: board.slot(1).get(Word.STATE) == SlotState.FATAL, "slot 1 is fatal on the board")
    assert board.slot(2).get(Word.STATE) == SlotState.RUNNING
    assert daemon.events("WorkerExited", worker="main.2") == []


def test_backoff_is_visible_on_the_board(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon({"1": {"exit_at_start": 1}, "*": {}}, threads=2, respawn_delay_seconds=60)

    daemon.wait_event("WorkerRespawning", delay_seconds=30.0)

    assert daemon.board().slot(1).get(Word.STATE) == SlotState.BACKOFF
    daemon.signal(signal.SIGTERM)
    assert daemon.wait_exit() == 0, "a slot in back-off does not keep the daemon"


def test_a_worker_that_cannot_start_makes_its_slot_fatal_at_once_with_its_reason(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon({"1": {"boot_failed": "no module named shop"}, "*": {}}, threads=2)

    fatal = daemon.wait_event("SlotFatal")

    assert fatal["reason"] == "could not start: no module named shop"
    assert len(daemon.events("WorkerSpawned", worker="main.1")) == 1


def test_the_daemon_ends_with_a_line_and_a_code_when_every_slot_is_fatal(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon({"*": {"boot_failed": "wrong password"}}, threads=2)

    assert daemon.wait_exit() == 6
    reason = daemon.wait_event("DaemonStopping")["reason"]
    assert reason == "no worker can be kept alive; all 2 workers: could not start: wrong password"
    assert daemon.events("DaemonStarted") == []


@pytest.mark.parametrize("code", [101, 0])
def test_a_worker_that_restarts_itself_after_some_work_is_replaced_at_once_and_for_ever(
    fake_daemon: MakeDaemon, code: int
) -> None:
    reason = "310 MiB resident, soft limit 300 MiB"
    daemon = fake_daemon({"*": {"handled": 3, "exit": code, "reason": reason}}, threads=1, respawn_limit=3)

    exits = daemon.wait_events("WorkerExited", 6)

    words = "restart" if code == 101 else "left without being asked (exit code 0)"
    assert {(event["reason"], event["expected"]) for event in exits} == {(f"{words}: {reason}", code == 101)}
    assert daemon.events("SlotFatal") == []


def test_a_worker_that_only_ever_restarts_ends_fatal(fake_daemon: MakeDaemon) -> None:
    behaviour = {"*": {"exit": 101, "reason": "memory"}}
    daemon = fake_daemon(behaviour, threads=1, respawn_limit=3, respawn_delay_seconds=0.01)

    assert daemon.wait_exit() == 6
    assert daemon.wait_event("SlotFatal")["reason"] == "3 quick deaths in a row, the last: restart: memory"


def test_an_exception_in_the_worker_is_one_event_with_its_traceback(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon({"1": {"raise": "a defect"}, "*": {}}, threads=2, respawn_limit=1)

    crashed = daemon.wait_event("WorkerCrashed")

    assert (crashed["level"], crashed["error"]) == ("error", "RuntimeError: a defect")
    assert "in _die_early" in crashed["traceback"]
    assert daemon.wait_event("WorkerExited")["reason"] == "error: RuntimeError: a defect"


def test_no_zombie_is_left_after_many_deaths(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon({"*": {}}, threads=4)
    daemon.wait_ready(4)

    for _ in range(3):
        alive = children_of(daemon.pid)
        ready = len(daemon.events("WorkerReady"))
        for pid in alive:
            os.kill(pid, signal.SIGKILL)
        daemon.wait_events("WorkerReady", ready + 4)

    assert [process_state(pid) for pid in children_of(daemon.pid) if process_state(pid) == "Z"] == []
    assert len(children_of(daemon.pid)) == 4


def test_orphans_that_are_given_to_process_1_are_reaped_and_ignored(fake_daemon: MakeDaemon, tmp_path: Path) -> None:
    (tmp_path / "adopts-orphans").touch()
    daemon = fake_daemon({"*": {"orphan_seconds": 0.3, "handled": 1, "exit": 101}}, threads=1)
    daemon.wait_event("WorkerExited")
    daemon.behave({"*": {}})
    wait_until(lambda: len(children_of(daemon.pid)) > 1, "the supervisor has got an orphan")

    wait_until(lambda: len(children_of(daemon.pid)) == 1, "the orphan has ended and is no zombie")

    daemon.signal(signal.SIGTERM)
    assert daemon.wait_exit() == 0


def test_no_child_is_left_two_seconds_after_the_supervisor_was_killed(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon({"*": {}}, threads=4)
    pids = daemon.wait_ready(4)

    daemon.signal(signal.SIGKILL)
    daemon.wait_exit()

    for pid in pids:
        wait_until(lambda pid=pid: is_gone(pid), f"worker {pid} left", seconds=2)  # type: ignore[misc]


def test_the_lifeline_holds_while_the_supervisor_lives(fake_daemon: MakeDaemon) -> None:
    """A worker forked earlier must not keep, nor one forked later close, the end that only the supervisor has."""
    daemon = fake_daemon({"*": {}}, threads=3)
    pids = daemon.wait_ready(3)

    os.kill(pids[0], signal.SIGKILL)
    os.kill(pids[2], signal.SIGKILL)
    daemon.wait_events("WorkerReady", 5)

    assert daemon.events("WorkerExited", pid=pids[1]) == []


def test_the_janitor_gives_back_what_the_last_workers_held(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon({"*": {"claims": True, "run_item": 9, "ignores_term": True}}, threads=2, grace_seconds=0.1)
    pids = daemon.wait_ready(2)

    daemon.signal(signal.SIGTERM)

    assert daemon.wait_exit() == 0
    repaired = daemon.wait_events("ItemsReclaimed", 2)
    assert {(event["worker"], event["claimant"]) for event in repaired} == {
        ("janitor", f"claimant-{pid}") for pid in pids
    }


def test_no_janitor_is_started_when_everybody_drained(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon({"*": {"claims": True}}, threads=2)
    daemon.wait_ready(2)

    daemon.signal(signal.SIGTERM)

    assert daemon.wait_exit() == 0
    assert daemon.events("ItemsReclaimed") == []


def test_a_janitor_that_hangs_is_given_up_after_five_seconds(fake_daemon: MakeDaemon, tmp_path: Path) -> None:
    (tmp_path / "janitor-hangs").touch()
    daemon = fake_daemon({"*": {"claims": True}}, threads=1)
    (pid,) = daemon.wait_ready(1)

    os.kill(daemon.pid, signal.SIGSTOP)
    os.kill(pid, signal.SIGKILL)
    daemon.signal(signal.SIGQUIT)
    watch = Stopwatch()
    os.kill(daemon.pid, signal.SIGCONT)

    assert daemon.wait_exit() == 0
    assert time.monotonic() - watch.began > 4.5
    assert watch.seconds < 12


def test_the_supervisor_outlives_deaths_of_all_its_workers_at_once(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon({"*": {}}, threads=8)
    pids = daemon.wait_ready(8)

    os.kill(daemon.pid, signal.SIGSTOP)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)  # the kernel merges their SIGCHLDs
    os.kill(daemon.pid, signal.SIGCONT)

    ready: list[dict[str, Any]] = daemon.wait_events("WorkerReady", 16)
    assert len({event["pid"] for event in ready}) == 16


def test_deaths_that_come_together_are_reaped_together(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon({"*": {}}, threads=8)
    pids = daemon.wait_ready(8)

    os.kill(daemon.pid, signal.SIGSTOP)
    daemon.signal(signal.SIGTERM)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    os.kill(daemon.pid, signal.SIGCONT)

    assert daemon.wait_exit(seconds=4) == 0, "and not one a second"
