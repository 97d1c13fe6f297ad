"""`KeyedApp`: from the table of keys to what is done, and to what footer, tabs, palette and help say of them."""

from __future__ import annotations

import asyncio
import os
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from textual import actions
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingsMap

from snqmon.keys import Where, keymap, shown_key
from snqmon.model.cells import SIGNS
from snqmon.screens.acting import EXPLAINED
from snqmon.screens.base import MonitorScreen
from snqmon.screens.detail import DetailScreen
from snqmon.screens.help import HelpScreen
from snqmon.screens.kept import KeptScreens
from snqmon.screens.why import WhyScreen
from snqmon.widgets.crumb_bar import Tab
from snqmon.widgets.key_bar import Hint
from snqmon.widgets.painting import OF_GRADE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from textual.screen import Screen

    from snqmon.feeds.base import Player
    from snqmon.keys import Key
    from snqmon.model.glance import Answer
    from snqmon.model.world import World
    from snqmon.options import Options

_BREATH_SECONDS: Final = 0.05
MODES: Final = ("overview", "queues", "workers", "sites", "events", "alarms")
"""The screens on digits, in the order of their tabs; their keys have the same ids."""


class KeyedApp(App[None]):
    """Base of the monitor. The action `sort` is the method `act_sort` of the screen, or else of the app."""

    def __init__(self, options: Options) -> None:
        """Raises `ConfigError` for keys that there are not."""
        self.world: World
        self.options = options
        self.keymap = keymap(options.settings.keys)
        self.kept = KeptScreens(self)
        # Textual chooses the filter for NO_COLOR by the theme that it begins with, which is not ours: say it outright.
        super().__init__(ansi_color=True if "NO_COLOR" in os.environ else None)
        self._bindings = BindingsMap(_bindings(self.keymap.keys))

    @property
    def is_ascii(self) -> bool:
        return self.options.is_ascii

    @property
    def player(self) -> Player | None:
        """The recording that is played; None = it is no recording."""
        raise NotImplementedError

    @property
    def front(self) -> MonitorScreen | None:
        """The screen that is visible, also behind a dialog; None = it is only being made."""
        found = next((screen for screen in reversed(self.screen_stack) if isinstance(screen, MonitorScreen)), None)
        return found if found is not None and found.is_mounted else None

    # What keys do

    def action_dispatch(self, id_: str) -> Any:
        """Do what the table of keys has for this key: a method of the screen, or of the app."""
        key = self.keymap[id_]
        if self.may(key) is None:
            return self._say_why_not(key)
        _destination, name, parameters = actions.parse(key.action)
        return self._method(name)(*parameters)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action != "dispatch":
            return super().check_action(action, parameters)
        return self.may(self.keymap[str(parameters[0])]) is not False  # what is dim says why when it is asked for

    def _say_why_not(self, key: Key) -> None:
        offer = self.front.offer(key) if self.front is not None else None
        if offer is not None:
            self.notify(f"{offer.title}: {offer.unavailable}.", severity="warning", timeout=6, markup=False)

    def may(self, key: Key) -> bool | None:
        """Whether a key works here and now: None = it is shown, but dim; False = it is not."""
        screen = self.front
        if screen is None or not (key.where is Where.ANY or key.where in self.places):
            return False
        _destination, name, _parameters = actions.parse(key.action)
        if not hasattr(screen, f"act_{name}") and not hasattr(self, f"act_{name}"):
            return False
        if key.id == "why" and not isinstance(screen.explained, EXPLAINED):
            return False
        return screen.may(key)

    @property
    def places(self) -> frozenset[Where]:
        """Which keys there are on the screen that is visible."""
        screen = self.front
        found = screen.places if screen is not None else frozenset()
        return found | {Where.REPLAY} if self.player is not None else found

    def _method(self, name: str) -> Callable[..., Any]:
        method: Callable[..., Any] = getattr(self.front, f"act_{name}", None) or getattr(self, f"act_{name}")
        return method

    def hints(self) -> list[Hint]:
        """For the line of keys."""
        found = []
        for key in self.keymap.footer(*self.places):
            may = self.may(key)
            if may is not False:
                hint = Hint(shown_key(key.keys[0]), key.label, key.id, may is True, key.id in {"help", "quit"})
                found.append(hint)
        found.sort(key=lambda hint: not hint.is_enabled)  # where there is little room, what works comes first
        return found

    def tabs(self) -> list[Tab]:
        """For the line that says where we are."""
        raised = [row for row in self.world.alarms() if row.is_raised]
        tabs = []
        for mode in MODES:
            key = self.keymap[mode]
            badge, meaning = "", ""
            if mode == "alarms" and raised:
                worst = max(row.grade for row in raised)
                badge, meaning = f"{'!' if self.is_ascii else SIGNS[worst]}{len(raised)}", OF_GRADE[worst]
            tabs.append(Tab(shown_key(key.keys[0]), key.label, key.id, mode == self.current_mode, badge, meaning))
        return tabs

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:  # noqa: ARG002 - Textual's signature
        """The command palette: the same table of keys."""
        for key in self.keymap.keys:
            if key.keys and key.id != "palette" and self.may(key):
                yield SystemCommand(f"{key.label} ({key.shown})", key.help, partial(self.action_dispatch, key.id))

    # Going about

    async def make_screens(self) -> None:
        """Make screens before somebody goes there, with a breath for keys and the picture after each."""
        for kind in (DetailScreen, HelpScreen, WhyScreen):
            await self.kept.keep_spare(kind)
            await asyncio.sleep(_BREATH_SECONDS)
        for mode in MODES:
            if mode not in self._screen_stacks:
                await self._init_mode(mode)
                await asyncio.sleep(_BREATH_SECONDS)

    def show_screen(self, screen: MonitorScreen) -> None:
        """Open one that is made, and draw nothing before it is what it should be."""
        self.push_screen(screen)
        screen.come_up_to_date()

    def act_screen(self, mode: str) -> Any:
        return self._go(mode)

    async def _go(self, mode: str) -> None:
        """To a screen; what is open over it is closed if it is the one where we are."""
        before = self.current_mode
        while mode == self.current_mode and len(self.screen_stack) > 1:
            await self.pop_screen()
        await self.switch_mode(mode)
        if (screen := self.front) is not None and mode != before:
            screen.come_up_to_date()  # the next key may have been typed already

    def act_quit(self) -> None:
        self.exit()

    def act_palette(self) -> None:
        self.action_command_palette()

    async def act_help(self) -> None:
        if (screen := self.front) is not None:
            keys = sorted(self.keymap.at(*self.places), key=lambda key: key.where is Where.ANY)  # first those of here
            manual = await self.kept.take(HelpScreen)
            manual.begin(screen.title_words, screen.measures, screen.columns, keys)
            self.push_screen(manual)

    async def action_follow(self, name: str) -> None:
        """Where an answer of the overview leads: to its screen, and its row there."""
        answer: Answer = getattr(self.world.glance(), name)
        if answer.key in MODES:
            await self._go(answer.key)
        screen, panel = self.front, answer.key
        if screen is not None and (table := screen.table_of(panel)) is not None:
            table.focus()
            if answer.row is not None:
                screen.tick()
                table.move_to_key(answer.row)


def _bindings(keys: Sequence[Key]) -> list[Binding]:
    found = [
        Binding(
            name.replace(",", "comma"), f"app.dispatch({key.id!r})", key.label, id=key.id, priority=name == "ctrl+q"
        )
        for key in keys
        for name in key.keys
    ]
    return [*found, Binding("ctrl+c", "app.dispatch('quit')", show=False)]
