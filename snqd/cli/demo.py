"""`snqd demo`: a daemon with work to do, and a screen that shows how it fares, by what it tells over UDP."""

from __future__ import annotations

import shlex
import shutil
import signal
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

import click

from snqd.cli.exits import Exit
from snqd.cli.options import HELP_FLAGS
from snqd.cli.output import narrate, plural

if TYPE_CHECKING:
    from snqd.cli.demo_view import DemoLook
    from snqd.config.schema import Config
    from snqd.demo.daemon import DemoDaemon
    from snqd.stores.base import Store

_FRAME_SECONDS = 0.5
_PLAIN_SECONDS = 2.0


@click.command(
    context_settings=HELP_FLAGS,
    epilog="""\
\b
What there is to see:
  order      feeds the queue mail, at once and with a delay, in the transaction of its own ack
  mail       async; fails now and then and is tried again, more often at one site than at the other
  webhook    gives up after three attempts: a dead letter
  thumbnail  kills its worker now and then, which is replaced; what it held is given back
The handlers are in the module snqd.demo.handlers.
""",
)
@click.option("-n", "--threads", type=click.IntRange(1, 8), default=3, show_default=True, help="Number of workers.")
@click.option("--seconds", type=click.FloatRange(min=1), metavar="N", help="End after N seconds instead of at Ctrl-C.")
@click.option("--plain", is_flag=True, help="Lines instead of a screen, as when standard output is not a terminal.")
def demo(*, threads: int, seconds: float | None, plain: bool) -> int:
    """Show what snqd does: a daemon with two sites, handlers that fail and crash, and a load, until Ctrl-C.

    Everything is in a temporary folder, which is removed at the end.
    """
    from snqd.cli.screen import Screen
    from snqd.demo.daemon import DemoDaemon
    from snqd.demo.load import Load

    for number in (signal.SIGTERM, signal.SIGHUP):  # as Ctrl-C: nothing may be left behind
        signal.signal(number, signal.default_int_handler)
    narrate("starting a daemon with an embedded store …")
    try:
        with DemoDaemon(workers=threads) as daemon:
            load = Load(daemon.url, daemon.story.problem)
            load.start()
            show = _Show(daemon, until=None if seconds is None else time.monotonic() + seconds)
            try:
                show.lines() if plain or not Screen.is_possible() else show.screen()
            finally:
                load.stop()
            narrate("stopping: workers finish what they run …")
            daemon.stop()
            click.echo(show.farewell())
    except KeyboardInterrupt:  # a second one
        return Exit.INTERRUPTED
    return Exit.OK


class _Show:
    """Shows what a subscriber of the hub sees, until Ctrl-C or `until` (monotonic)."""

    def __init__(self, daemon: DemoDaemon, *, until: float | None) -> None:
        from snqd.cli.demo_view import Rates
        from snqd.demo.watch import Watch

        self._daemon = daemon
        self._until = until
        self._began = time.monotonic()
        self._rates = Rates()
        self._watch = Watch(daemon.control_socket)

    def screen(self) -> None:
        """Draw on the terminal."""
        from snqd.cli.demo_view import screen_lines
        from snqd.cli.screen import Screen

        terminal = Screen()
        with terminal.taken():
            try:
                while self._goes_on():
                    width, height = terminal.size
                    terminal.draw(screen_lines(self._look(), width, height))
                    self._watch.look(_FRAME_SECONDS)
            except KeyboardInterrupt:
                return

    def lines(self) -> None:
        """Write a line every two seconds, and each event once."""
        from snqd.cli.demo_view import event_text, summary_line

        shown = 0
        try:
            while self._goes_on():
                look = self._look()
                for told in look.events:
                    if told.number > shown:
                        click.echo(event_text(told))
                shown = max([shown, *(told.number for told in look.events)])
                click.echo(summary_line(look))
                sys.stdout.flush()
                self._watch.look(_PLAIN_SECONDS)
        except KeyboardInterrupt:
            return

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
            command=shlex.join([_command(), "status", "-w", "-c", str(self._daemon.file)]),
        )


def _open(config: Config) -> Store:
    from snqd import wiring

    store = wiring.open_store(config)
    store.connect()
    return store


def _command() -> str:
    """What to type for `snqd` in another terminal."""
    typed = sys.argv[0]
    return "snqd" if shutil.which("snqd") == typed or not typed.endswith("snqd") else typed
