from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from snqd.supervisor.slots import ALIVE, CHANGES, MAX_WORKERS, Slot, worker_count
from snqd.telemetry.board import SLOTS, Board, SlotState, Word

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def slot(tmp_path: Path) -> Iterator[Slot]:
    board = Board.create(tmp_path / "board", daemon="main")
    yield Slot(3, "main.3", board.slot(3))
    board.close()


@pytest.mark.parametrize("before", SlotState)
@pytest.mark.parametrize("after", SlotState)
def test_a_slot_changes_as_the_table_says_and_tells_the_board(slot: Slot, before: SlotState, after: SlotState) -> None:
    slot.state = before
    slot.view.set(Word.STATE, before)

    if after in CHANGES[before]:
        slot.move(after)
    else:
        with pytest.raises(ValueError, match=f"main.3 cannot go from {before.name} to {after.name}"):
            slot.move(after)
        after = before

    assert (slot.state, slot.view.get(Word.STATE)) == (after, after)


def test_the_table_has_every_state_and_no_state_without_a_way_in_or_out() -> None:
    assert set(CHANGES) == set(SlotState)
    assert all(CHANGES.values())
    assert set().union(*CHANGES.values()) == set(SlotState)


def test_only_a_state_with_a_process_can_end_by_closing_itself_or_by_death() -> None:
    assert {state for state, following in CHANGES.items() if SlotState.RUNNING in following} == {SlotState.STARTING}
    assert {state for state, following in CHANGES.items() if SlotState.STOPPING in following} == ALIVE - {
        SlotState.STOPPING
    }


def test_a_slot_is_taken_over_when_nothing_is_left_to_repair(slot: Slot) -> None:
    slot.view.set(Word.UNREPAIRED, 1)
    assert not slot.took_over()
    slot.view.set(Word.UNREPAIRED, 0)
    assert slot.took_over()


@pytest.mark.parametrize(("threads", "workers"), [(0, 1), (1, 1), (7, 7), (100_000, MAX_WORKERS)])
def test_the_number_of_workers_follows_the_setting(threads: int, workers: int) -> None:
    assert worker_count(threads) == workers


def test_without_a_setting_there_is_one_worker_for_each_cpu_that_may_be_used() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert worker_count(None) == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert worker_count(None) == len(allowed)


def test_one_slot_is_always_free_for_the_extra_worker_of_a_reload() -> None:
    assert MAX_WORKERS + 1 < SLOTS
