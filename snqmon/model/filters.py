"""What a filter says, and which rows it lets through.

Words apart by blanks; a row must have all of them, in whatever case, in its names, states and messages. `!` before a
word: a row must not have it. `column:word` looks at one column, and `column>number`, `<`, `>=`, `<=`, `=` compares its
figure: `lag>10`, `!state:idle`, `failed>=1`. A column is known by its heading or by its name in exports.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from snqmon.model.columns import Column

_COMPARISON = re.compile(r"(?P<name>[^<>=:]+)(?P<sign>>=|<=|>|<|=)(?P<number>-?[0-9.]+)(?P<unit>[a-zA-Z%]*)")
_UNITS = {
    "": 1.0, "%": 0.01, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0,
    "K": 1024.0, "M": 1024.0**2, "G": 1024.0**3,
}  # fmt: skip
_SIGNS: dict[str, Callable[[float, float], bool]] = {
    ">": lambda one, other: one > other,
    "<": lambda one, other: one < other,
    ">=": lambda one, other: one >= other,
    "<=": lambda one, other: one <= other,
    "=": lambda one, other: one == other,
}


class Filter(NamedTuple):
    """A filter that has been read."""

    text: str
    tests: tuple[Callable[[Any], bool], ...]

    def passes(self, row: Any) -> bool:
        return all(test(row) for test in self.tests)

    def kept(self, rows: Iterable[Any]) -> list[Any]:
        tests = self.tests
        if not tests:
            return list(rows)
        if len(tests) == 1:
            return list(filter(tests[0], rows))
        return [row for row in rows if all(test(row) for test in tests)]


NONE = Filter("", ())


def read_filter(text: str, columns: Sequence[Column[Any]] = ()) -> Filter:
    """Every text is a filter: what is no known column is a word."""
    by_name = {name.casefold(): column for column in columns for name in (column.heading, column.key)}
    return Filter(text.strip(), tuple(_test(word, by_name) for word in text.split() if word.strip("!")))


def _test(word: str, columns: dict[str, Column[Any]]) -> Callable[[Any], bool]:
    if word.startswith("!"):
        inner = _test(word.lstrip("!"), columns)
        return lambda row: not inner(row)
    return _comparison(word, columns) or _part(word, columns) or _anywhere(word)


def _anywhere(word: str) -> Callable[[Any], bool]:
    folded = word.casefold()
    return lambda row: folded in row.text.casefold()


def _part(word: str, columns: dict[str, Column[Any]]) -> Callable[[Any], bool] | None:
    """A word in the text of one column."""
    name, colon, wanted = word.partition(":")
    column = columns.get(name.casefold())
    if not colon or column is None:
        return None
    cell, folded = column.cell, wanted.casefold()
    return lambda row: folded in cell(row).text.casefold()


def _comparison(word: str, columns: dict[str, Column[Any]]) -> Callable[[Any], bool] | None:
    """The figure of a column against a number. A row whose figure is not known, or is a text, does not pass."""
    found = _COMPARISON.fullmatch(word)
    column = columns.get(found["name"].casefold()) if found is not None else None
    if found is None or column is None or found["unit"] not in _UNITS:
        return None
    try:
        number = float(found["number"]) * _UNITS[found["unit"]]
    except ValueError:
        return None
    value, compare = column.value, _SIGNS[found["sign"]]

    def test(row: Any) -> bool:
        figure = value(row)
        return isinstance(figure, int | float) and compare(figure, number)

    return test
