"""Every theme: all meanings can be read, and told apart without seeing colours."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import pytest

from snqd.errors import SnqdError
from snqmon import themes
from tests.support.contrast import contrast

if TYPE_CHECKING:
    from textual.theme import Theme

COLOURED = [theme for theme in themes.THEMES if not theme.ansi]
OF_THE_TERMINAL = [theme for theme in themes.THEMES if theme.ansi]
READABLE = 4.5
"""The contrast ratio that WCAG 2 wants of text (level AA)."""


@pytest.mark.parametrize("theme", COLOURED, ids=lambda theme: theme.name)
@pytest.mark.parametrize("ground", ["background", "bar", "cursor", "blurred", "flash"])
@pytest.mark.parametrize("meaning", ["foreground", *themes.MEANINGS])
def test_every_meaning_is_readable_wherever_it_stands(theme: Theme, ground: str, meaning: str) -> None:
    colours = theme.variables | {"background": theme.background, "foreground": theme.foreground}

    assert contrast(str(colours[meaning]), str(colours[ground])) >= READABLE


@pytest.mark.parametrize("theme", COLOURED, ids=lambda theme: theme.name)
@pytest.mark.parametrize("shape", ["trend"])
def test_what_is_drawn_is_seen(theme: Theme, shape: str) -> None:
    assert contrast(theme.variables[shape], str(theme.background)) >= 3.0


def test_the_colour_blind_theme_tells_look_from_act_by_lightness() -> None:
    look, act, good = (themes.COLOUR_BLIND.variables[meaning] for meaning in ("look", "act", "good"))

    assert contrast(look, act) >= 1.7
    assert contrast(look, good) >= 1.5


@pytest.mark.parametrize("theme", OF_THE_TERMINAL, ids=lambda theme: theme.name)
def test_a_theme_of_the_terminals_colours_names_no_others(theme: Theme) -> None:
    colours = [theme.variables[name] for name in (*themes.MEANINGS, "bar", "cursor", "trend", "rule")]

    assert all(colour.startswith("ansi_") for colour in colours)


@pytest.mark.parametrize("theme", themes.THEMES, ids=lambda theme: theme.name)
def test_meanings_differ_from_each_other_in_colour_or_style(theme: Theme) -> None:
    looks = {name: (theme.variables[name], theme.variables[f"{name}-style"]) for name in ("look", "act", "dim")}

    assert all(looks[one] != looks[other] for one, other in combinations(looks, 2))


def test_without_colours_styles_alone_tell_meanings_apart() -> None:
    styles = [themes.MONO.variables[f"{name}-style"] for name in ("look", "act", "dim", "cursor")]

    assert len(set(styles)) == len(styles)
    assert {themes.MONO.variables[name] for name in themes.MEANINGS} == {"ansi_default"}


def test_names_are_given_short_or_long() -> None:
    assert themes.full_name("light") == themes.full_name("snqmon-light") == "snqmon-light"
    assert themes.full_name("") == themes.DEFAULT


def test_a_theme_that_is_none_names_those_that_are() -> None:
    with pytest.raises(SnqdError, match="there is no theme 'solar': the themes are dark, light, colour-blind, ansi"):
        themes.full_name("solar")


def test_the_key_goes_through_all_of_them() -> None:
    seen = [themes.DEFAULT]
    while (name := themes.following(seen[-1])) not in seen:
        seen.append(name)

    assert len(seen) == len(themes.THEMES)
