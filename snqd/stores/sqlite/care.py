"""What is done for items that nobody holds in hand: due times, expired leases, the claims of the dead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqd.items import ItemId, QueueName, SiteName
from snqd.stores.outcomes import DeadReason
from snqd.stores.repairs import Blame, Blamed, Expired, Promoted, Reclaimed, Repaired, expired, given_back
from snqd.stores.sql import queries
from snqd.stores.sqlite import work
from snqd.stores.sqlite.connection import now

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Sequence

    from snqd.stores.sqlite.connection import Connection

_SQL = queries("sqlite")
PROMOTE_LIMIT = 10_000
"""Items that become ready in one transaction (some 30 ms of the write lock)."""
STALLED_SECONDS = 1.0


def promote(connection: Connection) -> Promoted:
    """Make due items ready, at most `PROMOTE_LIMIT`: when more are due, the next one is due in 0.0 seconds."""
    due = connection.read(_next_due)
    promoted = 0
    if due is not None and due <= now():
        promoted = connection.write(lambda raw: raw.execute(_SQL["promote"], (now(), PROMOTE_LIMIT)).rowcount)
        due = connection.read(_next_due)
    return Promoted(promoted, None if due is None else max(0.0, due - now()))


def expire_dead(connection: Connection, seconds: float, limit: int) -> list[Expired]:
    """As `Store.expire_dead`. Nothing is written, and no lock taken, when none is old."""
    until = now() - seconds
    if connection.read(lambda raw: raw.execute(_SQL["has_old_dead"], (until,)).fetchone()) is None:
        return []
    return connection.write(lambda raw: expired(raw.execute(_SQL["expire_dead"], (until, limit)).fetchall()))


def reclaim(connection: Connection) -> list[Reclaimed]:
    """Give back items whose lease ran out."""
    if not connection.read(_expired):
        return []

    def give_back(raw: sqlite3.Connection) -> list[Reclaimed]:
        if connection.waited_seconds > STALLED_SECONDS:
            # a long transaction has kept everyone from renewing: those who wait for the lock behind us come first
            return []
        clock = now()
        expired = [Reclaimed(*row) for row in raw.execute(_SQL["expired"], (clock,))]
        raw.execute(_SQL["reclaim"], (clock,))
        return expired

    return connection.write(give_back)


def release_forgotten(raw: sqlite3.Connection, claimant: str, held: Collection[tuple[int, int]]) -> None:
    """Release what `claimant` holds, except `held` (ids and tokens)."""
    for claim in raw.execute(_SQL["claims_of"], (claimant,)).fetchall():
        if claim not in held:
            raw.execute(_SQL["release"], (None, *claim))


def repair(raw: sqlite3.Connection, claimant: str, blames: Sequence[Blame], crash_limit: int) -> Repaired:
    """Give back what a dead claimant held; what was running pays for it."""
    clock = now()
    found = [_blame(raw, claimant, blame, crash_limit, clock) for blame in blames]
    blamed = [each for each in found if each is not None]
    released, ids = given_back(raw.execute(_SQL["release_all"], (claimant,)).fetchall())
    return Repaired(blamed, released, ids.union(each.item for each in blamed))


def _blame(raw: sqlite3.Connection, claimant: str, blame: Blame, crash_limit: int, clock: float) -> Blamed | None:
    row = raw.execute(_SQL["blamed"], (blame.item, claimant)).fetchone()
    if row is None:
        return None
    queue, site, attempts, crash_attempts, history = row
    crashes = 1 if blame.crashed else 0
    dead = verdict(blame, attempts + 1, crash_attempts + crashes, crash_limit)
    if dead is not None:
        work.bury(
            raw,
            blame.item,
            attempts=attempts,
            history=history,
            error=blame.error,
            clock=clock,
            reason=dead,
            crashes=crashes,
        )
    else:
        work.fail(
            raw,
            blame.item,
            attempts=attempts,
            history=history,
            error=blame.error,
            clock=clock,
            delay_seconds=None if blame.crashed else blame.delay_seconds,
            crashes=crashes,
        )
    return Blamed(ItemId(blame.item), QueueName(queue), SiteName(site), attempts + 1, crash_attempts + crashes, dead)


def verdict(blame: Blame, attempts: int, crash_attempts: int, crash_limit: int) -> DeadReason | None:
    """Whether a blamed item is a dead letter, given its counts with this handling."""
    if blame.crashed:
        return DeadReason.CRASH if crash_attempts >= crash_limit else None
    return DeadReason.ATTEMPTS if attempts >= blame.max_attempts else None


def _next_due(raw: sqlite3.Connection) -> float | None:
    found: float | None = raw.execute(_SQL["next_due"]).fetchone()[0]
    return found


def _expired(raw: sqlite3.Connection) -> bool:
    return raw.execute(_SQL["expired"], (now(),)).fetchone() is not None
