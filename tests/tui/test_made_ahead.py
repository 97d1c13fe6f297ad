"""Screens that are made before somebody goes there, and what a first visit must not cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from textual.events import Key

from snqmon import themes
from snqmon.keyed_app import MODES
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


async def test_keys_that_are_typed_ahead_act_on_the_screen_that_they_were_meant_for() -> None:
    async with opened(scene(20)) as screen:
        await screen.app.make_screens()
        for key in ("2", "w"):  # without a pause between them, as a person or a script types
            screen.app.post_message(Key(key, key))
        await screen.wait(lambda: "Why does queue xmppout wait?" in screen.text)
