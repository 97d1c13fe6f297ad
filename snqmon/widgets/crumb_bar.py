"""`CrumbBar`: which screens there are, which one this is, and what must be known to read it right."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from snqmon.widgets.painting import Lines, Piece, cells, fit, width_of

if TYPE_CHECKING:
    from collections.abc import Sequence


class Tab(NamedTuple):
    key: str
    label: str
    action: str
    is_current: bool
    badge: str = ""
    """A number of things that want to be seen there, with its sign."""
    badge_meaning: str = ""


class CrumbBar(Lines):
    DEFAULT_CSS = "CrumbBar { height: 1; background: $background; }"

    def show(self, tabs: Sequence[Tab], crumbs: Sequence[str], notes: Sequence[str], *, is_ascii: bool) -> None:
        self.paint(crumb_line(tabs, crumbs, notes, self.size.width, " > " if is_ascii else " » "))


def crumb_line(
    tabs: Sequence[Tab], crumbs: Sequence[str], notes: Sequence[str], width: int, separator: str
) -> list[Piece]:
    """The notes are at the right edge. Where there is little room, tabs lose their names first, and then notes go."""
    note = "  ".join(notes)
    room = width - 2 - cells(note)
    line = _tabs(tabs, crumbs, separator, is_short=False)
    if width_of(line) > room:
        line = _tabs(tabs, crumbs, separator, is_short=True)
    left = width - width_of(line) - 1
    if left < 8 or not note:
        return line
    note = fit(note, min(left, cells(note)))
    return [*line, Piece(" " * (left - cells(note))), Piece(note, "mark"), Piece(" ")]


def _tabs(tabs: Sequence[Tab], crumbs: Sequence[str], separator: str, *, is_short: bool) -> list[Piece]:
    line: list[Piece] = []
    for tab in tabs:
        run = f"app.dispatch({tab.action!r})"
        names = [tab.label, *crumbs] if tab.is_current else [tab.label]
        if is_short and not tab.is_current:
            names = []
        line.append(Piece(f" {tab.key}", "mark", run))
        if names:
            line.append(Piece(f" {separator.join(names)}", "bold" if tab.is_current else "dim", run))
        if tab.badge:
            line += [Piece(" "), Piece(tab.badge, tab.badge_meaning, run)]
        line.append(Piece(" "))
    return line
