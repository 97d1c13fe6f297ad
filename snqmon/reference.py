"""Writes `docs/monitor.md` from the tables of keys, columns and thresholds: `python -m snqmon.reference` prints it."""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from typing import TYPE_CHECKING, Any, Final

from snqmon.keys import KEYS, Where
from snqmon.model.cells import PLAIN_SIGNS, SIGNS, Grade
from snqmon.model.dead import DEAD
from snqmon.model.tables import TABLES
from snqmon.model.tables.neighbours import NEIGHBOURS
from snqmon.model.thresholds import Level, QueueLevels, Thresholds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snqmon.model.columns import Table

_INTRODUCTION: Final = f"""\
# The monitor

<!-- Written by `make docs` from snqmon/reference.py, keys.py and model/. Do not edit. -->

`snqmon` shows what daemons tell of themselves, and nothing else: it opens no database and asks no worker. What it shows
is the same [facts](telemetry.md) and [events](events.md) that statsd, `snqd health` and the alarms are made from.

The first screen answers five questions without a key press: is it up, is it keeping up, is it failing, what is the
worst thing now, and can this screen be trusted. From there `1` to `6` lead to the tables, Enter opens a row, Escape
goes back, `w` says of a queue why it does not move and which command mends it, and `?` explains the screen that is
open.

## Colours and signs

There are three meanings, and a colour never stands alone:

| meaning | sign | on terminals with ASCII only |
|---|---|---|
| good | | |
| look | `{SIGNS[Grade.LOOK]}` | `{PLAIN_SIGNS[Grade.LOOK]}` |
| act | `{SIGNS[Grade.ACT]}` | `{PLAIN_SIGNS[Grade.ACT]}` |

Dim figures are not known, not current, or nothing to look at. `–` is a figure that is not known, `~` stands before an
estimate. In a sparkline a blank is a gap in telemetry, which is not zero. From which figure on something is to look at
is set by the [thresholds](#thresholds).

## Filters

`/` takes words: a row must have all of them in its names, states or messages, in whatever case. `!word`: it must not
have it. `column:word` looks at one column only, and `column>number` (or `<`, `>=`, `<=`, `=`) compares its figure, with
units if you like: `lag>10`, `lag>2m`, `memory>200M`, `!state:idle`. A column is known by its heading or its name in
exports.
"""
_KEYS: Final = """\
## Keys

The settings `[keys]` give an action another key by its name, or several in a list; an empty list takes it away:

```toml monitor
[keys]
why = "f2"
quit = ["q", "ctrl+c"]
```

A key is a single sign, or one of `enter`, `escape`, `space`, `tab`, `backspace`, `delete`, `insert`, `up`, `down`,
`left`, `right`, `pageup`, `pagedown`, `home`, `end`, `f1` to `f24`, each also with `ctrl+`, `alt+` or `shift+` before
it. A name that nothing has, and a key that two things have at one place, are refused when the monitor starts.
"""
_TABLES: Final = """\
## Tables

Where the terminal is too narrow, columns are left out in the order of their number, lowest first; those with 100 stay.
*Wide* ones are shown when asked for (`W`). The daemon's column is there when there are several daemons. `e` writes a
table to a file with all of its columns, by the names given here: durations in seconds, sizes in bytes, shares from 0
to 1.
"""
_THRESHOLDS: Final = """\
## Thresholds

The settings `[thresholds]`. A pair is `[look, act]`: from the first figure on look, from the second on act. They colour
the screen only; what wakes somebody up are the daemon's own [alarms](configuration.md).

```toml monitor
[thresholds]
lag_seconds = [10, 20]

[thresholds.queue.newsletter]
lag_seconds = [600, 3600]
```
"""
_PLACES: Final = {
    Where.ANY: "Everywhere",
    Where.TABLE: "On tables",
    Where.DETAIL: "On details",
    Where.REPLAY: "While a recording is played",
    Where.CONTROL: "On what can be acted upon (with `--control`; dim without)",
}


def page() -> str:
    parts = [_INTRODUCTION, _KEYS, *_keys(), _TABLES]
    parts += [_table(table) for table in (*TABLES.values(), NEIGHBOURS, DEAD)]
    parts += [_THRESHOLDS, *_thresholds(Thresholds), "For one queue, in `[thresholds.queue.NAME]`:\n"]
    parts += _thresholds(QueueLevels)
    return "\n".join(parts)


def _keys() -> Iterator[str]:
    for place, title in _PLACES.items():
        lines = [f"### {title}", "", "| key | name | what it does |", "|---|---|---|"]
        for key in KEYS:
            if key.where is place:
                shown = " ".join(f"`{_escaped(each)}`" for each in key.shown.split(" / "))
                lines.append(f"| {shown} | `{key.id}` | {key.help} |")
        if len(lines) > 4:
            yield "\n".join([*lines, ""])


def _table(table: Table[Any]) -> str:
    lines = [f"### {table.title}", "", textwrap.fill(table.measures, 120), ""]
    lines += ["| heading | name | meaning | left out |", "|---|---|---|---|"]
    for column in table.columns:
        order = "wide, " if column.is_wide else ""
        lines.append(
            f"| {_escaped(column.heading)} | `{column.key}` | {_escaped(column.definition)} | {order}{column.keep} |"
        )
    return "\n".join([*lines, ""])


def _thresholds(kind: type) -> Iterator[str]:
    """A line for each field: its name, its default and the text under it, which Python itself does not keep."""
    (found,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(found, ast.ClassDef)
    known = kind() if kind is Thresholds else None
    lines = []
    for field, below in zip(found.body, [*found.body[1:], None], strict=True):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        name = field.target.id
        line = f"- `{name}`"
        if known is not None and name != "queue":
            line += f" = `{_default(getattr(known, name))}`"
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            line += f": {' '.join(str(below.value.value).split())}"
        lines.append(textwrap.fill(line, 118, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False))
    yield "\n".join([*lines, ""])


def _default(value: Level | float) -> str:
    return f"[{value.look:g}, {value.act:g}]" if isinstance(value, Level) else f"{value:g}"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(page())
