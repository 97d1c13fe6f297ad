"""Writes `docs/events.md` and `docs/telemetry.md` from the contract: `python -m snqd.telemetry.reference events`
(or `facts`) prints the page.
"""

from __future__ import annotations

import ast
import inspect
import logging
import sys
import textwrap
from typing import TYPE_CHECKING

from snqd.telemetry import events, facts
from snqd.telemetry.lines import LINES

if TYPE_CHECKING:
    from collections.abc import Iterator

_INTRODUCTION = """\
# Events

<!-- Written by `make docs` from snqd/telemetry/events.py. Do not edit. -->

Everything that the daemon has to say is one of these events. In the log they are one line each: on a terminal the
message, otherwise JSON with `time` (UTC), `level`, `event` (the name), `message` and the event's fields. Values are
strings and numbers. Lines of Python's `logging`, from handlers and libraries, are in the same log and have `logger` in
the place of `event`.

A worker's end is a warning unless the worker was asked to leave or left by its own policy; a respawn is a warning when
it has to wait.
"""


_FACTS = """\
# Facts

<!-- Written by `make docs` from snqd/telemetry/facts.py. Do not edit. -->

What the daemon says of its state, again and again. Monitors, statsd, `snqd health`, `snqd why QUEUE` and the alarms
all render these facts and nothing else, so they never disagree. What happened, in contrast, is an
[event](events.md); how to receive both is in [monitoring](monitoring.md).

A fact is a whole statement about one thing: the newest one replaces the one before, so a fact that is lost, repeated or
late does no harm. Counters are cumulative since the daemon's boot. Times are epoch seconds by the clock of the daemon's
host; durations are seconds and sizes bytes, as their names say.

On the wire a fact is a MessagePack array: its number, then its fields in this order. Fields may be added at the end,
with a default; none is ever removed or given another meaning.
"""


def event_types() -> list[type]:
    """Every event, in the order of the module."""
    return [found for found in vars(events).values() if isinstance(found, type) and found.__module__ == events.__name__]


def events_page() -> str:
    parts = [_INTRODUCTION, "| event | level | what happened |", "|---|---|---|"]
    for event in event_types():
        level = logging.getLevelName(LINES[event][0]).lower()
        parts.append(f"| [`{event.__name__}`](#{event.__name__.lower()}) | {level} | {_sentence(event)} |")
    for event in event_types():
        parts += ["", f"## {event.__name__}", "", _about(event), "", *_fields(event)]
    return "\n".join(parts) + "\n"


def facts_page() -> str:
    parts = [_FACTS, "| number | fact | about |", "|---|---|---|"]
    for fact in facts.KINDS:
        number = fact.__struct_config__.tag
        parts.append(f"| {number} | [`{fact.__name__}`](#{fact.__name__.lower()}) | {_sentence(fact)} |")
    for fact in facts.KINDS:
        parts += ["", f"## {fact.__name__}", "", _about(fact), "", *_fields(fact)]
    return "\n".join(parts) + "\n"


def _about(kind: type) -> str:
    return " ".join((kind.__doc__ or "").split())


def _sentence(kind: type) -> str:
    return _about(kind).split(". ")[0].rstrip(".").replace("|", "\\|")


def _fields(kind: type) -> Iterator[str]:
    """A line for each field: its name, its type and the text under it, which Python itself does not keep."""
    (found,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(found, ast.ClassDef)
    for field, below in zip(found.body, [*found.body[1:], None], strict=True):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        words = ast.unparse(field.annotation).replace("|", "or")
        line = f"- `{field.target.id}` ({_TYPES.get(words, words)})"
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            line += f": {' '.join(str(below.value.value).split())}"
        yield textwrap.fill(line, 118, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


_TYPES = {
    "Count": "int, 0 or more",
    "Annotated[int, Meta(ge=-1)]": "int, -1 or more",
    "Seconds": "float, seconds",
    "Figure": "float",
    "Histogram": "tuple[int, ...]",
    "Fields": "dict[str, Any]",
}
"""What the contract's names for types mean, in plain words."""

PAGES = {"events": events_page, "facts": facts_page}

if __name__ == "__main__":
    sys.stdout.write(PAGES[sys.argv[1]]())
