"""Commands that ask the daemon's hub on this host: `health`, `why`, `stack`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from snqd.cli.exits import Exit
from snqd.cli.options import HELP_FLAGS, common_options, load
from snqd.errors import SnqdError

if TYPE_CHECKING:
    from snqd.config.schema import Config

_SECONDS = 2.0
_STACK_SECONDS = 10.0
UNKNOWN = 3
"""What Nagios reads as: it cannot be known."""


class HubAbsent(SnqdError):
    """There is nobody to ask. `is_running`: the daemon itself is there."""

    def __init__(self, message: str, *, is_running: bool) -> None:
        super().__init__(message)
        self.is_running = is_running


def ask(config: Config, request: dict[str, Any], *, seconds: float = _SECONDS) -> dict[str, Any]:
    """The hub's answer. Raises `HubAbsent`, or the `SnqdError` that it answered with."""
    from snqd.supervisor.runtime import likely_folders, socket_path
    from snqd.telemetry.asking import ask_hub

    problem = ""
    for folder in likely_folders(config.daemon):
        path = socket_path(config.daemon, folder)
        try:
            return ask_hub(path, request, seconds=seconds)
        except FileNotFoundError:
            continue
        except PermissionError:
            problem = problem or f"{path} belongs to another user: ask as that user or as root"
        except TimeoutError:
            problem = f"{path}: the hub has not answered within {seconds:g} s"
        except OSError as error:
            problem = problem or f"{path}: {error.strerror or error}"
    raise _absent(config, problem)


def _absent(config: Config, problem: str) -> HubAbsent:
    from snqd.cli.daemon_view import read_daemon

    daemon = read_daemon(config)
    if daemon.pid is None:
        return HubAbsent(daemon.absence, is_running=False)
    if not config.telemetry.enabled:
        problem = "telemetry.enabled is false: set it and restart the daemon"
    said = problem or "it has just started, or its hub is being replaced: ask again"
    return HubAbsent(f"daemon {config.daemon.name!r} runs, but its hub cannot be asked: {said}", is_running=True)


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
    try:
        answer = ask(load().config, {"ask": "health", "kind": kind or "full"})
    except HubAbsent as error:
        word, code = ("UNKNOWN", UNKNOWN) if error.is_running else ("CRITICAL", 2)
        click.echo(f"SNQD {word} - {error}")
        return code
    except SnqdError as error:
        click.echo(f"SNQD UNKNOWN - {error}")
        return UNKNOWN
    click.echo(answer["line"])
    return int(answer["code"])


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


@click.command(context_settings=HELP_FLAGS)
@click.argument("worker")
@common_options
def stack(*, worker: str) -> int:
    """Show the Python stack of WORKER (such as main.1, or its number) while it works: no values, no payload."""
    answer = ask(load().config, {"ask": "stack", "worker": worker}, seconds=_STACK_SECONDS)
    click.echo(answer["stack"].rstrip())
    return Exit.OK
