"""`Palette`: the styles of a widget by meaning (`look`, `act`, `dim` …), from the theme that is on.

Meanings are no component classes of the style sheet. Textual matches each of those with all rules again whenever a
screen comes to the front, one by one for every widget, which was most of what a key to another screen took.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from rich.style import Style
from textual.color import Color

from snqmon import themes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from textual.widget import Widget

_COLOURS: Final = (*themes.MEANINGS, "rule", "trend")
_GROUNDS: Final = ("cursor", "blurred", "flash")


class Palette:
    """Resolved once, and kept until the widget's style changes (`Widget.notify_style_update`)."""

    def __init__(self, widget: Widget) -> None:
        self._widget = widget
        self._styles: dict[tuple[str, ...], Style] = {}

    def style(self, *meanings: str) -> Style:
        """The widget's own style with these upon it, in this order; an empty meaning is none."""
        found = self._styles.get(meanings)
        if found is None:
            of_theme = styles_of(self._widget.app.theme)
            found = self._widget.rich_style
            for meaning in meanings:
                found += of_theme[meaning]
            self._styles[meanings] = found
        return found

    def forget(self) -> None:
        """The theme has changed, or the widget's colours."""
        self._styles.clear()


@cache
def styles_of(theme: str) -> Mapping[str, Style]:
    """Every meaning in a theme of ours."""
    variables = next(each for each in themes.THEMES if each.name == theme).variables
    found = {"": Style.null(), "bold": Style(bold=True)}
    for name in _COLOURS:
        colour = Color.parse(variables[name]).rich_color
        found[name] = Style(color=colour) + Style.parse(variables.get(f"{name}-style", "none"))
    for name in _GROUNDS:
        ground = Color.parse(variables[name]).rich_color
        found[name] = Style(bgcolor=ground) + Style.parse(variables[f"{name}-style"])
    return found
