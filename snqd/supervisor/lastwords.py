"""What a dead worker left: its exit status and its last words on the board, told as one reason in words."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, NamedTuple

from snqd.supervisor.respawn import Death
from snqd.telemetry.board import Word
from snqd.telemetry.events import WorkerExited
from snqd.telemetry.exits import Killed, WorkerExit

if TYPE_CHECKING:
    from snqd.supervisor.slots import Slot, Stop

_CODES = {
    WorkerExit.OK: "left without being asked",
    WorkerExit.ERROR: "error",
    WorkerExit.BOOT_FAILED: "could not start",
    WorkerExit.SHUTDOWN: "shut down",
    WorkerExit.RESTART: "restart",
}
_ENDS = (Word.HANDLED, Word.FAILED, Word.RETRIED, Word.DEAD_LETTERED, Word.DISCARDED)
"""What a handling can end with, other than the worker's death."""


class Status(NamedTuple):
    """An exit status from `waitpid`: one of the two is None."""

    code: int | None
    signal: signal.Signals | None

    @classmethod
    def of(cls, status: int) -> Status:
        code = os.waitstatus_to_exitcode(status)
        return cls(code, None) if code >= 0 else cls(None, _signal(-code))


def _signal(number: int) -> signal.Signals:
    try:
        return signal.Signals(number)
    except ValueError:  # a real-time signal between SIGRTMIN and SIGRTMAX has no name
        return signal.SIGRTMIN


def reason_in_words(
    status: Status,
    *,
    own_reason: str,
    kill_reason: str,
    asked: Stop | None,
    oom: bool | None,
    in_handler: bool = False,
) -> str:
    """Why a worker is gone. Pure.

    `own_reason` is what the worker wrote, `kill_reason` why the supervisor killed it (each may be empty); `oom` says
    whether the kernel has just killed for memory, None when it cannot be known. `in_handler`: it left while an item was
    running, so that the exit code is the handler's and means nothing to us.
    """
    if status.signal is not None:
        return kill_reason or _signal_words(status.signal, oom)
    if in_handler:
        return f"a handler ended the process (exit code {status.code})"
    if status.code == WorkerExit.SHUTDOWN and asked is not None:
        return "drained"
    known = _CODES[WorkerExit(status.code)] if status.code in set(WorkerExit) else ""
    words = known if known and status.code != WorkerExit.OK else f"{known or 'left'} (exit code {status.code})"
    return f"{words}: {own_reason}" if own_reason else words


def _signal_words(number: signal.Signals, oom: bool | None) -> str:
    name = "a real-time signal" if number == signal.SIGRTMIN else number.name
    if number == signal.SIGKILL:
        match oom:
            case True:
                return "killed by SIGKILL: the kernel ended it because memory ran out"
            case False:
                return "killed by SIGKILL"
            case None:
                return "killed by SIGKILL (out of memory?)"
    return f"killed by {name} ({signal.strsignal(number) or 'unknown'})"


def autopsy(slot: Slot, raw_status: int, now: float, *, oom: bool | None) -> tuple[Death, WorkerExited]:
    """Read the last words of the worker that was in `slot`, and note on the board what its repair must know.

    When the worker died before it had repaired its predecessor, the words on the board are still the
    predecessor's: they are left as they are, for the next worker, and are not told as this one's.
    """
    view, status, own_words = slot.view, Status.of(raw_status), slot.took_over()
    written = view.exit_reason
    own_reason = written if own_words or written != slot.inherited_reason else ""
    running = view.running() if own_words else []
    in_handler = bool(running) and status.signal is None
    reason = reason_in_words(
        status, own_reason=own_reason, kill_reason=slot.kill_reason, asked=slot.stop, oom=oom, in_handler=in_handler
    )
    if not own_words:
        view.exit_reason = slot.inherited_reason
    else:
        if not written or ((in_handler or status.signal is not None) and not slot.kill_reason):
            view.exit_reason = reason  # it was about to leave for a reason of its own, but this is what ended it
        view.set(Word.UNREPAIRED, 1 if view.claimant else 0)
    lived = now - slot.spawned_at
    death = Death(
        code=WorkerExit.ERROR if in_handler else status.code,
        reason=reason,
        lived_seconds=lived,
        handled=sum(view.get(word) for word in _ENDS),
        asked=slot.stop,
        by_time_limit=slot.killed is Killed.TIME_LIMIT,
    )
    policy_exits = (WorkerExit.SHUTDOWN, WorkerExit.RESTART)
    event = WorkerExited(
        worker=slot.worker,
        pid=slot.pid,
        code=status.code,
        signal=status.signal.name if status.signal is not None else None,
        reason=reason,
        expected=status.code in policy_exits and not in_handler,
        lived_seconds=round(lived, 3),
        handled=view.get(Word.HANDLED),
        rss_bytes=view.get(Word.RSS_BYTES),
        failed=view.get(Word.FAILED),
        retried=view.get(Word.RETRIED),
        dead_lettered=view.get(Word.DEAD_LETTERED),
        discarded=view.get(Word.DISCARDED),
        items=tuple(item.item for item in running),
        queue=running[0].queue if running else None,
        site=running[0].site if running else None,
    )
    return death, event
