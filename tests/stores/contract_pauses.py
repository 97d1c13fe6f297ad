"""The contract of a store, part four: pauses."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from snqd.errors import BadItem
from snqd.items import QueueName, SiteName
from snqd.stores.outcomes import DeadLettered, DeadReason, Done, Lane, Released, Retried
from snqd.stores.pauses import AUTHOR_LIMIT, LOOK_SECONDS, REASON_LIMIT
from snqd.stores.records import ItemFilter, ItemState
from snqd.stores.repairs import Blame
from tests.stores.contract_care import settle, woken
from tests.support.stopwatch import Stopwatch
from tests.support.stores import OpenStore, claim, claim_one, frames, lane, new, waiting
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from snqd.items import Item
    from snqd.stores.base import Store
    from snqd.stores.outcomes import Outcome
    from snqd.stores.pauses import Pause

MAIL, A, B = QueueName("mail"), SiteName("a"), SiteName("b")
EVERYTHING = ItemFilter()


def pause(store: Store, queue: str | None = None, site: str | None = None, seconds: float | None = None) -> Pause:
    return store.pause(
        QueueName(queue) if queue else None, SiteName(site) if site else None, author="ada", seconds=seconds
    )


def resume(store: Store, queue: str | None = None, site: str | None = None) -> Pause | None:
    return store.resume(QueueName(queue) if queue else None, SiteName(site) if site else None, author="bob")


def claim_all(store: Store, *queues: str) -> list[Item]:
    """Claim as a worker does, which looks again when the claim set something aside."""
    claimed: list[Item] = []
    while True:
        found = store.exchange([], [lane(*queues)])
        claimed += found.claimed
        if not found.claimed and not found.aside:
            return claimed


class PauseContract:
    """What is paused is not handed out, is not late, and is not lost."""

    def test_a_paused_queue_is_not_claimed_and_the_others_are(self, store: Store) -> None:
        store.enqueue([new(frame=b"1"), new("other", frame=b"2"), new(frame=b"3", priority=-9)])
        pause(store, "mail")

        assert frames(claim_all(store, "mail", "other")) == [b"2"]
        assert claim_all(store, "mail") == []

        resume(store, "mail")
        assert frames(claim_all(store, "mail", "other")) == [b"3", b"1"]

    def test_a_paused_site_is_not_claimed_from_any_queue(self, store: Store) -> None:
        store.enqueue([new(queue, site=site, frame=f"{queue} {site}".encode()) for queue in "qr" for site in "aba"])
        pause(store, site="a")

        assert frames(claim_all(store, "q", "r")) == [b"q b", b"r b"]
        assert claim_all(store, "r") == []

        resume(store, site="a")
        assert sorted(frames(claim_all(store, "q", "r"))) == [b"q a"] * 2 + [b"r a"] * 2

    def test_a_paused_pair_leaves_the_site_in_other_queues_and_the_queue_of_other_sites(self, store: Store) -> None:
        store.enqueue([new(queue, site=site, frame=f"{queue} {site}".encode()) for queue in "qr" for site in "ab"])
        pause(store, "q", "a")

        assert frames(claim_all(store, "q", "r")) == [b"q b", b"r a", b"r b"]

        resume(store, "q", "a")
        assert frames(claim_all(store, "q", "r")) == [b"q a"]

    def test_several_lanes_are_claimed_around_a_pause(self, store: Store) -> None:
        store.enqueue([new("q", site="a"), new("r", site="b"), new("s", site="b")])
        pause(store, "s")
        pause(store, site="a")

        claimed = store.exchange([], [lane("q"), lane("r", limit=5), Lane((QueueName("s"),), 5)]).claimed

        assert [item.queue for item in claimed] == ["r"]

    def test_what_is_in_flight_finishes(self, store: Store) -> None:
        store.enqueue([new(site="a", frame=b"done"), new(site="a", frame=b"retried"), new(site="a", frame=b"dead")])
        done, retried, dead = claim(store)
        pause(store, "mail")
        pause(store, site="a")

        assert store.renew([done, retried, dead]) == []
        outcomes: list[Outcome] = [
            Done(done),
            Retried(retried, 60.0, "x"),
            DeadLettered(dead, DeadReason.ATTEMPTS, "y"),
        ]
        assert store.exchange(outcomes, [lane()]).lost == []

        assert [(record.frame, record.state) for record in waiting(store)] == [(b"retried", "scheduled")]

    def test_what_is_given_back_is_not_handed_out_again(self, store: Store) -> None:
        store.enqueue([new(site="a"), new(site="b", frame=b"other")])
        ours, other = claim(store)
        pause(store, site="a")

        claimed = store.exchange([Released(ours), Released(other)], [lane()]).claimed

        assert frames(claimed) == [b"other"]
        assert [(record.id, record.state, record.attempts) for record in waiting(store)] == [
            (ours.id, "paused", 0),
            (other.id, "claimed", 0),
        ]

    def test_items_that_come_while_paused_wait_in_their_order(self, store: Store) -> None:
        pause(store, site="a")
        store.enqueue([new(site="a", frame=b"2"), new(site="a", frame=b"1", priority=-5)])
        store.enqueue_many([new(site="a", frame=b"3")])
        assert claim_all(store) == []
        store.enqueue([new(site="a", frame=b"4", priority=9), new(site="b", frame=b"0", priority=-9)])

        resume(store, site="a")

        assert frames(claim_all(store)) == [b"0", b"1", b"2", b"3", b"4"]

    def test_a_paused_item_keeps_its_unique_key_and_what_it_was(self, store: Store) -> None:
        clock = time.time()
        pause(store, site="a")
        store.enqueue([new(site="a", unique_key="k", available_at=clock - 50.0, priority=3)])
        assert claim_all(store) == []

        assert store.enqueue([new(site="a", unique_key="k")]) == [None]
        resume(store, site="a")

        item = claim_one(store)
        assert (item.priority, round(clock - item.available_at), item.attempts) == (3, 50, 0)

    def test_a_delayed_item_that_comes_due_stays_paused(self, store: Store) -> None:
        soon = time.time() + 0.1
        store.enqueue([new("q", available_at=soon), new("r", site="a", available_at=soon)])
        pause(store, "q")
        pause(store, site="a")

        eventually(lambda: store.promote().next_due_seconds is None)

        assert claim_all(store, "q", "r") == []
        assert [record.state for record in waiting(store)] == ["paused", "paused"]
        resume(store, "q")
        resume(store, site="a")
        assert [item.queue for item in claim_all(store, "q", "r")] == ["q", "r"]

    def test_a_pause_ends_by_itself(self, store: Store) -> None:
        store.enqueue([new("q"), new("r", site="a")])
        made = pause(store, "q", seconds=0.3)
        pause(store, site="a", seconds=0.3)
        assert made.expires_at is not None
        assert 0.25 < made.expires_at - made.since < 0.35
        assert claim_all(store, "q", "r") == []

        eventually(lambda: store.pauses() == [])

        claimed: list[Item] = []

        def has_both() -> bool:
            store.keep_pauses()
            claimed.extend(claim_all(store, "q", "r"))
            return len(claimed) == 2

        eventually(has_both)
        assert resume(store, "q") is None, "it is over"
        assert [(facts.ready, facts.paused) for facts in store.counts()] == [(0, 0), (0, 0)]

    def test_a_pause_takes_hold_on_other_stores_within_its_time(self, open_store: OpenStore) -> None:
        operator, worker = open_store(), open_store()
        operator.enqueue_many([new() for _ in range(2000)])
        claim_one(worker)

        pause(operator, "mail")
        watch = Stopwatch()
        eventually(lambda: claim(worker, limit=1) == [])

        assert watch.seconds < LOOK_SECONDS + 0.5
        assert [record.state for record in waiting(operator)].count("paused") > 0

    def test_a_pause_lasts_longer_than_the_store_that_made_it(self, open_store: OpenStore) -> None:
        operator = open_store()
        operator.enqueue([new()])
        pause(operator, "mail")
        operator.close()

        later = open_store()

        assert [each.queue for each in later.pauses()] == ["mail"]
        assert claim_all(later) == []

    def test_a_resume_wakes_whoever_waits(self, open_store: OpenStore) -> None:
        watching, operator = open_store(), open_store()
        operator.enqueue([new("q"), new("r", site="a")])
        pause(operator, "q")
        pause(operator, site="a")
        eventually(lambda: claim_all(watching, "q", "r") == [])
        descriptors = watching.open_wakeups()
        for queue, site in (("q", None), (None, "a")):
            settle(watching, descriptors)
            resume(operator, queue, site)

            assert woken(watching, descriptors)
            eventually(lambda: len(claim(watching, "q", "r")) == 1)

    def test_a_resume_by_whoever_watches_wakes_too(self, store: Store) -> None:
        store.enqueue([new()])
        pause(store, "mail")
        descriptors = store.open_wakeups()
        settle(store, descriptors)

        resume(store, "mail")

        assert woken(store, descriptors)

    def test_a_repair_gives_nothing_out_that_is_paused(self, open_store: OpenStore) -> None:
        dead, living = open_store("dead"), open_store("living")
        dead.enqueue([new(site="a", frame=b"running"), new(site="a", frame=b"held")])
        running, _held = claim(dead)
        pause(living, site="a")

        blame = Blame(running.id, "killed", crashed=True, max_attempts=10)
        repaired = living.repair("dead", [blame], crash_limit=3)

        assert repaired.released == [("mail", "a", 1)]
        assert claim_all(living) == []
        assert [(record.frame, record.state, record.crash_attempts) for record in waiting(living)] == [
            (b"running", "paused", 1),
            (b"held", "paused", 0),
        ]
        resume(living, site="a")
        assert frames(claim_all(living)) == [b"running", b"held"]

    def test_a_reclaimed_item_is_paused_too(self, open_store: OpenStore) -> None:
        gone, living = open_store(lease_seconds=0.05), open_store()
        gone.enqueue([new(site="a")])
        claim_one(gone)
        pause(living, site="a")

        eventually(lambda: bool(living.reclaim()))

        assert claim_all(living) == []
        assert [record.state for record in waiting(living)] == ["paused"]

    def test_thousands_of_paused_items_do_not_hide_the_others(self, store: Store) -> None:
        store.enqueue_many([new(site="a") for _ in range(6000)])
        store.enqueue([new(site="b", frame=b"%d" % number) for number in range(3)])
        pause(store, site="a")

        found: list[Item] = []
        looks = 0
        while len(found) < 3:
            exchanged = store.exchange([], [lane(limit=2)])
            assert exchanged.claimed or exchanged.aside, "it would wait for a wake-up that does not come"
            found += exchanged.claimed
            looks += 1

        assert frames(found) == [b"0", b"1", b"2"]
        assert looks < 20
        assert [(facts.site, facts.ready, facts.paused, facts.claimed) for facts in store.counts()] == [
            ("a", 0, 6000, 0),
            ("b", 0, 0, 3),
        ]
        resume(store, site="a")
        eventually(lambda: not store.keep_pauses().has_more)
        assert len(claim(store, limit=10_000)) == 6000

    def test_care_sets_aside_what_no_claim_has_met(self, store: Store) -> None:
        store.enqueue([new(site="a", priority=priority) for priority in range(3)] + [new("q", site="b")])
        assert store.keep_pauses() == (0, 0, False)
        pause(store, site="a")

        assert store.keep_pauses().aside == 3
        eventually(lambda: store.keep_pauses() == (0, 0, False))

        assert [(facts.ready, facts.paused) for facts in store.counts()] == [(0, 3), (1, 0)]
        resume(store, site="a")
        assert [facts.ready for facts in store.counts()] == [3, 1]
        assert len(claim_all(store, "mail", "q")) == 4

    def test_a_pair_that_is_resumed_stays_under_the_pause_of_its_site(self, store: Store) -> None:
        store.enqueue([new(site="a")])
        pause(store, "mail", "a")
        pause(store, site="a")
        assert claim_all(store) == []

        resume(store, "mail", "a")
        store.keep_pauses()
        assert claim_all(store) == []
        assert [(each.queue, each.site) for each in store.pauses()] == [(None, "a")]

        resume(store, site="a")
        assert len(claim_all(store)) == 1

    def test_a_pause_says_who_why_and_until_when(self, store: Store) -> None:
        before = time.time()
        made = store.pause(MAIL, A, author="ada", reason="the relay is down", seconds=60.0)

        assert made == store.pauses()[0]
        assert (made.queue, made.site, made.author, made.reason) == ("mail", "a", "ada", "the relay is down")
        assert before - 1.0 < made.since < time.time() + 1.0
        assert made.expires_at is not None
        assert round(made.expires_at - made.since) == 60
        assert (made.ended_at, made.ended_by) == (None, "")

    def test_pausing_again_changes_the_pause_and_it_goes_on(self, store: Store) -> None:
        first = store.pause(MAIL, None, author="ada", reason="one", seconds=60.0)
        again = store.pause(MAIL, None, author="bob", reason="two")

        assert store.pauses() == [again]
        assert again == first._replace(author="bob", reason="two", expires_at=None)

    def test_a_pause_after_the_end_of_another_is_a_new_one(self, store: Store) -> None:
        first = store.pause(MAIL, None, author="ada", seconds=0.05)
        eventually(lambda: store.pauses() == [])
        second = store.pause(MAIL, None, author="ada")
        resume(store, "mail")
        third = store.pause(MAIL, None, author="ada")

        assert first.since < second.since <= third.since
        assert store.pauses() == [third]

    def test_a_resume_says_what_ended_and_ends_nothing_else(self, store: Store) -> None:
        made = pause(store, "mail")
        pause(store, "mail", "a")
        assert resume(store, "other") is None
        assert resume(store, site="a") is None

        ended = resume(store, "mail")

        assert ended is not None
        assert ended == made._replace(ended_at=ended.ended_at, ended_by="bob")
        assert ended.ended_at is not None
        assert ended.ended_at >= made.since
        assert resume(store, "mail") is None
        assert [(each.queue, each.site) for each in store.pauses()] == [("mail", "a")]

    def test_a_pause_needs_a_target_with_a_proper_name(self, store: Store) -> None:
        with pytest.raises(BadItem, match="needs a queue, a site or both"):
            pause(store)
        with pytest.raises(BadItem, match="needs a queue, a site or both"):
            resume(store)
        with pytest.raises(BadItem, match="queue name '' is not valid"):
            store.pause(QueueName(""), None, author="ada")
        with pytest.raises(BadItem, match="site name ' ' is not valid"):
            store.resume(MAIL, SiteName(" "), author="ada")
        assert store.pauses() == []

    def test_what_is_too_long_or_odd_is_cut_and_kept_on_one_line(self, store: Store) -> None:
        made = store.pause(MAIL, None, author="ada\n\0" + "x" * 500, reason="a\nb\ud800" + "y" * 500)

        assert store.pauses() == [made]
        assert made.author.startswith("ada ")
        assert "\0" not in made.author
        assert len(made.author) == AUTHOR_LIMIT
        assert made.reason.startswith("a b\\ud800yyy")
        assert len(made.reason) == REASON_LIMIT

    def test_items_are_found_by_being_paused(self, store: Store) -> None:
        store.enqueue([new("q"), new("r", site="a"), new("r", site="b"), new("q", delay_seconds=60.0)])
        q, ra, rb, later = (record.id for record in waiting(store))
        pause(store, "q")
        pause(store, site="a")

        def found(state: ItemState) -> list[int]:
            return [record.id for record in store.find(ItemFilter(state=state))]

        for _ in range(2):  # before somebody has set them aside, and after
            assert found(ItemState.PAUSED) == [q, ra]
            assert found(ItemState.READY) == [rb]
            assert found(ItemState.SCHEDULED) == [later]
            assert [record.state for record in waiting(store)] == ["paused", "paused", "ready", "scheduled"]
            store.keep_pauses()
        assert store.discard(ItemFilter(state=ItemState.PAUSED)) == 2
        assert [record.id for record in waiting(store)] == [rb, later]


class PauseProbeContract:
    """What a probe tells of pauses."""

    def test_lag_and_depth_leave_out_what_is_paused(self, store: Store) -> None:
        clock = time.time()
        ages = {("q", "a"): 90.0, ("q", "b"): 40.0, ("r", "a"): 70.0, ("s", "b"): 20.0}
        store.enqueue([new(queue, site=site, available_at=clock - age) for (queue, site), age in ages.items()])
        probe = store.probe()
        assert [(queue, round(lag, -1)) for queue, lag in probe.lags()] == [("q", 90.0), ("r", 70.0), ("s", 20.0)]
        pause(store, site="a")
        pause(store, "s")

        for _ in range(2):
            assert [(queue, round(lag, -1)) for queue, lag in probe.lags()] == [("q", 40.0)]
            depths = [
                (one.queue, one.site, one.ready, one.paused, round(one.lag_seconds, -1)) for one in probe.depths()
            ]
            assert depths == [
                ("q", "a", 0, 1, 0.0),
                ("q", "b", 1, 0, 40.0),
                ("r", "a", 0, 1, 0.0),
                ("s", "b", 0, 1, 0.0),
            ]
            counts = [
                (one.queue, one.site, one.ready, one.paused, round(one.lag_seconds, -1)) for one in store.counts()
            ]
            assert counts == depths
            store.keep_pauses()

        resume(store, site="a")
        resume(store, "s")
        assert [(queue, round(lag, -1)) for queue, lag in probe.lags()] == [("q", 90.0), ("r", 70.0), ("s", 20.0)]
        probe.close()

    def test_the_lag_of_a_line_begins_behind_what_is_paused(self, store: Store) -> None:
        clock = time.time()
        store.enqueue([new(site="a", available_at=clock - 100.0) for _ in range(50)])
        store.enqueue([new(site="b", available_at=clock - 30.0), new(site="b", priority=4, available_at=clock - 60.0)])
        pause(store, "mail", "a")
        probe = store.probe()

        assert [round(lag, -1) for _queue, lag in probe.lags()] == [60.0]
        probe.close()

    def test_a_probe_tells_pauses_and_who_ended_them(self, store: Store) -> None:
        probe = store.probe()
        assert probe.pauses() == []
        queue, site = pause(store, "mail"), pause(store, site="a", seconds=60.0)

        assert probe.pauses() == [site, queue]

        ended = resume(store, "mail")
        assert probe.pauses() == [site, ended]
        probe.close()

    def test_many_that_are_set_aside_are_counted(self, store: Store) -> None:
        store.enqueue_many([new(site=site) for site in "ab" for _ in range(700)])
        pause(store, site="a")
        pause(store, "mail", "b")
        eventually(lambda: not store.keep_pauses().has_more)
        probe = store.probe()

        found = probe.depths()

        assert [(one.site, one.ready, one.paused, one.is_estimate) for one in found] == [
            ("a", 0, 700, False),
            ("b", 0, 700, False),
        ]
        probe.close()
