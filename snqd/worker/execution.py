"""One item's way through its handler: preparation, call, verdict, report. Shared by inline and concurrent running.

Everything here is called on the worker's main thread, except `call` of a plain handler that runs in a thread.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

from snqd.errors import BadItem, LeaseLost, StoreUnavailable
from snqd.handlers.context import Context
from snqd.items import CANARY, DECODERS, decode
from snqd.stores.outcomes import DeadLettered, DeadReason, Done, Released
from snqd.stores.records import ERROR_LIMIT
from snqd.telemetry.board import Word
from snqd.telemetry.events import ItemLeaseLost, SiteSetAside, UnknownSite
from snqd.worker.accounts import Settled
from snqd.worker.tenants import UNKNOWN_SITE
from snqd.worker.verdict import UNKNOWN_SITE_SECONDS, event_of, judge, word_of

if TYPE_CHECKING:
    from concurrent.futures import Future

    from snqd.handlers.base import BoundHandler
    from snqd.items import Item, NewItem
    from snqd.stores.outcomes import Outcome
    from snqd.worker.alarm import Alarm
    from snqd.worker.parts import Parts
    from snqd.worker.store_thread import StoreThread
    from snqd.worker.tenants import Tenant

_TELL_SITE_SECONDS = 60.0
_MOST_TOLD = 10_000
_INLINE_ENTRY = 0
_HANDLED = Word.HANDLED


class Execution:
    """One per worker."""

    def __init__(self, parts: Parts, store: StoreThread, alarm: Alarm) -> None:
        self._parts = parts
        self._store = store
        self._alarm = alarm
        self._view = parts.view
        self._known_sites = parts.sites.known
        self._told_sites: dict[tuple[str, str], float] = {}

    def run_inline(self, item: Item) -> int:
        """Handle an item on this thread, from preparation to report; when its handler ended (CLOCK_MONOTONIC ns)."""
        prepared = self.prepare(item)
        if prepared is None:
            return time.monotonic_ns()
        handler, payload, context = prepared
        limit = handler.options.time_limit_seconds
        started = time.monotonic_ns()
        deadline = started + int(limit * 1e9) if limit else 0
        self._view.begin(_INLINE_ENTRY, item.id, item.queue, item.site, deadline, item.attempts + 1, started)
        error: BaseException | None = None
        try:
            if handler.options.transactional:
                self.run_transaction(item, handler, payload, context, alarm=self._alarm)
            else:
                self._alarm.arm(limit)
                try:
                    handler.call(payload, context)
                finally:
                    self._alarm.disarm()
        except BaseException as raised:  # whatever a handler raises is its item's fate, not the worker's
            self._alarm.disarm()  # the alarm may have struck on the way in or out, where nobody disarms it
            error = raised
        ended = time.monotonic_ns()
        self.note_ack(item, handler, error)
        self._view.end(_INLINE_ENTRY)
        if error is None and not handler.options.transactional:  # as in `settle`, a call less for most items
            self._view.add(_HANDLED, 1)
            self._store.report(item, Done(item, tuple(context.outbox)), started, ended)
        else:
            self.settle(item, handler, context, error, started, ended)
        return ended

    def prepare(self, item: Item) -> tuple[BoundHandler, Any, Context] | None:
        """The site's handler for an item, payload and context; None when its fate is settled without a handler."""
        if self._store.revoked and (item.id, item.token) in self._store.revoked:
            self._store.report(item, Settled.LOST)  # its lease was lost before it was started; it runs elsewhere
            return None
        tenant = self._known_sites.get(item.site) or self._parts.sites.find(item.site)
        handler = tenant.handlers.get(item.queue) if tenant is not None else None
        if tenant is None or handler is None:
            self._refuse(item, tenant)
            return None
        decoder = DECODERS.get(item.codec)
        if decoder is None and item.codec == CANARY:
            self._store.report(item, Done(item))
            return None
        try:
            payload = decoder(item.frame) if decoder is not None else decode(item.frame, item.codec)
        except (BadItem, ValueError, TypeError, RecursionError) as error:
            words = (
                str(error) if isinstance(error, BadItem) else f"frame is not valid for codec {item.codec!r}: {error}"
            )
            self._finish(DeadLettered(item, DeadReason.BAD_ITEM, words), handler, None)
            return None
        return handler, payload, Context(item, tenant.site, self._enqueue, self._parts.config.store.frame_limit_bytes)

    def note_ack(self, item: Item, handler: BoundHandler, error: BaseException | None) -> None:
        """Call when a handling has ended, before the board forgets the item: see `Closing`."""
        if error is None and handler.options.transactional:
            self._parts.accounts.acked(item)

    def settle(
        self,
        item: Item,
        handler: BoundHandler,
        context: Context,
        error: BaseException | None,
        started_ns: int,
        ended_ns: int,
    ) -> None:
        """Report how a handling ended."""
        if error is None:
            self._view.add(_HANDLED, 1)
            if handler.options.transactional:
                self._store.report(item, Settled.HANDLED, started_ns, ended_ns)
            else:
                self._store.report(item, Done(item, tuple(context.outbox)), started_ns, ended_ns)
        elif isinstance(error, LeaseLost) and handler.options.transactional:
            self._store.report(item, Settled.LOST)
            self._parts.emit(ItemLeaseLost(worker=self._parts.worker, item=item.id, queue=item.queue, site=item.site))
        else:
            if isinstance(error, StoreUnavailable) and handler.options.transactional:
                self._store.doubt(item)
            self._finish(judge(item, handler.options, error, random.random()), handler, error, started_ns, ended_ns)

    def run_transaction(
        self, item: Item, handler: BoundHandler, payload: Any, context: Context, *, alarm: Alarm | None = None
    ) -> None:
        """The handler's effects and the ack commit together, or neither does. `alarm`: on the main thread only."""
        with self._parts.store.transaction(item) as connection:
            context.connection = connection
            if alarm is not None:
                alarm.arm(handler.options.time_limit_seconds)
            try:
                handler.call(payload, context)
            finally:
                if alarm is not None:
                    alarm.disarm()
            if context.outbox:
                self._parts.enqueue_on(connection, context.outbox)

    def _finish(
        self,
        outcome: Outcome,
        handler: BoundHandler,
        error: BaseException | None,
        started_ns: int = 0,
        ended_ns: int = 0,
    ) -> None:
        self._view.add(word_of(outcome), 1)
        self._store.report(outcome.item, outcome, started_ns, ended_ns)
        event = event_of(self._parts.worker, outcome, handler.options, error)
        if event is not None:
            self._parts.emit(event)

    def _enqueue(self, items: list[NewItem]) -> Future[Any]:
        store = self._parts.store
        return self._store.submit(lambda: store.enqueue(items))

    def _refuse(self, item: Item, tenant: Tenant | None) -> None:
        """The site is not declared (`tenant` is None), or is set aside, or does not have the queue: the item waits."""
        if item.codec == CANARY:
            self._store.report(item, Done(item))
            return
        if tenant is None:
            note = f"{UNKNOWN_SITE}{item.site!r}: configure it, or discard the item"
        else:
            note = tenant.refusal(item.queue)
        self._view.add(Word.RELEASED, 1)
        self._store.report(item, Released(item, UNKNOWN_SITE_SECONDS, note[:ERROR_LIMIT]))
        now, flow = time.monotonic(), (item.site, item.queue)
        if now - self._told_sites.get(flow, float("-inf")) < _TELL_SITE_SECONDS:
            return
        if len(self._told_sites) >= _MOST_TOLD:
            self._told_sites.clear()
        self._told_sites[flow] = now
        if tenant is None:
            self._parts.emit(UnknownSite(worker=self._parts.worker, site=item.site, queue=item.queue))
        else:
            whole = bool(tenant.problem)
            reason = tenant.problem if whole else note
            self._parts.emit(SiteSetAside(site=item.site, reason=reason, queue="" if whole else item.queue))


def deadline_ns(limit_seconds: float) -> int:
    """The board's deadline for an item that starts now; 0 = none."""
    return time.monotonic_ns() + int(limit_seconds * 1e9) if limit_seconds else 0
