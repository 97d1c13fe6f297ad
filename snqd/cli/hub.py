"""Commands that ask the daemon's hub on this host: `health`, `why`."""

from __future__ import annotations

import click

from snqd.cli import health as probing
from snqd.cli.asking import ask
from snqd.cli.exits import Exit
from snqd.cli.options import HELP_FLAGS, common_options, load


@click.command(
    context_settings=HELP_FLAGS,
    epilog="""\
\b
Exit codes, as Nagios reads them:
  0  OK        1  WARNING        2  CRITICAL        3  UNKNOWN

\b
Examples:
  snqd health             all alarms
  snqd health --ready     for a load balancer: the store answers and a worker claims
  snqd health --live      for a process manager: the daemon itself is alive
""",
)
@click.option("--live", "kind", flag_value="live", help="Only whether the supervisor and the hub are alive.")
@click.option("--ready", "kind", flag_value="ready", help="Only whether the store answers and a worker claims.")
@common_options
def health(*, kind: str | None) -> int:
    """Say in one line how the daemon on this host is, with performance data. No database is asked."""
    return probing.health(load, kind or "full")


@click.command(
    context_settings=HELP_FLAGS,
    epilog="""\
\b
Examples:
  snqd why mail
  snqd why mail --site a.example
""",
)
@click.argument("queue")
@click.option("--site", help="Only the items of this site.")
@click.option("--json", "is_json", is_flag=True, help="Print as JSON.")
@common_options
def why(*, queue: str, site: str | None, is_json: bool) -> int:
    """Say in one sentence why QUEUE does not move, and which command mends it."""
    answer = ask(load().config, {"ask": "why", "queue": queue, "site": site})
    if is_json:
        from snqd.cli.output import print_json

        print_json(answer)
        return Exit.OK
    click.echo(answer["sentence"])
    if answer["command"]:
        click.echo(f"  {answer['command']}")
    return Exit.OK
