"""Screens that are made before somebody goes there, and what a first visit must not cost."""

from __future__ import annotations

import gc
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from textual.events import Key

from snqmon import themes
from snqmon.keyed_app import MODES
from snqmon.screens.detail import DetailScreen
from snqmon.screens.kept import MOST_KEPT
from snqmon.screens.overview import OverviewScreen
from tests.support.screens import opened, scene

if TYPE_CHECKING:
    from tests.support.screens import Opened


def count_readings(screen: Opened, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows whenever all style sheets are read anew."""
    readings: list[int] = []
    reparse = screen.app.stylesheet.reparse

    def counted() -> None:
        readings.append(1)
        reparse()

    monkeypatch.setattr(screen.app.stylesheet, "reparse", counted)
    return readings


async def test_they_are_there_and_nobody_has_noticed() -> None:
    async with opened(scene(20)) as screen:
        before = screen.text
        await screen.app.make_screens()
        await screen.tick()

        assert set(MODES) <= set(screen.app._screen_stacks)
        assert isinstance(screen.app.front, OverviewScreen)
        assert screen.text == before


@pytest.mark.parametrize("is_ahead", [True, False], ids=["made ahead", "made when asked for"])
async def test_no_first_visit_reads_the_style_sheets_anew(is_ahead: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(scene(20)) as screen:
        if is_ahead:
            await screen.app.make_screens()
        readings = count_readings(screen, monkeypatch)
        for key, words in (("2", "depth 1 min"), ("3", "memory"), ("4", "fails"), ("5", "message"), ("6", "about")):
            await screen.press(key)
            assert words in screen.text
        await screen.press("2", "enter", "escape", "w", "escape", "question_mark")

        assert readings == []


async def test_one_that_was_made_before_the_theme_changed_has_the_new_one() -> None:
    async with opened(scene(20)) as screen:
        await screen.app.make_screens()
        await screen.press("t", "2")

        assert screen.app.screen.styles.background.hex.lower() == themes.LIGHT.background


async def test_a_detail_that_was_closed_before_the_theme_changed_has_the_new_one() -> None:
    async with opened(scene(20)) as screen:
        await screen.press("2", "enter", "escape", "t", "enter")

        assert isinstance(screen.app.screen, DetailScreen)
        assert screen.app.screen.styles.background.hex.lower() == themes.LIGHT.background


async def test_a_detail_is_used_again_and_nothing_is_left_of_what_it_was_about() -> None:
    async with opened(scene(20), size=(80, 24)) as screen:
        await screen.press("4", "enter", "c", "tab", "down", "down", "slash", "m", "a", "enter")
        first = screen.app.screen
        await screen.press("escape", "escape", "3", "enter")
        second = screen.text
        assert screen.app.screen is first

    async with opened(scene(20), size=(80, 24)) as screen:
        await screen.press("3", "enter")
        assert isinstance(screen.app.screen, DetailScreen)
        assert second == screen.text


async def test_details_of_details_open_however_deep_and_few_are_kept() -> None:
    async with opened(scene(20)) as screen:
        await screen.press("2", "enter")
        for _ in range(MOST_KEPT + 2):  # of a queue a site, of a site a queue
            before = screen.app.screen
            await screen.press("tab", "enter")
            assert screen.app.screen is not before
        details = screen.app.screen_stack[1:]
        assert len({id(each) for each in details}) == MOST_KEPT + 3
        await screen.press(*["escape"] * len(details))

        assert len(screen.app.screen_stack) == 1
        await screen.wait(lambda: sum(each.is_running for each in details) == MOST_KEPT)


async def test_what_is_drawn_over_and_opened_and_closed_leaves_no_strips_to_the_garbage_collector() -> None:
    async with opened(scene(20), size=(200, 60)) as screen:
        keys = ["1", "2", "enter", "escape", "3", "4", "5", "6"]
        await screen.press(*keys)
        gc.collect()
        gc.disable()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            for key in keys:
                await screen.press(key)
                screen.app.feed.turn()
                await screen.tick(1.0)
            gc.collect()
            left = Counter(type(each).__name__ for each in gc.garbage)
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()

        assert left["Strip"] == 0


async def test_keys_that_are_typed_ahead_act_on_the_screen_that_they_were_meant_for() -> None:
    async with opened(scene(20)) as screen:
        await screen.app.make_screens()
        for key in ("2", "w"):  # without a pause between them, as a person or a script types
            screen.app.post_message(Key(key, key))
        await screen.wait(lambda: "Why does queue xmppout wait?" in screen.text)
