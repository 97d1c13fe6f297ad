"""Figures in words, the same on every screen and in every sentence."""

from __future__ import annotations

import shlex


def duration_words(seconds: float) -> str:
    """`0.4s`, `12s`, `3m20s`, `2h05m`, `4d03h`."""
    if seconds < 10:
        return f"{max(seconds, 0.0):.1f}s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02}h"


def size_words(size_bytes: int) -> str:
    """`812 B`, `31 MiB`, `1.2 GiB`."""
    amount, unit = float(size_bytes), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{amount:.0f} {unit}" if amount >= 10 or unit == "B" else f"{amount:.1f} {unit}"


def plural(count: int, noun: str) -> str:
    """`1 item`, `2,000 items`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def limit_words(seconds: float) -> str:
    """A round time without what is nothing in it: `5s`, `5m`, `1h30m`."""
    if seconds < 10:
        return f"{seconds:g}s"
    words = duration_words(seconds)
    return words.removesuffix("00s") if seconds >= 60 and words.endswith("m00s") else words.removesuffix("00m")


def rate_words(per_second: float) -> str:
    """`12/s`, `0.5/s`, and below that by the minute: `3/min`."""
    if per_second >= 10:
        return f"{per_second:,.0f}/s"
    return f"{per_second:.1f}/s" if per_second >= 0.5 else f"{per_second * 60:.1f}/min"


def command(*words: str) -> str:
    """A line for a shell, with names quoted that need it."""
    return shlex.join(words)
