"""What became of claims about which an answer was lost."""

from __future__ import annotations

from snqd.items import Item, ItemId, QueueName, SiteName
from snqd.worker.accounts import Settled
from snqd.worker.doubts import Doubts

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
    doubts.doubt(OTHER)

    doubts.answered([ITEM, OTHER])

    assert doubts.changed([ITEM, OTHER], 101.0) == {ITEM.id: Settled.LOST, OTHER.id: Settled.LOST}


def test_a_transaction_that_may_have_been_committed_was_if_the_claim_is_gone() -> None:
    doubts = Doubts(60.0, 100.0)
    doubts.doubt(ITEM)

    doubts.answered([OTHER])

    assert doubts.changed([ITEM], 1000.0) == {ITEM.id: Settled.HANDLED}
