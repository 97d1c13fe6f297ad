"""The inline store handles at enqueue, and loses nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from snqd.config.schema import StoreConfig
from snqd.stores import memory
from snqd.stores.inline import INLINE_ATTEMPTS, InlineStore
from snqd.stores.outcomes import DeadLettered, DeadReason, Discarded, Done, Released, Retried
from snqd.stores.records import ItemFilter
from tests.support.stores import new, waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from snqd.items import Item
    from snqd.stores.base import Store
    from snqd.stores.outcomes import Outcome
    from snqd.stores.records import ItemRecord

EVERYTHING = ItemFilter()


@pytest.fixture
def kept() -> Iterator[Store]:
    yield memory.MemoryStore(StoreConfig(url="memory://inline-test"))
    memory.forget("inline-test")


class Runs:
    """A `run` that notes what it is given and answers with `answer`."""

    def __init__(self, answer: Callable[[Item], Outcome]) -> None:
        self.seen: list[tuple[bytes, int]] = []
        self._answer = answer

    def __call__(self, item: Item) -> Outcome:
        self.seen.append((item.frame, item.attempts))
        return self._answer(item)


def dead(store: Store) -> list[ItemRecord]:
    return list(store.find_dead(EVERYTHING))


def test_items_are_handled_before_enqueue_returns(kept: Store) -> None:
    run = Runs(Done)
    store = InlineStore(run, kept)

    ids = store.enqueue([new(frame=b"1"), new("other", frame=b"2")])
    assert store.enqueue_many(new(frame=b"%d" % n) for n in (3, 4)) == 2

    assert run.seen == [(b"1", 0), (b"2", 0), (b"3", 0), (b"4", 0)]
    assert None not in ids
    assert waiting(store) == dead(store) == []


def test_delays_are_left_out(kept: Store) -> None:
    run = Runs(Done)

    InlineStore(run, kept).enqueue([new(frame=b"1", delay_seconds=60.0), new(frame=b"2", available_at=9e9)])

    assert run.seen == [(b"1", 0), (b"2", 0)]


def test_items_of_a_handler_run_after_the_one_that_enqueued_them(kept: Store) -> None:
    depth = 0
    deepest = 0

    def answer(item: Item) -> Outcome:
        nonlocal depth, deepest
        depth += 1
        deepest = max(deepest, depth)
        number = int(item.frame)
        if number < 2000:
            store.enqueue([new(frame=b"%d" % (number + 1))])
        depth -= 1
        return Done(item, (new("log", frame=item.frame),)) if number < 3 else Done(item)

    run = Runs(answer)
    store = InlineStore(run, kept)
    store.enqueue([new(frame=b"0")])

    assert [number for number, _ in run.seen] == [b"%d" % n for n in range(2001)]
    assert deepest == 1
    assert [record.queue for record in waiting(store)] == ["log", "log", "log"]


def test_a_retry_is_tried_at_once_and_then_kept_as_a_dead_letter(kept: Store) -> None:
    run = Runs(lambda item: Retried(item, 60.0, f"no luck {item.attempts}", "the traceback"))
    store = InlineStore(run, kept)

    store.enqueue([new(frame=b"x")])

    assert run.seen == [(b"x", attempt) for attempt in range(INLINE_ATTEMPTS)]
    (letter,) = dead(store)
    assert (letter.attempts, letter.reason, letter.traceback) == (INLINE_ATTEMPTS, "attempts", "the traceback")
    assert [entry.error for entry in letter.history] == ["no luck 0", "no luck 1", "no luck 2"]


def test_a_retry_that_succeeds_leaves_nothing(kept: Store) -> None:
    run = Runs(lambda item: Done(item) if item.attempts else Retried(item, 60.0, "once"))
    store = InlineStore(run, kept)

    store.enqueue([new(frame=b"x")])

    assert run.seen == [(b"x", 0), (b"x", 1)]
    assert waiting(store) == dead(store) == []


def test_dead_letters_and_discards_are_what_they_are_elsewhere(kept: Store) -> None:
    def answer(item: Item) -> Outcome:
        return Discarded(item, "spam") if item.frame == b"spam" else DeadLettered(item, DeadReason.BAD_ITEM, "not JSON")

    store = InlineStore(Runs(answer), kept)
    store.enqueue([new(frame=b"spam"), new(frame=b"bad")])

    assert waiting(store) == []
    assert [(letter.frame, letter.reason) for letter in dead(store)] == [(b"bad", "bad_item")]


def test_a_released_item_is_set_aside_and_runs_again_when_a_person_says_so(kept: Store) -> None:
    run = Runs(lambda item: Done(item) if len(run.seen) > 2 else Released(item, 0.0, "unknown site"))
    store = InlineStore(run, kept)
    store.enqueue([new(frame=b"1"), new(frame=b"2")])
    assert [(record.state, record.last_error) for record in waiting(store)] == [("scheduled", "unknown site")] * 2

    assert store.retry_now(EVERYTHING) == 2
    store.enqueue([new(frame=b"3")])

    assert [frame for frame, _ in run.seen] == [b"1", b"2", b"1", b"2", b"3"]
    assert waiting(store) == []


def test_an_item_whose_run_raises_is_kept_and_the_error_is_the_callers(kept: Store) -> None:
    def answer(item: Item) -> Outcome:
        if len(run.seen) == 1:
            raise KeyboardInterrupt
        return Done(item)

    run = Runs(answer)
    store = InlineStore(run, kept)
    with pytest.raises(KeyboardInterrupt):
        store.enqueue([new(frame=b"1"), new(frame=b"2")])
    assert [(record.frame, record.state) for record in waiting(store)] == [(b"1", "ready"), (b"2", "ready")]

    store.enqueue([new(frame=b"3")])

    assert [frame for frame, _ in run.seen] == [b"1", b"1", b"2", b"3"]


def test_a_unique_key_is_free_when_enqueue_has_returned(kept: Store) -> None:
    store = InlineStore(Runs(Done), kept)

    assert None not in store.enqueue([new(unique_key="k")])
    assert None not in store.enqueue([new(unique_key="k")])


def test_a_store_of_its_own_kind_looks_like_any_other(kept: Store) -> None:
    store = InlineStore(Runs(Done), kept)

    store.connect()
    assert store.kind == "inline"
    assert store.counts() == []
    store.close()


def test_a_probe_tells_what_was_set_aside(kept: Store) -> None:
    store = InlineStore(lambda item: Released(item, 0.0, "unknown site"), kept)
    store.enqueue([new(), new()])

    (depth,) = store.probe().depths()

    assert (depth.queue, depth.ready, depth.scheduled, depth.is_estimate) == ("mail", 0, 2, False)
    assert store.probe().lags() == []


def test_items_of_what_is_paused_are_handled_by_the_resume(kept: Store) -> None:
    run = Runs(Done)
    store = InlineStore(run, kept)
    mail, site = new().queue, new(site="a").site
    store.pause(mail, None, author="ada")
    store.pause(None, site, author="ada")

    store.enqueue([new(frame=b"1"), new("other", site="a", frame=b"2"), new("other", frame=b"3")])

    assert run.seen == [(b"3", 0)]
    assert [(record.frame, record.state) for record in waiting(store)] == [(b"1", "paused"), (b"2", "paused")]
    store.resume(mail, None, author="ada")
    assert run.seen[1:] == [(b"1", 0)]
    assert store.resume(mail, None, author="ada") is None
    store.resume(None, site, author="ada")
    assert run.seen[2:] == [(b"2", 0)]
    assert waiting(store) == dead(store) == []
