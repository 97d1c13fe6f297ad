"""The contract of a store, part three: what its probe tells, and what it leaves out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from snqd.items import CANARY, ItemId, SiteName
from snqd.stores.outcomes import DeadLettered, DeadReason, Done, Released, Retried
from snqd.stores.records import ItemFilter
from tests.support.stores import OpenStore, Recipe, claim, claim_one, lane, new, waiting

if TYPE_CHECKING:
    from snqd.stores.base import Store
    from snqd.stores.probe import Probe

EVERYTHING = ItemFilter()


class ProbeContract:
    """Questions on a connection of its own, with true answers where little waits."""

    def test_an_empty_store_has_no_lag_and_no_depth(self, store: Store) -> None:
        probe = store.probe()

        assert probe.lags() == []
        assert probe.depths() == []
        assert not probe.has_item(ItemId(1))
        probe.close()

    def test_lag_is_the_age_of_a_queues_oldest_ready_item_whatever_its_priority(self, store: Store) -> None:
        clock = time.time()
        store.enqueue([new("a", priority=5, available_at=clock - 100.0), new("a", available_at=clock - 50.0)])
        store.enqueue([new("a", priority=-5), new("b", available_at=clock - 20.0), new("dé"), new("dé", priority=9)])
        store.enqueue([new("later", delay_seconds=60.0), new("held", available_at=clock - 100.0)])
        claim_one(store, "held")
        probe = store.probe()

        assert [(queue, round(lag, -1)) for queue, lag in probe.lags()] == [("a", 100.0), ("b", 20.0), ("dé", 0.0)]
        assert all(lag >= 0.0 for _queue, lag in probe.lags())
        probe.close()

    def test_lag_follows_claims_and_what_is_given_back(self, store: Store) -> None:
        clock = time.time()
        store.enqueue([new(available_at=clock - 100.0 * number) for number in (3, 2, 1)])
        probe = store.probe()
        assert _lag(probe) == 300.0
        first, second = claim(store, limit=2)
        assert _lag(probe) == 100.0

        store.exchange([Done(second), Released(first)], [])

        assert _lag(probe) == 300.0
        store.exchange([], [lane(limit=2)])
        assert probe.lags() == []
        probe.close()

    def test_depths_tell_each_queue_of_each_site(self, store: Store) -> None:
        clock = time.time()
        store.enqueue([new(site="a", available_at=clock - 90.0 + 10.0 * number) for number in range(5)])
        store.enqueue([new(site="b", delay_seconds=60.0), new("other", site="a"), new("other", site="a", priority=7)])
        dead, retried, _held = claim(store, limit=3)
        store.exchange([DeadLettered(dead, DeadReason.ATTEMPTS, "x"), Retried(retried, 60.0, "y")], [])
        probe = store.probe()

        found = [depth._replace(lag_seconds=round(depth.lag_seconds, -1)) for depth in probe.depths()]

        assert [tuple(depth) for depth in found] == [
            ("mail", "a", 2, 1, 1, 60.0, 1, False, 0),
            ("mail", "b", 0, 1, 0, 0.0, 0, False, 0),
            ("other", "a", 2, 0, 0, 0.0, 0, False, 0),
        ]
        probe.close()

    def test_depths_and_lags_are_what_counts_tells(self, store: Store) -> None:
        items = [
            new(f"q{number % 3}", site=f"s{number % 7}", priority=number % 2, delay_seconds=60.0 * (number % 5 == 0))
            for number in range(300)
        ]
        store.enqueue_many(items)
        claim(store, "q0", "q1", limit=40)
        probe = store.probe()

        counts = store.counts()
        depths = probe.depths()

        assert [(one.queue, one.site, one.ready, one.scheduled, one.claimed, one.dead) for one in counts] == [
            (one.queue, one.site, one.ready, one.scheduled, one.in_flight, one.dead) for one in depths
        ]
        assert all(abs(one.lag_seconds - two.lag_seconds) < 5.0 for one, two in zip(counts, depths, strict=True))
        assert not any(depth.is_estimate for depth in depths)
        probe.close()

    def test_canaries_are_not_counted_have_no_lag_and_need_no_handler(self, store: Store) -> None:
        long_ago = time.time() - 100.0
        canary = new("mail", codec=CANARY, available_at=long_ago)
        store.enqueue([canary, canary._replace(queue=new("alone").queue), new("mail", site="a")])
        store.enqueue([canary._replace(available_at=time.time() + 60.0), canary._replace(site=SiteName("held"))])
        probe = store.probe()

        assert [(queue, round(lag, -1)) for queue, lag in probe.lags()] == [("mail", 0.0)]
        assert [depth[:5] for depth in probe.depths()] == [("mail", "a", 1, 0, 0)]
        assert [facts[:6] for facts in store.counts()] == [("mail", "a", 1, 0, 0, 0)]
        assert store.unhandled_queues([]) == ["mail"]

        held = claim(store, limit=2)
        assert [item.codec for item in held] == [CANARY, CANARY]
        store.exchange([DeadLettered(held[0], DeadReason.CRASH, "it killed its worker")], [])
        assert [depth[:5] for depth in probe.depths()] == [("mail", "a", 1, 0, 0)]
        assert [depth.dead for depth in probe.depths()] == [0]
        assert [facts[:6] for facts in store.counts()] == [("mail", "a", 1, 0, 0, 0)]
        probe.close()

    def test_a_person_who_looks_for_items_finds_canaries(self, store: Store) -> None:
        store.enqueue([new(codec=CANARY), new()])

        assert [record.codec for record in waiting(store)] == [CANARY, "json"]
        assert store.discard(EVERYTHING) == 2

    def test_an_item_is_there_until_it_is_done(self, store: Store) -> None:
        (item_id,) = store.enqueue([new(codec=CANARY)])
        assert item_id is not None
        probe = store.probe()
        assert probe.has_item(item_id)
        item = claim_one(store)
        assert probe.has_item(item_id)

        store.exchange([Done(item)], [])

        assert not probe.has_item(item_id)
        probe.close()

    def test_health_tells_how_long_the_smallest_question_takes(self, store: Store) -> None:
        probe = store.probe()

        found = probe.health()

        assert 0.0 < found.round_trip_seconds < 2.0
        assert (found.pin_pid, found.pin_age_seconds, found.pin_query) == (0, 0.0, "")
        assert found.last_autovacuum == 0.0
        probe.close()

    def test_a_probe_needs_no_store_that_is_connected_and_opens_again_after_it_was_closed(
        self, recipe: Recipe, open_store: OpenStore
    ) -> None:
        open_store().enqueue([new()])
        probe = recipe.make().probe()
        probe.close()

        for _ in range(2):
            assert [queue for queue, _lag in probe.lags()] == ["mail"]
            probe.close()
            probe.close()


def _lag(probe: Probe) -> float:
    ((_queue, lag),) = probe.lags()
    return round(lag, -1)
