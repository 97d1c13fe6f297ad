"""Writes `docs/events.md` from the events: `python -m snqd.telemetry.reference > docs/events.md`."""

from __future__ import annotations

import ast
import inspect
import logging
import sys
import textwrap
from dataclasses import fields
from typing import TYPE_CHECKING

from snqd.telemetry import events
from snqd.telemetry.lines import LINES

if TYPE_CHECKING:
    from collections.abc import Iterator

_INTRODUCTION = """\
# Events

<!-- Written by `python -m snqd.telemetry.reference > docs/events.md` from snqd/telemetry/events.py. Do not edit. -->

Everything that the daemon has to say is one of these events. In the log they are one line each: on a terminal the
message, otherwise JSON with `time` (UTC), `level`, `event` (the name), `message` and the event's fields. Values are
strings and numbers. Lines of Python's `logging`, from handlers and libraries, are in the same log and have `logger` in
the place of `event`.

A worker's end is a warning unless the worker was asked to leave or left by its own policy; a respawn is a warning when
it has to wait.
"""


def event_types() -> list[type]:
    """Every event, in the order of the module."""
    return [found for found in vars(events).values() if isinstance(found, type) and found.__module__ == events.__name__]


def page() -> str:
    parts = [_INTRODUCTION, "| event | level | what happened |", "|---|---|---|"]
    for event in event_types():
        level = logging.getLevelName(LINES[event][0]).lower()
        parts.append(f"| [`{event.__name__}`](#{event.__name__.lower()}) | {level} | {_sentence(event)} |")
    for event in event_types():
        parts += ["", f"## {event.__name__}", "", _about(event), "", *_fields(event)]
    return "\n".join(parts) + "\n"


def _about(event: type) -> str:
    return " ".join((event.__doc__ or "").split())


def _sentence(event: type) -> str:
    return _about(event).split(". ")[0].rstrip(".").replace("|", "\\|")


def _fields(event: type) -> Iterator[str]:
    about = _field_docstrings(event)
    for each in fields(event):
        kind = str(each.type).replace("|", "or")
        line = f"- `{each.name}` ({kind})" + (f": {about[each.name]}" if each.name in about else "")
        yield textwrap.fill(line, 118, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _field_docstrings(event: type) -> dict[str, str]:
    """The text under a field, which Python itself does not keep."""
    (found,) = ast.parse(textwrap.dedent(inspect.getsource(event))).body
    assert isinstance(found, ast.ClassDef)
    texts = {}
    for field, below in zip(found.body, found.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
        ):
            texts[field.target.id] = " ".join(str(below.value.value).split())
    return texts


if __name__ == "__main__":
    sys.stdout.write(page())
