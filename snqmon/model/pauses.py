"""What is paused, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqd.telemetry.pauses import words_of
from snqmon.model import formats

if TYPE_CHECKING:
    from snqd.telemetry.daemon_view import DaemonView


def site_pause(view: DaemonView, site: str) -> str:
    """Why a whole site is paused, in the words that its queues would have; empty = it is not."""
    for fact in view.pauses.values():
        if fact.site == site and not fact.queue and not fact.ended:
            return formats.one_line(words_of(fact))
    return ""
