"""`snqd schema`: the store's tables."""

from __future__ import annotations

import click

from snqd.cli.exits import Exit
from snqd.cli.groups import LazyGroup
from snqd.cli.options import HELP_FLAGS, common_options, load
from snqd.cli.output import narrate, print_json


@click.group(cls=LazyGroup, context_settings=HELP_FLAGS)
def schema() -> None:
    """Make or upgrade the store's tables.

    Upgrades only go forward, and the previous release of snqd works while and after they are made: upgrade the
    tables first, then the daemons.
    """


@schema.command(epilog="\b\nExample:\n  snqd schema upgrade --store postgresql://owner@db.example/queue\n")
@common_options
def upgrade() -> int:
    """Apply the migrations that are missing. Safe to repeat, and safe from two hosts at once."""
    from snqd.wiring.stores import open_store

    config = load().config
    applied = open_store(config).schema_upgrade()
    for name in applied:
        click.echo(name)
    narrate(f"{len(applied)} applied" if applied else "nothing to do: the tables are up to date")
    return Exit.OK


@schema.command(
    epilog="\b\nExit codes:\n  0  up to date\n  4  migrations are missing, or the tables are newer than this snqd\n"
)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@common_options
def status(*, as_json: bool) -> int:
    """Say which migrations the store has."""
    from snqd.wiring.stores import open_store

    found = open_store(load().config).schema_status()
    if as_json:
        print_json(found)
    else:
        for name in found.applied:
            click.echo(f"applied  {name}" + ("   (newer than this snqd)" if name in found.unknown else ""))
        for name in found.pending:
            click.echo(f"missing  {name}")
    if found.unknown:
        narrate("the tables are newer than this snqd: upgrade snqd on this host")
    elif found.pending:
        narrate("migrations are missing: snqd schema upgrade")
    return Exit.SCHEMA if found.unknown or found.pending else Exit.OK


@schema.command(
    epilog="""\
\b
Examples:
  snqd schema sql --store postgresql: | less
  snqd schema sql --pending | psql queue
"""
)
@click.option("--pending", is_flag=True, help="Only the migrations that the store does not have yet.")
@common_options
def sql(*, pending: bool) -> int:
    """Print the SQL of the migrations, for someone who wants to read it or run it by hand."""
    from snqd.stores.sql import migrations
    from snqd.wiring.stores import open_store

    store = open_store(load().config)
    wanted = set(store.schema_status().pending) if pending else None
    for migration in migrations(store.kind):
        if wanted is None or migration.name in wanted:
            click.echo(f"-- {migration.name}\n{migration.sql.rstrip()}\n")
    return Exit.OK


@schema.command(
    "import-statusnet",
    epilog="""\
\b
Examples:
  snqd schema import-statusnet --from postgresql://db.example/statusnet --site example.net --dry-run
  snqd schema import-statusnet --table public.queue_item      (in the store's own database, in another schema)
Stop StatusNet's queue daemons first. See docs/statusnet.md.
""",
)
@click.option(
    "--from",
    "source_url",
    metavar="URL",
    help="StatusNet's database, e.g. postgresql://user@host/statusnet. [default: the store's own]",
)
@click.option("--table", metavar="[SCHEMA.]TABLE", default="queue_item", show_default=True, help="Its queue's table.")
@click.option("--site", metavar="SITE", default="default", show_default=True, help="The site that the items are of.")
@click.option("--dry-run", is_flag=True, help="Count, and change nothing.")
@click.option("--no-check", is_flag=True, help="Import also for a site that is not known here.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@common_options
def import_statusnet(
    *, source_url: str | None, table: str, site: str, dry_run: bool, no_check: bool, as_json: bool
) -> int:
    """Carry over what waits in the queue_item of a StatusNet 0.8 or 0.9 database.

    Both forms of the table are understood. Rows that a worker had claimed wait again. What was carried over once is
    not carried over again, and StatusNet's rows stay where they are until you drop the table. When a row cannot be
    an item, nothing is carried over.
    """
    from snqd.cli.importing import report, told_on_terminal
    from snqd.cli.known import check_site
    from snqd.wiring.stores import statusnet_importer

    config = load().config
    carry_over = statusnet_importer(config)
    check_site(config, site, is_checked=not no_check)
    with told_on_terminal(f"reading {table}") as on_read:
        flows = carry_over(source_url=source_url, table=table, site=site, is_dry_run=dry_run, on_read=on_read)
    report(flows, table=table, is_dry_run=dry_run, as_json=as_json)
    return Exit.OK
