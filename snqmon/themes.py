"""The themes, and the meanings they give colours to: good, look, act, and dim. Widgets know the meanings only.

Every meaning is a pair of variables, `$look` (a colour) and `$look-style` (bold, reverse …): a meaning is never told by
colour alone, and where there are no colours the style is what is left, beside the sign that stands in the text.
"""

from __future__ import annotations

from typing import Final

from textual.theme import Theme

from snqd.errors import SnqdError

DEFAULT: Final = "snqmon-dark"
WITHOUT_COLOUR: Final = "snqmon-mono"
"""Also what `NO_COLOR` chooses."""

_STYLES: Final = {
    "good-style": "none",
    "look-style": "none",
    "act-style": "bold",
    "dim-style": "none",
    "mark-style": "bold",
    "cursor-style": "none",
    "blurred-style": "none",
    "flash-style": "none",
}


def _theme(name: str, *, is_dark: bool, colours: dict[str, str]) -> Theme:
    """A theme of fixed colours: `colours` has text, background, panel, line, good, look, act, dim, mark, trend,
    cursor, blurred and flash."""
    return Theme(
        name=name,
        dark=is_dark,
        primary=colours["mark"],
        secondary=colours["dim"],
        accent=colours["mark"],
        success=colours["good"],
        warning=colours["look"],
        error=colours["act"],
        foreground=colours["text"],
        background=colours["background"],
        surface=colours["background"],
        panel=colours["panel"],
        variables={
            **_STYLES,
            **{meaning: colours[meaning] for meaning in MEANINGS},
            "bar": colours["panel"],
            "rule": colours["line"],
            "trend": colours["trend"],
            "cursor": colours["cursor"],
            "blurred": colours["blurred"],
            "flash": colours["flash"],
            "scrollbar": colours["line"],
            "scrollbar-hover": colours["dim"],
            "scrollbar-active": colours["mark"],
            "scrollbar-background": colours["background"],
            "scrollbar-background-hover": colours["background"],
            "scrollbar-background-active": colours["background"],
            "scrollbar-corner-color": colours["background"],
        },
    )


MEANINGS: Final = ("good", "look", "act", "dim", "mark")
"""`mark` is no judgement: it marks what keys and the mouse act on."""

DARK: Final = _theme(
    "snqmon-dark",
    is_dark=True,
    colours={
        "text": "#d6dde4",
        "background": "#10151b",
        "panel": "#1b232c",
        "line": "#3a4653",
        "good": "#6fcf8e",
        "look": "#f2b84b",
        "act": "#ff857c",
        "dim": "#99a5b1",
        "mark": "#7cb7ff",
        "trend": "#5c86b8",
        "cursor": "#1b3550",
        "blurred": "#1d2833",
        "flash": "#332f1c",
    },
)
LIGHT: Final = _theme(
    "snqmon-light",
    is_dark=False,
    colours={
        "text": "#22282e",
        "background": "#fbfaf7",
        "panel": "#eceae4",
        "line": "#b9b6ad",
        "good": "#17652f",
        "look": "#7d4e00",
        "act": "#b01c28",
        "dim": "#575f68",
        "mark": "#0b4f9e",
        "trend": "#5b83b0",
        "cursor": "#d3e3f7",
        "blurred": "#eceae4",
        "flash": "#fbeec2",
    },
)
COLOUR_BLIND: Final = _theme(
    "snqmon-colour-blind",
    is_dark=True,
    # Of the palette of Okabe and Ito: sky blue, yellow and vermillion stay apart in every kind of colour vision, and
    # yellow and vermillion (lightened, to be read on the cursor's line too) by their lightness as well.
    colours={
        "text": "#dfe3e6",
        "background": "#101418",
        "panel": "#1c2329",
        "line": "#3d474f",
        "good": "#56b4e9",
        "look": "#f0e442",
        "act": "#f28445",
        "dim": "#9fa8b0",
        "mark": "#9fd4f5",
        "trend": "#6f9db8",
        "cursor": "#1a384c",
        "blurred": "#1e272e",
        "flash": "#31301c",
    },
)


def _terminal_theme(name: str, *, colours: dict[str, str], styles: dict[str, str]) -> Theme:
    """A theme of the terminal's own colours: nothing is known of how they look, so styles carry more."""
    colours = dict.fromkeys(MEANINGS, "ansi_default") | colours
    return Theme(
        name=name,
        ansi=True,
        primary=colours["mark"],
        secondary="ansi_default",
        accent=colours["mark"],
        success=colours["good"],
        warning=colours["look"],
        error=colours["act"],
        foreground="ansi_default",
        background="ansi_default",
        surface="ansi_default",
        panel="ansi_default",
        boost="ansi_default",
        variables={
            **_STYLES,
            **colours,
            "bar": "ansi_default",
            "rule": "ansi_default",
            "trend": colours["mark"],
            "cursor": "ansi_default",
            "blurred": "ansi_default",
            "flash": "ansi_default",
            "ansi-background": "ansi_default",
            "ansi-foreground": "ansi_default",
            "border": colours["mark"],
            "border-blurred": "ansi_default",
            "scrollbar": "ansi_default",
            "scrollbar-hover": "ansi_default",
            "scrollbar-active": "ansi_default",
            "scrollbar-background": "ansi_default",
            "scrollbar-background-hover": "ansi_default",
            "scrollbar-background-active": "ansi_default",
            "block-cursor-foreground": "ansi_default",
            "block-cursor-background": "ansi_default",
            "block-cursor-text-style": "reverse",
            "footer-key-foreground": colours["mark"],
            "screen-selection-background": "ansi_default",
            "screen-selection-foreground": "ansi_default",
            **styles,
        },
    )


ANSI: Final = _terminal_theme(
    "snqmon-ansi",
    colours={"good": "ansi_green", "look": "ansi_yellow", "act": "ansi_red", "mark": "ansi_cyan"},
    styles={
        "look-style": "bold",
        "act-style": "bold",
        "dim-style": "dim",
        "cursor-style": "reverse",
        "blurred-style": "underline",
        "flash-style": "underline",
    },
)
MONO: Final = _terminal_theme(
    WITHOUT_COLOUR,
    colours={},
    styles={
        "look-style": "bold",
        "act-style": "bold underline",
        "dim-style": "dim",
        "cursor-style": "reverse",
        "blurred-style": "italic",
        "flash-style": "underline",
    },
)

THEMES: Final = (DARK, LIGHT, COLOUR_BLIND, ANSI, MONO)
NAMES: Final = tuple(theme.name.removeprefix("snqmon-") for theme in THEMES)
"""As they are given to `--theme`, and as `t` goes through them."""


def full_name(name: str) -> str:
    """The registered name of a theme that was given as `dark` or `snqmon-dark`; empty = the default one.

    Raises `SnqdError`, which names those that there are.
    """
    if not name:
        return DEFAULT
    short = name.removeprefix("snqmon-")
    if short not in NAMES:
        raise SnqdError(f"there is no theme {name!r}: the themes are {', '.join(NAMES)}")
    return f"snqmon-{short}"


def following(name: str) -> str:
    """The theme after this one."""
    names = [theme.name for theme in THEMES]
    return names[(names.index(name) + 1) % len(names)] if name in names else DEFAULT
