"""What checks judge: figures of one daemon, from whatever source."""

from __future__ import annotations

from typing import Any, NamedTuple


class QueueFigures(NamedTuple):
    """One queue, of one site or of all of them."""

    name: str
    """With the site, if only one is meant: `a.example/mail`."""
    ready: int
    lag_seconds: float
    dead: int
    """Dead letters."""
    failed: int
    """Of `handlings`, both within the last five minutes."""
    handlings: int
    is_paused: bool
    is_estimate: bool
    """Whether `ready` is an estimate."""


class StoreFigures(NamedTuple):
    connected: bool
    problem: str
    away_seconds: float
    round_trip_seconds: float


class Figures(NamedTuple):
    daemon: str
    silence_seconds: float
    """Since when nothing new is known."""
    queues: tuple[QueueFigures, ...]
    missing: tuple[str, ...]
    """Queues and sites that were asked for and do not exist."""
    workers_wanted: int
    workers_claiming: int
    deaths: int
    """Workers that died within the last five minutes; those replaced on purpose do not count."""
    store: StoreFigures | None
    """None = it has not been asked yet."""


def figures_of(answer: dict[str, Any]) -> Figures:
    """The hub's answer to `figures`. Raises `KeyError` or `TypeError` when a field is missing."""
    store = answer["store"]
    return Figures(
        daemon=answer["daemon"],
        silence_seconds=answer["silence_seconds"],
        queues=tuple(QueueFigures(**queue) for queue in answer["queues"]),
        missing=tuple(answer["missing"]),
        workers_wanted=answer["workers_wanted"],
        workers_claiming=answer["workers_claiming"],
        deaths=answer["deaths"],
        store=StoreFigures(**store) if store is not None else None,
    )
