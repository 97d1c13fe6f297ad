"""The sign that something is going on."""

from __future__ import annotations

from typing import Final

_DOTS: Final = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_PLAIN: Final = "|/-\\"
_TURNS_PER_SECOND: Final = 10.0


def spinner(seconds: float, *, is_ascii: bool = False) -> str:
    """How it looks after so many seconds."""
    signs = _PLAIN if is_ascii else _DOTS
    return signs[int(seconds * _TURNS_PER_SECOND) % len(signs)]
