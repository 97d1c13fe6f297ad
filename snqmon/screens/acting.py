"""What the keys of actions do, on whatever screen there is something to act upon.

What may be done is decided by `actions.py`; here it is asked about, done through the control socket while the loop goes
on, and told: as a toast, and beside the crumbs.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from snqmon.actions import said
from snqmon.model.details import detail_of
from snqmon.model.rows import AlarmRow, PairRow, QueueRow, SiteRow
from snqmon.screens.confirm import Confirm, Question
from snqmon.screens.letters import LettersScreen
from snqmon.screens.pause import PauseDialog
from snqmon.screens.stack import StackScreen
from snqmon.screens.why import WhyScreen

if TYPE_CHECKING:
    from collections.abc import Callable

    from snqd.telemetry.why import Answer
    from snqmon.actions import Offer, Request
    from snqmon.app import Monitor
    from snqmon.model.columns import Row
    from snqmon.model.world import World


def begin(monitor: Monitor, offer: Offer, row: Row, done: Callable[[], None]) -> None:
    """Ask about an action that is available, or show what it shows. `done` is called when it was done."""

    def tell(words: str | None) -> None:
        if words is not None:
            monitor.tell(words)
            done()

    async def ask(request: Request) -> str:
        assert monitor.control is not None, "an action that is not available is not begun"
        return said(await monitor.control.ask(offer.daemon, request))

    match offer.key:
        case "dead":
            monitor.push_screen(LettersScreen(offer, is_ascii=monitor.is_ascii))
        case "stack":
            if isinstance(monitor.front, StackScreen):
                monitor.front.take()
            else:
                monitor.push_screen(StackScreen(offer, row))
        case _ if offer.asks_reason:
            monitor.push_screen(PauseDialog(question_of(offer), lambda reason, seconds: ask(
                offer.with_reason(reason) | {"seconds": seconds}
            )), tell)  # fmt: skip
        case _:
            monitor.push_screen(Confirm(question_of(offer), lambda: ask(offer.request)), tell)


def question_of(offer: Offer) -> Question:
    """The dialog's words: the title with its target and count, then what follows from it.

    `Discard 3 dead letters of queue mail: they are deleted` is a question and a sentence.
    """
    asked, _, outcome = offer.question.partition(": ")
    line = f"{outcome[:1].upper()}{outcome[1:]}" if outcome else ""
    return Question(
        title=f"{asked}?",
        lines=(line,) if line else (),
        yes=offer.title.split()[0],
        is_danger=offer.is_dangerous,
        whom=offer.daemon,
    )


EXPLAINED: Final = (QueueRow, SiteRow, PairRow, AlarmRow)
"""Rows of which one may ask why they do not move."""


async def explain(monitor: Monitor, row: Row) -> None:
    """Say why it does not move."""
    ask = partial(_answer, monitor.world, row)
    name = _name(row)
    if ask() is None:
        monitor.notify(f"Nothing is known to wait for {name}.", timeout=4, markup=False)
    else:
        screen = await monitor.kept.take(WhyScreen)
        screen.begin(f"Why does {name} wait?", ask)
        monitor.push_screen(screen)


def _answer(world: World, row: Row) -> Answer | None:
    """What the facts say now; None = nothing waits, or nothing is known of it any more."""
    try:
        if isinstance(row, PairRow):
            return world.why(row.daemon, row.queue, row.site)
        return detail_of(world, row).why
    except KeyError:
        return None


def _name(row: Row) -> str:
    match row:
        case PairRow():
            return f"site {row.site} of queue {row.queue}"
        case QueueRow():
            return f"queue {row.queue}"
        case SiteRow():
            return f"site {row.site}"
        case AlarmRow():
            return row.subject
    return row.key[-1]
