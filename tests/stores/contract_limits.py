"""The contract of a store, part six: limits hold over everyone who claims, and weights give a larger share."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from snqd.stores.limits import Limit, Limits, SiteLimits
from snqd.stores.outcomes import Done, Lane, Released, Retried
from tests.stores.contract_pauses import pause
from tests.support.stores import OpenStore, claim, claim_one, lane, new
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterable

    from snqd.items import Item
    from snqd.stores.base import Store

FOREVER = 1e-3
"""A rate so small that no test sees a second item."""


def sites(items: Iterable[Item]) -> Counter[str]:
    return Counter(item.site for item in items)


def queues(items: Iterable[Item]) -> Counter[str]:
    return Counter(item.queue for item in items)


class LimitContract:
    """No more is claimed than a limit leaves room for, and what it holds back is in nobody's way."""

    def test_a_queue_has_no_more_in_flight_than_its_limit_whoever_claims(self, open_store: OpenStore) -> None:
        one, other = open_store(), open_store()
        one.limits = other.limits = Limits({"mail": Limit(2)})
        one.enqueue([new() for _ in range(5)])

        first = claim_one(one)
        (second,) = claim(other)

        assert claim(one) == claim(other) == []
        assert len(one.exchange([Done(first)], [lane()]).claimed) == 1
        assert claim(other) == []
        assert other.exchange([Done(second)], []).lost == []
        assert len(claim(one)) == 1

    @pytest.mark.parametrize(
        "limits",
        [
            Limits(each_site={"mail": Limit(2)}),
            Limits(every_site=Limit(2)),
            Limits(every_site=Limit(1), sites={"a": SiteLimits(in_flight=2), "b": SiteLimits(in_flight=2)}),
            Limits(sites={"a": SiteLimits(queues={"mail": (2, None)}), "b": SiteLimits(in_flight=2)}),
            Limits(each_site={"mail": Limit(1)}, sites=dict.fromkeys("ab", SiteLimits(queues={"mail": (2, None)}))),
        ],
        ids=["each site of a queue", "every site", "a site's own", "a queue of a site", "own before common"],
    )
    def test_sites_have_no_more_in_flight_than_theirs(self, store: Store, limits: Limits) -> None:
        store.limits = limits
        store.enqueue([new(site="a") for _ in range(300)] + [new(site="b") for _ in range(3)])

        held = claim(store)

        assert sites(held) == {"a": 2, "b": 2}
        assert claim(store) == []
        done = [item for item in held if item.site == "b"]
        assert sites(store.exchange([Done(item) for item in done], [lane()]).claimed) == {"b": 1}

    def test_a_sites_limit_is_one_over_all_queues(self, store: Store) -> None:
        store.limits = Limits(every_site=Limit(3))
        store.enqueue([new(queue, site="a") for queue in ("mail", "news") for _ in range(5)])

        assert queues(claim(store, "mail", "news")) in ({"mail": 2, "news": 1}, {"mail": 1, "news": 2})
        assert claim(store, "news") == []

    def test_a_queue_at_its_limit_keeps_no_other_one_waiting(self, store: Store) -> None:
        store.limits = Limits({"mail": Limit(1)})
        store.enqueue([new("mail", priority=-5) for _ in range(500)] + [new("news") for _ in range(10)])

        assert queues(claim(store, "mail", "news")) == {"mail": 1, "news": 10}

    def test_with_room_for_one_both_parts_of_a_lane_get_their_turn(self, store: Store) -> None:
        store.limits = Limits({"mail": Limit(1000)})
        store.enqueue([new(queue) for queue in ("mail", "news") for _ in range(10)])

        assert queues(claim_one(store, "mail", "news") for _ in range(6)) == {"mail": 3, "news": 3}

    def test_a_limit_without_effect_lets_a_claim_be_full(self, store: Store) -> None:
        store.limits = Limits({"mail": Limit(1000)})
        store.enqueue_many([new() for _ in range(600)])

        assert [len(claim(store, limit=250)) for _ in range(3)] == [250, 250, 100]

    def test_what_is_given_back_makes_room_again(self, open_store: OpenStore) -> None:
        dead, living = open_store("dead"), open_store("living")
        dead.limits = living.limits = Limits({"mail": Limit(1)})
        living.enqueue([new()])

        claim_one(dead)
        assert claim(living) == []
        eventually(lambda: bool(living.repair("dead", [], crash_limit=3).ids))

        item = claim_one(living)
        assert living.exchange([Released(item)], []).lost == []
        item = claim_one(living)
        assert living.exchange([Retried(item, 0.0, "again")], []).lost == []
        assert claim_one(dead).id == item.id

    def test_a_lease_that_ran_out_makes_room_again(self, open_store: OpenStore) -> None:
        gone, living = open_store(lease_seconds=0.05), open_store()
        gone.limits = living.limits = Limits({"mail": Limit(1)})
        living.enqueue([new()])
        claim_one(gone)

        eventually(lambda: bool(living.reclaim()))

        claim_one(living)

    def test_a_rate_gives_what_its_bucket_holds_and_says_when_to_come_again(self, open_store: OpenStore) -> None:
        one, other = open_store(), open_store()
        one.limits = other.limits = Limits({"mail": Limit(rate=3)})
        one.enqueue([new() for _ in range(10)])

        first = one.exchange([], [lane()])

        assert len(first.claimed) == 3
        assert first.again_seconds is not None
        assert 0 < first.again_seconds <= 0.34
        late = other.exchange([Done(item) for item in first.claimed], [lane(limit=1)])
        assert len(late.claimed) <= 1  # a third of a second may have passed
        eventually(lambda: bool(claim(other)))

    def test_rates_are_kept_by_site_and_hold_nobody_else_back(self, store: Store) -> None:
        store.limits = Limits(each_site={"mail": Limit(rate=FOREVER)})
        store.enqueue([new(site=site) for site in ("a", "a", "b", "c") for _ in range(100)])

        assert sites(claim(store)) == {"a": 1, "b": 1, "c": 1}
        exchanged = store.exchange([], [lane()])
        assert exchanged.claimed == []
        assert exchanged.again_seconds == pytest.approx(1 / FOREVER, rel=0.1)

    def test_without_limits_there_is_no_word_of_them(self, store: Store) -> None:
        store.enqueue([new() for _ in range(3)])

        assert store.exchange([], [lane(limit=1)]).again_seconds is None

    def test_more_urgent_items_come_first_within_a_limit(self, store: Store) -> None:
        store.limits = Limits({"mail": Limit(2)})
        store.enqueue([new(site="a") for _ in range(5)] + [new(site="z", priority=-1)])

        assert [item.priority for item in claim(store)] == [-1, 0]

    def test_a_paused_site_takes_no_room(self, store: Store) -> None:
        store.limits = Limits({"mail": Limit(2)})
        store.enqueue([new(site="a") for _ in range(5)] + [new(site="b") for _ in range(5)])
        pause(store, site="b")

        eventually(lambda: sites(claim(store)) == {"a": 2})

    def test_among_many_sites_at_their_limit_the_others_are_found(self, store: Store) -> None:
        store.limits = Limits(each_site={"mail": Limit(1)})
        names = [f"s{number:03}" for number in range(600)]
        store.enqueue_many([new(site=site) for site in names for _ in range(2)])
        claimed: Counter[str] = Counter()

        def has_all() -> bool:
            claimed.update(sites(claim(store)))
            return len(claimed) == len(names)

        eventually(has_all)

        assert set(claimed.values()) == {1}

    @pytest.mark.parametrize("limit", [1, 10, 60])
    def test_a_site_with_weight_gets_more_of_each_round(self, store: Store, limit: int) -> None:
        store.limits = Limits(sites={"a": SiteLimits(weight=3)})
        store.enqueue_many([new(site=site) for site in ("a", "b", "c") for _ in range(400)])
        wanted = Lane(lane().queues, limit)
        done: Counter[str] = Counter()
        batch: list[Item] = claim(store, limit=limit)
        while done.total() < 300:
            batch = store.exchange([Done(item) for item in batch], [wanted]).claimed
            done.update(sites(batch))

        assert done["a"] == pytest.approx(180, rel=0.2)
        assert done["b"] == pytest.approx(60, rel=0.2)

    def test_weights_cost_nothing_while_all_that_waits_is_claimed(self, store: Store) -> None:
        store.limits = Limits(sites={"a": SiteLimits(weight=3)})
        store.enqueue([new(site=site) for site in "bab"])

        assert [item.site for item in claim(store)] == ["b", "a", "b"]
