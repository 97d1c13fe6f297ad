"""Figures from the SNMP agent of a daemon, which may be on another host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from snqd.check.checks import Verdict
from snqd.check.figures import Figures, QueueFigures, StoreFigures
from snqd.check.perfdata import Datum
from snqd.check.snmp.manager import Manager
from snqd.check.snmp.objects import Objects
from snqd.errors import SnqdError
from snqd.exporters.snmp.columns import DAEMON, QUEUE_SITES, QUEUES, SITES, STORES, TOTALS
from snqd.exporters.snmp.indices import name_index, names_index
from snqd.telemetry.health import SILENCE_SECONDS, Code

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from snqd.check.perfdata import Unit
    from snqd.check.snmp.objects import Row
    from snqd.check.snmp.pdus import Session
    from snqd.check.snmp.wire import Host

T = TypeVar("T")
_TRIES: Final = 3
"""Of a reading that an agent which just began, or a new queue, tears."""
_QUEUE: Final = {
    "lag": ("depth", "lag"),
    "depth": ("depth", "is_estimate"),
    "failures": ("recent_failed", "recent_handlings"),
    "dead": ("dead",),
}
"""What is read of each queue, by mode. The other modes read none."""
_DAEMON: Final = {
    "workers": ("workers_wanted", "workers_claiming"),
    "respawns": ("recent_deaths",),
}
_STORE: Final = ("connected", "problem", "since_age", "round_trip")
_STORE_INDEX: Final = (1,)
_HEALTH: Final[tuple[tuple[str, str, Unit], ...]] = (
    ("busy", "workers_busy", ""),
    ("ready", "depth", ""),
    ("scheduled", "scheduled", ""),
    ("in_flight", "in_flight", ""),
    ("lag", "lag", "s"),
    ("dead", "dead", ""),
    ("handled", "handled", "c"),
    ("failed", "failed", "c"),
    ("dead_lettered", "dead_lettered", "c"),
    ("respawns", "respawns", "c"),
    ("rss", "workers_rss", "B"),
)
"""Labels of what `snqd health` draws, and the objects that have it."""


class _Torn(Exception):
    """What was read does not belong together."""


class SnmpSource:
    """The agent at `host`. Everything raises `SnqdError`, and waits until there is an answer."""

    def __init__(self, host: Host, session: Session) -> None:
        self._manager = Manager(host, session)
        self._objects = Objects(self._manager)

    def silence(self, seconds: float) -> str:
        """What to say when no answer came in time."""
        return f"{self._manager.host}: no answer within {seconds:g} s: {self._manager.doubt()}"

    def close(self) -> None:
        self._manager.close()

    def figures(self, mode: str, queues: Sequence[str], site: str | None) -> Figures:
        """Those that `mode` judges; the others are empty."""
        return self._whole_reading(lambda is_last: self._figures(mode, queues, site, is_last=is_last))

    def _figures(self, mode: str, names: Sequence[str], site: str | None, *, is_last: bool) -> Figures:
        daemon = self._daemon("queues", "sample_age", *_DAEMON.get(mode, ()))
        queues, missing = self._queues(mode, names, site, daemon["queues"])
        if missing and not is_last:
            raise _Torn  # it may be the agent that is not there any more, or not yet
        return Figures(
            daemon=daemon["name"],
            silence_seconds=daemon["sample_age"],
            queues=tuple(queues),
            missing=tuple(missing),
            workers_wanted=daemon.get("workers_wanted", 0),
            workers_claiming=daemon.get("workers_claiming", 0),
            deaths=daemon.get("recent_deaths", 0),
            store=self._store() if mode == "store" else None,
        )

    def health(self) -> Verdict:
        """The agent's own verdict, which is the hub's."""
        return self._whole_reading(lambda _is_last: self._health())

    def _whole_reading(self, read: Callable[[bool], T]) -> T:
        for left in reversed(range(_TRIES)):
            try:
                return read(not left)
            except _Torn:
                continue
        raise SnqdError(f"{self._manager.host}: the agent's rows change while they are read: it has just begun")

    def _health(self) -> Verdict:
        found = self._daemon(
            "sample_age", "health", "health_text", "workers_claiming", "workers_wanted", "workers_busy", "workers_rss",
            "respawns", "alarms",
        )  # fmt: skip
        if not 0 <= found["health"] <= max(Code):
            raise SnqdError(f"{self._manager.host}: there is no health of number {found['health']}")
        data: list[Datum] = []
        if found["sample_age"] > SILENCE_SECONDS:
            data.append(Datum("silence", found["sample_age"], "s"))
        else:
            totals = [label for _label, label, _unit in _HEALTH if label not in found]
            found |= self._whole(self._objects.scalars(TOTALS, *totals))
            data += self._drawn(found)
        return Verdict(Code(found["health"]), found["health_text"].partition(": ")[2], tuple(data))

    def _drawn(self, found: Row) -> Iterable[Datum]:
        yield Datum("workers", found["workers_claiming"], most=str(found["workers_wanted"]))
        for label, name, unit in _HEALTH:
            yield Datum(label, found[name], unit)
        store = self._store()
        if store is not None and store.connected:
            yield Datum("store", max(0.0, store.round_trip_seconds), "s")
        yield Datum("alarms", found["alarms"])

    def _daemon(self, *names: str) -> Row:
        found = self._objects.scalars(DAEMON, "name", *names)
        if found["name"] is None:
            raise SnqdError(
                f"{self._manager.host}: the agent knows nothing of the daemon yet: one of them has just begun"
            )
        return self._whole(found)

    def _whole(self, found: Row) -> Row:
        if None in found.values():
            raise _Torn
        return found

    def _store(self) -> StoreFigures | None:
        (found,) = self._objects.rows(STORES, [_STORE_INDEX], *_STORE)
        if found["connected"] is None:
            return None
        return StoreFigures(
            connected=found["connected"],
            problem=found["problem"] or "",
            away_seconds=0.0 if found["connected"] else found["since_age"] or 0.0,
            round_trip_seconds=-1.0 if found["round_trip"] is None else found["round_trip"],
        )

    def _queues(
        self, mode: str, names: Sequence[str], site: str | None, count: int
    ) -> tuple[list[QueueFigures], list[str]]:
        """The queues, and what was asked for and is not there. `count`: how many queues there are."""
        wanted = sorted(set(names))
        if mode not in _QUEUE and not wanted and site is None:
            return [], []
        read = ("label", "is_paused", *(_QUEUE.get(mode, ()) if site is None else ()))
        if wanted:
            rows = self._objects.rows(QUEUES, [name_index(name) for name in wanted], *read)
        else:
            rows = self._objects.table(QUEUES, *read)
            if len(rows) != count:
                raise _Torn
        missing = [f"queue {name!r}" for name, row in zip(wanted, rows, strict=False) if row["label"] is None]
        found = [self._whole(row) for row in rows if row["label"] is not None]
        if site is None:
            return [_queue_figures(row["label"], row, is_paused=row["is_paused"]) for row in found], missing
        of_site, is_known = self._of_site(site, [row["label"] for row in found], _QUEUE.get(mode, ()))
        if not is_known:
            missing.append(f"site {site!r}")
        return [
            _queue_figures(f"{site}/{row['label']}", each, is_paused=row["is_paused"])
            for row, each in zip(found, of_site, strict=True)
        ], missing

    def _of_site(self, site: str, queues: Sequence[str], names: Sequence[str]) -> tuple[list[Row], bool]:
        """What these queues have for a site, nothing where there is no row, and whether the site is known."""
        limits = self._daemon("queue_site_row_limit", "queue_sites", "site_row_limit", "sites")
        if not limits["queue_site_row_limit"]:
            raise SnqdError(f"{self._manager.host}: the agent has no queues by site: set snmp.queue_site_rows")
        indices = [names_index((queue, site)) for queue in queues]
        rows = self._objects.rows(QUEUE_SITES, indices, "label", *names)
        if any(row["label"] is not None for row in rows):
            is_known = True
        else:
            (row,) = self._objects.rows(SITES, [name_index(site)], "label")
            is_known = row["label"] is not None
        for shown, there, setting in (
            (limits["queue_site_row_limit"], limits["queue_sites"], "queue_site_rows"),
            (limits["site_row_limit"], limits["sites"], "site_rows"),
        ):
            if shown < there and (not is_known or any(row["label"] is None for row in rows)):
                raise SnqdError(
                    f"{self._manager.host}: the agent shows {shown} rows of {there}, and this site is not among them: "
                    f"raise snmp.{setting}"
                )
        return rows, is_known


def _queue_figures(name: str, row: dict[str, Any], *, is_paused: bool) -> QueueFigures:
    """What was not read, or is not there, is zero."""
    ready = row.get("depth") or 0
    return QueueFigures(
        name=name,
        ready=ready,
        lag_seconds=(row.get("lag") or 0.0) if ready else 0.0,
        dead=row.get("dead") or 0,
        failed=row.get("recent_failed") or 0,
        handlings=row.get("recent_handlings") or 0,
        is_paused=is_paused,
        is_estimate=bool(row.get("is_estimate")),
    )
