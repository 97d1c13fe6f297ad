"""`snqd run`: the daemon."""

from __future__ import annotations

import click

from snqd.cli.options import HELP_FLAGS, common_options, loader

_FLAGS = {
    "threads": "daemon.threads",
    "name": "daemon.name",
    "serve": "daemon.serve",
    "log_format": "daemon.log_format",
    "log_file": "daemon.log_file",
    "grace": "daemon.grace_seconds",
    "runtime_dir": "daemon.runtime_dir",
    "pidfile": "daemon.pidfile",
    "user": "daemon.user",
    "group": "daemon.group",
    "module": "handlers.modules",
}
"""Parameter → the setting that the flag gives."""


@click.command(
    context_settings=HELP_FLAGS,
    epilog="""\
\b
Examples:
  snqd run -m myapp.handlers                       in the foreground, one worker per CPU
  snqd run -c /etc/snqd/snqd.toml --threads 4
  snqd run --detach --pidfile /run/snqd.pid --log-file /var/log/snqd.log --user www-data

\b
Signals to the daemon:
  TERM, INT   finish what runs (at most --grace seconds), then leave
  QUIT        leave at once; what ran is given back
  HUP         read the configuration again, replace the workers one by one
  TTIN, TTOU  one worker more, one less
  USR1        write to the log what every worker is doing
""",
)
@click.option("-m", "--module", multiple=True, metavar="MODULE", help="Python module with handlers; may be repeated.")
@click.option("-n", "--threads", metavar="N", help="Number of workers; 0 = one. [default: one per CPU]")
@click.option("--name", metavar="NAME", help="Name of the daemon; its workers are NAME.1, NAME.2 …")
@click.option(
    "--serve", multiple=True, metavar="GROUP", help="Group of queues to serve; may be repeated. [default: main]"
)
@click.option("--grace", metavar="SECONDS", help="Time that running items get to finish at shutdown.")
@click.option("--log-format", metavar="auto|text|json", help="Form of the log on standard error.")
@click.option("--log-file", metavar="FILE", help="Where a detached daemon writes its log.")
@click.option("--foreground/--detach", default=True, help="Stay in the foreground (default), or go to the background.")
@click.option("--pidfile", metavar="FILE", help="Where the daemon's process id is kept.")
@click.option("--runtime-dir", metavar="FOLDER", help="Where the pidfile and the worker board are.")
@click.option("--user", metavar="USER", help="Run as this user; needs root.")
@click.option("--group", metavar="GROUP", help="Run as this group; needs --user.")
@common_options
def run(*, foreground: bool, **given: object) -> int:
    """Run the daemon: a supervisor that forks workers, and replaces those that die.

    Every flag has a setting of the same meaning in the configuration file, and wins over it.
    """
    flags = {
        key: (f"--{parameter.replace('_', '-')}", given[parameter])
        for parameter, key in _FLAGS.items()
        if given[parameter] not in (None, ())
    }
    source = loader(flags)
    loaded = source.load()

    from snqd import daemon

    return daemon.run_daemon(
        loaded.config, reload=lambda: source.load().config, path=loaded.path, detach=not foreground
    )
