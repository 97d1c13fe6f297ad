"""What is paused, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqmon.model import formats

if TYPE_CHECKING:
    from snqd.telemetry.daemon_view import DaemonView


def site_pause(view: DaemonView, site: str) -> str:
    """Why a whole site is paused; empty = it is not."""
    for fact in view.pauses.values():
        if fact.site == site and not fact.queue and not fact.ended:
            by = f"by {fact.author}" if fact.author else ""
            return formats.one_line(": ".join(part for part in (by, fact.reason) if part)) or "no reason was given"
    return ""
