"""Pauses of a `memory://` store. Call with the lock of the data held."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from snqd.stores.pauses import KEPT_SECONDS, Pause, Pauses, PausesKept, author_text, reason_text
from snqd.stores.records import ItemState

if TYPE_CHECKING:
    from snqd.items import QueueName, SiteName
    from snqd.stores.memory_data import Data


def holding(data: Data) -> list[Pause]:
    """The pauses that hold now."""
    clock = time.time()
    return [each for each in remembered(data) if each.ended_at is None and _lasts(each, clock)]


def remembered(data: Data) -> list[Pause]:
    """Those, and the ones that ended lately."""
    return sorted(data.pauses.values(), key=lambda each: (each.queue or "", each.site or ""))


def pause(
    data: Data,
    queue: QueueName | None,
    site: SiteName | None,
    *,
    author: str,
    reason: str,
    seconds: float | None,
) -> Pause:
    clock = time.time()
    _forget_old(data, clock)
    before = data.pauses.get((queue, site))
    goes_on = before is not None and before.ended_at is None and _lasts(before, clock)
    since = before.since if before is not None and goes_on else clock
    expires_at = None if seconds is None else clock + seconds
    made = Pause(queue, site, author_text(author), reason_text(reason), since, expires_at)
    data.pauses[queue, site] = made
    return made


def resume(data: Data, queue: QueueName | None, site: SiteName | None, *, author: str) -> Pause | None:
    clock = time.time()
    found = data.pauses.get((queue, site))
    if found is None or found.ended_at is not None or not _lasts(found, clock):
        return None
    ended = data.pauses[queue, site] = found._replace(ended_at=clock, ended_by=author_text(author))
    keep(data)
    data.ring()
    return ended


def keep(data: Data) -> PausesKept:
    """As `Store.keep_pauses`; all at once."""
    pauses = Pauses(holding(data))
    aside = back = 0
    for row in data.items.values():
        is_paused = pauses.covers_site(row.queue, row.site)
        if row.state is ItemState.READY and is_paused:
            data.place(row, ItemState.PAUSED)
            aside += 1
        elif row.state is ItemState.PAUSED and not is_paused:
            data.place(row, ItemState.READY)
            back += 1
    return PausesKept(aside, back)


def _lasts(pause: Pause, clock: float) -> bool:
    return pause.expires_at is None or pause.expires_at > clock


def _forget_old(data: Data, clock: float) -> None:
    for key, each in list(data.pauses.items()):
        over = each.ended_at if each.ended_at is not None else each.expires_at
        if over is not None and over < clock - KEPT_SECONDS:
            del data.pauses[key]
