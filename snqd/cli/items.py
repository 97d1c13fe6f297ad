"""`snqd items`: items that wait or run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from snqd.cli.exits import Exit
from snqd.cli.filters import ID, confirm, filter_options, item_filter, require_choice
from snqd.cli.groups import Entry, LazyGroup
from snqd.cli.options import HELP_FLAGS, common_options, connected, load
from snqd.cli.output import plural
from snqd.errors import SnqdError

items = LazyGroup(
    name="items",
    help="List, show, retry and discard items that wait or run. What was given up is in 'snqd dead'.",
    context_settings=HELP_FLAGS,
    aliases=[Entry("dead", "snqd.cli.dead:dead", "Dead letters.")],
    callback=lambda: None,
)


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
@click.option("--payload", "with_payload", is_flag=True, help="With --json: show payloads, which are hidden otherwise.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per item.")
@common_options
def list_(*, with_payload: bool, as_json: bool, **given: Any) -> int:
    """List items, oldest first: the first 100 unless --limit says otherwise."""
    from snqd.cli.records import LIST_LIMIT, WAITING, print_list

    wanted = item_filter(given, default_limit=LIST_LIMIT)
    with connected(load().config, is_reading=True) as store:
        print_list(store.find(wanted), WAITING, limit=given["limit"], as_json=as_json, with_payload=with_payload)
    return Exit.OK


@items.command()
@click.argument("item", type=ID, metavar="ID")
@click.option("--payload", "with_payload", is_flag=True, help="Show the payload, which is hidden otherwise.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@common_options
def show(*, item: int, with_payload: bool, as_json: bool) -> int:
    """Show everything about one item, also if it is a dead letter."""
    from snqd.cli.records import print_record
    from snqd.stores.base import ItemFilter

    wanted = ItemFilter(ids=(item,))
    with connected(load().config, is_reading=True) as store:
        record = next(iter(store.find(wanted)), None) or next(iter(store.find_dead(wanted)), None)
    if record is None:
        raise SnqdError(f"item {item} is not in the store: it is done, was discarded, or never existed")
    print_record(record, as_json=as_json, with_payload=with_payload)
    return Exit.OK


@items.command(epilog="\b\nExamples:\n  snqd items retry 4711\n  snqd items retry --queue mail --error 'timed out'\n")
@filter_options(of_dead=False)
@click.option("--all", "is_all", is_flag=True, help="Every scheduled item.")
@click.option("--dry-run", is_flag=True, help="Only count.")
@common_options
def retry(*, is_all: bool, dry_run: bool, **given: Any) -> int:
    """Make scheduled items ready now, instead of when their time comes."""
    from snqd.stores.base import ItemState

    require_choice(given, is_all=is_all)
    if given["state"] not in (None, ItemState.SCHEDULED):
        raise click.UsageError("only scheduled items can be made ready: leave out --state", click.get_current_context())
    wanted = replace(item_filter(given), state=ItemState.SCHEDULED)
    with connected(load().config, is_reading=True) as store:
        if dry_run:
            click.echo(f"{plural(sum(1 for _record in store.find(wanted)), 'item')} would be made ready")
        else:
            click.echo(f"{plural(store.retry_now(wanted), 'item')} made ready")
    return Exit.OK


@items.command(
    epilog="""\
\b
Examples:
  snqd items discard 4711 --yes
  snqd items discard --queue mail --site a.example --dry-run
"""
)
@filter_options(of_dead=False)
@click.option("--all", "is_all", is_flag=True, help="Every item that no worker holds.")
@click.option("--dry-run", is_flag=True, help="Only count.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common_options
def discard(*, is_all: bool, dry_run: bool, yes: bool, **given: Any) -> int:
    """Delete items for ever. Items that a worker holds are left alone."""
    require_choice(given, is_all=is_all)
    wanted = item_filter(given)
    with connected(load().config, is_reading=True) as store:
        if dry_run or not yes:
            count = sum(1 for record in store.find(wanted) if record.state != "claimed")
            if dry_run:
                click.echo(f"{plural(count, 'item')} would be deleted")
                return Exit.OK
            confirm(count, "item", is_confirmed=yes)
        click.echo(f"{plural(store.discard(wanted), 'item')} deleted")
    return Exit.OK
