"""Values that people type: durations and points in time."""

from __future__ import annotations

import re
from datetime import datetime

import click

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d|w)\s*")
_LONGEST_SECONDS = 100 * 366 * 86400.0


def parse_duration(text: str) -> float:
    """Seconds of `90`, `1.5h`, `5m` or `1d12h`. Raises `ValueError`."""
    text = text.strip().lower()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        seconds = float(text)
    elif re.fullmatch(rf"({_PART.pattern})+", text):
        seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    else:
        raise ValueError(f"{text!r} is not a duration: write seconds, or '90s', '5m', '1h30m', '2d'")
    if seconds > _LONGEST_SECONDS:
        raise ValueError(f"{text!r} is longer than 100 years")
    return seconds


def parse_time(text: str) -> float:
    """Epoch seconds of an ISO time, local unless it names a zone. Raises `ValueError`."""
    try:
        return datetime.fromisoformat(text.strip()).astimezone().timestamp()
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text!r} is not a time: write '2027-01-31 18:00' (local time) or '2027-01-31T18:00Z'"
        ) from None


def duration(text: str) -> float:
    """`parse_duration` as the type of a flag."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def point_in_time(text: str) -> float:
    """`parse_time` as the type of a flag."""
    try:
        return parse_time(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
