"""The contract of a store, part six: how far schedules have come, and one item of each due time."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING

from snqd.stores.schedules import Due, Fate, Wanted
from tests.stores.contract_care import settle, woken
from tests.support.racing import Racer
from tests.support.stores import OpenStore, Recipe, claim, frames, new, waiting
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from snqd.items import NewItem
    from snqd.stores.base import Store
    from snqd.stores.schedules import Kept, Result

OURS, THEIRS = "main@here", "main@there"
NIGHTLY = Wanted("a", "nightly", "mail", "0 3 * * * UTC")
OTHER = Wanted("b", "nightly", "mail", "0 3 * * * UTC")


def keep(store: Store, *wanted: Wanted, by: str = OURS) -> Kept:
    return store.keep_schedules(wanted, by)


def last_due(store: Store, wanted: Wanted = NIGHTLY) -> float:
    (found,) = (row.last_due for row in store.schedules() if (row.site, row.name) == wanted[:2])
    return found


def run(store: Store, *items: NewItem, since: float, due: float, wanted: Wanted = NIGHTLY, by: str = OURS) -> Result:
    (result,) = store.run_schedules([Due(wanted.site, wanted.name, since, due, items)], by).results
    return result


class ScheduleContract:
    """One item of each due time, whoever is there and whoever dies."""

    def test_a_new_schedule_has_missed_nothing_and_had_no_item(self, store: Store) -> None:
        assert store.schedules() == []

        kept = keep(store, NIGHTLY, OTHER)

        assert kept.rows == store.schedules()
        assert [(row[:5], row.last_run) for row in kept.rows] == [((*NIGHTLY, OURS), None), ((*OTHER, OURS), None)]
        assert all(abs(row.last_due - kept.now) < 5 for row in kept.rows)
        assert abs(kept.now - time.time()) < 5

    def test_of_the_sites_of_a_schedule_the_one_that_is_furthest_behind_is_told(self, store: Store) -> None:
        daily, hourly = "0 3 * * * UTC", "0 * * * * UTC"
        probe = store.probe()
        assert probe.schedules() == []
        store.keep_schedules(
            [Wanted("a", "n", "q", daily), Wanted("b", "n", "q", daily), Wanted("c", "n", "q", hourly)], "x"
        )
        last = {row.site: row.last_due for row in store.schedules()}
        store.run_schedules([Due("a", "n", last["a"], last["a"] + 60, ())], "y")

        late, other = sorted(probe.schedules(), key=lambda each: each.site)

        assert late[:6] == ("n", "q", daily, "x", 2, "b")
        assert other[:6] == ("n", "q", hourly, "x", 1, "c")
        assert late.last_due == last["b"]
        assert abs(late.now - last["b"]) < 5
        probe.close()

    def test_keeping_it_again_changes_nothing(self, store: Store) -> None:
        before = keep(store, NIGHTLY).rows

        assert keep(store, NIGHTLY).rows == before
        assert keep(store, NIGHTLY, by=THEIRS).rows == before, "it is not theirs because they have it too"

    def test_a_schedule_that_is_due_at_other_times_now_has_missed_nothing(self, store: Store) -> None:
        keep(store, NIGHTLY)
        since = last_due(store)
        assert run(store, since=since, due=since - 5000).fate is Fate.TAKEN  # as if it had been long ago

        same = keep(store, NIGHTLY._replace(queue="other")).rows[0]
        assert (same.queue, same.last_due) == ("other", since - 5000)
        changed = keep(store, NIGHTLY._replace(definition="0 4 * * * UTC")).rows[0]

        assert changed.definition == "0 4 * * * UTC"
        assert changed.last_due >= since - 1

    def test_what_a_daemon_does_not_declare_any_more_is_forgotten_and_others_keep_theirs(self, store: Store) -> None:
        keep(store, NIGHTLY)
        keep(store, OTHER, by=THEIRS)

        assert [row.site for row in store.schedules()] == ["a", "b"]
        assert [row.site for row in keep(store).rows] == ["b"]
        assert keep(store, by=THEIRS).rows == []

    def test_a_schedule_is_of_the_daemon_that_ran_it_last(self, store: Store) -> None:
        since = keep(store, NIGHTLY).rows[0].last_due
        run(store, since=since, due=since + 1, by=THEIRS)

        assert len(keep(store).rows) == 1
        assert keep(store, by=THEIRS).rows == []

    def test_a_due_time_is_taken_once_with_its_item(self, store: Store) -> None:
        since = keep(store, NIGHTLY).rows[0].last_due
        due = float(int(since) + 60)

        first = run(store, new(frame=b"1"), since=since, due=due)
        second = run(store, new(frame=b"2"), since=since, due=due, by=THEIRS)

        assert (first.fate, first.stored, first.last_due) == (Fate.TAKEN, 1, due)
        assert (second.fate, second.stored, second.last_due) == (Fate.BEHIND, 0, due)
        assert frames(claim(store)) == [b"1"]
        (row,) = store.schedules()
        assert (row.last_due, row.declared_by) == (due, OURS)
        assert row.last_run is not None
        assert abs(row.last_run - time.time()) < 5

    def test_who_knows_only_a_part_of_it_is_behind(self, store: Store) -> None:
        """Else the due times that another daemon has dealt with in between would be done twice."""
        since = keep(store, NIGHTLY).rows[0].last_due
        run(store, new(), since=since, due=since + 1)

        result = run(store, new(), new(), since=since, due=since + 2, by=THEIRS)

        assert (result.fate, result.last_due) == (Fate.BEHIND, since + 1)
        assert len(waiting(store)) == 1

    def test_several_schedules_and_due_times_are_one_transaction_and_each_has_its_fate(self, store: Store) -> None:
        since = {row.site: row.last_due for row in keep(store, NIGHTLY, OTHER).rows}
        dues = [
            Due("a", "nightly", since["a"], since["a"] + 3, (new(frame=b"1"), new(frame=b"2"))),
            Due("b", "nightly", since["b"] - 1, since["b"] + 3, (new(frame=b"3"),)),
            Due("c", "nightly", since["b"], since["b"] + 3, (new(frame=b"4"),)),
        ]

        results = store.run_schedules(dues, OURS).results

        assert [(each.fate, each.stored) for each in results] == [(Fate.TAKEN, 2), (Fate.BEHIND, 0), (Fate.BEHIND, 0)]
        assert [each.last_due for each in results] == [since["a"] + 3, since["b"], None]
        assert frames(claim(store)) == [b"1", b"2"]

    def test_a_due_time_that_is_passed_over_has_no_item(self, store: Store) -> None:
        since = keep(store, NIGHTLY).rows[0].last_due

        result = run(store, since=since, due=since + 1)

        assert (result.fate, result.stored) == (Fate.TAKEN, 0)
        (row,) = store.schedules()
        assert (row.last_due, row.last_run) == (since + 1, None)
        assert waiting(store) == []

    def test_an_item_whose_key_is_taken_is_not_stored_and_the_due_time_is_over(self, store: Store) -> None:
        since = keep(store, NIGHTLY).rows[0].last_due
        run(store, new(unique_key="k"), since=since, due=since + 1)

        result = run(store, new(unique_key="k"), since=since + 1, due=since + 2)

        assert (result.fate, result.stored, result.last_due) == (Fate.TAKEN, 0, since + 2)
        assert len(waiting(store)) == 1

    def test_an_item_that_was_due_a_moment_ago_can_be_claimed_and_is_as_old_as_that(self, store: Store) -> None:
        since = keep(store, NIGHTLY).rows[0].last_due
        due = float(int(time.time()) - 10)

        run(store, new(available_at=due), since=since, due=due)

        (item,) = claim(store)
        assert item.available_at == due

    def test_a_run_by_hand_is_noted_and_changes_nothing_else(self, store: Store) -> None:
        before = keep(store, NIGHTLY).rows[0]

        store.was_run("a", "nightly")
        store.was_run("a", "unknown")

        (row,) = store.schedules()
        assert row.last_run is not None
        assert row._replace(last_run=None) == before

    def test_items_of_schedules_wake_who_watches(self, store: Store, open_store: OpenStore) -> None:
        since = keep(store, NIGHTLY).rows[0].last_due
        watcher = open_store()
        descriptors = watcher.open_wakeups()
        settle(watcher, descriptors)

        run(store, new(), since=since, due=since + 1)

        assert woken(watcher, descriptors)


class RacingSchedulesContract:
    """The same with real processes."""

    def test_racing_daemons_and_one_that_is_killed_make_one_item_of_each_due_time(
        self, recipe: Recipe, store: Store
    ) -> None:
        times = 500
        keep(store, NIGHTLY)
        run(store, since=last_due(store), due=0.0)
        with ExitStack() as racers:
            started = []
            for number in range(3):
                racer = Racer("schedule", recipe, times, f"w{number}")
                racers.callback(racer.kill)
                started.append(racer)
            for racer in started:
                racer.go()
            eventually(lambda: last_due(store) >= 20, within_seconds=60)
            started[0].process.kill()

            eventually(lambda: last_due(store) >= times, within_seconds=60)

        found = Counter(int(float(record.frame)) for record in waiting(store))
        assert found == Counter(range(1, times + 1))
