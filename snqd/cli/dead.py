"""`snqd dead`: items that were given up, with the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from snqd.cli.exits import Exit
from snqd.cli.filters import ID, filter_options, item_filter, require_choice
from snqd.cli.groups import LazyGroup
from snqd.cli.options import HELP_FLAGS, common_options, connected, correction_options, load
from snqd.cli.values import place
from snqd.errors import SnqdError

if TYPE_CHECKING:
    from snqd.cli.correcting import Manner
    from snqd.stores.corrections import Kind, Place


@click.group(cls=LazyGroup, context_settings=HELP_FLAGS)
def dead() -> None:
    """List, group, show, replay and discard dead letters.

    An item becomes a dead letter when it has failed too often (reason "attempts"), when workers died while it ran
    ("crash"), or when its frame is not valid for its codec ("bad_item"). It keeps its error, traceback and history.
    """


@dead.command(
    epilog="""\
\b
Examples:
  snqd dead groups --since 1h
  snqd dead groups --queue mail --json | jq -r .fingerprint

\b
Letters are of one group when the exception, its message without numbers, names and addresses, and the
innermost function of your own code are the same. NEWEST is the id of the group's newest letter.
""",
)
@filter_options(of_dead=True, with_ids=False, order="the largest first")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per group.")
@common_options
def groups(*, as_json: bool, **given: Any) -> int:
    """What has gone wrong: dead letters by their error, the largest group first."""
    from snqd.cli.correcting import name_all
    from snqd.cli.dead_groups import GROUPS, print_groups

    with connected(load().config, is_reading=True) as store:
        name_all(store)
        wanted = item_filter(given, store.clock(), default_limit=GROUPS)
        print_groups(store, wanted, most=wanted.limit, as_json=as_json)
    return Exit.OK


def _listing(*, with_payload: bool, as_json: bool, after: Place | None, **given: Any) -> int:
    from snqd.cli.correcting import name_all
    from snqd.cli.records import LIST_LIMIT, dead_letters, print_dead

    with connected(load().config, is_reading=True) as store:
        wanted = item_filter(given, store.clock(), default_limit=LIST_LIMIT)
        if wanted.fingerprint is not None:
            name_all(store)
        letters = dead_letters(store, wanted, after, frames=as_json and with_payload)
        print_dead(
            letters,
            store.clock(),
            limit=wanted.limit,
            is_asked=given["limit"] is not None,
            as_json=as_json,
            with_payload=with_payload,
        )
    return Exit.OK


_after_option = click.option(
    "--after", type=place, metavar="PLACE", help="Go on behind this one: 'place' in --json, or what a cut list says."
)
_payload_option = click.option(
    "--payload", "with_payload", is_flag=True, help="With --json: show payloads, which are hidden otherwise."
)
_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object per dead letter.")


@dead.command(
    "list", epilog="\b\nExamples:\n  snqd dead list --queue mail --since 2h\n  snqd dead list --reason crash --json\n"
)
@filter_options(of_dead=True)
@_after_option
@_payload_option
@_json_option
@common_options
def list_(**given: Any) -> int:
    """List dead letters, the newest death first: 100 of them unless --limit says otherwise."""
    return _listing(**given)


@dead.command(
    epilog="\b\nExamples:\n  snqd dead search 'timed out' --queue mail\n  snqd dead search 'user 4711' --limit 0\n"
)
@click.argument("error", metavar="TEXT")
@filter_options(of_dead=True, with_ids=False, with_error=False)
@_after_option
@_payload_option
@_json_option
@common_options
def search(**given: Any) -> int:
    """List dead letters whose error contains TEXT, as 'snqd dead list --error TEXT' does."""
    return _listing(**given)


@dead.command()
@click.argument("item", type=ID, metavar="ID")
@click.option("--payload", "with_payload", is_flag=True, help="Show the payload, which is hidden otherwise.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@common_options
def show(*, item: int, with_payload: bool, as_json: bool) -> int:
    """Show one dead letter: error, traceback and history."""
    from snqd.cli.records import print_record
    from snqd.stores.records import ItemFilter

    with connected(load().config, is_reading=True) as store:
        record = next(iter(store.find_dead(ItemFilter(ids=(item,)))), None)
    if record is None:
        raise SnqdError(f"item {item} is not a dead letter: 'snqd items show {item}' looks among the waiting ones")
    print_record(record, as_json=as_json, with_payload=with_payload)
    return Exit.OK


@dead.command(
    epilog="""\
\b
Examples:
  snqd dead replay 4711
  snqd dead replay --group 3f0a9c21de --dry-run
  snqd dead replay --queue mail --error 'timed out' --rate 100/s

\b
Ctrl-C ends it between two small steps; the same command goes on. What dies while it runs is not replayed.
"""
)
@filter_options(of_dead=True, order="the oldest death first")
@correction_options("Every dead letter.")
@common_options
def replay(**given: Any) -> int:
    """Put dead letters back into their queues, ready, with all their attempts, the oldest death first."""
    from snqd.stores.corrections import Kind

    return _correct(Kind.REPLAY, **given)


@dead.command(
    epilog="\b\nExamples:\n  snqd dead discard 4711 --yes\n  snqd dead discard --older-than 30d --dry-run\n"
    "  snqd dead discard --group 3f0a9c21de --rate 1000/s --yes\n"
)
@filter_options(of_dead=True, order="the oldest death first")
@correction_options("Every dead letter.")
@common_options
def discard(**given: Any) -> int:
    """Delete dead letters for ever."""
    from snqd.stores.corrections import Kind

    return _correct(Kind.DISCARD_DEAD, **given)


def _correct(kind: Kind, *, is_all: bool, manner: Manner, **given: Any) -> int:
    from snqd.cli.correcting import correct

    require_choice(given, is_all=is_all)
    config = load().config
    with connected(config, is_reading=True) as store:
        return correct(config, store, kind, item_filter(given, store.clock()), manner)


@dead.command()
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most N.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per correction.")
@common_options
def audit(*, limit: int, as_json: bool) -> int:
    """Who replayed or discarded which dead letters, the latest first; kept for 400 days."""
    from snqd.cli.dead_groups import print_corrections
    from snqd.stores.corrections import OF_DEAD

    with connected(load().config, is_reading=True) as store:
        print_corrections(store, OF_DEAD, limit=limit, as_json=as_json)
    return Exit.OK
