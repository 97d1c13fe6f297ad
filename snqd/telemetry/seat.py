"""`WorkerSeat`: what a forked worker is given by the supervisor, and the shape of the function that takes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from snqd.telemetry.board import Board, SlotView


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSeat:
    """A worker's place in the daemon.

    The worker starts with the supervisor's signals blocked (`signal.pthread_sigmask` shows which) and default
    handlers for TERM, QUIT and USR1; it installs its own and then unblocks. The signals that only mean something to
    the supervisor (INT, HUP, TTIN, TTOU, USR2: a terminal sends some of them to the whole process group) do nothing
    in it, until it registers USR2 for its stacks (`stacks.py`).

    While `Word.UNREPAIRED` is 1, the claimant, the running entries and the exit reason in `view` are those of the
    slot's previous worker, whose claims have not been given back.
    """

    slot: int
    worker: str
    """Its name, `<daemon>.<slot>`."""
    view: SlotView
    board: Board
    lifeline_fd: int
    """Becomes readable (end of file) when the supervisor is gone: leave at once. Do not read data from it."""
    memory_limit_bytes: int | None
    """Soft limit of resident memory, checked between items; None = no limit."""


RunWorker = Callable[[WorkerSeat], int]
"""Runs in the forked process until it is told to leave; returns a `WorkerExit`."""
