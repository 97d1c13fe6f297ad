"""How processes end: exit codes, and why the supervisor killed.

The supervisor writes `Word.KILLED`, `Word.KILLED_ITEM` and the `exit_reason` of a slot *before* it sends the signal,
so there is no moment at which a dead worker's words are missing. Whoever repairs the slot reads them.
"""

from __future__ import annotations

import re
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snqd.telemetry.board import Running


class Killed(IntEnum):
    """Why the supervisor ended a worker by a signal, which decides what becomes of the items that were running."""

    NO = 0
    """It did not: the worker crashed, and a running item may be what killed it."""
    TIME_LIMIT = 1
    """The item `Word.KILLED_ITEM` ran past its time limit; the others did nothing wrong."""
    SHUTDOWN = 2
    """The worker had to leave, and its time was over: no item is to blame and none uses an attempt."""
    STUCK = 3
    """Its loop did not move although no item was running."""


class WorkerExit(IntEnum):
    """What a worker's exit code says to the supervisor."""

    OK = 0
    """Left without being asked: respawned."""
    ERROR = 1
    """An unexpected error: respawned, with back-off when it happens again and again."""
    BOOT_FAILED = 3
    """Could not start, and would not next time either (`exit_reason` says why): the slot is fatal."""
    SHUTDOWN = 100
    """Drained and done: not respawned."""
    RESTART = 101
    """Wants to be replaced (memory, number of items, age): respawned at once."""


class DaemonExit(IntEnum):
    """What `snqd run` leaves with once its supervisor has started (2 to 5: see `snqd.errors`)."""

    OK = 0
    """Stopped as asked, or every worker was shut down."""
    FATAL = 6
    """Every slot is fatal: no worker can be kept alive."""


TIME_LIMIT = "time limit: "
CUT_SHORT = "cut short: "
STUCK = "stuck: "
_NAMED = 8  # item ids in one reason: more would not fit into the board's string
_PAST_LIMIT = re.compile(re.escape(TIME_LIMIT) + r"items? (\d+(?:, \d+)*) \(")


def time_limit_reason(overdue: Sequence[Running]) -> str:
    """The reason for killing a worker whose items `overdue` (at least one) are past their time limit."""
    named = overdue[:_NAMED]
    ids = ", ".join(str(running.item) for running in named)
    queues = ", ".join(sorted({running.queue for running in named}))
    return f"{TIME_LIMIT}item{'s' if len(named) > 1 else ''} {ids} (queue {queues})"


def items_past_limit(exit_reason: str) -> frozenset[int]:
    """The items that `exit_reason` says were past their time limit; empty for every other reason."""
    found = _PAST_LIMIT.match(exit_reason)
    return frozenset(int(number) for number in found[1].split(", ")) if found else frozenset()
