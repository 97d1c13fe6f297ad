"""What is shown of a daemon: which rows there are, and that no counter ever goes back."""

from __future__ import annotations

from typing import Any

import pytest

from snqd.exporters.snmp import ber, columns
from snqd.exporters.snmp.indices import name_index, names_index
from snqd.exporters.snmp.model import LOOKS, Model
from snqd.exporters.snmp.tree import Tree, parts
from tests.support.views import Stage, alarm, canary, daemon_fact, depth, flow, queue, store, worker


class Shown:
    """A model, a tree over it, and the daemon that it shows."""

    def __init__(self, *, site_rows: int = 100, queue_site_rows: int = 100) -> None:
        self.stage = Stage()
        self.model = Model(
            site_rows=site_rows,
            queue_site_rows=queue_site_rows,
            clock=lambda: self.stage.now,
            began=self.stage.now,
        )
        self.tree = Tree(self.model.leaves())

    def show(self, *facts: Any, is_complete: bool = True, seconds: float = 1.0) -> None:
        self.stage.now += seconds
        self.model.told(self.stage.show(*facts, is_complete=is_complete))

    def get(self, group: columns.Group, name: str, *index: int) -> Any:
        """The figure of an object; None = there is none."""
        (column,) = [each for each in group.columns if each.name == name]
        self.model.refresh()
        cell = self.tree.get((*group.oid, column.number, *(index or (0,))))
        if isinstance(cell, int):
            return None
        value = parts(cell)[1]
        begin, end = ber.enter(value, 0, len(value), value[0])
        raw = value[begin:end]
        return raw.decode() if value[0] == ber.OCTETS else int.from_bytes(raw, "big", signed=True)

    def rows(self, group: columns.Group) -> set[ber.Oid]:
        """Indices of a table."""
        self.model.refresh()
        found = set()
        position: Any = self.tree.next((*group.oid, group.columns[0].number))
        while (cell := self.tree.from_position(*position)) is not None:
            oid = ber.read_oid(parts(cell[0])[0])
            if oid[: len(group.oid) + 1] != (*group.oid, group.columns[0].number):
                break
            found.add(oid[len(group.oid) + 1 :])
            position = cell[1:]
        return found


def test_the_figures_of_a_queue_are_those_of_the_view() -> None:
    shown = Shown()
    shown.show(
        queue(in_per_second=2.5, drain_seconds=-1.0, is_growing=True),
        depth("mail", "a.example", ready=3, scheduled=4, in_flight=5, dead=6, lag_seconds=1.5, enqueued=30),
        depth("mail", "b.example", ready=1, lag_seconds=0.25, enqueued=2, is_estimate=True, paused=7),
        flow("mail", "a.example", claimed=20, handled=15, failed=3),
        flow("mail", "b.example", handled=2**33),
    )
    mail = name_index("mail")
    figures = {name: shown.get(columns.QUEUES, name, *mail) for name in (
        "label", "depth", "scheduled", "in_flight", "dead", "lag", "is_estimate", "enqueued", "claimed", "handled",
        "failed", "in_rate", "drain", "is_growing", "has_handler", "is_paused", "paused",
        "workers",
    )}  # fmt: skip
    assert figures == {
        "label": "mail", "depth": 4, "scheduled": 4, "in_flight": 5, "dead": 6, "lag": 1500, "is_estimate": 1,
        "enqueued": 32, "claimed": 20, "handled": 15 + 2**33, "failed": 3, "in_rate": 2500, "drain": 0xFFFFFFFF,
        "is_growing": 1, "has_handler": 1, "is_paused": 2, "paused": 7, "workers": 2,
    }  # fmt: skip
    assert shown.get(columns.TOTALS, "depth") == 4
    assert shown.get(columns.TOTALS, "paused") == 7
    assert shown.get(columns.SITES, "paused", *name_index("a.example")) == 0
    assert shown.get(columns.QUEUE_SITES, "paused", *names_index(("mail", "b.example"))) == 7
    assert shown.get(columns.SITES, "handled", *name_index("b.example")) == 2**33
    assert shown.get(columns.QUEUE_SITES, "lag", *names_index(("mail", "b.example"))) == 250
    assert shown.get(columns.QUEUE_SITES, "label", *names_index(("mail", "b.example"))) == "mail/b.example"


def test_a_queue_is_paused_as_a_whole_or_only_some_of_its_items_are() -> None:
    shown = Shown()
    shown.show(queue("mail", paused="by ann: upgrade"), queue("feeds"), depth("feeds", "b.example", paused=3))
    told = [
        (
            shown.get(columns.QUEUES, "is_paused", *name_index(each)),
            shown.get(columns.QUEUES, "paused", *name_index(each)),
        )
        for each in ("mail", "feeds")
    ]
    assert told == [(1, 0), (2, 3)]


def test_a_queue_that_is_only_known_by_its_items_has_a_row() -> None:
    shown = Shown()
    shown.show(depth("old", ready=1))
    assert shown.get(columns.QUEUES, "has_handler", *name_index("old")) == 2
    assert shown.get(columns.QUEUES, "depth", *name_index("old")) == 1


def test_indices_are_the_same_whatever_comes_and_goes_and_after_a_restart() -> None:
    first, second = Shown(), Shown()
    first.show(queue("b"), queue("a"), worker(3), store())
    second.show(queue("a"), worker(1), worker(3), queue("c"), queue("b"), store())
    assert first.rows(columns.QUEUES) == {name_index("a"), name_index("b")}
    assert second.rows(columns.QUEUES) - first.rows(columns.QUEUES) == {name_index("c")}
    assert first.rows(columns.WORKERS) == {(3,)}
    assert second.rows(columns.WORKERS) == {(1,), (3,)}
    assert first.rows(columns.STORES) == second.rows(columns.STORES) == {(1,)}


def test_nothing_of_a_daemon_is_shown_before_the_view_is_complete() -> None:
    shown = Shown()
    shown.show(flow(handled=5), is_complete=False)
    assert shown.get(columns.QUEUES, "handled", *name_index("mail")) is None
    assert shown.get(columns.DAEMON, "pid") is None

    shown.show(flow(handled=5))
    assert shown.get(columns.QUEUES, "handled", *name_index("mail")) == 5

    shown.show(flow(handled=6), is_complete=False)  # a hub took the place of another: what is known stays
    assert shown.get(columns.QUEUES, "handled", *name_index("mail")) == 6


def test_what_never_becomes_complete_is_shown_at_last() -> None:
    shown = Shown()
    for _ in range(LOOKS + 2):
        shown.show(flow(handled=5), is_complete=False)
    assert shown.get(columns.QUEUES, "handled", *name_index("mail")) == 5


def test_a_counter_that_is_reckoned_from_estimates_does_not_go_back() -> None:
    shown = Shown()
    told = []
    for enqueued in (10, 7, 9, 12):
        shown.show(depth(enqueued=enqueued))
        told.append(shown.get(columns.QUEUES, "enqueued", *name_index("mail")))
    assert told == [10, 10, 10, 12]


def test_of_more_sites_than_rows_those_are_shown_that_need_attention_most() -> None:
    shown = Shown(site_rows=2, queue_site_rows=1)
    shown.show(
        depth("mail", "late.example", ready=1, lag_seconds=900.0),
        depth("mail", "deep.example", ready=50, lag_seconds=1.0),
        depth("mail", "quiet.example"),
        flow("mail", "busy.example", claimed=10**6),
    )
    assert shown.rows(columns.SITES) == {name_index("late.example"), name_index("deep.example")}
    assert shown.rows(columns.QUEUE_SITES) == {names_index(("mail", "late.example"))}
    assert shown.get(columns.DAEMON, "sites") == 4
    assert shown.get(columns.DAEMON, "site_row_limit") == 2
    assert shown.get(columns.DAEMON, "queue_sites") == 4
    assert shown.get(columns.DAEMON, "queue_site_row_limit") == 1


def test_queue_and_site_have_no_rows_unless_asked_for() -> None:
    shown = Shown(queue_site_rows=0)
    shown.show(depth(ready=1))
    assert shown.rows(columns.QUEUE_SITES) == set()
    assert shown.get(columns.DAEMON, "queue_sites") == 1


def test_the_age_of_a_sample_grows_while_nothing_is_told() -> None:
    shown = Shown()
    shown.show(queue())
    before = shown.get(columns.DAEMON, "sample_sequence")
    shown.stage.now += 2.5
    assert shown.get(columns.DAEMON, "sample_age") == 2500
    assert shown.get(columns.DAEMON, "sample_sequence") == before
    shown.show(queue())
    assert shown.get(columns.DAEMON, "sample_age") == 0
    assert shown.get(columns.DAEMON, "sample_sequence") == before + 1


def test_a_row_that_comes_or_goes_is_told_by_its_time() -> None:
    shown = Shown()
    shown.show(queue())
    shown.model.refresh()
    shown.show(queue(), seconds=10.0)
    assert shown.get(columns.DAEMON, "table_last_change") == 100
    shown.show(queue(), queue("more"), seconds=4.0)
    assert shown.get(columns.DAEMON, "table_last_change") == 1500


def test_a_daemon_that_was_started_anew_is_shown_when_it_is_known_again() -> None:
    shown = Shown()
    shown.show(depth(enqueued=50))
    assert shown.get(columns.QUEUES, "enqueued", *name_index("mail")) == 50

    shown.stage.boot += 1
    shown.show(depth(enqueued=3), is_complete=False)
    assert shown.rows(columns.QUEUES) == set()
    shown.show(depth(enqueued=4))
    assert shown.get(columns.QUEUES, "enqueued", *name_index("mail")) == 4


def test_percentiles_are_of_the_last_minute_and_absent_when_nothing_ran() -> None:
    shown = Shown()
    slow = (60, 10)  # ten items in one bucket
    shown.show(flow(run=slow))
    mail = name_index("mail")
    for _ in range(10):
        shown.show(flow(run=slow), seconds=10.0)
    assert shown.get(columns.QUEUES, "run_p95", *mail) is None
    shown.show(flow(run=(60, 10, 100, 5)), seconds=10.0)
    recent = shown.get(columns.QUEUES, "run_p50", *mail)
    assert recent is not None
    assert recent > 1  # of the five that ran lately, not of the ten before


def test_a_worker_and_a_store_say_what_is_known_and_leave_out_what_is_not() -> None:
    shown = Shown()
    shown.show(
        worker(
            2, state="backoff", pid=0, exit_reason="killed by SIGKILL", exit_at=shown.stage.now - 3.0, rss_bytes=2**20
        ),
        worker(1, running=1, item=77, queue="mail", site="a", item_started=shown.stage.now - 1.0, phase="handling"),
        store(table_bytes=4096, last_autovacuum=0.0, dead_rows=-1),
    )

    def worker_of(name: str, slot: int) -> Any:
        return shown.get(columns.WORKERS, name, slot)

    assert [worker_of("state", 2), worker_of("pid", 2), worker_of("age", 2)] == [5, 0, 0]
    assert [worker_of("exit_reason", 2), worker_of("exit_age", 2)] == ["killed by SIGKILL", 400]
    assert [worker_of("phase", 1), worker_of("item", 1), worker_of("item_age", 1)] == [4, "77", 2000]
    assert worker_of("exit_age", 1) is None
    assert shown.get(columns.STORES, "table_size", 1) == 4
    assert shown.get(columns.STORES, "dead_rows", 1) is None
    assert shown.get(columns.STORES, "autovacuum_age", 1) is None
    assert shown.get(columns.STORES, "round_trip", 1) == 1200


def test_a_queue_says_what_its_limits_hold_back() -> None:
    shown = Shown()
    shown.show(queue("mail", in_flight_limit=20, rate_limit=0.5, held_back="queue mail is at its limit"), queue("old"))

    def of(name: str) -> list[Any]:
        columns_ = ("in_flight_limit", "rate_limit", "is_held_back", "held_back_by")
        return [shown.get(columns.QUEUES, each, *name_index(name)) for each in columns_]

    assert of("mail") == [20, 500, 1, "queue mail is at its limit"]
    assert of("old") == [0, 0, 2, ""]


def test_alarms_are_rows_and_weigh_on_their_queue() -> None:
    shown = Shown()
    shown.show(
        queue("mail"), queue("old"), worker(), store(),
        alarm("lag", "mail", value=400.0, threshold=300.0, message="late"), alarm("failures", "mail"),
        alarm("dead_letters", "old"), alarm("memory", "main.1", is_raised=False), alarm("schedule", "nightly"),
    )  # fmt: skip
    lag = names_index(("lag", "mail"))
    assert shown.get(columns.ALARMS, "severity", *lag) == 2
    assert shown.get(columns.ALARMS, "value", *lag) == 400_000
    assert shown.get(columns.ALARMS, "label", *lag) == "lag mail"
    assert shown.get(columns.ALARMS, "severity", *names_index(("memory", "main.1"))) == 0
    assert shown.get(columns.QUEUES, "health", *name_index("mail")) == 2
    assert shown.get(columns.QUEUES, "health", *name_index("old")) == 1
    assert shown.get(columns.ALARMS, "severity", *names_index(("schedule", "nightly"))) == 2
    assert shown.get(columns.DAEMON, "alarms") == 4
    assert shown.get(columns.DAEMON, "health") == 2


def test_figures_without_bounds_do_not_take_the_agent_down() -> None:
    shown = Shown()
    shown.show(
        queue("é" * 63, in_per_second=-5.0, drain_seconds=1e15),
        flow("é" * 63, handled=2**80),
        depth("é" * 63, ready=2**80, lag_seconds=-3.0, enqueued=-9),
        canary(),
        worker(70000),
        worker(0),
        daemon_fact(started=0.0, pid=2**40),
    )
    position: Any = (0, 0)
    shown.model.refresh()
    count = 0
    while (found := shown.tree.from_position(*position)) is not None:
        position, count = found[1:], count + 1
    assert count > 100
    assert shown.rows(columns.WORKERS) == set()


@pytest.mark.parametrize("name", ["mail", "a/b", "é", "x" * 63])
def test_the_label_has_the_whole_name(name: str) -> None:
    shown = Shown()
    shown.show(queue(name))
    assert shown.get(columns.QUEUES, "label", *name_index(name)) == name
