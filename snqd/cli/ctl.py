"""`snqd ctl`: steer the daemon on this host, or every daemon on the store."""

from __future__ import annotations

import click

from snqd.cli.control import Target, ask, open_desk, target_options
from snqd.cli.exits import Exit
from snqd.cli.groups import Entry, LazyGroup
from snqd.cli.options import HELP_FLAGS, common_options, load
from snqd.cli.output import duration_words, print_json, table


@click.group(
    cls=LazyGroup,
    context_settings=HELP_FLAGS,
    entries=[
        Entry("pause", "snqd.cli.pausing:pause", "Hand out no items of a queue or a site, on all hosts."),
        Entry("resume", "snqd.cli.pausing:resume", "End a pause."),
    ],
    epilog="""\
\b
Examples:
  snqd ctl update a.example --all-hosts     every daemon goes by the site as it is declared now
  snqd ctl restart main.3                   one worker finishes what it runs and is replaced
  snqd ctl threads 8
  snqd ctl shutdown --all-hosts --timeout 60

\b
Exit codes: 0 everyone obeyed; 1 somebody refused or did not answer.
""",
)
def ctl() -> None:
    """Steer the daemon on this host, or with --all-hosts every daemon on the store.

    On this host it is asked at its control socket; all of them are asked through the store, and each answers.
    """


@ctl.command()
@click.option("--now", is_flag=True, help="Without a grace period: what runs is given back.")
@target_options
def shutdown(*, now: bool, all_hosts: bool, seconds: float, as_json: bool) -> int:
    """Finish what runs, then end the daemon. What starts it (systemd) decides whether it comes back."""
    return ask("shutdown", {"now": now}, Target(all_hosts, seconds, as_json))


@ctl.command()
@click.argument("worker", required=False)
@target_options
def restart(*, worker: str | None, all_hosts: bool, seconds: float, as_json: bool) -> int:
    """Replace WORKER (such as main.1, or its number) when it has finished what it runs; without one, all of them.

    All workers are replaced one by one and never at once, with the configuration and the handlers as they are now.
    """
    arguments = {} if worker is None else {"worker": worker}
    return ask("restart", arguments, Target(all_hosts, seconds, as_json))


@ctl.command()
@target_options
def reload(*, all_hosts: bool, seconds: float, as_json: bool) -> int:
    """Read the configuration again, as HUP does: queues, handlers, settings and sites.

    'snqd config diff' shows beforehand what it would change. A configuration that is wrong is refused, and one with
    which no worker can start changes nothing.
    """
    return ask("reload", {}, Target(all_hosts, seconds, as_json))


@ctl.command()
@click.argument("site", required=False)
@target_options
def update(*, site: str | None, all_hosts: bool, seconds: float, as_json: bool) -> int:
    """Go by SITE as it is declared now; without one, by every site that was added, changed or removed.

    No worker is replaced, and items that waited for the site are looked at again at once.
    """
    arguments = {} if site is None else {"site": site}
    return ask("update", arguments, Target(all_hosts, seconds, as_json))


@ctl.command()
@click.argument("count", type=int)
@target_options
def threads(*, count: int, all_hosts: bool, seconds: float, as_json: bool) -> int:
    """Have COUNT workers, until the daemon ends; daemon.threads is for good."""
    return ask("threads", {"count": count}, Target(all_hosts, seconds, as_json))


@ctl.command(context_settings=HELP_FLAGS)
@click.argument("worker")
@target_options
def stack(*, worker: str, all_hosts: bool, seconds: float, as_json: bool) -> int:
    """Show the Python stack of WORKER (such as main.1, or its number) while it works: no values, no payload."""
    return ask("stack", {"worker": worker}, Target(all_hosts, seconds, as_json))


@ctl.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each daemon.")
@common_options
def daemons(*, as_json: bool) -> int:
    """List the daemons on the store that have told within 75 seconds that they are there."""
    desk = open_desk(load().config)
    try:
        found = desk.present()
    finally:
        desk.close()
    if as_json:
        for each in found:
            print_json(
                {**each.seat._asdict(), **{key: value for key, value in each._asdict().items() if key != "seat"}}
            )
    elif found:
        rows = (
            (each.seat.daemon, each.seat.host, each.version, duration_words(each.up_seconds),
             f"{duration_words(each.seen_seconds)} ago", each.seat.folder)
            for each in found
        )  # fmt: skip
        click.echo(table(("DAEMON", "HOST", "VERSION", "UP", "SEEN", "FOLDER"), rows))
    else:
        click.echo("no daemon has told lately that it is there")
    return Exit.OK
