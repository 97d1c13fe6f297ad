"""The checks: figures and thresholds in, a verdict out. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from snqd.check.perfdata import Datum, Unit, number, plain
from snqd.check.ranges import Range, parse_range
from snqd.telemetry.health import SILENCE_SECONDS, Code
from snqd.telemetry.words import duration_words, plural

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from snqd.check.figures import Figures, QueueFigures

FAILURE_SAMPLE = 20
"""Handlings below which a share of failures says too little."""
SHOWN = 5
"""Queues that the line names."""
DRAWN = 50
"""Queues that have performance data of their own; with more, only the whole has."""


class Thresholds(NamedTuple):
    warn: Range | None = None
    crit: Range | None = None

    def judge(self, value: float) -> Code:
        if self.crit is not None and self.crit.alerts(value):
            return Code.CRITICAL
        return Code.WARNING if self.warn is not None and self.warn.alerts(value) else Code.OK

    def datum(self, label: str, value: float, unit: Unit = "") -> Datum:
        warn, crit = (limit.text if limit is not None else "" for limit in self)
        return Datum(label, value, unit, warn, crit)


class Verdict(NamedTuple):
    """What a check says. `details` are lines for a person who asks for more."""

    code: Code
    said: str
    data: tuple[Datum | str, ...] = ()
    """Figures; texts are those that somebody else has written."""
    details: tuple[str, ...] = ()

    def text(self, verbosity: int = 0) -> str:
        """The output of a plugin: one line, and with `verbosity` one more for each detail."""
        data = " ".join(map(str, self.data))
        line = f"SNQD {self.code.name} - {plain(self.said)}" + (f" | {data}" if data else "")
        return "\n".join((line, *(map(plain, self.details) if verbosity else ())))


class QueueMode(NamedTuple):
    """A check that looks at each queue by itself."""

    label: str
    unit: Unit
    value: Callable[[QueueFigures], float]
    whole: Callable[[Iterable[float]], float]
    """What the queues come to together."""
    is_judged: Callable[[QueueFigures], bool] = lambda _queue: True


def _highest(values: Iterable[float]) -> float:
    return max(values, default=0)


def _share(queue: QueueFigures) -> float:
    return 100 * queue.failed / queue.handlings if queue.handlings else 0.0


QUEUE_MODES = {
    "lag": QueueMode("lag", "s", lambda queue: queue.lag_seconds, _highest, lambda queue: not queue.is_paused),
    "depth": QueueMode("depth", "", lambda queue: queue.ready, sum),
    "failures": QueueMode("failures", "%", _share, _highest, lambda queue: queue.handlings >= FAILURE_SAMPLE),
    "dead": QueueMode("dead", "", lambda queue: queue.dead, sum),
}


def check(mode: str, figures: Figures, limits: Thresholds) -> Verdict:
    """`mode` is one of `MODES`."""
    if figures.silence_seconds > SILENCE_SECONDS:
        said = f"nothing new is known of daemon {figures.daemon} for {duration_words(figures.silence_seconds)}"
        return Verdict(Code.UNKNOWN, said)
    if figures.missing:
        return Verdict(Code.UNKNOWN, f"daemon {figures.daemon} knows no {' and no '.join(figures.missing)}")
    if mode in QUEUE_MODES:
        return _queues(QUEUE_MODES[mode], figures, limits)
    return _DAEMON_MODES[mode](figures, limits)


def _queues(mode: QueueMode, figures: Figures, limits: Thresholds) -> Verdict:
    queues = sorted(figures.queues, key=lambda queue: queue.name)
    values = {queue.name: mode.value(queue) for queue in queues}
    codes = {queue.name: limits.judge(values[queue.name]) if mode.is_judged(queue) else Code.OK for queue in queues}
    code = max(codes.values(), default=Code.OK)
    bad = sorted((name for name in codes if codes[name]), key=lambda name: (-codes[name], -values[name], name))
    what = f"{mode.label} of {plural(len(queues), 'queue')}"
    if bad:
        more = f" and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
        said = f"{what}: {', '.join(_shown(name, values[name], mode) for name in bad[:SHOWN])}{more}"
    elif queues:
        top = max(values, key=lambda name: values[name])
        said = f"{what}, at most {_shown(top, values[top], mode)}"
    else:
        said = "there are no queues yet"
    return Verdict(
        code,
        said,
        (
            limits.datum(mode.label, mode.whole(values.values()), mode.unit)
            if mode.whole is _highest or len(queues) == 1
            else Datum(mode.label, mode.whole(values.values()), mode.unit),
            *(
                limits.datum(f"{name}_{mode.label}", value, mode.unit)
                for name, value in values.items()
                if _fits(values)
            ),
        ),
        tuple(_detail(queue, codes[queue.name], mode) for queue in queues),
    )


def _fits(values: dict[str, float]) -> bool:
    return 1 < len(values) <= DRAWN


def _shown(name: str, value: float, mode: QueueMode) -> str:
    return f"{name} {number(round(value, 3))}{f' {mode.unit}' if mode.unit else ''}"


def _detail(queue: QueueFigures, code: Code, mode: QueueMode) -> str:
    notes = [
        "paused" if queue.is_paused else "",
        "about" if queue.is_estimate and mode.label == "depth" else "",
        f"{queue.failed} of {queue.handlings} in five minutes" if mode.label == "failures" else "",
        "not judged" if not mode.is_judged(queue) else "",
    ]
    said = ", ".join(note for note in notes if note)
    return f"{code.name} {_shown(queue.name, mode.value(queue), mode)}{f' ({said})' if said else ''}"


def _workers(figures: Figures, limits: Thresholds) -> Verdict:
    """Without thresholds, fewer than wanted is a warning, and none is critical."""
    wanted, claiming = figures.workers_wanted, figures.workers_claiming
    found = Thresholds(limits.warn or parse_range(f"{wanted}:"), limits.crit or parse_range("1:"))
    datum = found.datum("workers", claiming)._replace(most=str(wanted))
    return Verdict(found.judge(claiming), f"{claiming} of {plural(wanted, 'worker')} can take items", (datum,))


def _respawns(figures: Figures, limits: Thresholds) -> Verdict:
    said = f"{plural(figures.deaths, 'worker')} died within five minutes"
    return Verdict(limits.judge(figures.deaths), said, (limits.datum("respawns", figures.deaths),))


def _store(figures: Figures, limits: Thresholds) -> Verdict:
    store = figures.store
    if store is None:
        return Verdict(Code.UNKNOWN, "the store has not been asked yet")
    if not store.connected:
        away = duration_words(store.away_seconds)
        return Verdict(Code.CRITICAL, f"the store has not answered for {away}{store.problem and f' ({store.problem})'}")
    seconds = max(0.0, store.round_trip_seconds)
    said = f"the store answers in {number(round(1000 * seconds, 3))} ms"
    return Verdict(limits.judge(seconds), said, (limits.datum("store", seconds, "s"),))


_DAEMON_MODES: dict[str, Callable[[Figures, Thresholds], Verdict]] = {
    "workers": _workers,
    "respawns": _respawns,
    "store": _store,
}
MODES = (*QUEUE_MODES, *_DAEMON_MODES)
