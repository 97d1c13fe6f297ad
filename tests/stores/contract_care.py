"""The contract of a store, part two: repair, transactions, people's commands, wake-ups."""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING, Any

import pytest

from snqd.errors import LeaseLost
from snqd.items import ItemId, canary_item
from snqd.stores.outcomes import DeadLettered, DeadReason, Done, Released, Retried
from snqd.stores.records import ItemFilter, ItemState
from snqd.stores.repairs import Blame, Blamed, Repaired
from tests.support.processes import SECONDS
from tests.support.stopwatch import Stopwatch
from tests.support.stores import OpenStore, claim, claim_one, new, waiting
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterable

    from snqd.items import Item, NewItem
    from snqd.stores.base import Store
    from snqd.stores.records import QueueFacts

EVERYTHING = ItemFilter()
CRASH_LIMIT = 3
NOTHING = Repaired([], [], frozenset())
_AT_ONCE_SECONDS = 2.0


def crash(item: Item, error: str = "killed by signal 11") -> Blame:
    return Blame(item.id, error, crashed=True, max_attempts=10)


def time_limit(item: Item, *, max_attempts: int = 10, delay_seconds: float = 0.0) -> Blame:
    return Blame(item.id, "past its time limit", crashed=False, max_attempts=max_attempts, delay_seconds=delay_seconds)


class RepairContract:
    """What a dead worker held comes back at once; what it was running pays for it."""

    def test_repair_releases_what_was_claimed_but_not_running_without_an_attempt(self, open_store: OpenStore) -> None:
        dead, living = open_store("dead"), open_store("living")
        dead.enqueue([new(frame=b"1"), new(frame=b"2"), new(frame=b"3")])
        running, *others = claim(dead)

        repaired = living.repair("dead", [crash(running)], crash_limit=CRASH_LIMIT)

        assert repaired.blamed == [Blamed(running.id, running.queue, running.site, 1, 1, None)]
        assert repaired.released == [(running.queue, running.site, 2)]
        assert repaired.ids == {running.id, *(item.id for item in others)}
        found = {item.frame: (item.attempts, item.crash_attempts) for item in claim(living)}
        assert found == {b"1": (1, 1), b"2": (0, 0), b"3": (0, 0)}
        history = {record.frame: [entry.error for entry in record.history] for record in waiting(living)}
        assert history == {b"1": ["killed by signal 11"], b"2": [], b"3": []}

    def test_an_item_that_crashes_workers_too_often_is_a_dead_letter(self, open_store: OpenStore) -> None:
        living = open_store("living")
        living.enqueue([new(site="s", frame=b"poison", unique_key="k")])
        verdicts = []
        for number in range(CRASH_LIMIT):
            dead = open_store(f"dead{number}")
            item = claim_one(dead)
            repaired = living.repair(dead.claimant, [crash(item, f"crash {number}")], crash_limit=CRASH_LIMIT)
            verdicts += [(blamed.crash_attempts, blamed.dead) for blamed in repaired.blamed]
            assert not repaired.released
            assert repaired.ids == {item.id}

        assert verdicts == [(1, None), (2, None), (3, DeadReason.CRASH)]
        assert waiting(living) == []
        (letter,) = living.find_dead(EVERYTHING)
        assert (letter.reason, letter.attempts, letter.crash_attempts, letter.frame) == ("crash", 3, 3, b"poison")
        assert [(entry.attempt, entry.error) for entry in letter.history] == [
            (1, "crash 0"),
            (2, "crash 1"),
            (3, "crash 2"),
        ]

    def test_an_item_past_its_time_limit_waits_for_its_retry(self, open_store: OpenStore) -> None:
        dead, living = open_store("dead"), open_store("living")
        dead.enqueue([new()])
        item = claim_one(dead)

        repaired = living.repair("dead", [time_limit(item, delay_seconds=60.0)], crash_limit=CRASH_LIMIT)

        assert repaired == Repaired([Blamed(item.id, item.queue, item.site, 1, 0, None)], [], frozenset([item.id]))
        (record,) = waiting(living)
        assert (record.state, record.attempts, record.crash_attempts) == ("scheduled", 1, 0)
        assert record.last_error == "past its time limit"
        due = living.promote().next_due_seconds
        assert due is not None
        assert 50.0 < due <= 60.1

    def test_an_item_past_its_time_limit_at_its_last_attempt_is_a_dead_letter(self, open_store: OpenStore) -> None:
        dead, living = open_store("dead"), open_store("living")
        dead.enqueue([new()])
        item = claim_one(dead)

        repaired = living.repair("dead", [time_limit(item, max_attempts=1)], crash_limit=CRASH_LIMIT)

        assert [blamed.dead for blamed in repaired.blamed] == [DeadReason.ATTEMPTS]
        assert [letter.reason for letter in living.find_dead(EVERYTHING)] == ["attempts"]

    def test_repairing_again_does_nothing(self, open_store: OpenStore) -> None:
        dead, living = open_store("dead"), open_store("living")
        dead.enqueue([new(), new()])
        running, _other = claim(dead)
        living.repair("dead", [crash(running)], crash_limit=CRASH_LIMIT)
        before = waiting(living)

        assert living.repair("dead", [crash(running)], crash_limit=CRASH_LIMIT) == NOTHING

        assert waiting(living) == before

    def test_what_is_released_is_counted_by_queue_and_site_without_canaries(self, open_store: OpenStore) -> None:
        dead, living = open_store("dead"), open_store("living")
        dead.enqueue([new("q", site="a"), new("q", site="b"), new("q", site="b"), new("r", site="a")])
        dead.enqueue([canary_item("q", 1, site="a"), canary_item("s", 1)])
        held = claim(dead, "q", "r", "s")

        repaired = living.repair("dead", [], crash_limit=CRASH_LIMIT)

        assert repaired.released == [("q", "a", 1), ("q", "b", 2), ("r", "a", 1)]
        assert repaired.ids == {item.id for item in held}
        assert len(held) == 6

    def test_repair_touches_only_what_is_in_that_name(self, open_store: OpenStore) -> None:
        dead, living = open_store("dead"), open_store("living")
        dead.enqueue([new(frame=b"1"), new(frame=b"2")])
        theirs = claim_one(dead)
        ours = claim_one(living)

        assert living.repair("nobody", [crash(theirs)], crash_limit=CRASH_LIMIT) == NOTHING
        assert living.repair("dead", [crash(ours)], crash_limit=CRASH_LIMIT).ids == {theirs.id}
        assert living.repair("dead", [Blame(ItemId(123456), "?", True, 1)], crash_limit=CRASH_LIMIT) == NOTHING

        assert living.exchange([Done(ours)], []).lost == []
        assert dead.exchange([Done(theirs)], []).lost == [theirs]

    def test_claimants_are_those_who_hold_something_now(self, open_store: OpenStore) -> None:
        one, two, idle = open_store("one"), open_store("two"), open_store("idle")
        one.enqueue([new(), new(), new()])
        items = [*claim(one, limit=2), *claim(two, limit=1)]
        assert sorted(idle.claimants()) == ["one", "two"]

        one.exchange([Done(items[0]), Released(items[1])], [])

        assert idle.claimants() == ["two"]

    def test_reconnecting_gives_up_what_is_not_held_in_hand(self, open_store: OpenStore) -> None:
        store, other = open_store("me"), open_store("other")
        store.enqueue([new(frame=b"%d" % n) for n in range(4)])
        kept, _unheard = claim(store, limit=2)
        theirs = claim_one(other)

        store.reconnect([kept])

        assert [(item.frame, item.attempts) for item in claim(store)] == [(b"1", 0), (b"3", 0)]
        assert store.exchange([Done(kept)], []).lost == []
        assert other.exchange([Done(theirs)], []).lost == []

    def test_queues_without_a_handler_are_found(self, store: Store) -> None:
        assert store.unhandled_queues([]) == []
        store.enqueue([new(queue) for queue in ("b", "a", "c", "c", "dé")])

        assert sorted(store.unhandled_queues([])) == ["a", "b", "c", "dé"]
        assert sorted(store.unhandled_queues([new("a").queue, new("dé").queue, new("x").queue])) == ["b", "c"]


class TransactionContract:
    """A handler's own transaction acks its item, or undoes everything."""

    def enqueue_on(self, connection: Any, items: Iterable[NewItem]) -> None:
        """Enqueue with the value of `transaction`: what shows whether it was committed."""
        raise NotImplementedError

    def test_a_transaction_commits_with_the_ack(self, store: Store) -> None:
        store.enqueue([new()])
        item = claim_one(store)

        with store.transaction(item) as connection:
            self.enqueue_on(connection, [new("out", b"effect")])

        assert [record.frame for record in waiting(store)] == [b"effect"]
        assert store.exchange([Done(item)], []).lost == [item]

    def test_a_transaction_that_fails_leaves_the_claim_and_nothing_else(self, store: Store) -> None:
        store.enqueue([new(frame=b"mine")])
        item = claim_one(store)

        def handle() -> None:
            with store.transaction(item) as connection:
                self.enqueue_on(connection, [new("out", b"effect")])
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            handle()

        assert [(record.frame, record.state) for record in waiting(store)] == [(b"mine", "claimed")]
        assert store.exchange([Retried(item, 0.0, "divided by zero")], []).lost == []

    def test_a_transaction_after_another_works_too(self, store: Store) -> None:
        store.enqueue([new(), new(), new()])
        for item in claim(store):
            with store.transaction(item) as connection:
                self.enqueue_on(connection, [new("out")])

        assert [record.queue for record in waiting(store)] == ["out", "out", "out"]

    def test_a_transaction_for_a_lost_claim_does_not_begin(self, store: Store) -> None:
        store.enqueue([new()])
        item = claim_one(store)
        store.exchange([Released(item)], [])
        began = False

        with pytest.raises(LeaseLost), store.transaction(item):
            began = True

        assert not began
        assert [record.state for record in waiting(store)] == ["ready"]


class PeopleContract:
    """Looking and correcting by hand."""

    def test_counts_tell_each_queue_of_each_site(self, store: Store) -> None:
        assert store.counts() == []
        store.enqueue([new(site="a") for _ in range(5)])
        store.enqueue([new(site="b", delay_seconds=60.0), new("other", site="a")])
        dead, retried, _held = claim(store, limit=3)
        store.exchange([DeadLettered(dead, DeadReason.ATTEMPTS, "x"), Retried(retried, 60.0, "y")], [])

        assert _by_name(store.counts()) == {
            ("mail", "a"): (2, 1, 1, 1),
            ("mail", "b"): (0, 1, 0, 0),
            ("other", "a"): (1, 0, 0, 0),
        }

    def test_lag_is_the_age_of_the_oldest_ready_item(self, store: Store) -> None:
        store.enqueue([new("late", available_at=time.time() - 100.0), new("late")])
        store.enqueue([new("delayed", delay_seconds=60.0)])
        store.enqueue([new("claimed", available_at=time.time() - 100.0)])
        claim_one(store, "claimed")

        lag = {facts.queue: facts.lag_seconds for facts in store.counts()}

        assert 99.0 < lag[new("late").queue] < 110.0
        assert lag[new("delayed").queue] == 0.0
        assert lag[new("claimed").queue] == 0.0

    def test_a_queue_with_nothing_but_dead_letters_is_counted(self, store: Store) -> None:
        store.enqueue([new()])
        store.exchange([DeadLettered(claim_one(store), DeadReason.ATTEMPTS, "x")], [])

        assert _by_name(store.counts()) == {("mail", "default"): (0, 0, 0, 1)}
        assert [facts.lag_seconds for facts in store.counts()] == [0.0]

    def test_items_are_found_by_each_filter(self, store: Store) -> None:
        store.enqueue([new("a", site="x"), new("b", site="x"), new("a", site="y")])
        store.enqueue([new("a", site="y", delay_seconds=60.0)])
        store.exchange([Retried(claim_one(store, "b"), 60.0, "100%_sure error")], [])
        ax, bx, ay, delayed = (record.id for record in waiting(store))

        def found(**wanted: Any) -> list[int]:
            return [record.id for record in store.find(ItemFilter(**wanted))]

        assert found() == [ax, bx, ay, delayed]
        assert found(ids=(ay, ax, 999_999)) == [ax, ay]
        assert found(queue="a") == [ax, ay, delayed]
        assert found(site="x") == [ax, bx]
        assert found(queue="a", site="y") == [ay, delayed]
        assert found(state=ItemState.READY) == [ax, ay]
        assert found(state=ItemState.SCHEDULED) == [bx, delayed]
        assert found(state=ItemState.CLAIMED) == []
        assert found(error="100%_sure") == [bx]
        assert found(error="100%sure") == found(error="_____") == []
        now = store.clock()
        assert found(until=now) == found(since=now - 100.0) == [ax, bx, ay, delayed]
        assert found(until=now - 100.0) == found(since=now + 100.0) == []
        assert found(error_class="100%_sure error") == [bx]
        assert found(error_class="100") == found(fingerprint="x") == []
        assert found(min_attempts=1) == [bx]
        assert found(max_attempts=0) == [ax, ay, delayed]
        assert found(limit=2) == [ax, bx]
        assert found(limit=0) == []
        assert found(queue="a", limit=2) == [ax, ay]
        assert found(reason="attempts") == []

    def test_many_items_are_streamed_in_the_order_of_ids(self, store: Store) -> None:
        store.enqueue_many([new(frame=b"%d" % n, priority=-n) for n in range(1300)])

        found = [record.id for record in store.find(ItemFilter(limit=1250))]

        assert len(found) == 1250
        assert found == sorted(found)
        assert next(iter(store.find(EVERYTHING))).id == found[0]

    def test_retry_now_makes_scheduled_items_ready(self, store: Store) -> None:
        store.enqueue([new(delay_seconds=60.0), new("other", delay_seconds=60.0), new("ready")])

        assert store.retry_now(ItemFilter(queue="mail")) == 1
        assert store.retry_now(ItemFilter(queue="ready")) == 0

        assert len(claim(store, "mail", "other")) == 1
        assert store.retry_now(EVERYTHING) == 1
        assert [facts.lag_seconds < 5.0 for facts in store.counts()] == [True, True, True]

    def test_discard_deletes_what_is_not_claimed(self, store: Store) -> None:
        store.enqueue([new(frame=b"held"), new(frame=b"ready"), new(delay_seconds=60.0), new("other")])
        held = claim_one(store)

        assert store.discard(ItemFilter(state=ItemState.CLAIMED)) == 0
        assert store.discard(ItemFilter(queue="mail", limit=1)) == 1
        assert store.discard(ItemFilter(queue="mail")) == 1

        assert [(record.frame, record.queue) for record in waiting(store)] == [(b"held", "mail"), (b"{}", "other")]
        assert store.exchange([Done(held)], []).lost == []

    def test_a_filter_for_dead_letters_changes_no_waiting_item(self, store: Store) -> None:
        store.enqueue([new(), new(delay_seconds=60.0)])

        assert store.discard(ItemFilter(reason="attempts")) == 0
        assert store.retry_now(ItemFilter(reason="attempts")) == 0
        assert len(waiting(store)) == 2


class WakeupContract:
    """A worker without work is told of new items, where the engine can."""

    def test_an_enqueue_by_another_connection_wakes(self, open_store: OpenStore) -> None:
        watching, other = open_store(), open_store()
        descriptors = watching.open_wakeups()
        assert descriptors
        settle(watching, descriptors)

        other.enqueue([new()])

        assert woken(watching, descriptors)
        assert len(claim(watching)) == 1

    def test_an_enqueue_of_its_own_wakes_too(self, open_store: OpenStore) -> None:
        watching = open_store()
        descriptors = watching.open_wakeups()
        settle(watching, descriptors)

        watching.enqueue([new()])

        assert woken(watching, descriptors)

    def test_each_of_many_enqueues_wakes(self, open_store: OpenStore) -> None:
        watching, other = open_store(), open_store()
        descriptors = watching.open_wakeups()
        for _ in range(20):
            settle(watching, descriptors)
            assert claim(watching) == []
            other.enqueue_many([new()])
            assert woken(watching, descriptors)
            eventually(lambda: claim(watching), within_seconds=2.0)

    def test_looking_for_items_in_an_empty_store_does_not_wake(self, open_store: OpenStore) -> None:
        watching = open_store()
        descriptors = watching.open_wakeups()
        watching.enqueue([new()])
        watching.exchange([Done(claim_one(watching))], [])
        settle(watching, descriptors)

        for _ in range(3):
            assert claim(watching) == []
            watching.promote()
            watching.reclaim()
            watching.renew([])

        assert not woken(watching, descriptors, within_seconds=0.2)

    def test_wakeups_go_on_after_a_reconnect_and_end_when_closed(self, open_store: OpenStore) -> None:
        watching, other = open_store(), open_store()
        watching.open_wakeups()
        watching.reconnect([])
        watching.close_wakeups()
        descriptors = watching.open_wakeups()
        settle(watching, descriptors)
        other.enqueue([new()])
        assert woken(watching, descriptors)

        watching.close_wakeups()

        assert watching.read_wakeups() is False
        assert len(claim(watching)) == 1


def woken(store: Store, descriptors: list[int], *, within_seconds: float | None = None) -> bool:
    """Whether the store says so in time; it is asked only when a descriptor is readable. Without a time: within two
    seconds of a machine that has a processor to give.
    """
    watch = Stopwatch()
    deadline = watch.began + (SECONDS if within_seconds is None else within_seconds)
    while (left := deadline - time.monotonic()) > 0 and (within_seconds or watch.seconds < _AT_ONCE_SECONDS):
        if select.select(descriptors, [], [], min(left, _AT_ONCE_SECONDS))[0] and store.read_wakeups():
            return True
    return False


class ExpiryContract:
    """Dead letters that were kept for long enough."""

    def test_old_dead_letters_are_deleted_the_oldest_first_and_told_by_queue(self, store: Store) -> None:
        for queue in ("mail", "other", "mail"):
            store.enqueue([new(queue)])
            store.exchange([DeadLettered(claim_one(store, queue), DeadReason.ATTEMPTS, "x")], [])
            time.sleep(0.002)  # the stores' clocks have milliseconds
        letters = list(store.find_dead(EVERYTHING))
        assert store.expire_dead(3600.0, limit=10) == []
        eventually(lambda: time.time() > (letters[-1].died or 0.0) + 0.01)

        first = store.expire_dead(0.005, limit=2)

        assert [(each.queue, each.letters) for each in first] == [("mail", 1), ("other", 1)]
        assert [each.oldest for each in first] == pytest.approx([letters[0].died, letters[1].died], abs=0.001)
        assert [letter.id for letter in store.find_dead(EVERYTHING)] == [letters[2].id]
        assert [each.letters for each in store.expire_dead(0.005, limit=2)] == [1]
        assert store.expire_dead(0.0, limit=2) == []

    def test_waiting_items_never_expire(self, store: Store) -> None:
        store.enqueue([new(available_at=time.time() - 1e6)])

        assert store.expire_dead(0.0, limit=10) == []
        assert len(claim(store)) == 1


def settle(store: Store, descriptors: list[int]) -> None:
    """Read old news until there is none for a while."""
    while select.select(descriptors, [], [], 0.05)[0]:
        store.read_wakeups()


def _by_name(facts: list[QueueFacts]) -> dict[tuple[str, str], tuple[int, int, int, int]]:
    return {(one.queue, one.site): (one.ready, one.scheduled, one.claimed, one.dead) for one in facts}
