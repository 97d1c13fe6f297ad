"""Claims without a ledger: the same is held as with one, whatever is claimed, lost and reported."""

from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from snqd.items import Item, ItemId, QueueName, SiteName, lines_of
from snqd.stores.outcomes import Done, Released
from snqd.telemetry.ledger import Ledger
from snqd.worker.accounts import Accounts, Report, Reports, Settled
from snqd.worker.claims import Claims

CLAIM = st.tuples(st.just("claim"), st.lists(st.integers(0, 5), min_size=1, unique=True), st.just(False))
REPORT = st.tuples(st.just("report"), st.lists(st.integers(0, 30), min_size=1, unique=True), st.booleans())


def make(number: int, token: int) -> Item:
    now = time.time()
    queue = QueueName("mail" if number % 2 else "push")
    return Item(ItemId(number), token, SiteName("a"), queue, "json", b"7", 0, 0, now, now, 0)


def report_of(item: Item) -> Report:
    outcomes = (Done(item), Released(item), Settled.HANDLED, Settled.LOST)
    return (item, outcomes[item.token % len(outcomes)], 0, 0)


class Both:
    """The same told to claims with and without a ledger."""

    def __init__(self) -> None:
        self.ledger = Ledger.create()
        self.with_ledger = Accounts(self.ledger.writer(1))
        self.without = Claims()
        self.tokens = 0
        self.unreported: list[Item] = []

    def claim(self, numbers: list[int]) -> None:
        items = [make(number, self.tokens + at) for at, number in enumerate(numbers)]
        self.tokens += len(items)
        self.unreported += items
        for claims in (self.with_ledger, self.without):
            claims.claimed(items, lines_of(items))

    def report(self, items: list[Item], *, with_repeats: bool) -> None:
        self.unreported = [item for item in self.unreported if item not in items]
        rows = [report_of(item) for item in items]
        if with_repeats:
            rows += [(item, Released(item), 0, 0) for item in items]
        reports = Reports(rows)
        changed = {item.id: Settled.LOST for item in items if item.token % 5 == 0}
        for claims in (self.with_ledger, self.without):
            claims.post(claims.stage(reports, with_repeats=with_repeats), reports, changed)


@given(st.lists(CLAIM | REPORT, max_size=30))
@settings(deadline=None)
def test_the_same_is_held_with_and_without_a_ledger(steps: list[tuple[str, list[int], bool]]) -> None:
    both = Both()
    for what, numbers, flag in steps:
        if what == "claim":
            both.claim(numbers)
        elif both.unreported:
            some = {number % len(both.unreported) for number in numbers}
            both.report([both.unreported[at] for at in sorted(some)], with_repeats=flag)
        assert both.without.held == both.with_ledger.held

    if both.unreported:
        both.report(list(both.unreported), with_repeats=False)
    assert both.without.held == {}
    assert both.without._lost == set()
    both.ledger.close()


def test_a_late_report_of_a_lost_claim_leaves_the_new_claim_held() -> None:
    claims = Claims()
    first, second = make(1, token=1), make(1, token=2)
    claims.claimed([first], lines_of([first]))
    claims.claimed([second], lines_of([second]))

    for item, held in ((first, {1: second}), (second, {})):
        reports = Reports([(item, Done(item), 0, 0)])
        claims.post(claims.stage(reports, with_repeats=False), reports, {})
        assert claims.held == held
