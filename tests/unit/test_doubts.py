"""What became of claims about which an answer was lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqd.items import Item, ItemId, QueueName, SiteName
from snqd.stores.outcomes import DeadLettered, DeadReason, Done, Released, Retried
from snqd.worker.accounts import Settled
from snqd.worker.doubts import Doubts, acked_among
from tests.support.stores import claim, make_memory, new

if TYPE_CHECKING:
    from snqd.stores.outcomes import Outcome

ITEM, OTHER = (
    Item(ItemId(number), 1, SiteName("a"), QueueName("q"), "json", b"", 0, 0, 0.0, 0.0, 0) for number in (1, 2)
)


def test_a_claim_that_the_store_does_not_find_was_lost() -> None:
    assert Doubts(60.0, 100.0).changed([ITEM], 101.0) == {ITEM.id: Settled.LOST}


def test_one_that_was_told_without_an_answer_had_been_carried_out() -> None:
    doubts = Doubts(60.0, 100.0)
    doubts.unanswered([ITEM])

    assert doubts.is_unanswered(ITEM)
    assert doubts.changed([ITEM, OTHER], 159.0) == {OTHER.id: Settled.LOST}


def test_unless_its_lease_may_have_run_out_meanwhile() -> None:
    doubts = Doubts(60.0, 100.0)
    doubts.unanswered([ITEM])
    assert doubts.changed([ITEM], 161.0) == {ITEM.id: Settled.LOST}

    doubts.renewed(150.0)

    assert doubts.changed([ITEM], 161.0) == {}


def test_an_answer_ends_the_doubt() -> None:
    doubts = Doubts(60.0, 100.0)
    doubts.unanswered([ITEM])
    doubts.asked([OTHER], [OTHER])

    doubts.answered([ITEM, OTHER])

    assert doubts.changed([ITEM, OTHER], 101.0) == {ITEM.id: Settled.LOST, OTHER.id: Settled.LOST}


def test_a_transaction_that_may_have_been_committed_is_asked_about_once() -> None:
    doubts = Doubts(60.0, 100.0)
    assert doubts.to_ask([ITEM, OTHER]) == []
    doubts.doubt(ITEM)
    assert doubts.to_ask([ITEM, OTHER]) == [ITEM]

    doubts.asked([ITEM], [])

    assert doubts.to_ask([ITEM, OTHER]) == []


def test_it_was_an_ack_if_the_claim_was_gone_before_anything_was_told() -> None:
    doubts = Doubts(60.0, 100.0)
    doubts.doubt(ITEM)
    doubts.asked([ITEM], [ITEM])
    doubts.unanswered([ITEM])

    assert doubts.changed([ITEM], 1000.0) == {ITEM.id: Settled.HANDLED}


def test_and_a_retry_if_it_was_still_there() -> None:
    doubts = Doubts(60.0, 100.0)
    doubts.doubt(ITEM)
    doubts.asked([ITEM], [])
    doubts.unanswered([ITEM])

    assert doubts.changed([ITEM], 101.0) == {}


def test_the_store_knows_which_claims_were_acked_and_which_were_lost() -> None:
    store = make_memory("doubts", 60.0)
    store.connect()
    store.enqueue([new() for _ in range(5)])
    ours, acked, lost, failed, dead = items = claim(store, limit=5)
    outcomes: list[Outcome] = [
        Done(acked),
        Released(lost),
        Retried(failed, 60.0, "by another"),
        DeadLettered(dead, DeadReason.CRASH, ""),
    ]
    store.exchange(outcomes, [])

    assert acked_among(items, store) == [acked]
    assert acked_among([ours], store) == []
