"""Performance data of Nagios plugins: `'label'=value[UOM];[warn];[crit];[min];[max]`. Pure."""

from __future__ import annotations

import math
import re
from typing import Literal, NamedTuple

Unit = Literal["", "s", "%", "B", "c"]
"""Units that graphing programs know; items and workers have none. `c` is a counter."""


class Datum(NamedTuple):
    """One figure. `warn` and `crit` are ranges as text, in the unit of the value."""

    label: str
    value: float
    unit: Unit = ""
    warn: str = ""
    crit: str = ""
    least: str = "0"
    most: str = ""

    def __str__(self) -> str:
        ends = f"{self.warn};{self.crit};{self.least};{self.most}".rstrip(";")
        return f"{_label(self.label)}={number(self.value)}{self.unit}" + (f";{ends}" if ends else "")


def number(value: float) -> str:
    """With a dot, without an exponent; `U` is what plugins say for a value that is not known."""
    if not math.isfinite(value):
        return "U"
    text = f"{value:d}" if isinstance(value, int) else f"{value:.6f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def plain(text: str) -> str:
    """`text` without what ends a line or begins performance data: names and messages may hold anything."""
    return "".join(" " if not sign.isprintable() else "/" if sign == "|" else sign for sign in text)


def _label(label: str) -> str:
    text = re.sub(r"[='|]", "_", plain(label)) or "_"
    return text if re.fullmatch(r"[\w./-]+", text) else f"'{text}'"
