"""Closing a dead worker's account: whatever moment it was killed at, every claim has an end and the right one."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from snqd.items import Item, ItemId, QueueName, SiteName, lines_of
from snqd.stores.outcomes import DeadReason, Done
from snqd.stores.repairs import Blamed, GivenBack, Repaired
from snqd.telemetry.board import Running
from snqd.telemetry.ledger import Ledger
from snqd.worker.accounts import Accounts, Reports, Settled
from snqd.worker.closing import Closing
from tests.support.ledgers import Totals

if TYPE_CHECKING:
    from collections.abc import Iterator

QUEUE, SITE = QueueName("mail"), SiteName("a")
HANDLERS: Any = {"mail": SimpleNamespace(options=SimpleNamespace(transactional=False))}
TRANSACTIONAL: Any = {"mail": SimpleNamespace(options=SimpleNamespace(transactional=True))}


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    ledger = Ledger.create()
    yield ledger
    ledger.close()


class Dead:
    """A worker that held `count` items when it was killed."""

    def __init__(self, ledger: Ledger, count: int) -> None:
        self.ledger = ledger
        self.in_flight: set[int] = set()
        self.accounts = Accounts(ledger.writer(1))
        now = time.time()
        self.items = [
            Item(ItemId(number), 1, SITE, QUEUE, "json", b"{}", 0, 0, now, now, 0) for number in range(1, count + 1)
        ]
        self.accounts.claimed(self.items, lines_of(self.items))

    def announce(self, count: int) -> None:
        """It had sent these, done, to the store."""
        now = time.monotonic_ns()
        reports = Reports([(item, Done(item), now - 5, now) for item in self.items[:count]])
        self.accounts.stage(reports, with_repeats=False)

    def claims_unknown(self, count: int) -> None:
        """Its last statement has claimed so many more, and it did not live to count them."""
        now, first = time.time(), len(self.items) + 1
        for number in range(first, first + count):
            self.items.append(Item(ItemId(number), 2, SITE, QUEUE, "json", b"{}", 0, 0, now, now, 0))

    def close(
        self, held: int, *, blamed: list[Blamed] | None = None, handlers: Any = HANDLERS, running: int = 0
    ) -> Totals:
        """Repair: the store had the last `held` items in its name. `running`: the item on the board; 0 = none."""
        blamed = blamed or []
        ids = frozenset(item.id for item in self.items[len(self.items) - held :])
        released = held - len(blamed)
        given = [GivenBack(QUEUE, SITE, released)] if released else []
        closing = Closing(self.ledger.writer(1), handlers)
        closing.begin(lambda item: item in ids or item in self.in_flight)
        closing.finish(Repaired(blamed, given, ids), [Running(running, QUEUE, SITE, 1, 0, 1)] if running else [])
        return Totals(self.ledger.reader(1).changed())


def blame(item: Item, dead: DeadReason | None = None) -> Blamed:
    return Blamed(item.id, item.queue, item.site, 1, 1, dead)


def test_what_was_held_is_reclaimed_and_what_was_running_has_failed(ledger: Ledger) -> None:
    dead = Dead(ledger, 5)

    totals = dead.close(5, blamed=[blame(dead.items[0])])

    assert (totals.claimed, totals.reclaimed, totals.failed, totals.dead_lettered) == (5, 4, 1, 0)
    assert totals.claimed == totals.ended


def test_an_item_that_crashed_too_often_is_a_dead_letter_too(ledger: Ledger) -> None:
    dead = Dead(ledger, 1)

    totals = dead.close(1, blamed=[blame(dead.items[0], DeadReason.CRASH)])

    assert (totals.failed, totals.dead_lettered) == (1, 1)


def test_an_exchange_that_was_committed_before_the_death_counts(ledger: Ledger) -> None:
    dead = Dead(ledger, 5)
    dead.announce(3)

    totals = dead.close(2)

    assert (totals.claimed, totals.handled, totals.reclaimed, totals.runs) == (5, 3, 2, 3)


def test_an_exchange_that_was_not_committed_does_not_count(ledger: Ledger) -> None:
    dead = Dead(ledger, 5)
    dead.announce(3)

    totals = dead.close(5)

    assert (totals.claimed, totals.handled, totals.reclaimed, totals.runs) == (5, 0, 5, 0)


def test_a_claim_that_the_last_statement_made_is_counted(ledger: Ledger) -> None:
    dead = Dead(ledger, 5)
    dead.announce(5)
    dead.claims_unknown(4)

    totals = dead.close(4)

    assert (totals.claimed, totals.handled, totals.reclaimed) == (9, 5, 4)


@pytest.mark.parametrize(("handlers", "counter"), [(TRANSACTIONAL, "handled"), (HANDLERS, "leases_lost")])
def test_a_claim_that_is_gone_was_acked_by_its_transaction_or_lost(ledger: Ledger, handlers: Any, counter: str) -> None:
    totals = Dead(ledger, 5).close(4, handlers=handlers)

    assert (totals.claimed, getattr(totals, counter), totals.reclaimed) == (5, 1, 4)


def test_acks_of_transactions_count_although_as_many_claims_are_not_known(ledger: Ledger) -> None:
    dead = Dead(ledger, 5)
    for item in dead.items[:2]:
        dead.accounts.acked(item)
    dead.claims_unknown(2)

    totals = dead.close(5, handlers=TRANSACTIONAL)

    assert (totals.claimed, totals.handled, totals.reclaimed) == (7, 2, 5)


def test_an_ack_and_a_claim_of_the_last_moment_both_count(ledger: Ledger) -> None:
    """The threads of a worker die at once: one had committed an ack and not noted it, the other a claim."""
    dead = Dead(ledger, 5)
    dead.claims_unknown(1)

    totals = dead.close(5, handlers=TRANSACTIONAL, running=1)

    assert (totals.claimed, totals.handled, totals.reclaimed) == (6, 1, 5)


def test_an_ack_that_was_noted_while_the_board_showed_its_item_counts_once(ledger: Ledger) -> None:
    dead = Dead(ledger, 5)
    dead.claims_unknown(2)
    dead.accounts.acked(dead.items[0])

    totals = dead.close(6, handlers=TRANSACTIONAL, running=1)

    assert (totals.claimed, totals.handled, totals.reclaimed) == (7, 1, 6)


def test_a_transaction_that_was_not_committed_is_no_ack(ledger: Ledger) -> None:
    dead = Dead(ledger, 5)

    totals = dead.close(5, blamed=[blame(dead.items[0])], handlers=TRANSACTIONAL, running=1)

    assert (totals.claimed, totals.handled, totals.failed, totals.reclaimed) == (5, 0, 1, 4)


@pytest.mark.parametrize("posted", [0, 1, 2, 3, 4])
def test_acks_count_once_although_it_died_while_counting_them(ledger: Ledger, posted: int) -> None:
    dead = Dead(ledger, 5)
    for item in dead.items[:3]:
        dead.accounts.acked(item)
    reports = Reports([(item, Settled.HANDLED, 1, 2) for item in dead.items[:3]])
    batch = dead.accounts.stage(reports, with_repeats=False)
    words = ledger.writer(1).words
    assert len(batch.stage.values) > posted
    for index, value in list(batch.stage.values.items())[:posted]:
        words[index] = value

    totals = dead.close(2, handlers=TRANSACTIONAL)

    assert (totals.claimed, totals.handled, totals.reclaimed, totals.runs) == (5, 3, 2, 3)


def test_acks_of_transactions_that_were_counted_do_not_count_again(ledger: Ledger) -> None:
    dead = Dead(ledger, 5)
    reports: list[Any] = []
    for item in dead.items[:3]:
        dead.accounts.acked(item)
        reports.append((item, Settled.HANDLED, 1, 2))
    counted = Reports(reports[:2])
    dead.accounts.post(dead.accounts.stage(counted, with_repeats=False), counted, {})

    totals = dead.close(2, handlers=TRANSACTIONAL)

    assert (totals.claimed, totals.handled, totals.reclaimed, totals.runs) == (5, 3, 2, 2)


def test_closing_again_changes_nothing(ledger: Ledger) -> None:
    dead = Dead(ledger, 5)
    dead.announce(3)
    before = vars(dead.close(2))

    assert vars(dead.close(0)) == before


def test_a_server_may_carry_out_the_last_statement_after_a_look_at_it(ledger: Ledger) -> None:
    dead = Dead(ledger, 5)
    dead.announce(3)
    dead.in_flight = {item.id for item in dead.items[:3]}

    totals = dead.close(2)

    assert (totals.claimed, totals.handled, totals.reclaimed) == (5, 3, 2)


@pytest.mark.parametrize("handlers", [TRANSACTIONAL, HANDLERS])
def test_what_a_repairer_gave_back_before_it_was_killed_itself_is_reclaimed(ledger: Ledger, handlers: Any) -> None:
    dead = Dead(ledger, 5)
    dead.announce(3)
    interrupted = Closing(ledger.writer(1), handlers)
    interrupted.begin(lambda item: True)

    totals = dead.close(0, handlers=handlers)

    assert (totals.claimed, totals.handled, totals.reclaimed, totals.leases_lost) == (5, 0, 5, 0)
