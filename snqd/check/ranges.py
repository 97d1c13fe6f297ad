"""Thresholds as Nagios plugins have them: `10`, `10:`, `~:10`, `10:20`, `@10:20`. Pure."""

from __future__ import annotations

import math
import re
from typing import NamedTuple

_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)"
_FORM = rf"(@?)(?:(~|{_NUMBER})?:)?({_NUMBER})?"


class Range(NamedTuple):
    """Values between `low` and `high`, both among them, are good; with `is_inside` it is these that are bad."""

    low: float
    high: float
    is_inside: bool
    text: str
    """As it was written."""

    def alerts(self, value: float) -> bool:
        return (self.low <= value <= self.high) is self.is_inside


def parse_range(text: str) -> Range:
    """Raises `ValueError`."""
    found = re.fullmatch(_FORM, text, re.ASCII)
    if found is None or not (found[2] or found[3]):
        raise ValueError(f"{text!r} is no range: write 10, 10:, ~:10, 10:20 or @10:20")
    low = -math.inf if found[2] == "~" else float(found[2] or 0)
    high = math.inf if found[3] is None else float(found[3])
    if low > high:
        raise ValueError(f"{text!r} is no range: it begins above its end")
    return Range(low, high, bool(found[1]), text)
