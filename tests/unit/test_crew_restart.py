"""A worker is replaced because the board says so, and only the process that the board names."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from snqd.supervisor.crew import Crew
from snqd.supervisor.slots import Slot, Stop
from snqd.telemetry.board import Board, SlotState, Word
from snqd.telemetry.emitter import Emitter

if TYPE_CHECKING:
    from pathlib import Path


class Asked(Crew):
    """Notes signals instead of sending them."""

    def __init__(self, board: Board) -> None:
        super().__init__(
            daemon="main",
            board=board,
            emitter=Emitter(),
            lifeline_fd=-1,
            enter_child=lambda: None,
            on_death=lambda: None,
        )
        self.sent: list[tuple[int, signal.Signals]] = []

    def send(self, slot: Slot, number: signal.Signals) -> None:
        self.sent.append((slot.pid, number))

    def running(self, pid: int) -> Slot:
        slot = self.free_slot()
        assert slot is not None
        slot.pid = pid
        slot.move(SlotState.STARTING)
        slot.move(SlotState.RUNNING)
        return slot


@pytest.fixture
def crew(tmp_path: Path) -> Asked:
    return Asked(Board.create(tmp_path / "main.board", daemon="main"))


def test_the_named_process_is_asked_once_to_leave_and_to_be_replaced(crew: Asked) -> None:
    named, other = crew.running(4001), crew.running(4002)
    named.view.set(Word.RESTART, 4001)

    for _ in range(2):
        crew.replace_as_asked(grace_seconds=5.0)

    assert crew.sent == [(4001, signal.SIGTERM)]
    assert (named.state, named.stop) == (SlotState.STOPPING, Stop.REPLACE)
    assert (other.state, other.stop) == (SlotState.RUNNING, None)


def test_a_process_that_has_another_place_by_now_is_left_alone(crew: Asked) -> None:
    """The one that was meant has died, and its successor is not to blame."""
    successor = crew.running(4005)
    successor.view.set(Word.RESTART, 4001)

    crew.replace_as_asked(grace_seconds=5.0)

    assert crew.sent == []
    assert successor.state is SlotState.RUNNING
