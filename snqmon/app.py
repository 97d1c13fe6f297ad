"""`Monitor`: the Textual application. It turns the feed, looks at the world once a tick, and has one screen drawn.

However many datagrams come, a tick is one look and one refresh of what is visible; hidden screens are not touched. Keys
come from the table of keys: the action `sort` is the method `act_sort` of the screen, or else of the app.
"""

from __future__ import annotations

import asyncio
import getpass
import socket
import time
from typing import TYPE_CHECKING, Any, ClassVar, Final

from textual.drivers.linux_driver import LinuxDriver
from textual.events import InputEvent
from textual.theme import BUILTIN_THEMES

from snqd.errors import SnqdError
from snqmon import themes
from snqmon.actions import Reach
from snqmon.collector import Collector
from snqmon.control import Control
from snqmon.driver import PromptDriver
from snqmon.feeds.base import Player, Trust
from snqmon.feeds.finding import looking_at
from snqmon.keyed_app import KeyedApp
from snqmon.model.course import Span
from snqmon.model.details import detail_of
from snqmon.model.formats import clock, duration
from snqmon.model.world import World
from snqmon.options import FASTEST_SECONDS, SLOWEST_SECONDS
from snqmon.pump import Pump
from snqmon.screens.acting import begin, explain
from snqmon.screens.detail import DetailScreen
from snqmon.screens.events import EventsScreen
from snqmon.screens.neighbours import NeighboursScreen
from snqmon.screens.opening import detailed
from snqmon.screens.overview import OverviewScreen
from snqmon.screens.tables import AlarmsScreen, QueuesScreen, SitesScreen, WorkersScreen
from snqmon.screens.writing import ask_and_write
from snqmon.terminal import Terminal
from snqmon.widgets.ascii_filter import AsciiFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.driver import Driver
    from textual.events import Event
    from textual.filter import LineFilter
    from textual.screen import Screen
    from textual.timer import Timer

    from snqmon.feeds.base import Feed, FeedStatus
    from snqmon.model.columns import Row
    from snqmon.options import Options

FIRST_SECONDS: Final = 0.1
"""Between ticks until something has come: the first picture does not wait for the second tick."""
REFRESH_STEPS: Final = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
_SWITCH_SECONDS: Final = 0.01
_TERMINAL_SECONDS: Final = 1.0
_DONE_SECONDS: Final = 30.0
_REACH_SECONDS: Final = 10.0


class Monitor(KeyedApp):
    TITLE = "snqmon"
    CSS_PATH = "monitor.tcss"
    MODES: ClassVar[dict[str, str | Callable[[], Screen[Any]]]] = {
        "overview": OverviewScreen,
        "queues": QueuesScreen,
        "workers": WorkersScreen,
        "sites": SitesScreen,
        "events": EventsScreen,
        "alarms": AlarmsScreen,
    }
    DEFAULT_MODE = "overview"

    def __init__(
        self, options: Options, *, clock: Callable[[], float] = time.monotonic, is_driven: bool = True
    ) -> None:
        """`clock` is for what people do; what is shown goes by the feed's. Not `is_driven`: whoever made it calls
        `tick`.

        Raises `SnqdError` for a theme that does not exist, and for keys that do not.
        """
        self.feed: Feed
        self.clock = clock
        self.refresh_seconds = min(SLOWEST_SECONDS, max(FASTEST_SECONDS, options.refresh_seconds))
        self._is_driven = is_driven
        theme = themes.full_name(options.theme)
        super().__init__(options)
        for name in BUILTIN_THEMES:
            self.unregister_theme(name)
        for each in themes.THEMES:
            self.register_theme(each)
        self.theme = themes.WITHOUT_COLOUR if self.no_color else theme
        self._player: Player | None = None
        self._pump: Pump | None = None
        self._terminal: Terminal | None = None
        self._ticker: Timer | None = None
        self._is_hasty = False
        self._stands_since: float | None = None
        self._lost_at: float | None = None
        self._failures: set[str] = set()
        self.control = Control(looking_at(options.sockets)) if options.may_control else None
        self.author = f"{getpass.getuser()}@{socket.gethostname()}"
        """Who acts, in the log of the daemon."""
        self.span = Span.ONE
        """Of the trends in details: what was chosen in one holds for the next."""
        self._done = (0.0, "")
        self._ascii_filter = AsciiFilter()
        self._collector = Collector(clock)
        self.problem = ""
        """Why it could not begin, in a line."""

    # Begin and end

    def on_load(self) -> None:
        try:
            self.feed = self.options.open_feed()
        except SnqdError as error:
            self.problem = str(error)
            self.exit(return_code=1)
            return
        self._player = self.feed if isinstance(self.feed, Player) else None
        self.world = World(self.feed, self.options.settings.thresholds, is_ascii=self.options.is_ascii)
        self.feed.watch(self.world.observe)
        self.feed.change_pace(1 / self.refresh_seconds)

    def on_mount(self) -> None:
        loop = asyncio.get_running_loop()
        self._pump = Pump(self.feed, self._feed_failed, on_turned=self.world.keep_up)
        if not self._is_driven:
            self._look()
            return
        self._pump.start(loop)
        if not self.is_headless:
            self._terminal = Terminal(loop, self.exit)
            self.set_interval(_TERMINAL_SECONDS, self._terminal.check)
        if self.control is not None:
            self._look_whom_to_ask()
            self.set_interval(_REACH_SECONDS, self._look_whom_to_ask)
        self.tick()
        self._is_hasty = True
        self._tick_every(FIRST_SECONDS)

    def on_unmount(self) -> None:
        self._collector.end()
        if self._pump is not None:
            self._pump.stop()
        if self._terminal is not None:
            self._terminal.close()
        if hasattr(self, "feed"):
            self.feed.close()

    # The picture

    @property
    def player(self) -> Player | None:
        """The recording that is played; None = it is no recording."""
        return self._player

    def get_line_filters(self) -> Sequence[LineFilter]:
        found = super().get_line_filters()
        return [*found, self._ascii_filter] if self.is_ascii else found

    @property
    def stands_for(self) -> float | None:
        """How many seconds the picture has been standing still because somebody asked for it; None = it goes on."""
        return None if self._stands_since is None else self.clock() - self._stands_since

    @property
    def status(self) -> FeedStatus:
        """How it stands with the feed now, also while the picture stands; what it was, when it fails to say."""
        try:
            return self.feed.status()
        except Exception as error:  # the screen stays, whatever a feed meets
            self._feed_failed(error)
            return self.world.status

    def tick(self) -> None:
        """Look at the world, and draw what is visible."""
        if self._is_hasty and self.world.daemons():
            self._is_hasty = False
            self._tick_every(self.refresh_seconds)
            self.run_worker(self.settle_down(), group="settling")
        screen = self.front
        if self._stands_since is not None:
            if screen is not None:
                screen.tick_bars()
            return
        self._look()
        self.call_later(self._draw)  # a key that came meanwhile is answered first

    def _draw(self) -> None:
        if (screen := self.front) is not None:
            screen.tick()
        self._collector.turn()

    async def settle_down(self) -> None:
        """After the first picture: what would hold a key up is done while nobody has pressed one yet."""
        await self.make_screens()
        self._collector.begin()

    def _look(self) -> None:
        try:
            self.world.observe()
        except Exception as error:  # what a stranger sends does not end the monitor
            self._feed_failed(error)
        self._tell_gap()

    def _tell_gap(self) -> None:
        """When the feed is back, how long it was away."""
        status, now = self.world.status, self.clock()
        if status.trust is Trust.STALE:
            if self._lost_at is None:
                self._lost_at = now - (status.age_seconds or 0.0)
        elif self._lost_at is not None and status.trust in {Trust.LIVE, Trust.PARTLY}:
            self.notify(f"Telemetry is back after {duration(now - self._lost_at)}.", timeout=8, markup=False)
            self._lost_at = None

    def _feed_failed(self, error: Exception) -> None:
        words = f"{type(error).__name__}: {error}"
        if words not in self._failures:  # once: it may fail at every turn
            self._failures.add(words)
            self.notify(
                f"{words}. What is shown may be incomplete.", title="The feed failed", severity="error", timeout=30,
                markup=False,
            )  # fmt: skip

    def _tick_every(self, seconds: float) -> None:
        if self._ticker is not None:
            self._ticker.stop()
        self._ticker = self.set_interval(seconds, self.tick)

    # Actions

    @property
    def reach(self) -> Reach:
        """Which daemons may be acted upon."""
        return Reach(False, frozenset()) if self.control is None else Reach(True, self.control.daemons)

    def _look_whom_to_ask(self) -> None:
        async def look() -> None:
            if self.control is not None:
                await self.control.refresh()

        self.run_worker(look(), group="reach", exclusive=True)

    # Keys

    def tell(self, words: str) -> None:
        """What was done: as a toast, and for a while beside the crumbs."""
        self.notify(words, timeout=8, markup=False)
        self._done = (self.clock(), f"{clock(self.feed.wall())} {words}")

    @property
    def lately_done(self) -> list[str]:
        at, words = self._done
        return [words] if words and self.clock() - at < _DONE_SECONDS else []

    def act_act(self, id_: str) -> None:
        """Ask about an action on what the screen is about, and do it."""
        screen = self.front
        if screen is not None and screen.subject is not None and (offer := screen.offer(self.keymap[id_])) is not None:
            begin(self, offer, screen.subject, screen.acted)

    def act_dead(self) -> None:
        self.act_act("dead")

    async def act_why(self) -> None:
        if self.front is not None and (row := self.front.explained) is not None:
            await explain(self, row)

    async def act_neighbours(self) -> None:
        if not isinstance(self.front, NeighboursScreen):
            self.show_screen(await self.kept.take(NeighboursScreen))

    async def open_row(self, row: Row) -> None:
        """Open what the row is about."""
        found = detailed(self.world, row, within=self.front)
        if found is None:
            return
        detail = detail_of(self.world, found)
        screen = await self.kept.take(DetailScreen)
        screen.begin(found, detail)
        self.show_screen(screen)
        self.kept.keep_spare_soon(DetailScreen)  # a detail leads to others

    def act_theme(self) -> None:
        if self.no_color:
            self.notify("NO_COLOR is set: there is one theme without colours", timeout=4, markup=False)
            return
        self.theme = themes.following(self.theme)
        self.notify(f"Theme: {self.theme.removeprefix('snqmon-')}", timeout=2, markup=False)

    def act_refresh(self, steps: int) -> None:
        """Positive: more often."""
        place = min(range(len(REFRESH_STEPS)), key=lambda number: abs(REFRESH_STEPS[number] - self.refresh_seconds))
        self.refresh_seconds = REFRESH_STEPS[max(0, min(len(REFRESH_STEPS) - 1, place - steps))]
        self.feed.change_pace(1 / self.refresh_seconds)
        if self._is_driven:
            self._tick_every(self.refresh_seconds)
        self.notify(f"Drawn every {self.refresh_seconds:g} s", timeout=2, markup=False)

    def act_pause_screen(self) -> None:
        """Of a recording, let it stand still; else the picture, while the feed goes on being folded."""
        if (player := self.player) is not None:
            player.pause(is_paused=not player.is_paused)
            self.turned()
            return
        self._stands_since = self.clock() if self._stands_since is None else None
        self.tick()

    def act_picture(self) -> None:
        """As it is now, and not with the question for the file's name upon it."""
        picture = self.export_screenshot(title=f"snqmon {self.world.glance().title}")
        ask_and_write(self, "this screen, as SVG,", self.current_mode, ".svg", lambda _name: picture)

    def get_driver_class(self) -> type[Driver]:
        """Ours in a terminal; Textual's for pages and tests."""
        found = super().get_driver_class()
        return PromptDriver if found is LinuxDriver else found

    async def on_event(self, event: Event) -> None:
        if isinstance(event, InputEvent):
            self._collector.touched()
        await super().on_event(event)

    def delay_update(self, delay: float = 0.05) -> None:
        """Textual holds the screen for 50 ms when another one comes: half of what a key may take."""
        super().delay_update(min(delay, _SWITCH_SECONDS))

    def act_reset_peaks(self) -> None:
        self.world.reset_peaks()
        self.notify("Peaks begin anew", timeout=2, markup=False)

    def act_seek(self, seconds: float) -> None:
        if (player := self.player) is not None:
            player.seek(max(0.0, min(player.length, player.aim + seconds)))  # several presses add up
            self.turned()

    def act_speed(self, steps: int) -> None:
        if (player := self.player) is not None:
            player.change_speed(player.speed * 2.0**steps)
            self.turned()

    def turned(self) -> None:
        """The recording stands elsewhere, or goes another way: what it has now is shown."""
        if self._pump is not None:
            self._pump.turn_now()
        self.tick()
