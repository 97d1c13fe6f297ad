"""What the control socket does when it is asked to: pause, resume, retry and discard dead letters, restart a worker.

Each is an event, with who asked for it. Pauses are told by `PauseBook`, which sees those of others too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from snqd.errors import SnqdError
from snqd.hub import requests
from snqd.hub.requests import read
from snqd.items import ItemId, QueueName, SiteName
from snqd.stores.pauses import check_target
from snqd.stores.records import ItemFilter, no_dead_letter
from snqd.telemetry.board import SlotState, Word
from snqd.telemetry.events import Corrected, DeadLettersDiscarded, DeadLettersRetried, WorkerRestartAsked
from snqd.telemetry.pauses import pause_words, target_words
from snqd.telemetry.words import duration_words, plural

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from snqd.hub.parts import HubParts
    from snqd.hub.requests import OfLetters, OfWorker, Pausing, Request, Resuming
    from snqd.hub.slots import Slots
    from snqd.hub.store_hand import StoreHand
    from snqd.stores.base import Store
    from snqd.stores.corrections import Place
    from snqd.stores.records import ItemRecord
    from snqd.telemetry.daemon_view import DaemonView

T = TypeVar("T")

_SECONDS = 10.0
_LONG_SECONDS = 20.0
_IDS_TOLD = 100


class Actions:
    """`look` has the store asked again soon, so that telemetry shows what was done."""

    def __init__(
        self, parts: HubParts, hand: StoreHand, slots: Slots, see: Callable[[], DaemonView], look: Callable[[], None]
    ) -> None:
        self._parts = parts
        self._hand = hand
        self._slots = slots
        self._see = see
        self._look = look
        self.handlers: dict[str, Callable[[Request], Awaitable[Request]]] = {
            "pause": self._pause,
            "resume": self._resume,
            "dead": self._dead,
            "retry": self._retry,
            "discard": self._discard,
            "restart": self._restart,
            "corrected": self._corrected,
        }

    async def _pause(self, request: Request) -> Request:
        asked = read(request, requests.Pausing)
        queue, site = check_target(asked.queue, asked.site)
        made = await self._do(
            lambda store: store.pause(queue, site, author=_author(asked), reason=asked.reason, seconds=asked.seconds)
        )
        self._look()
        words = pause_words(author=made.author, reason=made.reason, since=made.since, expires=made.expires_at or 0.0)
        return {"said": f"{target_words(made.queue or '', made.site or '')} is paused {words}"}

    async def _resume(self, request: Request) -> Request:
        asked = read(request, requests.Resuming)
        queue, site = check_target(asked.queue, asked.site)
        ended = await self._do(lambda store: store.resume(queue, site, author=_author(asked)))
        target = target_words(queue or "", site or "")
        if ended is None:
            others = await self._do(lambda store: store.pauses())
            paused = ", ".join(target_words(each.queue or "", each.site or "") for each in others)
            raise SnqdError(
                f"{target} is not paused" + (f": paused are {paused}" if paused else ", nor is anything else")
            )
        self._look()
        seconds = (ended.ended_at or ended.since) - ended.since
        return {"said": f"{target} goes on after {duration_words(seconds)}"}

    async def _dead(self, request: Request) -> Request:
        asked = read(request, requests.Letters)
        queue, site = _names(asked.queue, asked.site)
        after = None if asked.after is None else ItemId(asked.after)
        wanted = ItemFilter(queue=queue, site=site, limit=asked.limit)
        found = await self._do(lambda store: store.dead_page(wanted, after=_place(store, after)))
        depths = [
            fact
            for fact in self._see().depths.values()
            if asked.queue in (None, fact.queue) and asked.site in (None, fact.site)
        ]
        count = sum(fact.dead for fact in depths)
        is_estimate = any(fact.is_estimate for fact in depths)
        if len(found) < asked.limit and after is None:  # these are all of them
            count, is_estimate = len(found), False
        return {"letters": list(map(_letter, found)), "count": count, "is_estimate": is_estimate}

    async def _retry(self, request: Request) -> Request:
        asked = read(request, requests.OfLetters)
        wanted = _wanted(asked)

        def retry(store: Store) -> int:
            count = store.replay(wanted, author=_author(asked))
            self._parts.emit(DeadLettersRetried(**_told(self._parts.daemon, asked, count)))
            return count

        return await self._change(retry, "retried", "an item with the same unique key waits, or they are gone")

    async def _discard(self, request: Request) -> Request:
        asked = read(request, requests.OfLetters)
        wanted = _wanted(asked)

        def discard(store: Store) -> int:
            count = store.discard_dead(wanted, author=_author(asked))
            self._parts.emit(DeadLettersDiscarded(**_told(self._parts.daemon, asked, count)))
            return count

        return await self._change(discard, "discarded", "they are gone")

    async def _change(self, change: Callable[[Store], int], done: str, nothing: str) -> Request:
        """Letters are changed a thousand at a time, each in a transaction of its own."""
        try:
            count = await self._hand.do(change, seconds=_LONG_SECONDS)
        except TimeoutError:
            said = f"this takes longer than {_LONG_SECONDS:g} s and goes on: an event will say how many were {done}"
            return {"said": said, "count": None}
        finally:
            self._look()
        if not count:
            return {"said": f"no dead letter was {done}: {nothing}", "count": 0}
        return {"said": f"{plural(count, 'dead letter')} {'was' if count == 1 else 'were'} {done}", "count": count}

    async def _restart(self, request: Request) -> Request:
        asked = read(request, requests.OfWorker)  # `Steering` sees to requests without one
        view = self._slots.of(asked.worker)
        worker, pid = self._slots.name(view.number), view.get(Word.PID)
        if not pid or SlotState(view.get(Word.STATE)) is not SlotState.RUNNING:
            raise SnqdError(f"worker {worker} does not run now, so there is nothing to restart")
        view.set(Word.RESTART, pid)  # the supervisor looks at it, and asks this process and no other to leave
        self._parts.emit(WorkerRestartAsked(worker=worker, pid=pid, author=_author(asked)))
        return {"said": f"worker {worker} (pid {pid}) finishes what it runs and is replaced"}

    async def _corrected(self, request: Request) -> Request:
        told = read(request, requests.Corrected)
        facts = {name: getattr(told, name) for name in told.__struct_fields__ if name != "ask"}
        self._parts.emit(Corrected(daemon=self._parts.daemon, **facts))
        self._look()
        return {"said": "the log has it"}

    async def _do(self, action: Callable[[Store], T]) -> T:
        try:
            return await self._hand.do(action, seconds=_SECONDS)
        except TimeoutError:
            raise SnqdError(
                f"the store has not answered within {_SECONDS:g} s: what was asked may still be done when it does"
            ) from None


def _author(asked: Pausing | Resuming | OfLetters | OfWorker) -> str:
    return asked.author.strip() or "somebody at the control socket"


def _place(store: Store, after: ItemId | None) -> Place | None:
    """Of the letter after which a page goes on. Raises `BadItem` when it is none any more."""
    if after is None:
        return None
    letter = next(store.find_dead(ItemFilter(ids=(after,))), None)
    if letter is None:
        raise no_dead_letter(after)
    return letter.place


def _names(queue: str | None, site: str | None) -> tuple[QueueName | None, SiteName | None]:
    return None if queue is None else QueueName(queue), None if site is None else SiteName(site)


def _wanted(asked: OfLetters) -> ItemFilter:
    if asked.ids is None and asked.queue is None and asked.site is None:
        raise SnqdError(f"{asked.ask}: name dead letters by ids, queue or site: there is no asking for all of them")
    return ItemFilter(ids=asked.ids or (), queue=asked.queue, site=asked.site)


def _told(daemon: str, asked: OfLetters, count: int) -> dict[str, Any]:
    return {
        "daemon": daemon,
        "count": count,
        "author": _author(asked),
        "ids": (asked.ids or ())[:_IDS_TOLD],
        "queue": asked.queue or "",
        "site": asked.site or "",
    }


def _letter(record: ItemRecord) -> Request:
    """Everything but the payload."""
    return {
        "id": record.id,
        "queue": record.queue,
        "site": record.site,
        "group": record.fingerprint or "",
        "reason": record.reason,
        "error": record.last_error,
        "traceback": record.traceback,
        "died": record.died,
        "attempts": record.attempts,
        "crash_attempts": record.crash_attempts,
        "history": [entry._asdict() for entry in record.history],
    }
