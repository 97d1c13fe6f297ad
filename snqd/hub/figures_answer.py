"""What the control socket answers to `figures`: the few of them that a check judges, taken from the daemon's view."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

from snqd.config.site_image import SiteImage
from snqd.errors import SnqdError
from snqd.telemetry.health import claims

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from snqd.telemetry.daemon_view import DaemonView
    from snqd.telemetry.figures import Figures

Request = dict[str, Any]


class FiguresAnswer:
    """`see` gives the daemon as it is now; `past` remembers what happened lately."""

    def __init__(self, sites_path: Path, see: Callable[[], DaemonView], past: Figures) -> None:
        self._sites_path = sites_path
        self._see = see
        self._past = past
        self.handlers: dict[str, Callable[[Request], Awaitable[Request]]] = {"figures": self._figures}

    async def _figures(self, request: Request) -> Request:
        """`queues`: names, none = all of them; `site`: a name, null = all sites together."""
        names, site = request.get("queues", []), request.get("site")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise SnqdError("queues must be a list of names")
        if not isinstance(site, str | None):
            raise SnqdError("site must be a name or null")
        view = self._see()
        known = {*view.queues, *view.queue_totals()}
        missing = [f"queue {name!r}" for name in names if name not in known]
        if site is not None and not self._is_site(view, site):
            missing.append(f"site {site!r}")
        store = view.store
        return {
            "daemon": view.name,
            "silence_seconds": max(0.0, time.monotonic() - view.last_seen),
            "missing": missing,
            "queues": [self._queue(view, name, site) for name in sorted(known.intersection(names) if names else known)],
            "workers_wanted": view.daemon.workers_wanted if view.daemon is not None else 0,
            "workers_claiming": sum(claims(worker, view.sent_at) for worker in view.workers.values()),
            "deaths": self._past.recent_deaths,
            "store": store
            and {
                "connected": store.connected,
                "problem": store.problem,
                "away_seconds": 0.0 if store.connected else max(0.0, view.sent_at - store.since),
                "round_trip_seconds": store.round_trip_seconds,
            },
        }

    def _queue(self, view: DaemonView, name: str, site: str | None) -> dict[str, Any]:
        """What nobody has told anything of is zero: a queue without items, or a site without any in it."""
        fact = view.queues.get(name)
        totals = view.queue_totals().get(name)
        of_site = view.depths.get((name, site)) if site is not None else None
        depth = of_site if site is not None else totals
        is_estimate = of_site.is_estimate if of_site is not None else site is None and bool(totals and totals.estimates)
        recent = self._past.recent(name)
        return {
            "name": name if site is None else f"{site}/{name}",
            "ready": depth.ready if depth else 0,
            "lag_seconds": depth.lag_seconds if depth and depth.ready else 0.0,
            "dead": depth.dead if depth else 0,
            "failed": recent.failed,
            "handlings": recent.handlings,
            "is_paused": fact is not None and bool(fact.paused),
            "is_estimate": is_estimate,
        }

    def _is_site(self, view: DaemonView, site: str) -> bool:
        """A site that has no items is one all the same when it is declared."""
        return any(pair[1] == site for pair in (*view.depths, *view.flows)) or self._is_declared(site)

    def _is_declared(self, site: str) -> bool:
        with contextlib.suppress(OSError, SnqdError):
            return SiteImage(self._sites_path).get(site) is not None
        return False
