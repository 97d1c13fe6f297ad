"""What can be done from the monitor: which rows it applies to, the question before it, what is asked of the daemon.

Pure: nothing here opens a socket. Actions go over the control socket (`snqmon/control.py`), never over UDP.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from snqd.telemetry.words import plural
from snqmon.model import formats
from snqmon.model.dead import DeadRow
from snqmon.model.rows import QueueRow, SiteRow, WorkerRow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from snqmon.model.rows.flow import FlowRow

Request = dict[str, Any]


class Reach(NamedTuple):
    """Which daemons can be acted upon."""

    is_on: bool
    """Whether the monitor was started with `--control`."""
    daemons: frozenset[str]
    """`name@host` of those whose control socket is on this host."""


NOWHERE: Final = Reach(False, frozenset())


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One action on one row, ready to be asked about and done."""

    key: str
    """The id of its key in `keys.py`."""
    title: str
    """`Pause queue mail`."""
    daemon: str = ""
    """`name@host`: whose control socket is asked."""
    question: str = ""
    """Names the target and the count, and what happens; empty = it only shows something, and nobody has to agree."""
    request: Request = field(default_factory=dict)
    """One line for the control socket; its answer says what happened (`said`), or is what was asked for."""
    is_dangerous: bool = False
    """What it does cannot be undone."""
    asks_reason: bool = False
    """A reason may be given: others see it beside the queue."""
    unavailable: str = ""
    """Why it cannot be done, and what to do; empty = it can."""

    def with_reason(self, reason: str) -> Request:
        return self.request | ({"reason": reason} if self.asks_reason else {})


@dataclass(frozen=True, slots=True)
class Action:
    key: str
    """The id of its key in `keys.py`."""
    rows: tuple[type, ...]
    """The kinds of rows that it applies to."""
    offer: Callable[[Any], Offer]

    def on(self, row: object, reach: Reach, *, author: str) -> Offer | None:
        """What this action is on a row; None = it does not apply to such rows. `author`: who does it, for the log."""
        if not isinstance(row, self.rows):
            return None
        offer = self.offer(row)
        daemon = str(getattr(row, "daemon", ""))
        request = offer.request | ({"author": author} if offer.request.get("ask") not in _ASKING else {})
        reason = offer.unavailable or _out_of_reach(daemon, reach)
        return Offer(
            key=offer.key, title=offer.title, daemon=daemon, question=offer.question, request=request,
            is_dangerous=offer.is_dangerous, asks_reason=offer.asks_reason, unavailable=reason,
        )  # fmt: skip


def offers(row: object, reach: Reach, *, author: str) -> list[Offer]:
    """Everything that can be done on a row, with what cannot be done now and why."""
    return [offer for action in ACTIONS if (offer := action.on(row, reach, author=author)) is not None]


def offer_of(key: str, row: object, reach: Reach, *, author: str) -> Offer | None:
    """What the key with this id does on a row; None = nothing."""
    return next((offer for offer in offers(row, reach, author=author) if offer.key == key), None)


_ASKING: Final = frozenset({"dead", "stack"})
"""Requests that change nothing: nobody has to answer for them."""


def _out_of_reach(daemon: str, reach: Reach) -> str:
    if not reach.is_on:
        return "start snqmon with --control to act"
    if daemon not in reach.daemons:
        return f"{daemon} has no control socket here: its daemon is on another host, or runs as another user"
    return ""


def _pause(row: QueueRow | SiteRow) -> Offer:
    target = f"{_target(row)} of {row.daemon}"
    if row.paused:
        held = row.paused_items
        return Offer(
            key="pause",
            title=f"Resume {_target(row)}",
            question=f"Resume {target}: {_counted(row, held)} {_wait(held)}. It is paused {row.paused}.",
            request={"ask": "resume", **_names(row)},
        )
    return Offer(
        key="pause",
        title=f"Pause {_target(row)}",
        question=f"Pause {target}: {_counted(row, row.ready)} {_wait(row.ready)}. In flight items finish.",
        request={"ask": "pause", **_names(row), "seconds": None},
        asks_reason=True,
    )


def _list_dead(row: QueueRow | SiteRow) -> Offer:
    return Offer(
        key="dead",
        title=f"Dead letters of {_target(row)}",
        request={"ask": "dead", **_names(row), "limit": PAGE, "after": None},
        unavailable=_without_dead(row),
    )


def _retry_all(row: QueueRow | SiteRow) -> Offer:
    target = _target(row)
    return Offer(
        key="retry",
        title=f"Retry dead letters of {target}",
        question=(
            f"Retry {_counted(row, row.dead, 'dead letter')} of {target} of {row.daemon}: back into the queue, to "
            "be tried anew."
        ),
        request={"ask": "retry", "ids": None, **_names(row)},
        unavailable=_without_dead(row),
    )


def _discard_all(row: QueueRow | SiteRow) -> Offer:
    target = _target(row)
    return Offer(
        key="discard",
        title=f"Discard dead letters of {target}",
        question=(
            f"Discard {_counted(row, row.dead, 'dead letter')} of {target} of {row.daemon}: what is deleted "
            "cannot be had back."
        ),
        request={"ask": "discard", "ids": None, **_names(row)},
        is_dangerous=True,
        unavailable=_without_dead(row),
    )


def _retry_one(row: DeadRow) -> Offer:
    return Offer(
        key="retry",
        title=f"Retry dead letter #{row.id}",
        question=f"Retry 1 dead letter, #{row.id} of queue {row.queue} ({row.site}) of {row.daemon}: it is tried anew.",
        request={"ask": "retry", "ids": [row.id], "queue": row.queue, "site": row.site},
    )


def _discard_one(row: DeadRow) -> Offer:
    return Offer(
        key="discard",
        title=f"Discard dead letter #{row.id}",
        question=(
            f"Discard 1 dead letter, #{row.id} of queue {row.queue} ({row.site}) of {row.daemon}: it is deleted, and "
            "cannot be had back."
        ),
        request={"ask": "discard", "ids": [row.id], "queue": row.queue, "site": row.site},
        is_dangerous=True,
    )


def _restart(row: WorkerRow) -> Offer:
    running = f"its {plural(row.fact.running, 'item')} in flight" if row.fact.running else "no item is in flight"
    ends = f"{running} {'finishes' if row.fact.running == 1 else 'finish'}" if row.fact.running else running
    return Offer(
        key="restart",
        title=f"Restart worker {row.worker}",
        question=(
            f"Restart 1 worker, {row.worker} of {row.daemon} (pid {row.pid}): {ends}, then a new process takes its "
            "place."
        ),
        request={"ask": "restart", "worker": row.worker},
        unavailable="" if row.pid and not row.is_gone else f"{row.worker} has no process now",
    )


def _stack(row: WorkerRow) -> Offer:
    return Offer(
        key="stack",
        title=f"Stack of worker {row.worker}",
        request={"ask": "stack", "worker": row.worker},
        unavailable="" if row.pid and not row.is_gone else f"{row.worker} has no process now",
    )


PAGE: Final = 200
"""Dead letters that are asked for at once."""
_FLOWS = (QueueRow, SiteRow)
ACTIONS: Final[tuple[Action, ...]] = (
    Action("dead", _FLOWS, _list_dead),
    Action("pause", _FLOWS, _pause),
    Action("retry", _FLOWS, _retry_all),
    Action("retry", (DeadRow,), _retry_one),
    Action("discard", _FLOWS, _discard_all),
    Action("discard", (DeadRow,), _discard_one),
    Action("restart", (WorkerRow,), _restart),
    Action("stack", (WorkerRow,), _stack),
)


def said(answer: Mapping[str, Any]) -> str:
    """What happened, out of an answer of the control socket."""
    if answer.get("ok") is False:
        return f"refused: {answer.get('error', 'no reason was given')}"
    return formats.one_line(str(answer.get("said", "done")))


def _names(row: QueueRow | SiteRow) -> Request:
    return {"queue": row.queue, "site": None} if isinstance(row, QueueRow) else {"queue": None, "site": row.site}


def _target(row: QueueRow | SiteRow) -> str:
    return f"queue {row.queue}" if isinstance(row, QueueRow) else f"site {row.site}"


def _counted(row: FlowRow, count: int | None, noun: str = "item") -> str:
    if count is None:
        return f"an unknown number of {noun}s"
    return ("about " if row.is_estimate and count else "") + plural(count, noun)


def _wait(count: int | None) -> str:
    return "waits" if count == 1 else "wait"


def _without_dead(row: FlowRow) -> str:
    return "there are no dead letters" if row.dead == 0 else ""
