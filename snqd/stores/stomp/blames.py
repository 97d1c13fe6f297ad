"""Blames: what is said of items that were running when their worker died.

The broker gives such an item out again at once, to whichever worker is next, and does not say whom it had before. Who
repairs the death knows which item was running (from the board), but not where it is now. So the blame is told to all
workers on the control topic; who has the item, or gets it, adds to its crash attempts, and tells the verdict. An item
that comes a second time waits a moment for this. Pure, but for the clock of the process.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from snqd.items import ItemId  # noqa: TC001 - msgspec reads it
from snqd.stores.outcomes import DeadReason
from snqd.stores.repairs import Blame, Blamed

if TYPE_CHECKING:
    from snqd.stores.stomp.envelope import Envelope

KEPT_SECONDS = 60.0
"""So long a blame is remembered for an item that has not come yet."""


class Word(msgspec.Struct, omit_defaults=True, frozen=True):
    """A message of the control topic between stores. One of the fields below `sender` is set."""

    sender: str
    blame: Blame | None = None
    """`claimant` and `crash_limit` belong to it."""
    verdict: Blamed | None = None
    """What became of a blamed item. `claimant` belongs to it."""
    claimant: str = ""
    crash_limit: int = 0
    clear: tuple[ItemId, ...] = ()
    """Items that their worker has given back in peace: when they come a second time, nobody has died of them."""


encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Word).decode


def decode(body: bytes) -> Word | None:
    """None for what is no word of a store."""
    try:
        return _decode(body)
    except msgspec.MsgspecError:
        return None


class Noted(NamedTuple):
    blame: Blame
    claimant: str
    crash_limit: int
    until: float


class Blames:
    """What one store has heard."""

    def __init__(self) -> None:
        self._noted: dict[tuple[str, ItemId], Noted] = {}
        self._clear: dict[ItemId, float] = {}
        self._verdicts: dict[tuple[str, ItemId], Blamed] = {}

    def note(self, blame: Blame, claimant: str, crash_limit: int) -> bool:
        """Remember it for its item; whether it is news."""
        self._forget_old()
        key = (claimant, blame.item)
        if key in self._noted or key in self._verdicts:
            return False
        self._noted[key] = Noted(blame, claimant, crash_limit, time.monotonic() + KEPT_SECONDS)
        return True

    def clear(self, item: ItemId) -> None:
        self._clear[item] = time.monotonic() + KEPT_SECONDS

    def is_clear(self, item: ItemId) -> bool:
        """Asked once for each time that it was said."""
        return self._clear.pop(item, None) is not None

    def of(self, item: ItemId) -> Noted | None:
        return next((noted for (_claimant, number), noted in self._noted.items() if number == item), None)

    def judged(self, claimant: str, verdict: Blamed) -> None:
        self._noted.pop((claimant, verdict.item), None)
        self._verdicts[claimant, verdict.item] = verdict
        while len(self._verdicts) > 1000:
            del self._verdicts[next(iter(self._verdicts))]

    def verdict(self, claimant: str, item: ItemId) -> Blamed | None:
        return self._verdicts.get((claimant, item))

    def _forget_old(self) -> None:
        now = time.monotonic()
        self._noted = {key: noted for key, noted in self._noted.items() if noted.until > now}
        self._clear = {item: until for item, until in self._clear.items() if until > now}


def judge(envelope: Envelope, noted: Noted, now: float) -> tuple[Envelope, Blamed]:
    """What the item is after the blame, as in every store. A dead one has a reason."""
    blame = noted.blame
    after = envelope.failed(blame.error, now)
    after = after._replace(crash_attempts=after.crash_attempts + blame.crashed)
    dead: DeadReason | None = None
    if blame.crashed and after.crash_attempts >= noted.crash_limit:
        dead = DeadReason.CRASH
    elif not blame.crashed and after.attempts >= blame.max_attempts:
        dead = DeadReason.ATTEMPTS
    if dead is not None:
        after = after.buried(dead, "", now)
    elif not blame.crashed:
        after = after._replace(available_at=now + blame.delay_seconds)
    return after, Blamed(after.id, after.queue, after.site, after.attempts, after.crash_attempts, dead)
