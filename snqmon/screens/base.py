"""`MonitorScreen`: the frame that every screen of the monitor has, and how the app speaks to the one that is visible.

The frame is two lines above (how it stands; where we are) and one below (keys). Between them is the body, or, while
there is nothing to show in it, the words that say why. A screen is told to draw once a tick, with `tick`, while it is
visible; a key that the table of keys has for it calls its method `act_<action>`, and else the app's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from snqmon.actions import offer_of
from snqmon.feeds.base import Trust
from snqmon.keys import Where
from snqmon.screens.table_keys import TableKeys
from snqmon.widgets.advice import Advice
from snqmon.widgets.crumb_bar import CrumbBar
from snqmon.widgets.filter_bar import FilterBar
from snqmon.widgets.key_bar import KeyBar
from snqmon.widgets.replay_bar import ReplayBar
from snqmon.widgets.top_bar import TopBar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.app import ComposeResult

    from snqmon.actions import Offer
    from snqmon.keys import Key
    from snqmon.model.columns import Column, Row
    from snqmon.widgets.fact_table import FactTable

LEAST_WIDTH: Final = 40
LEAST_HEIGHT: Final = 10


class MonitorScreen(TableKeys):
    """Base of overview, tables and details."""

    AUTO_FOCUS = "FactTable"
    ALLOW_SELECT: ClassVar[bool] = False  # the mouse moves the cursor here; terminals select with Shift
    BLANK: ClassVar[bool] = True  # a line of it is not made for every line that nobody sees
    IS_DETAIL: ClassVar[bool] = False

    crumbs: tuple[str, ...] = ()
    """Where this is, below the mode: of a detail, its name."""
    measures: str = ""
    """What the screen measures, for the help: a sentence or two."""
    title_words: str = ""
    """What it is called there."""

    def __init__(self) -> None:
        super().__init__()
        # A screen is given its styles when it is made. Unless it says that it has them, Textual reads all style sheets
        # anew, twice, when it comes to the front for the first time.
        self._css_update_count = self.app._css_update_count
        self._is_up_to_date = False

    def compose(self) -> ComposeResult:
        yield TopBar()
        yield CrumbBar()
        yield from self.body()
        yield Advice()
        yield FilterBar()
        if (player := self.monitor.player) is not None:
            yield ReplayBar(player, is_ascii=self.monitor.is_ascii)
        yield KeyBar()

    def body(self) -> ComposeResult:
        """The widgets between the bars. They have the class `body`."""
        yield from ()

    def draw(self) -> None:
        """Show what the world is now. Called once a tick while the screen is visible and there is something to show."""

    def table_of(self, _name: str) -> FactTable[Any] | None:
        """The table with the rows of this name (`queues` …), where there are several."""
        return self.table

    @property
    def subject(self) -> Row | None:
        """What keys act on: the row under the cursor, or what a detail is about."""
        table = self.table
        return table.row if table is not None else None

    @property
    def explained(self) -> Row | None:
        """Of what one may ask why it does not move."""
        return self.subject

    def acted(self) -> None:
        """An action was done: what it changed may be shown anew."""

    @property
    def columns(self) -> Sequence[Column[Any]]:
        """For the help: those of its table."""
        table = self.table
        return table.view.table.columns if table is not None else ()

    @property
    def places(self) -> frozenset[Where]:
        """Which keys of the table there are here."""
        found = {Where.DETAIL} if self.IS_DETAIL else set[Where]()
        if self.table is not None:
            found.add(Where.TABLE)
        return frozenset(found | {Where.CONTROL})

    def may(self, key: Key) -> bool | None:
        """Whether a key works here and now: None = shown, but dim; False = not shown."""
        if key.where is Where.CONTROL:
            offer = self.offer(key)
            return False if offer is None else None if offer.unavailable else True
        if key.id == "jump":
            return self.leads_to is not None
        if key.id == "back":
            return self.is_anything_hidden or len(self.monitor.screen_stack) > 1
        return True

    def offer(self, key: Key) -> Offer | None:
        """What an action does to the subject of the screen; None = it does not apply."""
        return offer_of(key.id, self.subject, self.monitor.reach, author=self.monitor.author)

    def notes(self) -> list[str]:
        """What must be known to read the screen right: a filter, what is left out. Stands beside the crumbs."""
        table = self.table
        if table is None or self.IS_DETAIL:
            return []
        view = table.view
        return [words for words in (view.choice_words, f"{view.table.title.lower()} {view.count_words}") if words]

    def tick(self) -> None:
        if self.monitor.front is not self:  # something put this off, and now another screen is there
            return
        advice = self._advice()
        self.set_class(bool(advice), "-advice")
        if advice:
            self.query_one(Advice).show(advice)
        else:
            self.draw()
        self.tick_bars()

    def tick_bars(self) -> None:
        """The lines around the picture: they go on while the picture stands."""
        monitor, world = self.monitor, self.world
        self.query_one(TopBar).show(
            monitor.status,
            world.daemons(),
            wall=monitor.feed.wall(),
            stands_for=monitor.stands_for,
            is_ascii=monitor.is_ascii,
        )
        notes = [*monitor.lately_done, *self.notes()]
        self.query_one(CrumbBar).show(monitor.tabs(), self.crumbs, notes, is_ascii=monitor.is_ascii)
        for bar in self.query(ReplayBar):
            bar.show()
        self.query_one(KeyBar).show(monitor.hints())

    @property
    def bars(self) -> int:
        """Lines of the frame, above and below the body."""
        return 3 + (self.monitor.player is not None)

    def on_replay_bar_sought(self, event: ReplayBar.Sought) -> None:
        event.stop()
        self.monitor.turned()

    @property
    def is_stale(self) -> bool:
        """What is shown was true once."""
        return self.world.status.trust is Trust.STALE

    def _advice(self) -> tuple[str, ...]:
        """Lines that stand in the place of the picture; none while there is one."""
        width, height = self.size
        if width < LEAST_WIDTH or height < LEAST_HEIGHT:
            return (
                f"This terminal has {width} columns and {height} lines.",
                f"snqmon needs {LEAST_WIDTH} and {LEAST_HEIGHT}, better 80 and 24.",
            )
        status = self.world.status
        if status.trust is Trust.WAITING and not self.world.daemons():
            return (status.words, "", *status.advice)
        return ()

    def on_resize(self, _event: events.Resize) -> None:
        self.call_after_refresh(self.tick)

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        # Textual gives every widget its styles anew, which takes as long as all else. They are as they were, unless the
        # theme has changed meanwhile.
        event.refresh_styles = self._css_update_count != self.app._css_update_count
        self._css_update_count = self.app._css_update_count
        if self._is_up_to_date or self.come_up_to_date():
            self._is_up_to_date = False
        else:
            self.call_after_refresh(self.tick)

    def come_up_to_date(self) -> bool:
        """It comes to the front: the first thing that is drawn, and that keys act upon, is what is true now. Whether
        there is a size to draw it in yet."""
        bars = self.query(TopBar)
        self._is_up_to_date = bool(bars and bars.first().size)
        if self._is_up_to_date:
            self.tick()
        return self._is_up_to_date

    def on_fact_table_moved(self) -> None:
        self.query_one(KeyBar).show(self.monitor.hints())
