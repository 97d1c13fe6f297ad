"""What `snqd demo` shows: queues of each site, workers, and what happened last. Pure."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from snqd.cli.output import duration_words, printable, size_words
from snqd.cli.screen import BOLD, DIM, GREEN, RED, YELLOW, Line, Piece, line, table
from snqd.demo.shops import QUEUES, SITES
from snqd.demo.story import Kind, choose

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from snqd.demo.story import Told
    from snqd.telemetry.facts import DepthFact, WorkerFact

Key = tuple[str, str]
"""Queue and site."""

WIDE = 104
"""Columns from which there is room for what each queue is an example of."""
_RATE_SECONDS = 3.0
_MOST_EVENTS = 30
_QUEUES = ("QUEUE", "SITE", "READY", "SCHEDULED", "IN FLIGHT", "DEAD", "LAG", "DONE/S")
_WORKERS = ("WORKER", "PID", "STATE", "NOW RUNNING", "DONE", "FAILED", "MEMORY", "RESPAWNS")
_NUMBERS = frozenset({*_QUEUES[2:], "PID", "DONE", "FAILED", "MEMORY", "RESPAWNS"})
_STYLES = {Kind.DEATH: RED, Kind.DEAD_LETTER: RED, Kind.FAILURE: YELLOW, Kind.OTHER: YELLOW}


class DemoLook(NamedTuple):
    """What was seen at one moment."""

    running_seconds: float
    facts: Mapping[Key, DepthFact]
    done: Mapping[Key, int]
    """Since the start."""
    rates: Mapping[Key, float]
    """Handled per second."""
    workers: tuple[WorkerFact, ...]
    events: tuple[Told, ...]
    """In order of time."""
    command: str
    """How to look into the same store from another terminal."""


class Rates:
    """Handled items per second over the last seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, Mapping[Key, int]]] = deque()

    def add(self, at: float, done: Mapping[Key, int]) -> dict[Key, float]:
        """Take the counts at `at` (monotonic seconds), give the rates."""
        self._seen.append((at, done))
        while len(self._seen) > 2 and at - self._seen[0][0] > _RATE_SECONDS:
            self._seen.popleft()
        began, before = self._seen[0]
        seconds = at - began
        return {key: (count - before.get(key, 0)) / seconds if seconds else 0.0 for key, count in done.items()}


def screen_lines(look: DemoLook, width: int, height: int) -> list[Line]:
    """The whole screen, at most `height` lines; there are as many events as there is room."""
    lines = [_title(look), _legend(width), ()]
    lines += _queue_table(look, is_wide=width >= WIDE)
    lines += [(), *_worker_table(look.workers), ()]
    footer = line(f"Look closer: {look.command}", DIM)
    room = height - len(lines) - 1
    if room > 5:  # enough for a free line above the last one
        room -= 1
        footer_lines: list[Line] = [(), footer]
    else:
        footer_lines = [footer]
    events = [_event(told) for told in choose(look.events, min(room, _MOST_EVENTS))] if room > 0 else []
    lines += events or [line("nothing has gone wrong yet", DIM)]
    lines += [()] * (height - len(lines) - len(footer_lines))
    return [*lines, *footer_lines][:height]


def summary_line(look: DemoLook) -> str:
    """The same in one line, for output that is not a terminal."""
    ready, scheduled, claimed, dead = _totals(look)
    respawns = sum(worker.respawns for worker in look.workers)
    return (
        f"{_clock(look.running_seconds)} done {sum(look.done.values()):,} ({sum(look.rates.values()):.1f}/s), "
        f"ready {ready:,}, scheduled {scheduled:,}, in flight {claimed:,}, dead {dead:,}; "
        f"{len(look.workers)} workers, {respawns} respawns"
    )


def event_text(told: Told) -> str:
    return f"{time.strftime('%H:%M:%S', time.localtime(told.at))} {told.kind.value}: {printable(told.words)}"


def _title(look: DemoLook) -> Line:
    done = f"{sum(look.done.values()):,} items done"
    return (
        Piece("snqd demo", BOLD),
        Piece(f"  {len(look.workers)} workers, {len(SITES)} sites, {_clock(look.running_seconds)}, "),
        Piece(done, BOLD),
        Piece("   Ctrl-C ends it", DIM),
    )


def _legend(width: int) -> Line:
    if width >= WIDE:
        words = (
            "Two shops have work done in the background. Some of it goes wrong, on purpose: watch what becomes of it."
        )
    else:
        words = "order feeds mail, mail fails at times, webhook gives up, thumbnail kills workers"
    return line(words, DIM)


def _queue_table(look: DemoLook, *, is_wide: bool) -> list[Line]:
    headers = (*_QUEUES, "WHAT TO SEE") if is_wide else _QUEUES
    return table(headers, _queue_rows(look, is_wide=is_wide), right=_NUMBERS)


def _queue_rows(look: DemoLook, *, is_wide: bool) -> Iterator[tuple[Piece, ...]]:
    for queue, about in QUEUES.items():
        for number, site in enumerate(SITES):
            facts = look.facts.get((queue, site))
            counts = (facts.ready, facts.scheduled, facts.in_flight, facts.dead) if facts else (0, 0, 0, 0)
            lag = facts.lag_seconds if facts and facts.ready else None
            row = (Piece(queue), Piece(site), *_count_pieces(counts, lag, look.rates.get((queue, site), 0.0)))
            yield (*row, Piece("" if number else about, DIM)) if is_wide else row
    lags = [facts.lag_seconds for facts in look.facts.values() if facts.ready]
    pieces = _count_pieces(_totals(look), max(lags, default=None), sum(look.rates.values()))
    total = (Piece("total"), Piece(""), *pieces, *([Piece("")] if is_wide else []))
    yield tuple(Piece(piece.text, BOLD) for piece in total)


def _count_pieces(counts: tuple[int, int, int, int], lag: float | None, rate: float) -> tuple[Piece, ...]:
    ready, scheduled, claimed, dead = counts
    return (
        Piece(f"{ready:,}", YELLOW if lag is not None and lag >= 1 else ""),
        Piece(f"{scheduled:,}"),
        Piece(f"{claimed:,}"),
        Piece(f"{dead:,}", RED if dead else ""),
        Piece("-" if lag is None else duration_words(lag), YELLOW if lag is not None and lag >= 1 else ""),
        Piece(f"{rate:,.1f}", GREEN if rate else ""),
    )


def _totals(look: DemoLook) -> tuple[int, int, int, int]:
    facts = look.facts.values()
    return (
        sum(each.ready for each in facts),
        sum(each.scheduled for each in facts),
        sum(each.in_flight for each in facts),
        sum(each.dead for each in facts),
    )


def _worker_table(workers: tuple[WorkerFact, ...]) -> list[Line]:
    return table(_WORKERS, map(_worker_row, workers), right=_NUMBERS)


def _worker_row(worker: WorkerFact) -> tuple[Piece, ...]:
    is_alive = bool(worker.pid)
    return (
        Piece(worker.worker),
        Piece(str(worker.pid) if is_alive else "-"),
        Piece(f"{_state(worker):<8}", "" if is_alive else RED),
        Piece(f"{_running(worker):<18}"),
        Piece(f"{worker.handled:,}"),
        Piece(f"{worker.failed + worker.retried:,}"),
        Piece(size_words(worker.rss_bytes) if worker.rss_bytes else "-"),
        Piece(f"{worker.respawns:,}", RED if worker.respawns else ""),
    )


def _state(worker: WorkerFact) -> str:
    if worker.state != "running":
        return worker.state
    if worker.running:
        return "working"
    return "idle" if worker.phase in ("claiming", "handling") else worker.phase


def _running(worker: WorkerFact) -> str:
    if not worker.running:
        return "-"
    more = worker.running - 1
    return f"{worker.queue} {worker.item}{f' +{more}' if more else ''}"


def _event(told: Told) -> Line:
    at = time.strftime("%H:%M:%S", time.localtime(told.at))
    return (
        Piece(f"{at} ", DIM),
        Piece(f"{told.kind.value:<6}", _STYLES[told.kind]),
        Piece(printable(told.words)),
    )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes:02}:{rest:02}"
