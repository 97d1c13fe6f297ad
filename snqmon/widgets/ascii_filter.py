"""`AsciiFilter`: the last word on what a terminal without more than ASCII is sent.

Widgets have signs of their own for it; this is for what they do not decide: names, sentences and figures from
elsewhere, and the borders of the toolkit.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len
from rich.segment import Segment
from textual.filter import LineFilter

if TYPE_CHECKING:
    from textual.color import Color

_LIKE: Final = {
    "–": "-", "—": "-", "…": "~", "µ": "u", "∑": "S", "\u00d7": "x", "·": "-", "“": '"', "”": '"', "\u2018": "'",
    "\u2019": "'",
    "▲": "^", "▼": "v", "△": "!", "●": "*", "↑": "^", "↓": "v", "←": "<", "→": ">", "»": ">", "«": "<", "▸": ">",
    "│": "|", "┃": "|", "║": "|", "─": "-", "━": "-", "═": "-", "╌": "-", "╴": "-", "╶": "-", "▔": "-", "▁": "_",
    "█": "#", "▉": "#", "▊": "#", "▋": "#", "▌": "#",
}  # fmt: skip
_CORNERS: Final = "┌┐└┘├┤┬┴┼╭╮╰╯┏┓┗┛┣┫┳┻╋╔╗╚╝"
_BLOCKS: Final = range(0x2580, 0x25A0)


class AsciiFilter(LineFilter):
    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:  # noqa: ARG002 - Textual's signature
        return [
            segment if segment.text.isascii() else Segment(to_ascii(segment.text), segment.style, segment.control)
            for segment in segments
        ]


@lru_cache(4096)
def to_ascii(text: str) -> str:
    """As wide as before; what there is nothing like becomes a question mark.

    >>> to_ascii("▲40s │ 3.2µs – naïve…"), to_ascii("店.example")
    ('^40s | 3.2us - na?ve~', '??.example')
    """
    return "".join(sign if sign.isascii() else _likeness(sign) for sign in text)


def _likeness(sign: str) -> str:
    if sign in _LIKE:
        return _LIKE[sign]
    if sign in _CORNERS:
        return "+"
    return (" " if ord(sign) in _BLOCKS or sign.isspace() else "?") * cell_len(sign)
