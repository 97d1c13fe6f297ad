"""`Fleet`: the one fold of telemetry. Every view, alarm and exporter shows this and nothing else.

It has no clock, no sockets and no thread of its own. In whatever order datagrams come, however many are lost or
repeated, it is right again as soon as every fact has come once more, and it never takes more memory than its limits
allow. The hub folds its own facts too: `Fleet.apply(Datagram(header, facts), …)`, all of them at least every few
seconds, since what is not told again is gone; facts that are equal to what is known cost next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from snqd.telemetry.daemon_view import DaemonView
from snqd.telemetry.tables import Budget, Limits

if TYPE_CHECKING:
    from snqd.telemetry.wire import Datagram

GONE_SECONDS: Final = 60.0
"""A daemon that has been silent for this long makes room when there is none left."""


class Fleet:
    """All daemons that datagrams came from, by `name@host`."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.daemons: dict[str, DaemonView] = {}
        self.received = 0
        """Datagrams, of all daemons."""
        self.refused = 0
        """Datagrams of daemons for which there was no room."""
        self._budget = Budget(self.limits.facts)
        self._made_room_at = float("-inf")

    @property
    def facts(self) -> int:
        """How many facts and events are kept."""
        return self._budget.used

    def apply(self, datagram: Datagram, *, source: str, now: float) -> None:
        """Fold a datagram in. `now`: seconds by any clock of the receiver that does not go back."""
        header = datagram.header
        self.received += 1
        key = f"{header.daemon}@{header.host}"
        view = self.daemons.get(key)
        if self._budget.used >= self._budget.limit:
            self._make_room(now, for_key=key)
        if view is None:
            if len(self.daemons) >= self.limits.daemons and not self._make_room(now, for_key=key):
                self.refused += 1
                return
            view = self.daemons[key] = DaemonView(header, self.limits, self._budget, now)
        view.take(datagram, source, now)

    def forget(self, key: str) -> None:
        """Leave a daemon out, until it is heard of again."""
        view = self.daemons.pop(key, None)
        if view is not None:
            view.close()

    def _make_room(self, now: float, *, for_key: str) -> bool:
        """Forget the daemon that has been silent longest, if it is gone. Looks at most once a second."""
        if now - self._made_room_at < 1.0:
            return False
        self._made_room_at = now
        others = ((view.last_seen, key) for key, view in self.daemons.items() if key != for_key)
        last_seen, key = min(others, default=(now, ""))
        if now - last_seen <= GONE_SECONDS:
            return False
        self.forget(key)
        return True
