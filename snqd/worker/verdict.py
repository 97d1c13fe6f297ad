"""What an exception out of a handler means for its item: a pure decision, and its event."""

from __future__ import annotations

import random
import traceback
from typing import TYPE_CHECKING

from snqd.handlers.outcomes import Discard, Interrupted, Reject, Retry, TimeLimitExceeded
from snqd.stores.outcomes import DeadLettered, DeadReason, Discarded, Outcome, Released, Retried
from snqd.stores.records import ERROR_LIMIT, TRACEBACK_LIMIT
from snqd.telemetry.board import Word
from snqd.telemetry.events import ItemDeadLettered, ItemDiscarded, ItemFailed, ItemRetried

if TYPE_CHECKING:
    from snqd.handlers.base import HandlerOptions
    from snqd.items import Item
    from snqd.telemetry.events import Event

UNKNOWN_SITE_SECONDS = 60.0
"""How long an item whose site is unknown or set aside waits before its site is looked up again."""


def judge(item: Item, options: HandlerOptions, error: BaseException, dice: float) -> Outcome:
    """The outcome of a handling that ended with `error`. `dice` is uniform in [0, 1)."""
    if isinstance(error, Interrupted):
        return Released(item)
    if isinstance(error, Discard):
        return Discarded(item, error.reason[:ERROR_LIMIT])
    if isinstance(error, Reject):
        return DeadLettered(item, DeadReason.BAD_ITEM, error.reason[:ERROR_LIMIT])
    words = describe(error, options)
    trace = "" if isinstance(error, Retry) else traceback_of(error)
    attempt = item.attempts + 1
    if attempt >= options.max_attempts:
        return DeadLettered(item, DeadReason.ATTEMPTS, words, trace)
    delay = options.backoff.delay(attempt, dice)
    if isinstance(error, Retry) and error.after is not None:
        delay = error.after
    return Retried(item, delay, words, trace)


def event_of(worker: str, outcome: Outcome, options: HandlerOptions, error: BaseException | None) -> Event | None:
    """What to tell the world about an outcome; done items are counted, not told one by one."""
    item = outcome.item
    if isinstance(outcome, Discarded):
        return ItemDiscarded(worker=worker, item=item.id, queue=item.queue, site=item.site, reason=outcome.reason)
    if isinstance(outcome, DeadLettered):
        return ItemDeadLettered(
            worker=worker,
            item=item.id,
            queue=item.queue,
            site=item.site,
            attempt=item.attempts + 1,
            reason=outcome.reason.value,
            error=outcome.error,
            traceback=outcome.traceback,
        )
    if isinstance(outcome, Retried) and isinstance(error, Retry):
        return ItemRetried(
            worker=worker,
            item=item.id,
            queue=item.queue,
            site=item.site,
            attempt=item.attempts + 1,
            error=outcome.error,
            retry_seconds=outcome.delay_seconds,
        )
    if isinstance(outcome, Retried):
        return ItemFailed(
            worker=worker,
            item=item.id,
            queue=item.queue,
            site=item.site,
            attempt=item.attempts + 1,
            max_attempts=options.max_attempts,
            error=outcome.error,
            retry_seconds=outcome.delay_seconds,
            traceback=outcome.traceback,
        )
    return None


def word_of(outcome: Outcome) -> Word:
    """The counter on the board that an outcome adds to."""
    if isinstance(outcome, Retried):
        return Word.FAILED if outcome.traceback else Word.RETRIED
    if isinstance(outcome, DeadLettered):
        return Word.DEAD_LETTERED
    if isinstance(outcome, Discarded):
        return Word.DISCARDED
    if isinstance(outcome, Released):
        return Word.RELEASED
    return Word.HANDLED


def describe(error: BaseException, options: HandlerOptions) -> str:
    """The error in one line: type and message."""
    if isinstance(error, Retry):
        return f"Retry: {error.reason}"[:ERROR_LIMIT] if error.reason else "Retry"
    if isinstance(error, TimeLimitExceeded):
        return f"TimeLimitExceeded: ran past its limit of {options.time_limit_seconds:g} s"
    try:
        message = str(error)
    except Exception:  # an application's own __str__ may fail
        message = "(its message cannot be shown)"
    return f"{type(error).__name__}: {message}"[:ERROR_LIMIT].rstrip(": ")


def traceback_of(error: BaseException) -> str:
    """The traceback without our own frames at its top, cut to its end if it is long."""
    frames = error.__traceback__
    while frames is not None and frames.tb_next is not None and _is_ours(frames.tb_frame.f_code.co_filename):
        frames = frames.tb_next
    lines = traceback.format_exception(type(error), error, frames, limit=60)
    return "".join(lines)[-TRACEBACK_LIMIT:]


def dice() -> float:
    return random.random()


_OUR_FOLDER = __file__.rsplit("/", 1)[0]


def _is_ours(filename: str) -> bool:
    return filename.startswith(_OUR_FOLDER)
