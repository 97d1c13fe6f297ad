"""What the board, the ledger and the system say of each worker, as facts."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from snqd.telemetry.board import Phase, SlotState, Word
from snqd.telemetry.facts import WorkerFact

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from snqd.telemetry.board import Board, SlotView

_ALIVE = (SlotState.STARTING, SlotState.RUNNING, SlotState.STOPPING)
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_CPU_SECONDS = 1.0


class WorkerBook:
    """Reads the board. Asks the system for processor time at most once a second per process."""

    def __init__(self, daemon: str, board: Board) -> None:
        self._daemon = daemon
        self._board = board
        self._cpu: dict[int, tuple[float, float]] = {}

    def facts(self, counts_of: Callable[[int], Mapping[str, int]], offset: float) -> list[WorkerFact]:
        """Every slot that has had a worker. `offset` + monotonic seconds = epoch seconds."""
        return [self._fact(view, counts_of(view.number), offset) for view in self._board.used()]

    def _fact(self, view: SlotView, counts: Mapping[str, int], offset: float) -> WorkerFact:
        state = SlotState(view.get(Word.STATE))
        is_alive = state in _ALIVE
        pid = view.get(Word.PID) if is_alive else 0
        running = view.running() if is_alive and view.get(Word.READY) else []
        oldest = min(running, key=lambda entry: entry.started_ns, default=None)
        return WorkerFact(
            worker=f"{self._daemon}.{view.number}",
            pid=pid,
            state=state.name.lower(),
            phase=Phase(view.get(Word.PHASE)).name.lower() if is_alive else "stopped",
            spawned=_epoch(view.get(Word.SPAWNED_NS), offset),
            beat=_epoch(view.get(Word.BEAT_NS), offset),
            item=oldest.item if oldest else 0,
            queue=oldest.queue if oldest else "",
            site=oldest.site if oldest else "",
            item_started=_epoch(oldest.started_ns, offset) if oldest else 0.0,
            running=len(running),
            claimed=counts["claimed"],
            handled=counts["handled"],
            failed=counts["failed"],
            retried=counts["retried"],
            dead_lettered=counts["dead_lettered"],
            discarded=counts["discarded"],
            released=counts["released"],
            rss_bytes=view.get(Word.RSS_BYTES) if is_alive else 0,
            memory_limit_bytes=view.get(Word.MEMORY_LIMIT),
            cpu_seconds=self._cpu_seconds(pid) if pid else 0.0,
            respawns=view.get(Word.RESPAWNS),
            exit_reason=view.last_exit,
            exit_at=_epoch(view.get(Word.EXITED_NS), offset),
        )

    def _cpu_seconds(self, pid: int) -> float:
        now = time.monotonic()
        at, seconds = self._cpu.get(pid, (float("-inf"), 0.0))
        if now - at >= _CPU_SECONDS:
            seconds = cpu_seconds(pid)
            if len(self._cpu) > 4 * 256:  # of processes that are gone
                self._cpu.clear()
            self._cpu[pid] = (now, seconds)
        return seconds


def cpu_seconds(pid: int) -> float:
    """Processor time of a process, user and system; 0 when it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    fields = stat[stat.rindex(b")") + 2 :].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def rss_bytes(pid: int) -> int:
    """Resident memory of a process; 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * _PAGE_BYTES
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return 0


def _epoch(nanoseconds: int, offset: float) -> float:
    return round(offset + nanoseconds / 1e9, 3) if nanoseconds else 0.0
