"""Which items a person means: the filter flags shared by `snqd items` and `snqd dead`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from snqd.cli.output import plural
from snqd.cli.values import duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from snqd.stores.base import ItemFilter

Decorated = TypeVar("Decorated", bound="Callable[..., object]")

LARGEST_ID = 2**63 - 1
ID = click.IntRange(1, LARGEST_ID)
_STATES = ("ready", "scheduled", "claimed", "paused")
_REASONS = ("attempts", "crash", "bad_item")


def filter_options(*, of_dead: bool) -> Callable[[Decorated], Decorated]:
    """Ids as arguments, and `--queue --site --error --older-than --limit` with `--state` or `--reason`."""

    def decorate(function: Decorated) -> Decorated:
        since = "died" if of_dead else "was stored"
        click.option("--limit", type=click.IntRange(min=0), metavar="N", help="At most N, oldest first; 0 = all.")(
            function
        )
        click.option("--older-than", type=duration, metavar="TIME", help=f"That {since} at least 90, 5m, 2d ago.")(
            function
        )
        click.option("--error", metavar="TEXT", help="Whose last error contains TEXT.")(function)
        if of_dead:
            click.option("--reason", type=click.Choice(_REASONS), help="That were given up for this reason.")(function)
        else:
            click.option("--state", type=click.Choice(_STATES), help="In this state.")(function)
        click.option("--site", metavar="SITE", help="Of this site.")(function)
        click.option("--queue", metavar="QUEUE", help="Of this queue.")(function)
        return click.argument("ids", nargs=-1, type=ID)(function)

    return decorate


def item_filter(given: dict[str, Any], *, default_limit: int | None = None) -> ItemFilter:
    """The filter that the flags describe."""
    from snqd.stores.base import ItemFilter, ItemState

    limit = given["limit"] if given["limit"] is not None else default_limit
    state = given.get("state")
    return ItemFilter(
        ids=tuple(given["ids"]),
        queue=given["queue"],
        site=given["site"],
        state=ItemState(state) if state is not None else None,
        reason=given.get("reason"),
        error=given["error"],
        older_than_seconds=given["older_than"],
        limit=limit or None,
    )


def require_choice(given: dict[str, Any], *, is_all: bool) -> None:
    """Refuse to change everything by accident: some filter, or `--all`."""
    names = ("ids", "queue", "site", "state", "reason", "error", "older_than")
    has_filter = any(given.get(name) not in (None, ()) for name in names)
    context = click.get_current_context()
    if not has_filter and not is_all:
        raise click.UsageError("say which: ids, --queue, --site, … or --all", context)
    if has_filter and is_all:
        raise click.UsageError("give filters or --all, not both", context)


def confirm(count: int, noun: str, *, is_confirmed: bool) -> None:
    """Ask on a terminal before `count` items are deleted. Raises `click.UsageError` elsewhere without `--yes`."""
    if is_confirmed or count == 0:
        return
    import sys

    if not sys.stdin.isatty():
        raise click.UsageError(
            f"this deletes {plural(count, noun)} for ever: repeat with --yes to do it, or --dry-run to count",
            click.get_current_context(),
        )
    click.confirm(f"Delete {plural(count, noun)} for ever?", abort=True, err=True)
