from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snqd.errors import SnqdError
from snqd.telemetry.board import ENTRIES, SLOTS, Board, SlotState, Word, start_ticks
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "main.board"


@pytest.fixture
def board(path: Path) -> Iterator[Board]:
    board = Board.create(path, daemon="main")
    yield board
    board.close()


def test_a_reader_sees_what_a_writer_wrote(board: Board, path: Path) -> None:
    view = board.slot(1)
    view.set(Word.STATE, SlotState.RUNNING)
    view.set(Word.SPAWNED_NS, 1)
    view.add(Word.HANDLED, 5)
    view.add(Word.HANDLED, 2)
    view.claimant = "host/main.1/4711.88"
    view.exit_reason = "größer"

    reader = Board.open(path)

    seen = reader.slot(1)
    assert (seen.get(Word.HANDLED), seen.claimant, seen.exit_reason) == (7, "host/main.1/4711.88", "größer")
    assert [used.number for used in reader.used()] == [1]
    assert (reader.daemon, reader.supervisor_pid) == ("main", os.getpid())
    reader.close()


def test_a_reader_cannot_write(board: Board, path: Path) -> None:
    reader = Board.open(path)

    with pytest.raises(TypeError):
        reader.slot(1).set(Word.STATE, 1)

    reader.close()


def test_only_its_owner_can_read_the_file(board: Board, path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_old_board_is_replaced_and_its_readers_keep_the_old_one(board: Board, path: Path) -> None:
    board.slot(1).claimant = "old"
    reader = Board.open(path)

    fresh = Board.create(path, daemon="main")

    assert reader.slot(1).claimant == "old"
    assert fresh.slot(1).claimant == ""
    assert list(path.parent.iterdir()) == [path], "nothing else is left in the folder"
    reader.close()
    fresh.close()


def test_running_items_are_seen_between_begin_and_end(board: Board) -> None:
    view = board.slot(1)
    before = time.monotonic_ns()

    view.begin(0, 11, "mail", "alpha", 99)
    view.begin(5, 12, "push", "beta")
    view.end(0)
    view.begin(0, 13, "mail", "alpha")

    first, second = view.running()
    assert (first.item, first.queue, first.site, first.deadline_ns) == (13, "mail", "alpha", 0)
    assert (second.item, second.queue, second.site) == (12, "push", "beta")
    assert before <= second.started_ns <= first.started_ns <= time.monotonic_ns()


def test_every_entry_can_be_used_at_the_same_time(board: Board) -> None:
    view = board.slot(SLOTS - 1)

    for entry in range(ENTRIES):
        view.begin(entry, entry + 1, f"queue{entry}", "s" * 63)

    assert [(each.item, each.queue) for each in view.running()] == [(n + 1, f"queue{n}") for n in range(ENTRIES)]
    assert {each.site for each in view.running()} == {"s" * 63}


def test_clearing_a_slot_forgets_the_worker_and_keeps_what_the_supervisor_wrote(board: Board) -> None:
    view, other = board.slot(1), board.slot(2)
    for word in Word:
        view.set(word, 7)
    view.begin(3, 5, "mail", "alpha")
    view.claimant, view.exit_reason = "someone", "something"
    other.begin(0, 6, "mail", "beta")

    view.clear()

    kept = (Word.STATE, Word.PID, Word.SPAWNED_NS, Word.RESPAWNS, Word.UNREPAIRED, Word.EXITED_NS)
    assert [word for word in Word if view.get(word)] == list(kept)
    assert (view.claimant, view.exit_reason, view.running()) == ("", "", [])
    assert [each.item for each in other.running()] == [6]


def test_a_slot_that_had_a_worker_is_used_for_ever_wherever_it_is(board: Board) -> None:
    for number in (1, 2, 3):
        board.slot(number).set(Word.SPAWNED_NS, 5)
    board.slot(1).set(Word.STATE, SlotState.CLOSED)
    board.slot(2).set(Word.UNREPAIRED, 1)
    board.slot(3).set(Word.STATE, SlotState.RUNNING)

    assert [view.number for view in board.used()] == [1, 2, 3]


def test_last_words_outlive_a_writer_killed_by_sigkill(board: Board) -> None:
    pid = os.fork()
    if pid == 0:
        board.slot(2).begin(0, 77, "mail", "alpha")
        board.slot(2).set(Word.READY, 1)
        signal.pause()
    wait_until(lambda: board.slot(2).get(Word.READY), "the child has written")

    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)

    assert [each.item for each in board.slot(2).running()] == [77]


def test_a_board_is_live_as_long_as_the_process_that_made_it(path: Path) -> None:
    program = (
        f"import pathlib, sys; from snqd.telemetry.board import Board; "
        f"Board.create(pathlib.Path({str(path)!r}), daemon='main'); print('made', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"made\n"
        board = Board.open(path)
        assert board.is_live
        process.kill()
        wait_until(lambda: not board.is_live, "the board is dead with its maker, zombie or not")
    board.close()


def test_another_file_is_refused(path: Path) -> None:
    path.write_bytes(b"x" * 5000)

    with pytest.raises(SnqdError, match=f"{path} is not a worker board"):
        Board.open(path)


def test_there_is_no_start_time_of_a_process_that_does_not_exist() -> None:
    assert start_ticks(2**22 + 1) is None
    assert start_ticks(os.getpid())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text())
def test_any_text_is_kept_up_to_its_room(board: Board, text: str) -> None:
    view = board.slot(1)

    view.exit_reason = text
    view.claimant = "mine"

    kept = text.encode(errors="replace").split(b"\0")[0][:256].decode(errors="replace")
    assert view.exit_reason == kept
    assert view.claimant == "mine"
