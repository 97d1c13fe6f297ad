"""Accounts: every claim ends once, and is counted as what it ended in."""

from __future__ import annotations

import time
from collections import Counter
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snqd.items import CANARY, Item, ItemId, QueueName, SiteName, lines_of
from snqd.stores.outcomes import DeadLettered, DeadReason, Discarded, Done, Released, Retried
from snqd.telemetry import ledger_layout as layout
from snqd.telemetry.histogram import BOUNDS_NS, bucket_of, tally, total
from snqd.telemetry.ledger import CanaryReturn, FlowCounts, Ledger
from snqd.worker.accounts import Accounts, Reports, Settled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from snqd.stores.outcomes import Outcome
    from snqd.telemetry.ledger import LedgerWriter
    from snqd.worker.accounts import Report

MILLISECOND = 1_000_000


def make(number: int, *, token: int = 1, queue: str = "mail", site: str = "a", codec: str = "json") -> Item:
    available = time.time() - 60.0
    return Item(
        ItemId(number), token, SiteName(site), QueueName(queue), codec, b"7", 0, 0, available, available, 0
    )  # fmt: skip


OUTCOMES: dict[str, Callable[[Item], Outcome | Settled]] = {
    "handled": Done,
    "handled in a transaction": lambda item: Settled.HANDLED,
    "failed": lambda item: Retried(item, 1.0, "error", "traceback"),
    "retried": lambda item: Retried(item, 1.0, "Retry"),
    "failed for the last time": lambda item: DeadLettered(item, DeadReason.ATTEMPTS, "error", "traceback"),
    "retried for the last time": lambda item: DeadLettered(item, DeadReason.ATTEMPTS, "Retry"),
    "bad": lambda item: DeadLettered(item, DeadReason.BAD_ITEM, "not JSON"),
    "discarded": lambda item: Discarded(item, "old"),
    "released": Released,
    "lost": lambda item: Settled.LOST,
}
COUNTED: dict[str, dict[str, int]] = {
    "handled": {"handled": 1, "runs": 1},
    "handled in a transaction": {"handled": 1, "runs": 1},
    "failed": {"failed": 1, "runs": 1},
    "retried": {"retried": 1, "runs": 1},
    "failed for the last time": {"failed": 1, "dead_lettered": 1, "runs": 1},
    "retried for the last time": {"retried": 1, "dead_lettered": 1, "runs": 1},
    "bad": {"bad_items": 1, "dead_lettered": 1},
    "discarded": {"discarded": 1, "runs": 1},
    "released": {"released": 1},
    "lost": {"leases_lost": 1},
}


class Desk:
    """Accounts on a ledger of their own, with the other end of it."""

    def __init__(self) -> None:
        self.ledger = Ledger.create()
        self.book: LedgerWriter = self.ledger.writer(1)
        self.accounts = Accounts(self.book)
        self.reader = self.ledger.reader(1)

    def claimed(self, items: list[Item]) -> None:
        self.accounts.claimed(items, lines_of(items))

    def exchange(self, reports: list[Report], changed: dict[ItemId, Settled] | None = None) -> set[ItemId]:
        before = set(self.accounts.held)
        batch = self.accounts.stage(Reports(reports), with_repeats=False)
        self.accounts.post(batch, Reports(reports), changed or {})
        return before - set(self.accounts.held)

    def rows(self) -> dict[tuple[str, str], FlowCounts]:
        return {(row.queue, row.site): row for row in self.ledger.reader(1).changed()}

    def close(self) -> None:
        self.reader.close()
        self.book.close()
        self.ledger.close()


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.close()


def counts_of(row: FlowCounts) -> dict[str, int]:
    names = ("claimed", "handled", "failed", "retried", "released", "dead_lettered", "discarded", "bad_items")
    found = {name: getattr(row, name) for name in (*names, "leases_lost", "reclaimed")}
    assert total(row.run) == total(row.wait)
    return {name: count for name, count in {**found, "runs": total(row.run)}.items() if count}


def done(item: Item, run_ns: int = MILLISECOND) -> Report:
    ended = time.monotonic_ns()
    return (item, Done(item), ended - run_ns, ended)


@pytest.mark.parametrize("kind", OUTCOMES)
def test_each_end_of_a_claim_has_its_counter(desk: Desk, kind: str) -> None:
    item = make(1)
    desk.claimed([item])
    now = time.monotonic_ns()

    assert desk.exchange([(item, OUTCOMES[kind](item), now - MILLISECOND, now)]) == {1}

    assert counts_of(desk.rows()["mail", "a"]) == {"claimed": 1, **COUNTED[kind]}


@pytest.mark.parametrize("count", [1, 2, 300])
def test_run_and_wait_times_are_those_of_the_handlers(desk: Desk, count: int) -> None:
    items = [make(number) for number in range(count)]
    desk.claimed(items)

    desk.exchange([done(item, 5 * MILLISECOND) for item in items])

    row = desk.rows()["mail", "a"]
    assert row.run == (bucket_of(0.005), count)
    assert row.run_seconds == pytest.approx(0.005 * count)
    assert row.wait_seconds == pytest.approx(60.0 * count, abs=1.0 * count)
    assert total(row.wait) == count


@given(
    waited=st.lists(st.floats(-0.01, 100.0, allow_subnormal=False), min_size=1, max_size=20),
    spread=st.sampled_from([0.0, 1e-6, 1e-3, 1.0]),
    step=st.integers(0, 5 * MILLISECOND),
)
@settings(deadline=None)
def test_waits_that_are_counted_at_once_are_those_that_are_counted_one_by_one(
    waited: list[float], spread: float, step: int
) -> None:
    desk = Desk()
    to_epoch = time.time_ns() - time.monotonic_ns()
    clock = SimpleNamespace(time_ns=lambda: to_epoch, monotonic_ns=lambda: 0, time=time.time)
    began = time.monotonic_ns()
    items: list[Item] = []
    reports: list[Report] = []
    for number, seconds in enumerate(waited):
        started = began + number * step
        at = (to_epoch + started) / 1e9 - (waited[0] + spread * seconds)
        items.append(make(number + 1)._replace(available_at=at))
        reports.append((items[-1], Done(items[-1]), started, started + 1000))
    waits = [
        max(0.0, to_epoch + report[2] - item.available_at * 1e9) for item, report in zip(items, reports, strict=True)
    ]
    desk.claimed(items)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("snqd.worker.accounts.time", clock)
        desk.exchange(reports)

    row = desk.rows()["mail", "a"]
    assert row.wait == tuple(number for pair in tally(waits, BOUNDS_NS) for number in pair)
    microseconds = 5e-6 * len(waits)  # as exact as sums of so large epoch seconds are
    assert row.wait_seconds == pytest.approx(sum(waits) / 1e9, abs=microseconds)
    desk.close()


@pytest.mark.parametrize("count", [1, 5])
def test_a_store_whose_clock_is_ahead_makes_no_negative_wait(desk: Desk, count: int) -> None:
    items = [make(number)._replace(available_at=time.time() + 1000.0) for number in range(count)]
    desk.claimed(items)

    desk.exchange([done(item) for item in items])

    row = desk.rows()["mail", "a"]
    assert (row.wait, row.wait_seconds) == ((0, count), 0.0)


def test_nothing_is_counted_before_the_commit_and_an_exchange_may_be_repeated(desk: Desk) -> None:
    items = [make(number) for number in range(3)]
    desk.claimed(items)
    reports = [done(item) for item in items]

    desk.accounts.stage(Reports(reports), with_repeats=False)
    assert counts_of(desk.rows()["mail", "a"]) == {"claimed": 3}

    desk.exchange(reports)
    assert counts_of(desk.rows()["mail", "a"]) == {"claimed": 3, "handled": 3, "runs": 3}


def test_what_the_store_says_of_a_claim_counts(desk: Desk) -> None:
    items = [make(number) for number in range(3)]
    desk.claimed(items)
    changed = {items[1].id: Settled.LOST}

    desk.exchange([done(item) for item in items], changed)

    assert counts_of(desk.rows()["mail", "a"]) == {"claimed": 3, "handled": 2, "leases_lost": 1, "runs": 2}


def test_a_failure_that_a_transaction_had_acked_after_all_is_handled(desk: Desk) -> None:
    item = make(1)
    desk.claimed([item])
    now = time.monotonic_ns()

    desk.exchange([(item, Retried(item, 1.0, "unavailable", "trace"), now - 5, now)], {item.id: Settled.HANDLED})

    assert counts_of(desk.rows()["mail", "a"]) == {"claimed": 1, "handled": 1, "runs": 1}


def test_a_claim_that_is_reported_again_does_not_end_again(desk: Desk) -> None:
    item = make(1)
    desk.claimed([item])
    reports = [(item, Released(item), 0, 0), done(item)]

    batch = desk.accounts.stage(Reports(reports), with_repeats=True)
    desk.accounts.post(batch, Reports(reports), {})
    desk.exchange([done(item)])

    assert counts_of(desk.rows()["mail", "a"]) == {"claimed": 1, "released": 1}


def test_a_claim_that_was_lost_and_claimed_again_ends_twice(desk: Desk) -> None:
    first, second = make(1, token=1), make(1, token=2)
    desk.claimed([first])
    desk.claimed([second])

    assert desk.exchange([done(first)]) == set(), "the late report says nothing about the new claim"
    assert desk.exchange([done(second)]) == {1}

    assert counts_of(desk.rows()["mail", "a"]) == {"claimed": 2, "handled": 1, "leases_lost": 1, "runs": 1}


def test_canaries_are_in_the_table_and_in_no_counter(desk: Desk) -> None:
    canary, user, odd = make(1, codec=CANARY), make(2), make(3, codec=CANARY)._replace(frame=b"what?")
    desk.claimed([canary, user, odd])
    reports: list[Report] = [(canary, Done(canary), 0, 0), done(user)]
    before = time.time()

    desk.accounts.stage(Reports(reports), with_repeats=False)
    assert desk.reader.canaries() == {}
    desk.exchange(reports)

    back = desk.reader.canaries()["mail"]
    assert (back.number, back.count) == (7, 1)
    assert before <= back.at <= time.time()
    assert {flow: counts_of(row) for flow, row in desk.rows().items()} == {
        ("mail", "a"): {"claimed": 1, "handled": 1, "runs": 1}
    }
    desk.exchange([(odd, Done(odd), 0, 0)])
    assert isinstance(desk.reader.canaries()["mail"], CanaryReturn)
    assert desk.reader.canaries()["mail"].count == 2


def test_a_canary_that_is_given_back_has_not_returned(desk: Desk) -> None:
    canary = make(1, codec=CANARY)
    desk.claimed([canary])

    desk.exchange([(canary, Released(canary), 0, 0)])
    desk.claimed([canary])
    desk.claimed([canary._replace(token=2)])

    assert desk.reader.canaries() == {}
    assert desk.rows() == {}


def test_handlings_are_known_by_queue(desk: Desk) -> None:
    items = [make(1), make(2, site="b"), make(3, queue="push"), make(4)]
    desk.claimed(items)

    desk.exchange([done(item) for item in items[:3]] + [(items[3], Released(items[3]), 0, 0)])

    assert desk.accounts.ran == {"mail": 2, "push": 1}


@given(st.lists(st.integers(0, 5), max_size=40), st.integers(1, 10))
@settings(deadline=None)
def test_sums_are_right_although_the_ledger_is_full(sites: list[int], at_once: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "ROWS", 4)
        patch.setattr(layout, "CHUNKS", 22)  # row 0 has 20 of them
        desk = Desk()
        items = [make(number, site=str(site)) for number, site in enumerate(sites)]
        for at in range(0, len(items), at_once):
            batch = items[at : at + at_once]
            desk.claimed(batch)
            desk.exchange([done(item, item.id * MILLISECOND) for item in batch])

        rows = desk.rows().values()
        assert sum(row.claimed for row in rows) == sum(row.handled for row in rows) == len(sites)
        assert sum(total(row.run) for row in rows) == sum(total(row.wait) for row in rows) == len(sites)
        desk.close()


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["mail", "push"]), st.sampled_from("abc"), st.sampled_from(sorted(OUTCOMES)), st.booleans()
        ),
        max_size=60,
    ),
    st.integers(1, 20),
    st.integers(1, 20),
)
@settings(deadline=None)
def test_every_claim_ends_once_whatever_the_batches(
    claims: list[tuple[str, str, str, bool]], claimed_at_once: int, reported_at_once: int
) -> None:
    desk = Desk()
    expected: dict[tuple[str, str], Counter[str]] = {}
    items = [make(number, queue=queue, site=site) for number, (queue, site, _kind, _late) in enumerate(claims)]
    for at in range(0, len(items), claimed_at_once):
        desk.claimed(items[at : at + claimed_at_once])
    for at in range(0, len(items), reported_at_once):
        reports: list[Report] = []
        changed: dict[ItemId, Settled] = {}
        for item in items[at : at + reported_at_once]:
            queue, site, kind, is_late = claims[item.id]
            now = time.monotonic_ns()
            ran = "runs" in COUNTED[kind]
            reports.append((item, OUTCOMES[kind](item), now - 10 if ran else 0, now if ran else 0))
            if is_late:
                changed[item.id] = Settled.LOST
            flow = expected.setdefault((queue, site), Counter())
            flow.update({"claimed": 1, **(COUNTED["lost"] if is_late else COUNTED[kind])})
        desk.exchange(reports, changed)

    rows = desk.rows()
    assert {flow: counts_of(row) for flow, row in rows.items()} == expected
    assert desk.book.open_claims() == {}
    desk.close()
