"""`snqd demo`: a daemon with work to do, and the monitor that watches it, or lines where that has no place."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from importlib.util import find_spec
from typing import TYPE_CHECKING

import click

from snqd.cli.exits import Exit
from snqd.cli.options import HELP_FLAGS
from snqd.cli.output import narrate, plural
from snqd.errors import SnqdError

if TYPE_CHECKING:
    from snqd.cli.demo_view import DemoLook
    from snqd.config.schema import Config
    from snqd.demo.daemon import DemoDaemon
    from snqd.demo.xmpp import Prosody
    from snqd.stores.base import Store

_LOOK_SECONDS = 0.25
_PLAIN_SECONDS = 2.0
_LEAVE_SECONDS = 5.0


@click.command(
    context_settings=HELP_FLAGS,
    epilog="""\
\b
What there is to see:
  order      feeds the queue mail, at once and with a delay, in the transaction of its own ack
  mail       async; fails now and then and is tried again, more often at one site than at the other
  webhook    gives up after three attempts: a dead letter
  thumbnail  kills its worker now and then, which is replaced; what it held is given back
  xmppout    messages through one connection to a private Prosody, where prosody and slixmpp are installed
The handlers are in the module snqd.demo.handlers.
""",
)
@click.option("-n", "--threads", type=click.IntRange(1, 8), default=3, show_default=True, help="Number of workers.")
@click.option("--seconds", type=click.FloatRange(min=1), metavar="N", help="End after N seconds.")
@click.option("--plain", is_flag=True, help="Lines instead of the monitor, as when there is no terminal.")
def demo(*, threads: int, seconds: float | None, plain: bool) -> int:
    """Show what snqd does: a daemon with two sites, handlers that fail and crash, and a load, in the monitor.

    `q` ends it, and Ctrl-C where there are lines. Everything is in a temporary folder, which is removed at the end.
    """
    from snqd.demo.daemon import DemoDaemon
    from snqd.demo.load import Load

    for number in (signal.SIGTERM, signal.SIGHUP):  # as Ctrl-C: nothing may be left behind
        signal.signal(number, signal.default_int_handler)
    narrate("starting a daemon with an embedded store …")
    try:
        with ExitStack() as stack:
            server = _start_prosody(stack)
            xmpp = None if server is None else server.settings
            daemon = stack.enter_context(DemoDaemon(workers=threads, xmpp=xmpp))
            load = Load(daemon.url, daemon.story.problem, has_xmpp=server is not None)
            load.start()
            show = _Show(daemon, until=None if seconds is None else time.monotonic() + seconds)
            try:
                show.lines() if plain or not _has_monitor() else show.monitor()
            finally:
                load.stop()
            narrate("stopping: workers finish what they run …")
            daemon.stop()
            click.echo(show.farewell())
    except KeyboardInterrupt:  # a second one
        return Exit.INTERRUPTED
    return Exit.OK


def _start_prosody(stack: ExitStack) -> Prosody | None:
    """A server for the demonstration's XMPP, until `stack` is left. None: it goes without."""
    from snqd.demo.xmpp import Prosody, what_is_missing

    missing = what_is_missing()
    if missing:
        narrate(f"without XMPP: to see that too, install {missing}")
        return None
    try:
        return stack.enter_context(Prosody())
    except (SnqdError, OSError) as error:
        narrate(f"without XMPP: {error}")
        return None


def _has_monitor() -> bool:
    """Whether there is a terminal, and the monitor's toolkit is installed."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    if find_spec("textual") is None:
        narrate("lines only: for the monitor, pip install 'snqd[monitor]'")
        return False
    return True


class _Show:
    """Shows the daemon until the person has seen enough or `until` (monotonic) has come."""

    def __init__(self, daemon: DemoDaemon, *, until: float | None) -> None:
        from snqd.cli.demo_view import Rates
        from snqd.demo.watch import Watch

        self._daemon = daemon
        self._until = until
        self._began = time.monotonic()
        self._rates = Rates()
        self._watch = Watch(daemon.control_socket)

    def monitor(self) -> None:
        """Let the monitor have the terminal until it is left: a program of its own, as an operator starts it."""
        command = [sys.executable, "-m", "snqmon", "--control", "--socket", str(self._daemon.control_socket)]
        with subprocess.Popen(command) as program, contextlib.suppress(KeyboardInterrupt):
            try:
                while program.poll() is None and self._goes_on():
                    self._look()
                    self._watch.look(_LOOK_SECONDS)
            finally:
                _leave(program)
        if program.returncode > 0:
            raise SnqdError(
                f"the monitor has ended with code {program.returncode}: 'snqd demo --plain' does without it"
            )

    def lines(self) -> None:
        """Write a line every two seconds, and each event once."""
        from snqd.cli.demo_view import event_text, summary_line

        shown = 0
        with contextlib.suppress(KeyboardInterrupt):
            while self._goes_on():
                look = self._look()
                for told in look.events:
                    if told.number > shown:
                        click.echo(event_text(told))
                shown = max([shown, *(told.number for told in look.events)])
                click.echo(summary_line(look))
                sys.stdout.flush()
                self._watch.look(_PLAIN_SECONDS)

    def farewell(self) -> str:
        """What all of it came to, when the daemon had ended."""
        look = self._look()  # the hub was the last to leave
        self._watch.close()
        with closing(_open(self._daemon.config)) as store:
            facts = store.counts()
        story = self._daemon.story
        waiting = sum(each.ready + each.scheduled + each.claimed for each in facts)
        return (
            f"{plural(sum(look.done.values()), 'item')} done, {waiting:,} waiting, "
            f"{sum(each.dead for each in facts):,} dead; "
            f"{plural(story.failures, 'failure')} retried, {plural(story.deaths, 'worker')} replaced"
        )

    def _goes_on(self) -> bool:
        self._daemon.check()
        return self._until is None or time.monotonic() < self._until

    def _look(self) -> DemoLook:
        from snqd.cli.demo_view import DemoLook

        self._watch.look(0.0)
        view, now = self._watch.view, time.monotonic()
        done = {key: flow.handled for key, flow in view.flows.items()} if view else {}
        if view is not None:
            self._daemon.story.take(view.events)
        return DemoLook(
            running_seconds=now - self._began,
            facts=dict(view.depths) if view else {},
            done=done,
            rates=self._rates.add(now, done),
            workers=tuple(view.workers[name] for name in sorted(view.workers)) if view else (),
            events=self._daemon.story.events(),
        )


def _leave(program: subprocess.Popen[bytes]) -> None:
    """End the monitor, which gives the terminal back as it was."""
    if program.poll() is None:
        program.terminate()
        try:
            program.wait(_LEAVE_SECONDS)
        except subprocess.TimeoutExpired:
            program.kill()


def _open(config: Config) -> Store:
    from snqd.wiring.stores import open_store

    store = open_store(config)
    store.connect()
    return store
