"""`snqd schedule`: what is enqueued by the clock, when it was and will be, and to do it now."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from snqd.cli.exits import Exit
from snqd.cli.groups import LazyGroup
from snqd.cli.options import HELP_FLAGS, common_options, connected, load
from snqd.cli.output import duration_words, narrate, plural, print_json, printable, table
from snqd.errors import ConfigError, SnqdError

if TYPE_CHECKING:
    from snqd.config.cron import Cron
    from snqd.config.schedules import Key, Schedule
    from snqd.config.schema import Config

_HEADERS = ("NAME", "SITE", "QUEUE", "CRON", "ZONE", "LAST RUN", "NEXT RUN", "MEANS")


@click.group(cls=LazyGroup, context_settings=HELP_FLAGS)
def schedule() -> None:
    """List schedules, say when one is due, or run it now.

    Schedules are declared as [schedule.NAME] in the configuration, and as [snqd.schedule.NAME] in a site's settings.
    Every daemon keeps them, and together they enqueue one item for each due time.
    """


@schedule.command("list", epilog="\b\nExamples:\n  snqd schedule list\n  snqd schedule list --site a.example --json\n")
@click.option("--site", metavar="SITE", help="Those of this site.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per schedule and site.")
@common_options
def list_(*, site: str | None, as_json: bool) -> int:
    """List the schedules that are in force, with their last and their next run.

    The same schedule of several sites is one line. Those that only another daemon declares say whose they are.
    """
    from snqd.cli.schedule_rows import grouped, listed
    from snqd.config.schedules import declared_schedules, of_no_site
    from snqd.wiring.sites import find_sites

    config = load().config
    with connected(config, is_reading=True) as store:
        known = store.schedules()
    now = time.time()
    sites = find_sites(config)
    declared = declared_schedules(config, sites.items())
    found = [each for each in listed(declared, known, now) if site in (None, each.site)]
    if as_json:
        for each in found:
            print_json(each._asdict())
    elif found:
        click.echo(table(_HEADERS, grouped(found, now)))
    else:
        click.echo("there are no schedules" if site is None else f"site {site} has no schedules")
    for problem in of_no_site(config, sites):
        narrate(printable(problem))
    return Exit.OK


@schedule.command(
    epilog="\b\nExamples:\n  snqd schedule run nightly\n  snqd schedule run digest --site a.example\n"
    "  snqd schedule run digest --all\n"
)
@click.argument("name")
@click.option("--site", metavar="SITE", help="For this site, of a schedule of several.")
@click.option("--all", "is_all", is_flag=True, help="For all of its sites.")
@common_options
def run(*, name: str, site: str | None, is_all: bool) -> int:
    """Enqueue the item of a schedule now. When it is due next does not change."""
    config = load().config
    found = _find(config, name, site)
    if len(found) > 1 and not is_all:
        raise click.UsageError(
            f"schedule {name} has {len(found):,} sites: say --site SITE, or --all", click.get_current_context()
        )
    limit = config.store.frame_limit_bytes
    stored = 0
    with connected(config) as store:
        for each in found:
            (item,) = store.enqueue([each.item(time.time(), is_late=True, frame_limit_bytes=limit)])
            if item is None:
                click.echo(printable(f"site {each.key.site}: the item before still waits or runs (overlap = skip)"))
            else:
                store.was_run(each.key.site, name)
                stored += 1
    if stored:
        click.echo(printable(f"{plural(stored, 'item')} enqueued for queue {found[0].queue}"))
    return Exit.OK if stored else Exit.ERROR


@schedule.command(
    "next",
    epilog="\b\nExamples:\n  snqd schedule next nightly\n  snqd schedule next nightly --count 20\n"
    "  snqd schedule next --cron '30 2 * * mon-fri' --zone Europe/Berlin\n",
)
@click.argument("name", required=False)
@click.option("--site", metavar="SITE", help="As this site has it.")
@click.option("--count", type=click.IntRange(1, 1000), default=5, show_default=True, help="How many due times.")
@click.option("--cron", "expression", metavar="CRON", help="Try this expression, without a schedule.")
@click.option("--zone", metavar="ZONE", help="Its time zone.  [default: UTC]")
@common_options
def next_(*, name: str | None, site: str | None, count: int, expression: str | None, zone: str | None) -> int:
    """Say in words when a schedule is due, and the next times, as clocks of its zone show them."""
    if (name is None) == (expression is None) or (zone is not None and expression is None):
        raise click.UsageError("say NAME, or --cron with or without --zone", click.get_current_context())
    if expression is not None:
        cron = _cron(expression, zone or "UTC")
    else:
        assert name is not None, "click has seen to it"
        found = _find(load().config, name, site)[0]
        cron = _cron(found.cron, found.zone)
    now = moment = time.time()
    click.echo(f"{cron.words} ({cron.zone})")
    for _number in range(count):
        moment = cron.after(moment)
        if moment == float("inf"):
            break
        click.echo(f"  {cron.local(moment).isoformat(sep=' ')}  in {duration_words(moment - now)}")
    return Exit.OK


@schedule.command(
    epilog="\b\nExamples:\n  snqd schedule forget nightly\n  snqd schedule forget digest --site a.example\n"
)
@click.argument("name")
@click.option("--site", metavar="SITE", help="Of this site only.")
@common_options
def forget(*, name: str, site: str | None) -> int:
    """Forget a schedule of a daemon that is gone.

    A daemon that is there forgets by itself what it does not declare any more, and does not let go of what it declares.
    """
    from snqd.stores.schedules import Wanted

    config = load().config
    if any(key.name == name and site in (None, key.site) for key in _declared(config)):
        raise SnqdError(f"schedule {name} is declared here: remove it from the configuration, or set enabled = false")
    with connected(config) as store:
        rows = store.schedules()
        stale = {row for row in rows if row.name == name and site in (None, row.site)}
        for declared_by in {row.declared_by for row in stale}:
            kept = [Wanted(*row[:4]) for row in rows if row.declared_by == declared_by and row not in stale]
            store.keep_schedules(kept, declared_by)
    narrate(f"forgot schedule {name} of {plural(len(stale), 'site')}" if stale else f"nobody knows a schedule {name}")
    return Exit.OK


def _cron(expression: str, zone: str) -> Cron:
    from snqd.config.cron import Cron, find_zone

    try:
        find_zone(zone)
    except ValueError as error:
        raise ConfigError(f'zone is "{zone}": {error}') from None
    try:
        return Cron(expression, zone)
    except ValueError as error:
        raise ConfigError(f'cron is "{expression}": {error}') from None


def _declared(config: Config) -> dict[Key, Schedule]:
    from snqd.config.schedules import declared_schedules
    from snqd.wiring.sites import find_sites

    return declared_schedules(config, find_sites(config).items())


def _find(config: Config, name: str, site: str | None) -> list[Schedule]:
    """The schedule for each of its sites. Raises `SnqdError` when there is none."""
    from snqd.config.values import nearest

    declared = _declared(config)
    found = [each for key, each in declared.items() if key.name == name and site in (None, key.site)]
    if found:
        return found
    names = sorted({key.name for key in declared if site in (None, key.site)})
    guess = nearest(name, names)
    hint = f"did you mean {guess!r}?" if guess else f"there are {', '.join(names[:10]) or 'none'}"
    where = f" of site {site}" if site else ""
    raise SnqdError(f"there is no schedule {name!r}{where}: {hint}")
