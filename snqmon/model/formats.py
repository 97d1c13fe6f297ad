"""Figures in forms of a fixed width, so that columns do not dance: the same on every screen, in files and in sentences.

`None` or NaN is a figure that is not known, and is shown as `–`. What is a guess begins with `~`.
"""

from __future__ import annotations

import time
from functools import lru_cache
from math import isnan
from typing import TYPE_CHECKING

from snqd.telemetry.words import duration_words

if TYPE_CHECKING:
    from collections.abc import Sequence

UNKNOWN = "–"


def count(number: float | None, *, is_estimate: bool = False) -> str:
    """At most 8 characters: exact below a million.

    >>> count(0), count(1204), count(999_999), count(1_250_000), count(3_000_000_000)
    ('0', '1,204', '999,999', '1.25M', '3.00G')
    >>> count(5000, is_estimate=True), count(None)
    ('~5,000', '–')
    """
    if number is None or isnan(number):
        return UNKNOWN
    return ("~" if is_estimate else "") + _shortened(number)


def _shortened(number: float) -> str:
    if abs(number) < 999_999.5:
        return f"{number:,.0f}"
    for unit in ("M", "G", "T"):
        number /= 1e3 if unit != "M" else 1e6
        if abs(number) < 999.5:
            break
    return f"{number:.2f}{unit}" if abs(number) < 99.95 else f"{number:,.0f}{unit}"


def rate(per_second: float | None) -> str:
    """Things per second, without the unit, which the heading has.

    >>> rate(0), rate(0.003), rate(0.24), rate(41.23), rate(1204.4), rate(2e6), rate(None)
    ('0', '<.01', '0.24', '41.2', '1,204', '2.00M', '–')
    """
    if per_second is None or isnan(per_second):
        return UNKNOWN
    if per_second <= 0:
        return "0"
    if per_second < 0.01:
        return "<.01"
    if per_second < 9.995:
        return f"{per_second:.2f}"
    return f"{per_second:.1f}" if per_second < 999.95 else _shortened(per_second)


def duration(seconds: float | None) -> str:
    """An age or a length of time, at most 6 characters for the first hundred days.

    >>> duration(0.84), duration(38), duration(250), duration(7500), duration(273_600), duration(None)
    ('0.8s', '38s', '4m10s', '2h05m', '3d04h', '–')
    """
    return UNKNOWN if seconds is None or isnan(seconds) else duration_words(seconds)


def timing(seconds: float | None) -> str:
    """A run or wait time, down to microseconds, at most 6 characters.

    >>> timing(0.000_85), timing(0.0034), timing(0.34), timing(1.25), timing(38.2), timing(250), timing(None)
    ('850µs', '3.4ms', '340ms', '1.25s', '38.2s', '4m10s', '–')
    """
    if seconds is None or isnan(seconds):
        return UNKNOWN
    if seconds < 0.000_999_5:
        return f"{seconds * 1e6:.0f}µs"
    if seconds < 0.009_995:
        return f"{seconds * 1e3:.1f}ms"
    if seconds < 0.999_5:
        return f"{seconds * 1e3:.0f}ms"
    if seconds < 9.995:
        return f"{seconds:.2f}s"
    return f"{seconds:.1f}s" if seconds < 59.95 else duration_words(seconds)


def size(size_bytes: float | None) -> str:
    """Bytes in units of 1,024, at most 5 characters.

    >>> size(812), size(61 << 20), size(1288490189), size(1023 << 20), size(None)
    ('812B', '61M', '1.2G', '1.0G', '–')
    """
    if size_bytes is None or isnan(size_bytes):
        return UNKNOWN
    amount, unit = float(size_bytes), "B"
    for larger in "KMGTP":
        if abs(amount) < 999.5:
            break
        amount, unit = amount / 1024, larger
    return f"{amount:.0f}{unit}" if abs(amount) >= 9.95 or unit == "B" else f"{amount:.1f}{unit}"


def growth(size_bytes: float | None) -> str:
    """A size that may be negative, with its sign.

    >>> growth(3 << 20), growth(-4096), growth(0)
    ('+3.0M', '-4.0K', '0B')
    """
    return ("+" if size_bytes is not None and size_bytes > 0 else "") + size(size_bytes)


def share(ratio: float | None) -> str:
    """A part of a whole, 0 to 1, as per cent with at most 5 characters.

    >>> share(0), share(0.0004), share(0.0312), share(0.124), share(1), share(None)
    ('0%', '<0.1%', '3.1%', '12%', '100%', '–')
    """
    if ratio is None or isnan(ratio):
        return UNKNOWN
    if ratio <= 0:
        return "0%"
    if ratio < 0.001:
        return "<0.1%"
    return f"{ratio * 100:.1f}%" if ratio < 0.0995 else f"{ratio * 100:.0f}%"


def cores(number: float | None) -> str:
    """Processor time per second.

    >>> cores(0.034), cores(1.25), cores(None)
    ('0.03', '1.25', '–')
    """
    return UNKNOWN if number is None or isnan(number) else f"{number:.2f}"


def clock(at: float | None) -> str:
    """A moment (epoch seconds) of today's clock here."""
    return UNKNOWN if not at else time.strftime("%H:%M:%S", time.localtime(at))


def moment(at: float | None) -> str:
    """A moment (epoch seconds) with its day, by the clock here."""
    return UNKNOWN if not at else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def uptime(seconds: float | None) -> str:
    """How long something has lived, to the minute when that is long.

    >>> uptime(42), uptime(4000), uptime(273_600 + 31)
    ('42s', '1h06m', '3d 04:00')
    """
    if seconds is None or seconds < 86_400:
        return duration(seconds)
    whole = int(seconds)
    return f"{whole // 86_400}d {whole % 86_400 // 3600:02}:{whole % 3600 // 60:02}"


def one_line(text: str) -> str:
    """What a line can show of a text: its control characters and line ends are blanks.

    >>> one_line("boom\\n  at x\\x1b[2J")
    'boom at x [2J'
    """
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def cut(text: str, width: int, mark: str = "…") -> str:
    """At most `width` characters; what is longer ends with the mark.

    >>> cut("site-01.example", 8), cut("short", 8)
    ('site-01…', 'short')
    """
    return text if len(text) <= width else text[: max(0, width - len(mark))] + mark[:width]


def listed(names: Sequence[str], most: int = 3) -> str:
    """Some names in a sentence.

    >>> listed(["a", "b"]), listed(["a", "b", "c", "d", "e"])
    ('a, b', 'a, b, c and 2 more')
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


@lru_cache(maxsize=4096)
def natural(name: str) -> tuple[tuple[bool, int, str], ...]:
    """The order of names with numbers in them: main.2 before main.10.

    >>> sorted(["main.10", "main.2", "hub"], key=natural)
    ['hub', 'main.2', 'main.10']
    """
    parts = name.replace("-", ".").split(".")
    return tuple((not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts)
