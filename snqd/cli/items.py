"""`snqd items`: items that wait or run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from snqd.cli.exits import Exit
from snqd.cli.filters import ID, filter_options, item_filter, require_choice
from snqd.cli.groups import Entry, LazyGroup
from snqd.cli.options import HELP_FLAGS, common_options, connected, correction_options, load
from snqd.errors import SnqdError

if TYPE_CHECKING:
    from snqd.cli.correcting import Manner
    from snqd.stores.corrections import Kind

items = LazyGroup(
    name="items",
    help="List, show, retry and discard items that wait or run. What was given up is in 'snqd dead'.",
    context_settings=HELP_FLAGS,
    aliases=[Entry("dead", "snqd.cli.dead:dead", "Dead letters.")],
    callback=lambda: None,
)
_payload_option = click.option(
    "--payload", "with_payload", is_flag=True, help="With --json: show payloads, which are hidden otherwise."
)
_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object per item.")


def _listing(*, with_payload: bool, as_json: bool, **given: Any) -> int:
    from snqd.cli.records import LIST_LIMIT, print_waiting

    with connected(load().config, is_reading=True) as store:
        wanted = item_filter(given, store.clock(), default_limit=LIST_LIMIT)
        found = store.find(wanted, frames=as_json and with_payload)
        print_waiting(
            found,
            store.clock(),
            limit=wanted.limit,
            is_asked=given["limit"] is not None,
            as_json=as_json,
            with_payload=with_payload,
        )
    return Exit.OK


@items.command(
    "list",
    epilog="""\
\b
Examples:
  snqd items list --queue mail --state scheduled
  snqd items list --older-than 1h --json | jq .id
""",
)
@filter_options(of_dead=False)
@_payload_option
@_json_option
@common_options
def list_(**given: Any) -> int:
    """List items, oldest first: the first 100 unless --limit says otherwise."""
    return _listing(**given)


@items.command(epilog="\b\nExample:\n  snqd items search 'timed out' --queue mail\n")
@click.argument("error", metavar="TEXT")
@filter_options(of_dead=False, with_ids=False, with_error=False)
@_payload_option
@_json_option
@common_options
def search(**given: Any) -> int:
    """List items whose last error contains TEXT, as 'snqd items list --error TEXT' does."""
    return _listing(**given)


@items.command()
@click.argument("item", type=ID, metavar="ID")
@click.option("--payload", "with_payload", is_flag=True, help="Show the payload, which is hidden otherwise.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@common_options
def show(*, item: int, with_payload: bool, as_json: bool) -> int:
    """Show everything about one item, also if it is a dead letter."""
    from snqd.cli.records import print_record
    from snqd.stores.records import ItemFilter

    wanted = ItemFilter(ids=(item,))
    with connected(load().config, is_reading=True) as store:
        record = next(iter(store.find(wanted)), None) or next(iter(store.find_dead(wanted)), None)
    if record is None:
        raise SnqdError(f"item {item} is not in the store: it is done, was discarded, or never existed")
    print_record(record, as_json=as_json, with_payload=with_payload)
    return Exit.OK


@items.command(
    epilog="\b\nExamples:\n  snqd items retry 4711\n  snqd items retry --queue mail --error 'timed out' --rate 50/s\n"
)
@filter_options(of_dead=False)
@correction_options("Every scheduled item.")
@common_options
def retry(**given: Any) -> int:
    """Make scheduled items ready now, instead of when their time comes."""
    from snqd.stores.corrections import Kind
    from snqd.stores.records import ItemState

    if given["state"] not in (None, ItemState.SCHEDULED):
        raise click.UsageError("only scheduled items can be made ready: leave out --state", click.get_current_context())
    return _correct(Kind.RETRY, **given)


@items.command(
    epilog="""\
\b
Examples:
  snqd items discard 4711 --yes
  snqd items discard --queue mail --site a.example --dry-run
"""
)
@filter_options(of_dead=False)
@correction_options("Every item that no worker holds.")
@common_options
def discard(**given: Any) -> int:
    """Delete items for ever. Items that a worker holds are left alone, and so are those that come meanwhile."""
    from snqd.stores.corrections import Kind

    return _correct(Kind.DISCARD, **given)


def _correct(kind: Kind, *, is_all: bool, manner: Manner, **given: Any) -> int:
    from snqd.cli.correcting import correct

    require_choice(given, is_all=is_all)
    config = load().config
    with connected(config, is_reading=True) as store:
        return correct(config, store, kind, item_filter(given, store.clock()), manner)


@items.command()
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most N.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per correction.")
@common_options
def audit(*, limit: int, as_json: bool) -> int:
    """Who retried or discarded which items, the latest first; kept for 400 days."""
    from snqd.cli.dead_groups import print_corrections
    from snqd.stores.corrections import Kind

    with connected(load().config, is_reading=True) as store:
        print_corrections(store, (Kind.RETRY, Kind.DISCARD), limit=limit, as_json=as_json)
    return Exit.OK
