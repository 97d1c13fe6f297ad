"""The contract of a store, part five: sites take turns, and what is less urgent gets through."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import pytest

from snqd.stores.outcomes import Done
from snqd.stores.turns import AGED_CLAIM, AGEING_SECONDS
from tests.stores.contract_pauses import pause, resume
from tests.support.fairness import fair_shares, jain
from tests.support.stores import OpenStore, claim, frames, lane, new, waiting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snqd.items import Item
    from snqd.stores.base import Store

JAIN_BOUND = 0.95
SITES = 50


def work(store: Store, *queues: str, limit: int) -> Iterator[list[Item]]:
    """Claims as a worker makes them, each with the acks of the last one, while they bring something."""
    batch = claim(store, *queues, limit=limit)
    while batch:
        yield batch
        batch = store.exchange([Done(item) for item in batch], [lane(*queues, limit=limit)]).claimed


def sites(batch: list[Item]) -> Counter[str]:
    return Counter(item.site for item in batch)


class TurnContract:
    """One site's flood does not keep the others waiting."""

    @pytest.mark.parametrize("limit", [1, 2, 7, 100])
    def test_a_site_with_one_item_starts_within_two_claims_behind_a_flood(self, store: Store, limit: int) -> None:
        store.enqueue_many([new(site="a") for _ in range(1000)])
        store.enqueue([new(site="b")])
        batches = work(store, limit=limit)

        assert "b" in sites(next(batches) + next(batches))

    @pytest.mark.parametrize("limit", [1, 2, 7, 100])
    @pytest.mark.parametrize("site", ["b", "z"], ids=["before", "after"])
    def test_and_so_it_does_when_it_comes_while_the_flood_is_handled(self, store: Store, limit: int, site: str) -> None:
        store.enqueue_many([new(site="flood") for _ in range(1500)])
        batches = work(store, limit=limit)
        for _ in range(5):
            assert sites(next(batches)) == {"flood": limit}
        for _ in range(3):
            store.enqueue([new(site=site)])

            assert site in sites(next(batches) + next(batches))
            next(batches)

    def test_sites_take_turns_across_the_queues_of_a_lane(self, store: Store) -> None:
        store.enqueue_many([new("news", site="a") for _ in range(500)])
        store.enqueue([new("mail", site="b"), new("zines", site="c")])
        batches = work(store, "mail", "news", "zines", limit=50)

        assert {"b", "c"} <= sites(next(batches) + next(batches)).keys()

    def test_two_sites_with_much_to_do_get_half_each(self, store: Store) -> None:
        store.enqueue_many([new(site="a") for _ in range(1000)])
        store.enqueue_many([new(site="b") for _ in range(1000)])

        batches = work(store, limit=50)

        found = sites([item for _ in range(20) for item in next(batches)])

        assert found["a"] == pytest.approx(500, abs=75)  # the first batch is a's alone

    @pytest.mark.parametrize("limit", [5, 40])
    def test_the_items_of_a_batch_alternate_between_its_sites(self, store: Store, limit: int) -> None:
        store.enqueue_many([new(site="a") for _ in range(200)])
        store.enqueue_many([new(site="b") for _ in range(200)])
        batches = work(store, limit=limit)
        for _ in range(3):
            next(batches)

        batch = next(batches)

        fewer = min(sites(batch).values())
        assert sites(batch[: 2 * fewer]) == {"a": fewer, "b": fewer}

    @pytest.mark.parametrize("limit", [25, 100])
    def test_fifty_sites_with_loads_from_much_to_little_are_served_alike(self, store: Store, limit: int) -> None:
        loads = Counter({f"s{number:02}": 1000 // number for number in range(1, SITES + 1)})  # Zipf
        store.enqueue_many([new(site=site) for site, load in loads.items() for _ in range(load)])
        batches = work(store, limit=limit)
        loads -= sites(next(batches))  # nobody knows yet that there is anything to share
        done: Counter[str] = Counter()
        looks = [1000, 2000, 3000, 4000]

        for batch in batches:
            done += sites(batch)
            if looks and done.total() >= looks[0]:
                looks.pop(0)
                shares = fair_shares(loads, done.total())
                assert jain([done[site] / share for site, share in shares.items()]) >= JAIN_BOUND
        assert looks == []
        assert done == loads

    def test_within_a_site_and_priority_the_order_stays(self, store: Store) -> None:
        numbers = range(600)
        store.enqueue_many(
            [new(site=f"s{number % 7}", frame=b"%d" % number, priority=number // 7 % 3) for number in numbers]
        )

        handled = [item for batch in work(store, limit=40) for item in batch]

        assert sorted(int(item.frame) for item in handled) == list(numbers)
        flows = defaultdict(list)
        for item in handled:
            flows[item.site, item.priority].append(int(item.frame))
        assert all(found == sorted(found) for found in flows.values())
        assert [item.priority for item in handled] == sorted(item.priority for item in handled)

    def test_what_is_more_urgent_still_comes_first(self, store: Store) -> None:
        store.enqueue_many([new(site=site, priority=1) for site in "ab" for _ in range(200)])
        batches = work(store, limit=20)
        for _ in range(3):
            next(batches)
        store.enqueue([new(site=site, priority=0) for site in "cab"])
        store.enqueue([new(site="a", priority=-1)])

        batch = next(batches)

        assert [item.priority for item in batch] == [-1, 0, 0, 0] + [1] * 16

    def test_a_claim_is_full_while_anything_waits(self, store: Store) -> None:
        """However many sites have how little: workers take a claim that is not full for the last one."""
        store.enqueue_many([new(site="much") for _ in range(150)])
        store.enqueue_many([new(site=f"s{number}") for number in range(200)])
        store.enqueue_many([new(site=f"s{number}", priority=5) for number in range(50)])

        assert [len(batch) for batch in work(store, limit=100)] == [100, 100, 100, 100]
        assert [record for record in waiting(store) if record.state == "ready"] == []

    def test_several_workers_share_the_turns(self, open_store: OpenStore) -> None:
        stores = [open_store("one"), open_store("two")]
        stores[0].enqueue_many([new(site=site) for site in "abc" for _ in range(400)])
        works = [work(store, limit=30) for store in stores]

        found = sites([item for _ in range(10) for each in works for item in next(each)])

        assert jain(list(found.values())) >= JAIN_BOUND
        assert sum(len(batch) for each in works for batch in each) == 600

    def test_a_paused_site_has_no_turn(self, store: Store) -> None:
        store.enqueue_many([new(site=site) for site in "abc" for _ in range(200)])
        batches = work(store, limit=20)
        for _ in range(3):
            next(batches)
        pause(store, site="b")

        found = sites([item for _ in range(5) for item in next(batches)])

        assert found["b"] == 0
        assert set(found) == {"a", "c"}
        resume(store, site="b")
        assert "b" in sites([item for _ in range(3) for item in next(batches)])


class AgeingContract:
    """While urgent items keep every claim full, what is less urgent gets through all the same."""

    @pytest.mark.parametrize("limit", [1, 10])
    def test_an_item_that_has_waited_long_starts_within_nine_claims(self, store: Store, limit: int) -> None:
        store.enqueue_many([new(site="a") for _ in range(40 * limit)])
        store.enqueue([new("mail", b"old", priority=9, available_at=time.time() - AGEING_SECONDS - 5.0)])
        store.enqueue([new("mail", b"young", priority=8)])
        batches = work(store, limit=limit)

        begun = frames([item for _ in range(AGED_CLAIM + 1) for item in next(batches)])

        assert b"old" in begun
        assert b"young" not in begun
        assert frames([item for batch in batches for item in batch])[-1] == b"young"

    def test_the_priority_whose_oldest_item_waits_longest_comes_first(self, store: Store) -> None:
        clock = time.time()
        store.enqueue_many([new() for _ in range(200)])
        store.enqueue([new("mail", b"2", priority=1, available_at=clock - 100.0)])
        store.enqueue([new("news", b"1", priority=7, available_at=clock - 200.0)])
        store.enqueue([new("mail", b"3", priority=4, available_at=clock - 50.0)])

        handled = frames([item for batch in work(store, "mail", "news", limit=4) for item in batch])

        assert [frame for frame in handled if frame != b"{}"] == [b"1", b"2", b"3"]
        assert handled[-1] == b"{}"

    def test_old_items_take_no_more_than_their_share_and_every_claim_is_full(self, store: Store) -> None:
        long_ago = time.time() - 1000.0
        store.enqueue_many([new(priority=5, available_at=long_ago) for _ in range(500)])
        store.enqueue_many([new(site=site) for site in "ab" for _ in range(500)])
        batches = work(store, limit=10)

        found = [next(batches) for _ in range(10 * AGED_CLAIM)]

        assert {len(batch) for batch in found} == {10}
        old = [sum(item.priority == 5 for item in batch) for batch in found]
        assert Counter(old) == {0: 70, 10: 10}

    def test_old_items_of_several_sites_take_turns(self, store: Store) -> None:
        long_ago = time.time() - 1000.0
        store.enqueue_many([new(site="a", priority=5, available_at=long_ago) for _ in range(200)])
        store.enqueue([new(site="b", frame=b"b", priority=5, available_at=long_ago + 10.0)])
        store.enqueue_many([new(site="c") for _ in range(400)])
        batches = work(store, limit=10)

        begun = frames([item for _ in range(2 * AGED_CLAIM + 1) for item in next(batches)])

        assert b"b" in begun

    def test_when_few_have_aged_the_rest_of_the_claim_is_urgent(self, store: Store) -> None:
        store.enqueue_many([new() for _ in range(200)])
        store.enqueue([new(priority=5, available_at=time.time() - 1000.0)])
        batches = work(store, limit=10)

        found = [[item.priority for item in next(batches)] for _ in range(AGED_CLAIM + 1)]

        assert [0] * 9 + [5] in found
        assert {len(batch) for batch in found} == {10}
