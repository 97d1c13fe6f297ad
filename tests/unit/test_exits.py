from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from snqd.supervisor.lastwords import Status, autopsy, reason_in_words
from snqd.supervisor.slots import Slot, Stop
from snqd.telemetry.board import Board, Word
from snqd.telemetry.exits import Killed, WorkerExit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def exited(code: int) -> int:
    return code << 8


@pytest.fixture
def slot(tmp_path: Path) -> Iterator[Slot]:
    board = Board.create(tmp_path / "board", daemon="main")
    slot = Slot(1, "main.1", board.slot(1), pid=4711, spawned_at=100.0)
    yield slot
    board.close()


def words(status: int, **changes: Any) -> str:
    given = {"own_reason": "", "kill_reason": "", "asked": None, "oom": False} | changes
    return reason_in_words(Status.of(status), **given)


@pytest.mark.parametrize(
    ("status", "changes", "reason"),
    [
        (exited(0), {}, "left without being asked (exit code 0)"),
        (exited(1), {}, "error"),
        (exited(1), {"own_reason": "OSError: no space"}, "error: OSError: no space"),
        (exited(3), {"own_reason": "no module shop"}, "could not start: no module shop"),
        (exited(100), {}, "shut down"),
        (exited(100), {"asked": Stop.CLOSE}, "drained"),
        (exited(101), {"own_reason": "310 MiB"}, "restart: 310 MiB"),
        (exited(42), {}, "left (exit code 42)"),
        (signal.SIGSEGV, {}, "killed by SIGSEGV (Segmentation fault)"),
        (signal.SIGKILL, {"oom": None}, "killed by SIGKILL (out of memory?)"),
        (signal.SIGKILL, {"oom": False}, "killed by SIGKILL"),
        (signal.SIGKILL, {"oom": True}, "killed by SIGKILL: the kernel ended it because memory ran out"),
        (signal.SIGKILL, {"oom": None, "kill_reason": "time limit of item 3"}, "time limit of item 3"),
        (signal.SIGQUIT, {"kill_reason": "stopped at once by SIGQUIT"}, "stopped at once by SIGQUIT"),
        (signal.SIGRTMIN + 3, {}, "killed by a real-time signal (Real-time signal 0)"),
    ],
)
def test_a_death_is_told_in_words(status: int, changes: dict[str, Any], reason: str) -> None:
    assert words(status, **changes) == reason


def test_the_numbers_of_the_original_are_kept() -> None:
    assert [WorkerExit.OK, WorkerExit.ERROR, WorkerExit.SHUTDOWN, WorkerExit.RESTART] == [0, 1, 100, 101]
    assert WorkerExit.BOOT_FAILED == os.EX_OK + 3


def test_the_last_words_are_in_the_event_and_left_for_the_repair(slot: Slot) -> None:
    slot.view.claimant = "host/main.1/4711"
    slot.view.begin(0, 12, "mail", "alpha.example")
    slot.view.set(Word.HANDLED, 5)
    slot.view.set(Word.FAILED, 2)
    slot.view.set(Word.RSS_BYTES, 1 << 20)

    death, event = autopsy(slot, signal.SIGKILL, 103.25, oom=None)

    assert (event.items, event.queue, event.site, event.handled, event.rss_bytes) == (
        (12,), "mail", "alpha.example", 5, 1 << 20,
    )  # fmt: skip
    assert (event.code, event.signal, event.lived_seconds, event.expected) == (None, "SIGKILL", 3.25, False)
    assert (death.handled, death.lived_seconds, death.by_time_limit) == (7, 3.25, False)
    assert slot.view.get(Word.UNREPAIRED) == 1
    assert slot.view.exit_reason == "killed by SIGKILL (out of memory?)"
    assert [running.item for running in slot.view.running()] == [12]
    assert slot.view.claimant == "host/main.1/4711"


def test_a_worker_without_a_claimant_needs_no_repair(slot: Slot) -> None:
    autopsy(slot, exited(1), 103.0, oom=None)

    assert slot.view.get(Word.UNREPAIRED) == 0


def test_a_reason_that_is_on_the_board_already_stays(slot: Slot) -> None:
    slot.view.claimant = "host/main.1/4711"
    slot.killed, slot.kill_reason = Killed.TIME_LIMIT, "time limit of item 12 (queue mail)"
    slot.view.exit_reason = slot.kill_reason

    death, event = autopsy(slot, signal.SIGKILL, 103.0, oom=None)

    assert death.by_time_limit
    assert event.reason == slot.view.exit_reason == "time limit of item 12 (queue mail)"


def test_words_of_a_predecessor_that_is_not_repaired_are_not_touched_nor_told_again(slot: Slot) -> None:
    slot.view.claimant = "host/main.1/1"
    slot.view.begin(0, 12, "mail", "alpha.example")
    slot.view.exit_reason = slot.inherited_reason = "time limit of item 12"
    slot.view.set(Word.UNREPAIRED, 1)
    slot.view.exit_reason = "no module named shop"  # the successor could not start, and says so

    death, event = autopsy(slot, exited(WorkerExit.BOOT_FAILED), 103.0, oom=None)

    assert event.items == ()
    assert death.reason == "could not start: no module named shop"
    assert slot.view.exit_reason == "time limit of item 12"
    assert slot.view.get(Word.UNREPAIRED) == 1
