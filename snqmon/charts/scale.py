"""The upright axis of a chart: where it ends, where its marks are, and what stands beside them."""

from __future__ import annotations

import math
from bisect import bisect_left
from enum import StrEnum
from typing import Final, NamedTuple


class Unit(StrEnum):
    """What the values of a chart are. The value is the word that its title says."""

    SECONDS = "seconds"
    BYTES = "bytes"
    ITEMS = "items"
    PER_SECOND = "per second"
    SHARE = "share"
    """0 to 1, told in per cent."""
    CORES = "cores"


_ROUND: Final = (1.0, 2.0, 5.0, 10.0)
_ROUND_SECONDS: Final = (
    1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0, 21600.0,
    43200.0, 86400.0, 172800.0, 432000.0, 864000.0,
)  # fmt: skip
_FINE: Final = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
"""Where there is room for a mark or two, the axis is to end near the highest value all the same."""
_FINE_SECONDS: Final = tuple(
    sorted({*_ROUND_SECONDS, 3.0, 4.0, 6.0, 8.0, 12.0, 20.0, 40.0, 45.0, 90.0, 180.0, 240.0, 480.0, 720.0, 1200.0})
)
_FEW_MARKS: Final = 2
_SMALLEST: Final = {
    Unit.SECONDS: 1e-3, Unit.BYTES: 1024.0**2, Unit.ITEMS: 1.0, Unit.PER_SECOND: 0.1, Unit.SHARE: 0.01, Unit.CORES: 0.01
}  # fmt: skip
"""An axis never gets finer than this: noise near 0 is not to look like mountains."""
_ROWS_PER_MARK: Final = 2.5


class Scale(NamedTuple):
    """From 0 to `top`, with a mark at each multiple of `step`."""

    top: float
    step: float

    @property
    def marks(self) -> tuple[float, ...]:
        """Lowest first, 0 and `top` among them."""
        return tuple(self.step * number for number in range(round(self.top / self.step) + 1))


def scale_for(highest: float, unit: Unit, rows: int) -> Scale:
    """The smallest round axis that holds everything up to `highest`, with as many marks as `rows` lines have room for.

    >>> scale_for(38.0, Unit.SECONDS, 8).marks
    (0.0, 15.0, 30.0, 45.0)
    >>> scale_for(0.0, Unit.ITEMS, 4).marks
    (0.0, 1.0)
    """
    wanted = max(1, min(4, int(rows / _ROWS_PER_MARK)))
    highest = max(highest, _SMALLEST[unit])
    step = _round_up(highest / wanted, unit, is_fine=wanted <= _FEW_MARKS)
    return Scale(step * max(1, math.ceil(highest / step - 1e-9)), step)


def mark_words(value: float, unit: Unit) -> str:
    """What stands beside a mark: marks are round, so nothing is lost.

    >>> [mark_words(value, Unit.SECONDS) for value in (0, 0.0005, 0.2, 15, 90, 7200)]
    ['0', '500µs', '200ms', '15s', '1m30s', '2h']
    >>> mark_words(96 * 2**20, Unit.BYTES), mark_words(2500, Unit.ITEMS), mark_words(0.2, Unit.SHARE)
    ('96M', '2,500', '20%')
    """
    if not value:
        return "0"
    if unit is Unit.SECONDS:
        return _time_words(value)
    if unit is Unit.BYTES:
        power = min(4, int(math.log(value, 1024) + 1e-9))
        return f"{value / 1024**power:g}{'BKMGT'[power]}"
    if unit is Unit.SHARE:
        return f"{value * 100:g}%"
    return f"{value:,.0f}" if value >= 1000 else f"{value:g}"


def _time_words(seconds: float) -> str:
    if seconds < 0.999e-3:
        return f"{seconds * 1e6:g}µs"
    if seconds < 0.999:
        return f"{seconds * 1e3:g}ms"
    words, rest = "", round(seconds)
    for name, length in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        number, rest = divmod(rest, length)
        words += f"{number}{name}" if number else ""
    return words


def _round_up(step: float, unit: Unit, *, is_fine: bool) -> float:
    """The next round number of the unit, not below `step`."""
    if unit is Unit.SECONDS and step > 1.0:
        rounds = _FINE_SECONDS if is_fine else _ROUND_SECONDS
        place = bisect_left(rounds, step * (1 - 1e-9))
        return rounds[place] if place < len(rounds) else _decimal(step, _ROUND)
    if unit is Unit.BYTES:
        base = 1024.0 ** max(0, int(math.log(step, 1024)))
        return base * next(each for each in _powers_of_two() if each * base >= step * (1 - 1e-9))
    found = _decimal(step, _FINE if is_fine else _ROUND)
    return max(float(math.ceil(found)), 1.0) if unit is Unit.ITEMS else found


def _powers_of_two() -> tuple[float, ...]:
    return tuple(2.0**power for power in range(11))


def _decimal(step: float, rounds: tuple[float, ...]) -> float:
    base = 10.0 ** math.floor(math.log10(step) + 1e-9)
    found = base * next(each for each in rounds if each * base >= step * (1 - 1e-9))
    return float(f"{found:.6g}")
