"""`FleetTotals`: the sums over all daemons, in which a store that several of them share counts once."""

from __future__ import annotations

from math import isnan, nan
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from snqmon.model.course import STEPS, Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from snqmon.model.moment import Moment
    from snqmon.model.rows import DaemonRow

_HERE = frozenset({"", "localhost", "127.0.0.1", "::1"})


class FleetTotals(NamedTuple):
    """None = not known."""

    ready: int | None
    scheduled: int | None
    in_flight: int | None
    dead: int | None
    paused: int | None
    """Items that would be ready, but for a pause."""
    is_estimate: bool
    in_rate: float | None
    out_rate: float | None
    fail_rate: float | None
    dead_rate: float | None
    """Items that became dead letters, per second."""
    failed_share: float | None
    running: int
    """Workers."""
    wanted: int
    deaths: int
    """Workers that died within the last ten minutes."""


def fleet_totals(daemons: Sequence[DaemonRow]) -> FleetTotals:
    depths = [row for row in one_of_each_store(daemons) if row.moment.is_measured]
    failed = _sum(row.fail_rate for row in daemons)
    ended = _sum(row.ended_rate for row in daemons)
    return FleetTotals(
        ready=sum(row.totals.ready for row in depths) if depths else None,
        scheduled=sum(row.totals.scheduled for row in depths) if depths else None,
        in_flight=sum(row.totals.in_flight for row in depths) if depths else None,
        dead=sum(row.totals.dead for row in depths) if depths else None,
        paused=sum(row.totals.paused for row in depths) if depths else None,
        is_estimate=any(row.is_estimate for row in depths),
        in_rate=_sum(row.in_rate for row in daemons),
        out_rate=_sum(row.out_rate for row in daemons),
        fail_rate=failed,
        dead_rate=_sum(row.dead_rate for row in daemons),
        failed_share=failed / ended if failed is not None and ended else None,
        running=sum(row.workers_running for row in daemons),
        wanted=sum(row.workers_wanted or row.workers_running for row in daemons),
        deaths=sum(row.deaths for row in daemons),
    )


def store_of(moment: Moment) -> tuple[str, str]:
    """What tells stores apart: the address, and the host when the address means another place on each."""
    view = moment.view
    address = view.daemon.store if view.daemon is not None else ""
    if not address:
        return "", view.key
    parts = urlsplit(address)
    is_local = parts.scheme in ("sqlite", "memory", "inline") or (parts.hostname or "") in _HERE
    return address, view.host if is_local else ""


def one_of_each_store(daemons: Sequence[DaemonRow]) -> list[DaemonRow]:
    """For each store the daemon that has said last what is in it."""
    best: dict[tuple[str, str], DaemonRow] = {}
    for row in daemons:
        store = store_of(row.moment)
        known = best.get(store)
        if known is None or _is_better(row, known):
            best[store] = row
    return list(best.values())


def _is_better(row: DaemonRow, known: DaemonRow) -> bool:
    return _freshness(row) > _freshness(known)


def _freshness(row: DaemonRow) -> tuple[bool, bool, float]:
    """One that reaches its store, and has told all, before one that was heard a moment later."""
    store = row.view.store
    return store is None or store.connected, row.view.is_complete, -round(row.silence_seconds, 0)


def fleet_course(daemons: Sequence[DaemonRow], figure: str, span: Span = Span.ONE) -> list[float]:
    """The sum of the courses of all daemons; of what is in stores, with each store once."""
    rows = one_of_each_store(daemons) if figure == "ready" else daemons
    courses = [course for row in rows if (course := row.course(figure, span))]
    if len(courses) < 2:
        return courses[0] if courses else [nan] * STEPS
    return [_together(figure, step) for step in zip(*courses, strict=True)]


def _together(figure: str, values: Sequence[float]) -> float:
    known = [value for value in values if not isnan(value)]
    if not known:
        return nan
    return max(known) if figure == "lag" else sum(known)


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
