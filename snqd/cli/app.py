"""The tree of commands, and the help of `snqd` itself."""

from __future__ import annotations

import click

from snqd import __version__
from snqd.cli.exits import exit_codes_text
from snqd.cli.groups import Entry, LazyGroup
from snqd.cli.options import HELP_FLAGS, common_options

_WORK, _LOOK, _SET_UP = "Work", "Look and repair", "Set up"

_EPILOG = f"""\
\b
First steps, with your handlers in the module myapp.handlers:
  snqd run -m myapp.handlers                            run the daemon; Ctrl-C ends it
  snqd enqueue -m myapp.handlers mail '{{"to": 1}}'       store an item for the queue "mail"
  snqd status                                           see what waits, and what the workers do
Or write it down in ./snqd.toml:
  [handlers]
  modules = ["myapp.handlers"]

\b
Exit codes:
{exit_codes_text()}

\b
Data goes to standard output, everything else to standard error.
Settings are described in docs/configuration.md; 'snqd config show' prints yours.
"""

app = LazyGroup(
    name="snqd",
    help="snqd takes items from queues, hands each to a handler, and lets an operator see how it is doing.",
    epilog=_EPILOG,
    context_settings=HELP_FLAGS,
    entries=[
        Entry("demo", "snqd.cli.demo:demo", "See it work: a daemon, sample handlers and a load, until Ctrl-C.", _WORK),
        Entry("run", "snqd.cli.run:run", "Run the daemon: a supervisor and its workers.", _WORK),
        Entry("enqueue", "snqd.cli.enqueue:enqueue", "Store an item, or a stream of JSON lines.", _WORK),
        Entry("drain", "snqd.cli.drain:drain", "Work the queues until they are empty, then leave (for cron).", _WORK),
        Entry("status", "snqd.cli.status:status", "Queues, sites and the workers of this host.", _LOOK),
        Entry("health", "snqd.cli.hub:health", "One line and an exit code for Nagios and the like.", _LOOK),
        Entry("why", "snqd.cli.hub:why", "Why a queue does not move, and what mends it.", _LOOK),
        Entry("stack", "snqd.cli.ctl:stack", "The Python stack of a worker, while it works.", _LOOK),
        Entry("record", "snqd.cli.record:record", "Keep what a hub tells in a file, to be replayed.", _LOOK),
        Entry("items", "snqd.cli.items:items", "List, show, retry and discard waiting items.", _LOOK),
        Entry("dead", "snqd.cli.dead:dead", "List, show, replay and discard dead letters.", _LOOK),
        Entry("pause", "snqd.cli.pausing:pause", "Hand out no items of a queue or a site; list what is paused.", _LOOK),
        Entry("resume", "snqd.cli.pausing:resume", "End a pause.", _LOOK),
        Entry("schedule", "snqd.cli.schedule:schedule", "What is enqueued by the clock: list it, run it now.", _LOOK),
        Entry("ctl", "snqd.cli.ctl:ctl", "Steer the daemon, or those of all hosts: update, restart, shutdown …", _LOOK),
        Entry("schema", "snqd.cli.schema:schema", "Make or upgrade the store's tables.", _SET_UP),
        Entry(
            "config",
            "snqd.cli.config:config",
            "Check the configuration, show it, or what a reload would change.",
            _SET_UP,
        ),
        Entry("completion", "snqd.cli.completion:completion", "Completion for bash, zsh or fish.", _SET_UP),
    ],
    callback=lambda: None,
)
common_options(app)
click.version_option(__version__, "-V", "--version", message="snqd %(version)s")(app)
