"""The colours of a theme are on all of the screen, also when it changes while other screens are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from rich.style import Style

from snqmon import themes
from snqmon.widgets.palette import styles_of
from tests.support.screens import opened, scene

if TYPE_CHECKING:
    from textual.theme import Theme

    from tests.support.screens import Opened


def colours_on(screen: Opened) -> set[str]:
    strips = screen.app.screen._compositor.render_strips()
    found = {
        each for strip in strips for part in strip if part.style for each in (part.style.color, part.style.bgcolor)
    }
    return {colour.name for colour in found if colour is not None}


def colours_of(theme: Theme) -> set[str]:
    known = (*theme.variables.values(), theme.background, theme.foreground)
    return {str(colour) for colour in known if str(colour).startswith("#")}


@pytest.mark.parametrize("key", ["1", "5"])
async def test_another_theme_is_seen_at_once_and_on_screens_that_were_there_before(key: str) -> None:
    async with opened(scene(20)) as screen:
        await screen.press("6", key, "t")
        screen.app.clear_notifications()
        for where in (key, "6", "2"):
            await screen.press(where)

            assert colours_on(screen) <= colours_of(themes.LIGHT), where


@pytest.mark.parametrize("theme", themes.THEMES, ids=lambda theme: theme.name)
def test_meanings_are_told_apart_and_grounds_leave_the_text_as_it_is(theme: Theme) -> None:
    styles = styles_of(theme.name)

    assert len({styles[name] for name in themes.MEANINGS}) == len(themes.MEANINGS) or theme is themes.MONO
    assert styles[""] == Style.null()
    assert all(styles[name].color is None and styles[name].bgcolor for name in ("cursor", "blurred", "flash"))
