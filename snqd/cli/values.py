"""Values that people type: durations and points in time."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import click

if TYPE_CHECKING:
    from snqd.stores.corrections import Place

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


class Moment(NamedTuple):
    """A point in time as a person gives it: in epoch seconds, or so many seconds ago."""

    at: float | None = None
    ago: float = 0.0

    def epoch(self, now: float) -> float:
        return now - self.ago if self.at is None else self.at


def parse_moment(text: str) -> Moment:
    """`90`, `5m` or `2d` ago, or an ISO time. Raises `ValueError`."""
    try:
        return Moment(ago=parse_duration(text))
    except ValueError:
        try:
            return Moment(at=parse_time(text))
        except ValueError:
            raise ValueError(
                f"{text!r} is neither a time nor a duration: write '90m' or '2d' (ago), or '2027-01-31 18:00'"
            ) from None


def moment(text: str) -> Moment:
    """`parse_moment` as the type of a flag."""
    try:
        return parse_moment(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


_PER = {"s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_RATE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(?:/\s*(s|sec|m|min|h))?")


def parse_rate(text: str) -> float:
    """Items per second of `100`, `100/s`, `600/m` or `1000/h`. Raises `ValueError`."""
    found = _RATE.fullmatch(text.strip().lower())
    per_second = float(found[1]) / _PER[found[2] or "s"] if found else 0.0
    if per_second < 1 / 3600:
        raise ValueError(f"{text!r} is not a rate: write '100/s', '600/m' or '1000/h', and at least one an hour")
    return per_second


def rate(text: str) -> float:
    """`parse_rate` as the type of a flag."""
    try:
        return parse_rate(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def place(text: str) -> Place:
    """Where a list of dead letters goes on, as `place_text` writes it: the type of a flag."""
    from snqd.stores.corrections import Place

    at, slash, number = text.partition("/")
    try:
        found = Place(float(at), int(number))
    except ValueError:
        found = None
    if found is None or not slash or not 0 <= found.at < float("inf") or not 0 < found.id < 2**63:
        raise click.BadParameter(f"{text!r} is not a place in the list: copy it from the end of the list before")
    return found


def place_text(place: Place) -> str:
    return f"{place.at!r}/{place.id}"
