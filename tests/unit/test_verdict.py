"""What an exception out of a handler means for its item."""

from __future__ import annotations

import pytest

from snqd.handlers.base import HandlerOptions
from snqd.handlers.outcomes import Discard, Interrupted, Retry, TimeLimitExceeded
from snqd.items import Item, ItemId, QueueName, SiteName
from snqd.retry import Backoff
from snqd.stores.outcomes import DeadLettered, DeadReason, Discarded, Done, Outcome, Released, Retried
from snqd.stores.records import ERROR_LIMIT, TRACEBACK_LIMIT
from snqd.telemetry.board import Word
from snqd.telemetry.events import ItemDeadLettered, ItemDiscarded, ItemFailed, ItemRetried
from snqd.worker.verdict import event_of, judge, word_of

OPTIONS = HandlerOptions(queue="mail", max_attempts=3, backoff=Backoff(first_seconds=5, jitter=0.0))


def an_item(attempts: int = 0) -> Item:
    return Item(ItemId(7), 1, SiteName("shop"), QueueName("mail"), "json", b"{}", attempts, 0, 0.0, 0.0, 0)


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


def test_a_failure_is_retried_later_with_its_error_and_traceback() -> None:
    outcome = judge(an_item(attempts=1), OPTIONS, raised(ValueError("boom")), 0.5)

    assert isinstance(outcome, Retried)
    assert outcome.delay_seconds == 10
    assert outcome.error == "ValueError: boom"
    assert "test_verdict.py" in outcome.traceback


def test_the_last_attempt_ends_in_the_dead_letters() -> None:
    outcome = judge(an_item(attempts=2), OPTIONS, raised(ValueError("boom")), 0.5)

    assert isinstance(outcome, DeadLettered)
    assert outcome.reason is DeadReason.ATTEMPTS


def test_retry_waits_as_long_as_it_says_or_as_long_as_the_back_off() -> None:
    assert judge(an_item(), OPTIONS, Retry("busy", after=60), 0.5) == Retried(an_item(), 60, "Retry: busy", "")
    assert judge(an_item(), OPTIONS, Retry(), 0.5) == Retried(an_item(), 5, "Retry", "")


def test_a_retry_uses_an_attempt_too_so_that_it_cannot_go_on_for_ever() -> None:
    assert isinstance(judge(an_item(attempts=2), OPTIONS, Retry(after=1), 0.5), DeadLettered)


def test_a_discarded_item_leaves_with_its_reason() -> None:
    assert judge(an_item(), OPTIONS, Discard("not an address"), 0.5) == Discarded(an_item(), "not an address")


def test_an_item_cut_short_by_shutdown_is_released() -> None:
    assert judge(an_item(), OPTIONS, Interrupted(), 0.5) == Released(an_item())


def test_the_time_limit_says_how_long_it_was() -> None:
    outcome = judge(an_item(), OPTIONS, raised(TimeLimitExceeded()), 0.5)

    assert isinstance(outcome, Retried)
    assert outcome.error == "TimeLimitExceeded: ran past its limit of 300 s"


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no message")


@pytest.mark.parametrize("error", [Unprintable(), ValueError("x" * 100_000), SystemExit(3), KeyboardInterrupt()])
def test_any_exception_can_be_told_within_the_limits(error: BaseException) -> None:
    outcome = judge(an_item(), OPTIONS, raised(error), 0.5)

    assert isinstance(outcome, Retried)
    assert outcome.error.startswith(type(error).__name__)
    assert len(outcome.error) <= ERROR_LIMIT
    assert len(outcome.traceback) <= TRACEBACK_LIMIT


@pytest.mark.parametrize("after", [-1, float("inf"), float("nan")])
def test_retry_after_an_impossible_time_is_refused_where_it_is_written(after: float) -> None:
    with pytest.raises(ValueError, match="after is a number of seconds"):
        Retry(after=after)


@pytest.mark.parametrize(
    ("outcome", "word", "event"),
    [
        (Done(an_item()), Word.HANDLED, None),
        (Retried(an_item(), 5, "ValueError: boom", "Traceback"), Word.FAILED, ItemFailed),
        (DeadLettered(an_item(), DeadReason.ATTEMPTS, "boom"), Word.DEAD_LETTERED, ItemDeadLettered),
        (Discarded(an_item(), "why"), Word.DISCARDED, ItemDiscarded),
        (Released(an_item()), Word.RELEASED, None),
    ],
)
def test_every_outcome_has_one_counter_and_its_event(outcome: Outcome, word: Word, event: type | None) -> None:
    told = event_of("main.1", outcome, OPTIONS, None)

    assert word_of(outcome) is word
    assert type(told) is (event or type(None))


def test_a_retry_that_was_asked_for_is_not_told_as_a_failure() -> None:
    outcome = Retried(an_item(), 5, "Retry: busy", "")

    assert word_of(outcome) is Word.RETRIED
    assert isinstance(event_of("main.1", outcome, OPTIONS, Retry("busy")), ItemRetried)
