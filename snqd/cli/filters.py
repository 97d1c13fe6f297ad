"""Which items a person means: the filter flags shared by `snqd items` and `snqd dead`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from snqd.cli.values import moment

if TYPE_CHECKING:
    from collections.abc import Callable

    from snqd.stores.records import ItemFilter

Decorated = TypeVar("Decorated", bound="Callable[..., object]")

LARGEST_ID = 2**63 - 1
ID = click.IntRange(1, LARGEST_ID)
_STATES = ("ready", "scheduled", "claimed", "paused")
_REASONS = ("attempts", "crash", "bad_item")
_ATTEMPTS = click.IntRange(min=0)
_CHOOSING = (
    "ids", "queue", "site", "state", "reason", "group", "error", "error_class", "since", "until",
    "min_attempts", "max_attempts",
)  # fmt: skip


def filter_options(
    *, of_dead: bool, with_ids: bool = True, with_error: bool = True, order: str = ""
) -> Callable[[Decorated], Decorated]:
    """The flags of an `ItemFilter`, in the order of the help, and ids as arguments. `order`: which come first."""
    happened = "died" if of_dead else "was stored"
    order = order or ("the newest death first" if of_dead else "oldest first")
    text = click.option("--error", metavar="TEXT", help="Whose last error contains TEXT.")
    options = [
        click.option("--queue", metavar="QUEUE", help="Of this queue."),
        click.option("--site", metavar="SITE", help="Of this site."),
        *(_of_dead() if of_dead else _of_waiting()),
        *((text,) if with_error else ()),
        click.option("--error-class", metavar="CLASS", help="Whose last error is this exception: TimeoutError."),
        click.option("--since", type=moment, metavar="TIME", help=f"That {happened} since then: 90m, 2d (ago), …"),
        click.option(
            "--until",
            "--older-than",
            "until",
            type=moment,
            metavar="TIME",
            help=f"That {happened} until then: 30d (ago), '2027-01-31 18:00'.",
        ),
        click.option("--min-attempts", type=_ATTEMPTS, metavar="N", help="Tried at least N times."),
        click.option("--max-attempts", type=_ATTEMPTS, metavar="N", help="Tried at most N times."),
        click.option("--limit", type=click.IntRange(min=0), metavar="N", help=f"At most N, {order}; 0 = all."),
    ]

    def decorate(function: Decorated) -> Decorated:
        for option in reversed(options):
            option(function)
        return click.argument("ids", nargs=-1, type=ID)(function) if with_ids else function

    return decorate


def _of_dead() -> list[Callable[[Any], Any]]:
    return [
        click.option("--reason", type=click.Choice(_REASONS), help="That were given up for this reason."),
        click.option("--group", type=_fingerprint, metavar="GROUP", help="Of this group, see 'snqd dead groups'."),
    ]


def _of_waiting() -> list[Callable[[Any], Any]]:
    return [click.option("--state", type=click.Choice(_STATES), help="In this state.")]


def _fingerprint(text: str) -> str:
    from snqd.stores.fingerprint import is_fingerprint

    if not is_fingerprint(text):
        raise click.BadParameter(f"{text!r} is not a group: 'snqd dead groups' lists them, as in '3f0a9c21de'")
    return text.lower()


def item_filter(given: dict[str, Any], now: float, *, default_limit: int | None = None) -> ItemFilter:
    """The filter that the flags describe. `now`: the store's clock, from which durations are counted back."""
    from snqd.stores.records import ItemFilter, ItemState

    limit = given["limit"] if given["limit"] is not None else default_limit
    state = given.get("state")
    since, until = given["since"], given["until"]
    return ItemFilter(
        ids=tuple(given.get("ids", ())),
        queue=given["queue"],
        site=given["site"],
        state=ItemState(state) if state is not None else None,
        reason=given.get("reason"),
        fingerprint=given.get("group"),
        error=given["error"],
        error_class=given["error_class"],
        since=since.epoch(now) if since is not None else None,
        until=until.epoch(now) if until is not None else None,
        min_attempts=given["min_attempts"],
        max_attempts=given["max_attempts"],
        limit=limit or None,
    )


def require_choice(given: dict[str, Any], *, is_all: bool) -> None:
    """Refuse to change everything by accident: some filter, or `--all`."""
    has_filter = any(given.get(name) not in (None, ()) for name in _CHOOSING)
    context = click.get_current_context()
    if not has_filter and not is_all:
        raise click.UsageError("say which: ids, --queue, --site, … or --all", context)
    if has_filter and is_all:
        raise click.UsageError("give filters or --all, not both", context)
