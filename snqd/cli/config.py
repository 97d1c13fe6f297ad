"""`snqd config`: is it right, and where does each value come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from snqd.cli import say_error
from snqd.cli.exits import Exit
from snqd.cli.groups import LazyGroup
from snqd.cli.options import HELP_FLAGS, common_options, load
from snqd.cli.output import plural, print_json, printable, table_lines
from snqd.errors import SnqdError

if TYPE_CHECKING:
    from snqd.config.load import Loaded

_DIFF_SECONDS = 30.0


@click.group(cls=LazyGroup, context_settings=HELP_FLAGS)
def config() -> None:
    """Check the configuration, show every value with where it came from, or what a reload would change.

    Flags win over environment variables (SNQD_STORE_URL, SNQD_DAEMON_THREADS …), those over the file, that over the
    defaults. docs/configuration.md describes every setting.
    """


@config.command(epilog="\b\nExamples:\n  snqd config check -c /etc/snqd/snqd.toml && systemctl reload snqd\n")
@click.option("-m", "--module", multiple=True, metavar="MODULE", help="Python module with handlers; may be repeated.")
@common_options
def check(*, module: tuple[str, ...]) -> int:
    """Report everything that is wrong: the file, the environment, the sites, the handler modules, what is not here.

    The store is not asked ('snqd schema status' does that), but for its sites with sites.table.
    """
    from snqd.config.load import ConfigProblems

    try:
        loaded = load({"handlers.modules": ("--module", module)} if module else None)
    except ConfigProblems as error:
        return _report(error.problems)
    problems, summary = _check_parts(loaded)
    if problems:
        return _report(problems)
    click.echo(f"{loaded.path or 'no configuration file, all defaults'}: {summary}")
    return Exit.OK


@config.command(epilog="\b\nExamples:\n  snqd config show\n  snqd config show store daemon.threads --json\n")
@click.argument("keys", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per value.")
@common_options
def show(*, keys: tuple[str, ...], as_json: bool) -> int:
    """Show each value and where it came from; with KEYS only these settings or tables. Secrets are hidden."""
    from snqd.config.show import as_text, shown

    found = [entry for entry in shown(load()) if not keys or any(_is_in(entry.key, key) for key in keys)]
    if keys and not found:
        raise click.UsageError(f"no setting is called {keys[0]!r}", click.get_current_context())
    if as_json:
        for entry in found:
            print_json(entry._asdict())
        return Exit.OK
    rows = ((entry.key, _on_one_line(as_text(entry.value)), entry.origin) for entry in found)
    for line in table_lines(("SETTING", "VALUE", "FROM"), rows):
        click.echo(line)
    return Exit.OK


@config.command(epilog="\b\nExamples:\n  snqd config diff && snqd ctl reload\n")
@click.option("--json", "as_json", is_flag=True, help="Print the lines as one JSON array.")
@common_options
def diff(*, as_json: bool) -> int:
    """Show what 'snqd ctl reload' would change in the daemon that runs on this host, and what its sites lag behind.

    The daemon itself reads the files again, with the flags and variables that it was started with, and compares them
    with what is in force. Nothing is changed.
    """
    from snqd.cli.asking import ask

    changes = ask(load().config, {"ask": "diff"}, seconds=_DIFF_SECONDS)["changes"]
    if as_json:
        print_json(changes)
    elif changes:
        for line in changes:
            click.echo(printable(line))
    else:
        click.echo("nothing would change")
    return Exit.OK


def _check_parts(loaded: Loaded) -> tuple[list[str], str]:
    """What is wrong with this machine, sites and handlers, and a summary of what is right."""
    from snqd.config.schedules import of_no_site
    from snqd.config.startup import startup_problems
    from snqd.wiring.handlers import load_registry
    from snqd.wiring.sites import find_sites

    problems = list(startup_problems(loaded.config))
    parts: list[str] = []
    try:
        sites = find_sites(loaded.config)
    except SnqdError as error:
        problems.append(str(error))
    else:
        aside = {name: site.problem for name, site in sites.items() if site.problem}
        problems.extend(f"site {name!r} is set aside: {problem}" for name, problem in aside.items())
        problems.extend(of_no_site(loaded.config, sites))
        parts.append(plural(len(sites) - len(aside), "site"))
    try:
        queues = load_registry(loaded.config).queues()
    except SnqdError as error:
        problems.append(str(error))
    else:
        parts.append(f"{plural(len(queues), 'queue')} with a handler")
    return problems, f"right ({', '.join(parts)})"


def _report(problems: list[str]) -> int:
    for problem in problems:
        say_error(problem)
    return Exit.USAGE


def _is_in(key: str, wanted: str) -> bool:
    return key == wanted or key.startswith(f"{wanted}.")


def _on_one_line(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 100 else f"{text[:99]}…"
