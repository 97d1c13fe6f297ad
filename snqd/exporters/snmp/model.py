"""The model: which rows every table has now, and how they are made from the daemon's view.

`refresh` is called before each request and does nothing unless the daemon has said something since the last one, so
that nobody pays for what nobody asks. Before the view is complete nothing of the daemon is shown: sums over a part of
its queues would make a poller take a restart of the agent for one of its counters.
"""

from __future__ import annotations

from heapq import nlargest
from typing import TYPE_CHECKING, Any, Final

from snqd.exporters.snmp import columns
from snqd.exporters.snmp.indices import name_index, names_index
from snqd.exporters.snmp.rows import AlarmRow, DaemonRow, QueueRow, StoreRow, WorkerRow, WorkRow
from snqd.exporters.snmp.tree import SCALAR, Leaf, Rows
from snqd.exporters.snmp.windows import Windows
from snqd.telemetry.health import CRITICAL_ALARMS, Code
from snqd.telemetry.totals import Totals, totals_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from snqd.exporters.snmp.columns import Group
    from snqd.telemetry.daemon_view import DaemonView
    from snqd.telemetry.tables import Pair

LOOKS: Final = 30
"""After so many seconds what is known is shown, complete or not."""
_OF_QUEUES: Final = frozenset({"lag", "failures", "stalled", "no_handler", "dead_letters", "canary"})
"""Alarms whose subject is a queue."""
_STORE: Final = 1


class Model:
    """Belongs to the agent's loop. `clock` is the one that the view is folded by; `began`: the agent, by it."""

    def __init__(self, *, site_rows: int, queue_site_rows: int, clock: Callable[[], float], began: float) -> None:
        self._site_rows = site_rows
        self._queue_site_rows = queue_site_rows
        self._clock = clock
        self._began = began
        self._windows = Windows()
        self._view: DaemonView | None = None
        self._is_shown = False
        self._sequence = self._shown_sequence = 0
        self._changed_at = 0.0
        self._severities: dict[str, Code] = {}
        self._boot = 0
        self._enqueued: dict[Any, int] = {}
        self._daemon: Rows[None] = Rows(_scalar, self._daemon_row)
        self._totals: Rows[None] = Rows(_scalar, self._totals_row)
        self._queues: Rows[str] = Rows(name_index, self._queue_row)
        self._sites: Rows[str] = Rows(name_index, self._site_row)
        self._pairs: Rows[Pair] = Rows(names_index, self._pair_row)
        self._workers: Rows[str] = Rows(_slot_index, self._worker_row)
        self._stores: Rows[int] = Rows(lambda number: (number,), self._store_row)
        self._alarms: Rows[Pair] = Rows(names_index, self._alarm_row)
        self._tables: tuple[tuple[Group, Rows[Any]], ...] = (
            (columns.DAEMON, self._daemon),
            (columns.TOTALS, self._totals),
            (columns.QUEUES, self._queues),
            (columns.SITES, self._sites),
            (columns.QUEUE_SITES, self._pairs),
            (columns.WORKERS, self._workers),
            (columns.STORES, self._stores),
            (columns.ALARMS, self._alarms),
        )

    def leaves(self) -> list[Leaf]:
        """Everything that the model shows."""
        return [
            Leaf((*group.oid, column.number), column.kind, column.read, rows)
            for group, rows in self._tables
            for column in group.columns
        ]

    def told(self, view: DaemonView) -> None:
        """The daemon has said something, which is in `view`."""
        self._view = view
        self._sequence += 1
        now = self._clock()
        if view.boot != self._boot:  # another life: its counters begin at 0
            self._boot = view.boot
            self._is_shown = False
            self._enqueued.clear()
        if not self._is_shown:
            is_late = now - self._began > LOOKS
            self._is_shown = view.daemon is not None and (view.is_complete or is_late)
        self._windows.note(view, now)

    def refresh(self) -> None:
        """Have the rows of now."""
        view = self._view
        if view is None or not self._is_shown:
            for _group, rows in self._tables:
                rows.renew(())
            return
        if self._sequence == self._shown_sequence:
            self._daemon.touch()  # ages move without news
            return
        self._daemon.renew((None,))
        self._shown_sequence = self._sequence
        self._severities = _severities(view)
        self._totals.renew((None,))
        queues = view.queue_totals()
        sites = view.site_totals()
        changes = (
            self._queues.renew(view.queues.keys() | queues.keys()),
            self._sites.renew(_foremost(sites, self._site_rows, lambda site: _weight(sites[site]))),
            self._pairs.renew(_foremost(view.totals().pairs, self._queue_site_rows, self._pair_weight)),
            self._workers.renew(worker for worker in view.workers if _slot(worker)),
            self._stores.renew((_STORE,) if view.store is not None else ()),
            self._alarms.renew(view.alarms),
        )
        if any(changes):
            self._changed_at = self._clock() - self._began

    # rows

    @property
    def _seen(self) -> DaemonView:
        assert self._view is not None, "there are no rows without a view"
        return self._view

    @property
    def _there(self) -> float:
        """The daemon's clock now: as it was in its last datagram, and the time since."""
        return self._seen.sent_at + (self._clock() - self._seen.last_seen)

    def _daemon_row(self, _key: None) -> DaemonRow:
        view = self._seen
        assert view.daemon is not None, "nothing is shown before"
        return DaemonRow(
            view=view,
            fact=view.daemon,
            now=self._there,
            clock_seconds=self._clock(),
            sequence=self._sequence,
            changed_at=self._changed_at,
            workers=len(self._workers),
            queues=len(self._queues),
            site_row_limit=self._site_rows,
            queue_site_row_limit=self._queue_site_rows,
        )

    def _totals_row(self, _key: None) -> WorkRow:
        totals = self._seen.totals()
        return WorkRow("", totals, self._highest("", totals.enqueued))

    def _queue_row(self, queue: str) -> QueueRow:
        view = self._seen
        totals = view.queue_totals().get(queue) or Totals(view.flows, view.depths)
        return QueueRow(
            label=queue,
            totals=totals,
            enqueued=self._highest(("queue", queue), totals.enqueued),
            fact=view.queues.get(queue),
            health=self._severities.get(queue, Code.OK),
            before=self._windows.before(queue),
        )

    def _site_row(self, site: str) -> WorkRow:
        totals = self._seen.site_totals()[site]
        return WorkRow(site, totals, self._highest(("site", site), totals.enqueued))

    def _pair_row(self, pair: Pair) -> WorkRow:
        view = self._seen
        totals = totals_of(pair, view.flows, view.depths)
        return WorkRow("/".join(pair), totals, self._highest(pair, totals.enqueued))

    def _worker_row(self, worker: str) -> WorkerRow:
        return WorkerRow(self._seen.workers[worker], self._there)

    def _store_row(self, _number: int) -> StoreRow:
        assert self._seen.store is not None, "else there is no row"
        return StoreRow(self._seen.store, self._there)

    def _alarm_row(self, key: Pair) -> AlarmRow:
        return AlarmRow(self._seen.alarms[key], self._there)

    def _pair_weight(self, pair: Pair) -> tuple[float, int, int]:
        depth, flow = self._seen.depths.get(pair), self._seen.flows.get(pair)
        waits = (depth.lag_seconds, depth.ready) if depth is not None else (0.0, 0)
        return (*waits, flow.claimed if flow is not None else 0)

    def _highest(self, key: Any, value: int) -> int:
        """A counter that is reckoned from estimates may seem to go back: what was told stays."""
        known = self._enqueued.get(key, 0)
        if value <= known:
            return known
        self._enqueued[key] = value
        return value


def _scalar(_key: None) -> tuple[int, ...]:
    return SCALAR


def _slot(worker: str) -> int:
    """The number of a worker's slot; 0 = it has none that could be an index."""
    number = worker.rpartition(".")[2]
    return int(number) if number.isdecimal() and 0 < int(number) <= 65535 else 0


def _slot_index(worker: str) -> tuple[int, ...]:
    return (_slot(worker),)


def _weight(totals: Totals) -> tuple[float, int, int]:
    return totals.lag_seconds, totals.ready, totals.claimed


def _foremost(keys: Iterable[Any], limit: int, weight: Callable[[Any], Any]) -> list[Any]:
    """All, or those that need attention most, when there are more than `limit`."""
    if not limit:
        return []
    found = list(keys)
    return found if len(found) <= limit else nlargest(limit, found, key=weight)


def _severities(view: DaemonView) -> dict[str, Code]:
    """The worst of the raised alarms of each queue."""
    found: dict[str, Code] = {}
    for alarm in view.alarms.values():
        if alarm.is_raised and alarm.name in _OF_QUEUES:
            code = Code.CRITICAL if alarm.name in CRITICAL_ALARMS else Code.WARNING
            found[alarm.subject] = max(found.get(alarm.subject, Code.OK), code)
    return found
