"""The contract of a store, part five: dead letters, and corrections by filter."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec

from snqd.items import CANARY
from snqd.stores.corrections import Correction, Kind, Place, Step
from snqd.stores.fingerprint import fingerprint
from snqd.stores.outcomes import DeadLettered, DeadReason, Done
from snqd.stores.records import ItemFilter, ItemState
from tests.support.stores import OpenStore, claim, claim_one, frames, new, waiting
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from snqd.items import Item
    from snqd.stores.base import Store
    from snqd.stores.records import ItemRecord

EVERYTHING = ItemFilter()
REFUSED = "ConnectionRefusedError: [Errno 111] Connection refused by 10.0.0.%d"
MISSING = "KeyError: 'user'"


def give_up(store: Store, items: list[Item], error: str, reason: DeadReason = DeadReason.ATTEMPTS) -> None:
    """All in one transaction, so at one time."""
    store.exchange([DeadLettered(item, reason, error.replace("%d", str(item.id)), "") for item in items], [])


def bury(store: Store, *queues: str, error: str = "x", site: str = "default", **more: Any) -> list[int]:
    """Ids of items that died one after the other."""
    found = []
    for queue in queues:
        (number,) = store.enqueue([new(queue, site=site, **more)])
        assert number is not None
        give_up(store, claim(store, queue), error)
        let_a_moment_pass()
        found.append(int(number))
    return found


def let_a_moment_pass() -> None:
    """Of the coarsest of the stores' clocks."""
    moment = time.time()
    eventually(lambda: time.time() > moment + 0.002)


def ids(records: list[ItemRecord]) -> list[int]:
    return [int(record.id) for record in records]


class DeadLetterContract:
    """What has gone wrong, a page or a group at a time."""

    def test_dead_letters_are_found_by_each_filter(self, store: Store) -> None:
        store.enqueue([new("a", site="x"), new("b", site="x"), new("a", site="y")])
        ax, bx, ay = sorted(claim(store, "a", "b"))
        give_up(store, [ax], "one: 1")
        let_a_moment_pass()
        give_up(store, [bx], "Two.Error: two", DeadReason.BAD_ITEM)
        let_a_moment_pass()
        give_up(store, [ay], "one%", DeadReason.CRASH)
        died = {letter.id: letter.died or 0.0 for letter in store.find_dead(EVERYTHING)}

        def found(**wanted: Any) -> list[int]:
            asked = ItemFilter(**wanted)
            streamed = ids(list(store.find_dead(asked)))
            assert ids(store.dead_page(asked)) == streamed[::-1] or asked.limit
            assert store.count(Kind.REPLAY, asked) == store.count(Kind.DISCARD_DEAD, asked) == len(streamed)
            return streamed

        assert found() == [ax.id, bx.id, ay.id]
        assert found(ids=(ay.id,)) == [ay.id]
        assert found(queue="a") == [ax.id, ay.id]
        assert found(site="x") == [ax.id, bx.id]
        assert found(queue="a", site="y") == [ay.id]
        assert found(reason="bad_item") == [bx.id]
        assert found(error="one") == [ax.id, ay.id]
        assert found(error="%") == [ay.id]
        assert found(error_class="one") == [ax.id]
        assert found(error_class="Two.Error") == [bx.id]
        assert found(error_class="Two") == found(error_class="two") == []
        assert found(error_class="one%") == [ay.id]
        assert found(fingerprint=fingerprint("one: 2")) == [ax.id]
        assert found(fingerprint="") == []
        assert found(since=died[bx.id]) == [bx.id, ay.id]
        assert found(until=died[bx.id]) == [ax.id, bx.id]
        assert found(since=died[bx.id], until=died[bx.id]) == [bx.id]
        assert found(min_attempts=1, max_attempts=1) == [ax.id, bx.id, ay.id]
        assert found(min_attempts=2) == found(max_attempts=0) == []
        assert found(limit=1) == [ax.id]
        assert found(limit=0) == []
        assert found(state=ItemState.READY) == []

    def test_a_page_goes_back_from_the_newest_death_without_payloads(self, store: Store) -> None:
        store.enqueue([new("q", site=site, frame=b"secret") for site in "aab"] + [new("r", site="a")])
        items = claim(store, "q", "r")
        for item in (items[2], items[0], items[3], items[1]):  # not in the order of their ids
            store.exchange([DeadLettered(item, DeadReason.ATTEMPTS, f"error of {item.id}", "the traceback")], [])
            let_a_moment_pass()
        order = [items[1].id, items[3].id, items[0].id, items[2].id]

        first, *_others = found = store.dead_page(ItemFilter(limit=10))

        assert ids(found) == order
        assert [(letter.frame, letter.frame_bytes) for letter in found] == [(b"", 6), (b"", 2), (b"", 6), (b"", 6)]
        assert (first.last_error, first.reason) == (f"error of {order[0]}", "attempts")
        assert (first.traceback, first.attempts) == ("the traceback", 1)
        assert first.fingerprint == fingerprint(f"error of {order[0]}", "the traceback")
        assert ids(store.dead_page(ItemFilter(limit=2))) == order[:2]
        assert ids(store.dead_page(ItemFilter(limit=9), after=found[1].place)) == order[2:]
        assert store.dead_page(ItemFilter(limit=9), after=found[3].place) == []
        assert ids(store.dead_page(ItemFilter(queue="q", site="a", limit=9))) == [order[0], order[2]]
        assert ids(store.dead_page(ItemFilter(queue="q", limit=9), after=found[0].place)) == order[2:]

    def test_a_page_goes_on_where_the_last_letter_was(self, store: Store) -> None:
        oldest, newest = bury(store, "q", "q")
        (last,) = store.dead_page(ItemFilter(limit=1))
        assert (last.id, store.discard_dead(ItemFilter(ids=(newest,)))) == (newest, 1)

        assert ids(store.dead_page(ItemFilter(limit=1), after=last.place)) == [oldest]

    def test_letters_of_one_moment_are_told_once_each_over_pages(self, store: Store) -> None:
        store.enqueue_many([new() for _ in range(25)])
        give_up(store, claim(store), "x")
        seen: list[int] = []
        place = None
        while page := store.dead_page(ItemFilter(limit=10), after=place):
            seen += ids(page)
            place = page[-1].place

        assert seen == sorted(seen, reverse=True)
        assert len(set(seen)) == 25

    def test_groups_tell_what_has_failed_for_one_cause(self, store: Store) -> None:
        bury(store, "mail", "mail", "sms", error=REFUSED, site="a")
        bury(store, "mail", error=REFUSED, site="b")
        bury(store, "feed", error=MISSING)
        letters = {letter.id: letter for letter in store.find_dead(EVERYTHING)}
        deaths = [letter.died for letter in letters.values()]

        refused, missing = store.dead_groups(EVERYTHING)

        assert refused.fingerprint == fingerprint(REFUSED % refused.newest)
        assert (refused.count, refused.first, refused.last) == (4, deaths[0], deaths[3])
        assert (refused.queues, refused.top_queues) == (2, ("mail", "sms"))
        assert (refused.sites, refused.top_sites) == (2, ("a", "b"))
        assert refused.error == REFUSED % refused.newest
        assert letters[refused.newest].died == deaths[3]
        assert (missing.count, missing.top_queues, missing.error) == (1, ("feed",), MISSING)

    def test_groups_are_of_the_letters_that_a_filter_finds(self, store: Store) -> None:
        bury(store, "mail", error=REFUSED, site="a")
        bury(store, "mail", "mail", error=MISSING, site="b")
        of_a = store.dead_groups(ItemFilter(site="a"))

        assert [(group.count, group.top_sites) for group in of_a] == [(1, ("a",))]
        assert [group.count for group in store.dead_groups(ItemFilter(limit=1))] == [2]
        assert [group.error for group in store.dead_groups(ItemFilter(error="user"))] == [MISSING]
        assert store.dead_groups(ItemFilter(since=store.clock() + 60.0)) == []

    def test_sites_of_a_group_are_named_by_how_many_they_have(self, store: Store) -> None:
        for site, letters in (("d", 1), ("c", 3), ("b", 1), ("a", 2)):
            bury(store, *["q"] * letters, error=MISSING, site=site)

        (group,) = store.dead_groups(EVERYTHING)

        assert (group.sites, group.top_sites) == (4, ("c", "a", "b"))

    def test_a_canary_is_in_no_page_and_no_group(self, store: Store) -> None:
        bury(store, "q", codec=CANARY)

        assert store.dead_page(EVERYTHING) == []
        assert store.dead_groups(EVERYTHING) == []
        assert store.discard_dead(EVERYTHING) == 1

    def test_waiting_items_are_found_without_their_frames(self, store: Store) -> None:
        store.enqueue([new(frame=b"secret")])

        (record,) = store.find(EVERYTHING, frames=False)

        assert (record.frame, record.frame_bytes) == (b"", 6)


class CorrectionContract:
    """What people do to many at once."""

    def test_replay_brings_dead_letters_back_with_their_history(self, store: Store) -> None:
        store.enqueue([new(frame=b"one", codec="raw", priority=2, site="s"), new("other")])
        one, other = claim_one(store, "mail"), claim_one(store, "other")
        store.exchange([DeadLettered(item, DeadReason.ATTEMPTS, "x" * 3, "tb") for item in (one, other)], [])

        assert store.replay(ItemFilter(queue="mail")) == 1

        (record,) = waiting(store)
        assert (record.id, record.frame, record.codec, record.priority) == (one.id, b"one", "raw", 2)
        assert (record.state, record.attempts, record.crash_attempts, record.site) == ("ready", 0, 0, "s")
        assert [entry.error for entry in record.history] == ["xxx"]
        assert [letter.id for letter in store.find_dead(EVERYTHING)] == [other.id]
        again = claim_one(store)
        assert again.token > one.token
        assert store.exchange([Done(one)], []).lost == [one]
        assert store.exchange([DeadLettered(again, DeadReason.ATTEMPTS, "again")], []).lost == []
        assert store.replay(ItemFilter(reason="crash")) == 0
        assert store.replay(EVERYTHING) == 2

    def test_a_dead_letter_whose_unique_key_is_taken_stays_dead(self, store: Store) -> None:
        for number in range(2):
            store.enqueue([new(frame=b"%d" % number, unique_key="k")])
            store.exchange([DeadLettered(claim_one(store), DeadReason.ATTEMPTS, "x")], [])
        store.enqueue([new(frame=b"2", unique_key="k")])
        assert store.replay(EVERYTHING) == 0
        store.exchange([Done(claim_one(store))], [])

        assert store.replay(EVERYTHING) == 1

        assert frames(claim(store)) == [b"0"]
        assert [letter.frame for letter in store.find_dead(EVERYTHING)] == [b"1"]

    def test_discard_dead_deletes_dead_letters_only(self, store: Store) -> None:
        store.enqueue([new("a"), new("b"), new("c")])
        store.exchange([DeadLettered(item, DeadReason.ATTEMPTS, "x") for item in claim(store, "a", "b")], [])

        assert store.discard_dead(ItemFilter(queue="a")) == 1
        assert store.discard_dead(ItemFilter(state=ItemState.READY)) == 0
        assert store.discard_dead(EVERYTHING) == 1

        assert [record.queue for record in waiting(store)] == ["c"]

    def test_thousands_are_replayed_and_discarded_around_those_that_cannot(self, store: Store) -> None:
        store.enqueue_many([new("q", unique_key=f"k{number}") for number in range(2500)])
        held = claim(store, "q", limit=3000)
        store.exchange([DeadLettered(item, DeadReason.ATTEMPTS, "x") for item in held], [])
        taken = [f"k{number}" for number in range(1200)]
        store.enqueue_many([new("q", unique_key=key) for key in taken])

        assert store.replay(ItemFilter(queue="q")) == 1300
        assert store.discard_dead(ItemFilter(queue="q", limit=1100)) == 1100
        assert store.discard_dead(ItemFilter(queue="q")) == 100
        assert store.discard(ItemFilter(queue="q", limit=1001)) == 1001
        assert len(waiting(store)) == 2500 - 1001

    def test_a_correction_goes_by_steps_from_the_oldest_death_on(self, store: Store) -> None:
        first, second, third = bury(store, "q", "q", "q")
        deaths = [letter.died or 0.0 for letter in store.find_dead(EVERYTHING)]
        replay = store.begin(Kind.REPLAY, EVERYTHING, author="ada@host")

        one = store.step(replay, None, 2)
        assert [record.id for record in waiting(store)] == [first, second]
        two = store.step(replay, one.place, 2)

        assert one == Step(2, 0, Place(deaths[1], second))
        assert two == Step(1, 0, None)
        assert [record.id for record in waiting(store)] == [first, second, third]

    def test_what_dies_again_meanwhile_is_not_replayed_again(self, store: Store) -> None:
        bury(store, "q", "q")
        replay = Correction(Kind.REPLAY, ItemFilter(until=store.clock()))
        let_a_moment_pass()

        one = store.step(replay, None, 1)
        give_up(store, claim(store, "q"), "again")

        assert store.step(replay, one.place, 1).changed == 1
        assert store.step(replay, one.place, 5) == Step(0, 0, None)
        assert [letter.last_error for letter in store.find_dead(EVERYTHING)] == ["again"]

    def test_waiting_items_go_by_steps_too(self, store: Store) -> None:
        store.enqueue([new(delay_seconds=60.0), new(delay_seconds=60.0), new()])
        retry, discard = Correction(Kind.RETRY, EVERYTHING), Correction(Kind.DISCARD, ItemFilter(queue="mail"))
        assert [store.count(Kind.RETRY, EVERYTHING), store.count(Kind.DISCARD, EVERYTHING)] == [2, 3]
        numbers = [record.id for record in waiting(store)]

        assert store.step(retry, None, 1) == Step(1, 0, Place(0.0, numbers[0]))
        assert store.step(retry, Place(0.0, numbers[0]), 5) == Step(1, 0, None)
        assert store.step(discard, Place(0.0, numbers[0]), 5) == Step(2, 0, None)
        assert [record.id for record in waiting(store)] == numbers[:1]

    def test_each_step_is_written_down_with_what_it_did(self, store: Store) -> None:
        bury(store, "q", unique_key="k")
        bury(store, "q", "r")
        store.enqueue([new("q", unique_key="k")])
        replay = store.begin(Kind.REPLAY, ItemFilter(queue="q", since=1.5), author="ada@host")
        store.step(replay, None, 10)

        (noted,) = store.corrections([Kind.REPLAY, Kind.DISCARD_DEAD], 5)

        assert (noted.number, noted.kind, noted.author) == (replay.number, "replay", "ada@host")
        assert msgspec.json.decode(noted.wanted) == {"queue": "q", "since": 1.5}
        assert (noted.changed, noted.stayed, noted.ended, noted.outcome) == (1, 1, None, "")
        assert abs(noted.began - store.clock()) < 60.0
        store.end(replay, "stopped")
        (noted,) = store.corrections([Kind.REPLAY], 5)
        assert (noted.outcome, noted.changed) == ("stopped", 1)
        assert (noted.ended or 0.0) >= noted.began

    def test_corrections_are_listed_by_kind_the_latest_first(self, store: Store) -> None:
        store.discard(EVERYTHING, author="ada")
        store.replay(EVERYTHING, author="bob")
        store.discard_dead(EVERYTHING)  # by the program itself
        store.replay(ItemFilter(error="'% ü \\0"), author="eve\\0")

        assert [each.author[:3] for each in store.corrections(list(Kind), 9)] == ["eve", "bob", "ada"]
        assert [each.author[:3] for each in store.corrections([Kind.REPLAY], 1)] == ["eve"]
        assert {each.outcome for each in store.corrections(list(Kind), 9)} == {"done"}

    def test_two_who_replay_the_same_letters_replay_each_once(self, open_store: OpenStore) -> None:
        one, other = open_store(), open_store()
        bury(one, *["q"] * 4)
        mine, theirs = (store.begin(Kind.REPLAY, EVERYTHING, author="ada") for store in (one, other))

        steps = [one.step(mine, None, 2), other.step(theirs, None, 3), one.step(mine, None, 5)]

        assert [step.changed for step in steps] == [2, 2, 0]
        assert len(waiting(one)) == 4
