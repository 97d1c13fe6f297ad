"""The contract of a store, part one: enqueue, claim, and what is said of a claim."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING

import pytest

from snqd.items import Item, QueueName, SiteName, canary_item, lines_of
from snqd.stores.outcomes import DeadLettered, DeadReason, Discarded, Done, Exchanged, Lane, Released, Retried
from snqd.stores.records import ERROR_LIMIT, HISTORY_LIMIT, TRACEBACK_LIMIT, ItemFilter
from snqd.stores.repairs import Reclaimed
from tests.support.stores import OpenStore, claim, claim_one, frames, lane, new, waiting
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from snqd.items import Item
    from snqd.stores.base import Store
    from snqd.stores.outcomes import Outcome

EVERYTHING = ItemFilter()


class EnqueueContract:
    """Items that are stored stay stored, as they were."""

    def test_enqueued_items_are_there_for_a_store_opened_later(self, open_store: OpenStore) -> None:
        writer = open_store()
        ids = writer.enqueue([new(frame=b"one"), new(frame=b"two")])
        writer.close()

        claimed = claim(open_store())

        assert frames(claimed) == [b"one", b"two"]
        assert [item.id for item in claimed] == ids

    def test_an_item_comes_out_as_it_went_in(self, store: Store) -> None:
        before = time.time()
        (item_id,) = store.enqueue([new("pictures", b"\x89PNG", codec="raw", site="küche", priority=-3)])

        item = claim_one(store, "pictures")

        assert item_id is not None
        assert item == item._replace(
            id=item_id,
            site=SiteName("küche"),
            queue=QueueName("pictures"),
            codec="raw",
            frame=b"\x89PNG",
            attempts=0,
            priority=-3,
        )
        assert item.crash_attempts == 0
        assert abs(item.created - before) < 5.0
        assert abs(item.available_at - before) < 5.0

    def test_frames_of_every_byte_value_survive(self, store: Store) -> None:
        everything = bytes(range(256)) * 2
        store.enqueue([new(frame=everything, codec="raw"), new(frame=b"")])

        assert frames(claim(store)) == [everything, b""]

    def test_frames_of_a_mebibyte_survive(self, store: Store) -> None:
        large = bytes(range(256)) * 4096
        store.enqueue([new(frame=large)])
        assert store.enqueue_many([new(frame=large[::-1])]) == 1

        assert frames(claim(store)) == [large, large[::-1]]

    def test_enqueue_many_tells_how_many_were_stored(self, store: Store) -> None:
        assert store.enqueue_many(new(frame=b"%d" % n) for n in range(2500)) == 2500
        assert store.enqueue_many([]) == 0
        assert store.enqueue([]) == []

        assert frames(claim(store, limit=3000)) == [b"%d" % n for n in range(2500)]

    def test_a_unique_key_admits_one_item_at_a_time(self, store: Store) -> None:
        first, second = store.enqueue([new(unique_key="k", frame=b"1"), new(unique_key="k", frame=b"2")])
        other_queue, other_site = store.enqueue([new("other", unique_key="k"), new(site="other", unique_key="k")])

        assert first is not None
        assert second is None
        assert other_queue is not None
        assert other_site is not None
        assert store.enqueue_many([new(unique_key="k"), new(unique_key="new"), new(unique_key="new")]) == 1
        assert {item.unique_key for item in waiting(store)} == {"k", "new"}

    def test_a_unique_key_is_held_while_its_item_runs_or_waits_for_a_retry(self, store: Store) -> None:
        store.enqueue([new(unique_key="k")])
        item = claim_one(store)
        assert store.enqueue([new(unique_key="k")]) == [None]

        store.exchange([Retried(item, 60.0, "no luck")], [])

        assert store.enqueue([new(unique_key="k")]) == [None]

    @pytest.mark.parametrize("how", ["done", "discarded", "dead-lettered"])
    def test_a_unique_key_is_free_again_when_its_item_is(self, store: Store, how: str) -> None:
        store.enqueue([new(unique_key="k")])
        item = claim_one(store)
        outcomes: dict[str, Outcome] = {
            "done": Done(item),
            "discarded": Discarded(item, "not worth it"),
            "dead-lettered": DeadLettered(item, DeadReason.ATTEMPTS, "no luck"),
        }
        store.exchange([outcomes[how]], [])

        (again,) = store.enqueue([new(unique_key="k")])

        assert again is not None

    def test_a_delayed_item_becomes_ready_when_it_is_due(self, store: Store) -> None:
        store.enqueue([new(frame=b"later", delay_seconds=0.3), new(frame=b"now")])
        assert frames(claim(store)) == [b"now"]
        promoted = store.promote()
        assert promoted.items == 0
        assert promoted.next_due_seconds is not None
        assert 0.0 <= promoted.next_due_seconds <= 0.3

        eventually(lambda: store.promote().items == 1)

        assert frames(claim(store)) == [b"later"]
        assert store.promote() == (0, None)

    def test_an_item_for_a_time_to_come_waits_and_one_for_a_time_gone_by_does_not(self, store: Store) -> None:
        store.enqueue([new(frame=b"future", available_at=time.time() + 100.0)])
        store.enqueue_many([new(frame=b"past", available_at=time.time() - 100.0)])

        assert frames(claim(store)) == [b"past"]
        due = store.promote().next_due_seconds
        assert due is not None
        assert 90.0 < due < 110.0


class ClaimContract:
    """Who gets what, and in which order."""

    def test_within_a_queue_order_is_priority_then_time_then_id(self, store: Store) -> None:
        long_ago = time.time() - 1000.0
        store.enqueue([new(frame=b"4"), new(frame=b"5")])
        store.enqueue([new(frame=b"6", priority=1, available_at=long_ago)])
        store.enqueue([new(frame=b"2", available_at=long_ago), new(frame=b"3", available_at=long_ago)])
        store.enqueue([new(frame=b"1", priority=-1)])

        assert frames(claim(store)) == [b"1", b"2", b"3", b"4", b"5", b"6"]

    def test_batches_continue_the_same_order(self, store: Store) -> None:
        store.enqueue_many([new(frame=b"%d" % n, priority=n % 3) for n in range(20)])
        in_order = [b"%d" % n for n in sorted(range(20), key=lambda n: (n % 3, n))]

        batches = [frames(claim(store, limit=7)) for _ in range(4)]

        assert batches == [in_order[:7], in_order[7:14], in_order[14:], []]

    def test_across_the_queues_of_a_lane_the_most_urgent_head_comes_first_a_batch_at_a_time(self, store: Store) -> None:
        long_ago = time.time() - 1000.0
        store.enqueue([new("young", b"y1"), new("young", b"y2")])
        store.enqueue([new("old", b"o1", available_at=long_ago), new("old", b"o2")])
        store.enqueue([new("urgent", b"u2"), new("urgent", b"u1", priority=-1)])

        assert frames(claim(store, "young", "old", "urgent")) == [b"u1", b"u2", b"o1", b"o2", b"y1", b"y2"]

    def test_a_limit_spans_the_queues_of_its_lane(self, store: Store) -> None:
        store.enqueue([new("one", b"1"), new("one", b"2"), new("two", b"3"), new("two", b"4")])

        assert frames(claim(store, "two", "one", limit=3)) == [b"1", b"2", b"3"]

    def test_each_lane_has_its_own_limit(self, store: Store) -> None:
        store.enqueue([new(queue, b"%d" % n) for queue in ("one", "two", "three") for n in range(5)])

        claimed = store.exchange(
            [], [lane("one", limit=2), lane("two", "three", limit=6), lane("four", limit=1)]
        ).claimed

        queues = [item.queue for item in claimed]
        assert queues.count("one") == 2  # type: ignore[arg-type]  # names compare as strings
        assert len(claimed) == 8

    def test_who_counts_the_lines_of_a_claim_counts_what_it_gives(self, open_store: OpenStore) -> None:
        """Full claims, those that get the rest, and those in turns with what is not known yet."""
        store, other = open_store("one"), open_store("two")
        many = [new(site=f"s{n % 5}", frame=b"%d" % n, priority=n % 2) for n in range(60)]
        store.enqueue_many([*many, new("notes", site="s1"), new("notes", codec="raw")])
        other.enqueue([new(site=f"late{n}") for n in range(9)])
        held: list[Item] = []
        for limit in (20, 20, 7, 3, 60):
            exchanged = store.exchange([Done(item) for item in held], [lane("mail", "notes", limit=limit)])
            held = exchanged.claimed

            assert held
            assert exchanged.lines in (None, lines_of(held))

    def test_a_lane_without_a_limit_or_queue_gives_nothing(self, store: Store) -> None:
        store.enqueue([new()])

        assert store.exchange([], []) == Exchanged([], [])
        assert store.exchange([], [lane(limit=0), Lane((), 5), lane("other")]) == Exchanged([], [])

    def test_a_claimed_item_is_not_given_again(self, open_store: OpenStore) -> None:
        one, two = open_store("one"), open_store("two")
        one.enqueue([new(frame=b"%d" % n) for n in range(4)])

        first, second, third = claim(one, limit=3), claim(two, limit=3), claim(one, limit=3)

        assert [frames(first), frames(second), third] == [[b"0", b"1", b"2"], [b"3"], []]
        assert {(item.claimed_by, item.state) for item in waiting(one)} == {("one", "claimed"), ("two", "claimed")}
        assert sorted(one.claimants()) == ["one", "two"]

    def test_every_claim_of_an_item_has_a_greater_token(self, open_store: OpenStore) -> None:
        stores = itertools.cycle([open_store("one"), open_store("two")])
        next(stores).enqueue([new()])
        tokens = []
        for store in itertools.islice(stores, 6):
            item = claim_one(store)
            tokens.append(item.token)
            store.exchange([Released(item)], [])

        assert tokens == sorted(set(tokens))

    def test_tokens_go_on_growing_when_the_store_was_empty(self, open_store: OpenStore) -> None:
        store = open_store()
        store.enqueue([new()])
        first = claim_one(store)
        store.exchange([Done(first)], [])
        store.close()

        store = open_store()
        store.enqueue([new()])
        second = claim_one(store)

        assert second.id > first.id
        assert second.token > first.token

    def test_sites_share_a_queue_and_keep_their_names(self, store: Store) -> None:
        store.enqueue([new(site=site, frame=site.encode()) for site in ("a", "b", "default")])

        claimed = claim(store)

        assert [(item.site, item.frame) for item in claimed] == [("a", b"a"), ("b", b"b"), ("default", b"default")]


class OutcomeContract:
    """What is said of a claim holds exactly once, and only while the claim does."""

    def test_done_and_discarded_items_leave_the_store(self, store: Store) -> None:
        store.enqueue([new(), new()])
        one, two = claim(store)

        assert store.exchange([Done(one), Discarded(two, "spam")], []) == Exchanged([], [])

        assert waiting(store) == []
        assert list(store.find_dead(EVERYTHING)) == []

    def test_a_retried_item_has_one_attempt_more_and_waits(self, store: Store) -> None:
        store.enqueue([new()])
        item = claim_one(store)

        assert store.exchange([Retried(item, 0.2, "no luck", "Traceback …")], [lane()]) == Exchanged([], [])

        (record,) = waiting(store)
        assert (record.state, record.attempts, record.crash_attempts) == ("scheduled", 1, 0)
        assert (record.last_error, record.claimed_by, record.lease_until) == ("no luck", None, None)
        ((at, attempt, error),) = record.history
        assert (attempt, error) == (1, "no luck")
        assert abs(at - time.time()) < 5.0
        assert abs(record.available_at - time.time()) < 5.0
        eventually(lambda: store.promote().items)
        assert claim_one(store).attempts == 1

    def test_a_retry_without_delay_is_ready_at_once(self, store: Store) -> None:
        store.enqueue([new()])

        exchanged = store.exchange([Retried(claim_one(store), 0.0, "again")], [lane()])

        assert [item.attempts for item in exchanged.claimed or claim(store)] == [1]

    def test_history_keeps_the_first_and_the_latest_failures(self, store: Store) -> None:
        store.enqueue([new()])
        for number in range(1, HISTORY_LIMIT + 6):
            store.exchange([Retried(claim_one(store), 0.0, f"error {number}")], [])

        (record,) = waiting(store)
        attempts = [entry.attempt for entry in record.history]
        assert record.attempts == HISTORY_LIMIT + 5
        assert len(attempts) == HISTORY_LIMIT
        assert attempts == sorted(set(attempts))
        assert (attempts[0], attempts[-1], attempts[-2]) == (1, HISTORY_LIMIT + 5, HISTORY_LIMIT + 4)
        assert record.history[-1].error == f"error {HISTORY_LIMIT + 5}"

    def test_a_dead_letter_keeps_everything(self, store: Store) -> None:
        store.enqueue([new("mail", b"\x00frame", codec="raw", site="s", priority=4, unique_key="k")])
        store.exchange([Retried(claim_one(store), 0.0, "first")], [])
        item = claim_one(store)
        store.exchange([DeadLettered(item, DeadReason.ATTEMPTS, "second", "Traceback: second")], [])

        (letter,) = store.find_dead(EVERYTHING)

        assert waiting(store) == []
        assert (letter.id, letter.site, letter.queue, letter.state) == (item.id, "s", "mail", "dead")
        assert (letter.frame, letter.codec, letter.priority, letter.unique_key) == (b"\x00frame", "raw", 4, "k")
        assert (letter.reason, letter.last_error, letter.traceback) == ("attempts", "second", "Traceback: second")
        assert (letter.attempts, letter.crash_attempts) == (2, 0)
        assert [(entry.attempt, entry.error) for entry in letter.history] == [(1, "first"), (2, "second")]
        assert letter.died is not None
        assert abs(letter.died - time.time()) < 5.0
        assert abs(letter.created - item.created) < 0.001

    def test_a_released_item_is_ready_again_in_its_old_place_with_no_attempt_used(self, store: Store) -> None:
        store.enqueue([new(frame=b"1"), new(frame=b"2")])
        item = claim_one(store)

        store.exchange([Released(item)], [])

        assert [(item.frame, item.attempts) for item in claim(store)] == [(b"1", 0), (b"2", 0)]
        assert [(record.last_error, record.history) for record in waiting(store)] == [(None, ()), (None, ())]

    def test_a_released_item_can_wait_with_a_note(self, store: Store) -> None:
        store.enqueue([new()])

        store.exchange([Released(claim_one(store), 60.0, "unknown site 'x'")], [])

        (record,) = waiting(store)
        assert (record.state, record.attempts, record.last_error) == ("scheduled", 0, "unknown site 'x'")
        due = store.promote().next_due_seconds
        assert due is not None
        assert 50.0 < due <= 60.1

    def test_a_release_without_a_note_leaves_the_last_error(self, store: Store) -> None:
        store.enqueue([new()])
        store.exchange([Retried(claim_one(store), 0.0, "kept")], [])

        store.exchange([Released(claim_one(store))], [])

        assert [record.last_error for record in waiting(store)] == ["kept"]

    def test_an_outbox_is_stored_with_the_ack(self, store: Store) -> None:
        store.enqueue([new()])
        outbox = (new("out", b"1"), new("out", b"2", delay_seconds=60.0, site="s"), new("out", b"3", unique_key="k"))

        store.exchange([Done(claim_one(store), outbox)], [])

        assert [(record.frame, record.state, record.site) for record in waiting(store)] == [
            (b"1", "ready", "default"),
            (b"2", "scheduled", "s"),
            (b"3", "ready", "default"),
        ]

    def test_an_outbox_is_not_stored_when_the_claim_was_lost(self, store: Store) -> None:
        store.enqueue([new(), new()])
        one, two = claim(store)
        store.exchange([Discarded(one, "meanwhile")], [])

        exchanged = store.exchange([Done(one, (new("out"),)), Done(two, (new("out", b"two"),))], [])

        assert exchanged.lost == [one]
        assert [record.frame for record in waiting(store)] == [b"two"]

    def test_a_taken_unique_key_in_an_outbox_does_not_stop_the_ack(self, store: Store) -> None:
        store.enqueue([new(), new("out", b"first", unique_key="k")])

        store.exchange([Done(claim_one(store), (new("out", b"second", unique_key="k"),))], [])

        assert [record.frame for record in waiting(store)] == [b"first"]

    def test_a_second_word_about_a_claim_is_too_late(self, store: Store) -> None:
        store.enqueue([new()])
        item = claim_one(store)
        store.exchange([Retried(item, 60.0, "the first word")], [])
        (before,) = waiting(store)

        for outcome in _every_outcome(item):
            assert store.exchange([outcome], []).lost == [item], outcome

        assert waiting(store) == [before]
        assert list(store.find_dead(EVERYTHING)) == []
        assert store.renew([item]) == [item]

    def test_words_about_a_claim_that_another_holds_have_no_effect(self, open_store: OpenStore) -> None:
        slow, quick = open_store("slow", lease_seconds=0.05), open_store("quick")
        slow.enqueue([new()])
        late = claim_one(slow)
        eventually(quick.reclaim)
        held = claim_one(quick)
        (before,) = waiting(quick)

        for outcome in _every_outcome(late):
            assert slow.exchange([outcome], []).lost == [late], outcome

        assert slow.renew([late]) == [late]
        assert waiting(quick) == [before]
        assert quick.exchange([Done(held)], []).lost == []

    def test_of_many_outcomes_only_the_late_ones_are_lost(self, store: Store) -> None:
        store.enqueue([new(frame=b"%d" % n) for n in range(10)])
        items = claim(store)
        store.exchange([Done(items[3]), Released(items[7])], [])

        exchanged = store.exchange([Done(item) for item in items], [])

        assert sorted(exchanged.lost) == sorted([items[3], items[7]])
        assert [record.frame for record in waiting(store)] == [b"7"]

    def test_everything_at_once_is_one_exchange(self, store: Store) -> None:
        store.enqueue([new(frame=b"%d" % n) for n in range(7)])
        done, fed, retried, dead, discarded, released, gone = claim(store)
        store.exchange([Done(gone)], [])
        store.enqueue([new("other", b"next")])

        exchanged = store.exchange(
            [
                Done(done),
                Done(fed, (new("out", b"fed"),)),
                Retried(retried, 60.0, "later"),
                DeadLettered(dead, DeadReason.BAD_ITEM, "never"),
                Discarded(discarded, "no"),
                Released(released, 60.0, "busy"),
                Done(gone),
            ],
            [lane("other", limit=1)],
        )

        assert frames(exchanged.claimed) == [b"next"]
        assert exchanged.lost == [gone]
        assert [(record.frame, record.state) for record in store.find_dead(EVERYTHING)] == [(b"3", "dead")]
        assert sorted((record.frame, record.state) for record in waiting(store)) == [
            (b"2", "scheduled"),
            (b"5", "scheduled"),
            (b"fed", "ready"),
            (b"next", "claimed"),
        ]

    @pytest.mark.parametrize(
        "text",
        ["", "nul \0 inside", "umlaut ü, emoji 🦣, \u202eright to left", "lone surrogate \udc80 here", "x" * 100_000],
        ids=["empty", "nul", "unicode", "surrogate", "huge"],
    )
    def test_error_texts_of_any_kind_are_kept_as_far_as_they_go(self, store: Store, text: str) -> None:
        store.enqueue([new(), new()])
        one, two = claim(store)

        dead = DeadLettered(two, DeadReason.ATTEMPTS, "B" + text, text + "E")
        assert store.exchange([Retried(one, 60.0, "B" + text, text + "E"), dead], []).lost == []

        (record,) = waiting(store)
        (letter,) = store.find_dead(EVERYTHING)
        for kept in (record.last_error, letter.last_error, record.history[0].error, letter.history[0].error):
            assert kept is not None
            assert kept.startswith("B" + text.partition("\0")[0].partition("\udc80")[0][:1000])
            assert len(kept) <= ERROR_LIMIT + 20
        assert letter.traceback is not None
        assert letter.traceback.endswith("E")
        assert len(letter.traceback) <= TRACEBACK_LIMIT + 20


class LeaseContract:
    """A claim lasts as long as its lease is renewed, and a little longer if nobody takes it."""

    def test_an_expired_lease_is_reclaimed_by_another_worker(self, open_store: OpenStore) -> None:
        lost, living = open_store("lost", lease_seconds=0.1), open_store("living")
        lost.enqueue([new(frame=b"1"), new(frame=b"2")])
        claimed = claim(lost)
        assert claim(living) == []

        reclaimed = eventually(living.reclaim)

        assert reclaimed == [Reclaimed("lost", claimed[0].queue, claimed[0].site, 2)]
        assert [(item.frame, item.attempts) for item in claim(living)] == [(b"1", 0), (b"2", 0)]
        assert living.reclaim() == []

    def test_reclaimed_items_are_counted_by_queue_and_site_without_canaries(self, open_store: OpenStore) -> None:
        lost, living = open_store("lost", lease_seconds=0.1), open_store("living")
        lost.enqueue([new("q", site="a"), new("q", site="b"), new("r", site="a"), canary_item("q", 1, site="a")])
        assert len(claim(lost, "q", "r")) == 4

        reclaimed = eventually(living.reclaim)

        assert sorted(reclaimed) == [("lost", "q", "a", 1), ("lost", "q", "b", 1), ("lost", "r", "a", 1)]
        assert len(claim(living, "q", "r")) == 4

    def test_a_renewed_lease_is_not_reclaimed(self, open_store: OpenStore) -> None:
        one, other = open_store("one", lease_seconds=0.2), open_store("other")
        one.enqueue([new(frame=b"kept"), new(frame=b"given up")])
        kept, _given_up = claim(one)
        long = open_store("one", lease_seconds=60.0)

        assert long.renew([kept]) == []
        reclaimed = eventually(other.reclaim)

        assert reclaimed == [Reclaimed("one", kept.queue, kept.site, 1)]
        assert frames(claim(other)) == [b"given up"]
        assert one.exchange([Done(kept)], []).lost == []

    def test_a_lease_that_ran_out_unnoticed_still_counts(self, open_store: OpenStore) -> None:
        store = open_store(lease_seconds=0.01)
        store.enqueue([new()])
        item = claim_one(store)
        (record,) = waiting(store)
        assert record.lease_until is not None
        eventually(lambda: time.time() > (record.lease_until or 0.0) + 0.01)

        assert store.exchange([Done(item)], []).lost == []
        assert waiting(store) == []

    def test_renewing_nothing_or_something_gone_is_no_error(self, store: Store) -> None:
        store.enqueue([new(), new()])
        gone, held = claim(store)
        store.exchange([Done(gone)], [])

        assert store.renew([]) == []
        assert store.renew([gone, held]) == [gone]


def _every_outcome(item: Item) -> list[Outcome]:
    return [
        Done(item),
        Done(item, (new("out"),)),
        Retried(item, 0.0, "late"),
        DeadLettered(item, DeadReason.ATTEMPTS, "late"),
        Discarded(item, "late"),
        Released(item),
        Released(item, 5.0, "late"),
    ]
