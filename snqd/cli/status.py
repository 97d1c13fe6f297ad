"""`snqd status`: what waits in the store, and what the workers of this host do."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from snqd.cli.daemon_view import read_daemon
from snqd.cli.exits import Exit
from snqd.cli.options import HELP_FLAGS, common_options, connected, load
from snqd.cli.output import print_json
from snqd.cli.summary import Look, as_json, as_text, rates
from snqd.errors import SnqdError, StoreError

if TYPE_CHECKING:
    from snqd.config.schema import Config
    from snqd.stores.base import Store
    from snqd.stores.pauses import Pause
    from snqd.stores.probe import StoreHealth
    from snqd.stores.records import QueueFacts

DEFAULT_WATCH_SECONDS = 2.0
_COUNTING_SHARE = 0.1
UNSEEN = "a broker does not show what waits; 'snqd health' tells what its workers have in hand"
_HOME, _CLEAR_REST, _CLEAR_LINE_END = "\x1b[H", "\x1b[J", "\x1b[K"


@click.command(
    context_settings=HELP_FLAGS,
    epilog="""\
\b
Columns:
  READY      items that could be claimed now       LAG      age of the oldest of them
  SCHEDULED  items whose time has not come         CLAIMED  items that a worker holds
  DEAD       dead letters, see 'snqd dead list'
  PAUSED     items that wait for 'snqd resume'; shown when there are any

\b
Examples:
  snqd status
  snqd status --watch
  snqd status --json | jq '.queues[] | select(.lag_seconds > 60)'
""",
)
@click.option("--json", "as_json_", is_flag=True, help="Print as JSON.")
@click.option(
    "-w",
    "--watch",
    type=click.FloatRange(min=0.1),
    is_flag=False,
    flag_value=DEFAULT_WATCH_SECONDS,
    metavar="[SECONDS]",
    help="Show it again every 2 (or SECONDS) seconds, with rates, until Ctrl-C.",
)
@common_options
def status(*, as_json_: bool, watch: float | None) -> int:
    """Show the queues of every site in the store, and the workers of the daemon on this host.

    Counting walks through the store's table: for people, not for monitoring every second.
    """
    config = load().config
    if watch is not None:
        _watch(config, watch, is_json=as_json_)
    look, error = _look(config)
    if as_json_:
        print_json(as_json(look))
    else:
        click.echo(as_text(look))
    if error is not None:
        raise error
    return Exit.OK


def _look(config: Config) -> tuple[Look, SnqdError | None]:
    """The store and the daemon; one that cannot be seen does not hide the other."""
    from snqd.config.secrets import redact_url

    queues: tuple[QueueFacts, ...] | None = None
    pauses: tuple[Pause, ...] = ()
    health: StoreHealth | None = None
    problem: SnqdError | None = None
    shown = ""
    try:
        with connected(config, is_reading=True) as store:
            pauses, health = tuple(store.pauses()), _health(store)
            if store.shows_items:
                queues = tuple(store.counts())
            else:
                shown = UNSEEN
    except StoreError as error:
        problem, shown = error, "see below"
    look = Look(time.monotonic(), redact_url(config.store.url), queues, read_daemon(config), shown, pauses, health)
    return look, problem


def _health(store: Store) -> StoreHealth | None:
    """None when it cannot be asked: that must not hide the queues."""
    probe = store.probe()
    try:
        return probe.health()
    except StoreError:
        return None
    finally:
        probe.close()


def _watch(config: Config, interval_seconds: float, *, is_json: bool) -> None:
    """Look again and again, until Ctrl-C. A count that takes long is made less often, not more load."""
    from snqd.config.secrets import redact_url

    shown = redact_url(config.store.url)
    before: Look | None = None
    counts = _Counts(config)
    is_screen = sys.stdout.isatty() and not is_json
    if is_screen:
        click.clear()
    while True:
        queues = counts.get()
        look = Look(time.monotonic(), shown, queues, read_daemon(config), counts.problem, counts.pauses, counts.health)
        if is_json:
            print_json(as_json(look))
        else:
            _draw(as_text(look, rates(before, look)), is_screen=is_screen)
        before = look
        time.sleep(interval_seconds)


def _draw(text: str, *, is_screen: bool) -> None:
    """Over the last screen without a flicker, or below the last one where there is no screen."""
    if not is_screen:
        click.echo(f"{text}\n")
        return
    import shutil

    height = shutil.get_terminal_size().lines - 1
    lines = [time.strftime("%H:%M:%S  (Ctrl-C ends)"), *text.split("\n")][:height]
    click.echo(_HOME + "".join(f"{line}{_CLEAR_LINE_END}\n" for line in lines) + _CLEAR_REST, nl=False)


class _Counts:
    """Counts of the store, asked again only when that costs at most a tenth of the time."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._queues: tuple[QueueFacts, ...] | None = None
        self._next_at = 0.0
        self.problem = ""
        self.pauses: tuple[Pause, ...] = ()
        self.health: StoreHealth | None = None

    def get(self) -> tuple[QueueFacts, ...] | None:
        began = time.monotonic()
        if began >= self._next_at:
            try:
                with connected(self._config, is_reading=True) as store:
                    self.pauses, self.health = tuple(store.pauses()), _health(store)
                    self._queues = tuple(store.counts()) if store.shows_items else None
                self.problem = UNSEEN if self._queues is None else ""
            except StoreError as error:
                self._queues, self.pauses, self.health, self.problem = None, (), None, str(error)
            took = time.monotonic() - began
            self._next_at = began + took / _COUNTING_SHARE
        return self._queues
