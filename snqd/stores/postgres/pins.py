"""What keeps dead rows from being cleaned up, and its query as anybody may read it: without literals."""

from __future__ import annotations

import re
from typing import NamedTuple

QUERY_LIMIT = 200
"""Characters of a query that are told."""
OLD_SECONDS = 60.0
"""What is younger does no harm."""
_PARTS = re.compile(
    r"""(?P<comment>/\*.*?(?:\*/|$)|--[^\n]*)
    |(?P<name>"(?:[^"]|"")*"|[^\W\d][\w$]*(?!['\w$]|&'))
    |(?P<literal>
        (?:\b[eE])'(?:[^'\\]|''|\\.)*(?:'|\\?$)   # E'it\'s'
        |(?:\b[bBxXnN]|\b[uU]&)?'(?:[^']|'')*(?:'|$)
        |\$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|$)
        |(?<![\w$])\.?\d[\w.]*(?:(?<=[eE])[+-]\d+)?
    )""",
    re.VERBOSE | re.DOTALL,
)


class Pin(NamedTuple):
    """A candidate. `seconds`: since when, None where the server does not know; `horizon`: the transaction it keeps."""

    kind: str
    pid: int
    name: str
    horizon: str
    seconds: float | None
    query: str

    @property
    def words(self) -> str:
        return redacted(self.query) if self.query else f"{self.kind} {self.name}".strip()[:QUERY_LIMIT]


NO_PIN = Pin("", 0, "", "", 0.0, "")


class Pins:
    """Picks the one that reaches back furthest, of those older than a minute.

    What has no age gets one from when it was first seen to keep the same transaction: a standby or a replication slot
    that works goes on to younger ones.
    """

    def __init__(self) -> None:
        self._since: dict[tuple[str, int, str, str], float] = {}

    def oldest(self, found: list[Pin], now: float) -> Pin:
        """`found` in order, furthest back first; `now` in monotonic seconds."""
        self._since = {pin[:4]: self._since.get(pin[:4], now) for pin in found}
        for pin in found:
            seconds = pin.seconds if pin.seconds is not None else now - self._since[pin[:4]]
            if seconds >= OLD_SECONDS:
                return pin._replace(seconds=seconds)
        return NO_PIN


def redacted(query: str) -> str:
    """The query in one line, literals and comments taken out, cut. What does not end (the server cuts too) is one."""

    def without(part: re.Match[str]) -> str:
        if part["comment"]:
            return " "
        return part[0] if part["name"] else "?"

    shown = " ".join(_PARTS.sub(without, query).split())
    return shown if len(shown) <= QUERY_LIMIT else shown[: QUERY_LIMIT - 1] + "…"
