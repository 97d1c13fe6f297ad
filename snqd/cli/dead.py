"""`snqd dead`: items that were given up, with the reason."""

from __future__ import annotations

from typing import Any

import click

from snqd.cli.exits import Exit
from snqd.cli.filters import ID, confirm, filter_options, item_filter, require_choice
from snqd.cli.groups import LazyGroup
from snqd.cli.options import HELP_FLAGS, common_options, connected, load
from snqd.cli.output import plural
from snqd.errors import SnqdError


@click.group(cls=LazyGroup, context_settings=HELP_FLAGS)
def dead() -> None:
    """List, show, replay and discard dead letters.

    An item becomes a dead letter when it has failed too often (reason "attempts"), when workers died while it ran
    ("crash"), or when its frame is not valid for its codec ("bad_item"). It keeps its error, traceback and history.
    """


@dead.command("list", epilog="\b\nExamples:\n  snqd dead list --queue mail\n  snqd dead list --reason crash --json\n")
@filter_options(of_dead=True)
@click.option("--payload", "with_payload", is_flag=True, help="With --json: show payloads, which are hidden otherwise.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per dead letter.")
@common_options
def list_(*, with_payload: bool, as_json: bool, **given: Any) -> int:
    """List dead letters, oldest first: the first 100 unless --limit says otherwise."""
    from snqd.cli.records import DEAD, LIST_LIMIT, print_list

    wanted = item_filter(given, default_limit=LIST_LIMIT)
    with connected(load().config, is_reading=True) as store:
        print_list(store.find_dead(wanted), DEAD, limit=given["limit"], as_json=as_json, with_payload=with_payload)
    return Exit.OK


@dead.command()
@click.argument("item", type=ID, metavar="ID")
@click.option("--payload", "with_payload", is_flag=True, help="Show the payload, which is hidden otherwise.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@common_options
def show(*, item: int, with_payload: bool, as_json: bool) -> int:
    """Show one dead letter: error, traceback and history."""
    from snqd.cli.records import print_record
    from snqd.stores.base import ItemFilter

    with connected(load().config, is_reading=True) as store:
        record = next(iter(store.find_dead(ItemFilter(ids=(item,)))), None)
    if record is None:
        raise SnqdError(f"item {item} is not a dead letter: 'snqd items show {item}' looks among the waiting ones")
    print_record(record, as_json=as_json, with_payload=with_payload)
    return Exit.OK


@dead.command(
    epilog="\b\nExamples:\n  snqd dead replay 4711\n  snqd dead replay --queue mail --error 'timed out' --limit 10\n"
)
@filter_options(of_dead=True)
@click.option("--all", "is_all", is_flag=True, help="Every dead letter.")
@click.option("--dry-run", is_flag=True, help="Only count.")
@common_options
def replay(*, is_all: bool, dry_run: bool, **given: Any) -> int:
    """Put dead letters back into their queues, ready, with all their attempts."""
    require_choice(given, is_all=is_all)
    wanted = item_filter(given)
    with connected(load().config, is_reading=True) as store:
        if dry_run:
            click.echo(f"{plural(sum(1 for _record in store.find_dead(wanted)), 'dead letter')} would be replayed")
        else:
            click.echo(f"{plural(store.replay(wanted), 'dead letter')} replayed")
    return Exit.OK


@dead.command(epilog="\b\nExamples:\n  snqd dead discard 4711 --yes\n  snqd dead discard --older-than 30d --dry-run\n")
@filter_options(of_dead=True)
@click.option("--all", "is_all", is_flag=True, help="Every dead letter.")
@click.option("--dry-run", is_flag=True, help="Only count.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common_options
def discard(*, is_all: bool, dry_run: bool, yes: bool, **given: Any) -> int:
    """Delete dead letters for ever."""
    require_choice(given, is_all=is_all)
    wanted = item_filter(given)
    with connected(load().config, is_reading=True) as store:
        if dry_run or not yes:
            count = sum(1 for _record in store.find_dead(wanted))
            if dry_run:
                click.echo(f"{plural(count, 'dead letter')} would be deleted")
                return Exit.OK
            confirm(count, "dead letter", is_confirmed=yes)
        click.echo(f"{plural(store.discard_dead(wanted), 'dead letter')} deleted")
    return Exit.OK
