"""What is told of a daemon: every increment once, whatever happens to the view or the process."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snqd.exporters import figures as figures_module
from snqd.exporters.figures import Figures
from snqd.exporters.names import PART_LIMIT, part
from snqd.exporters.sent import Sent
from tests.exporters.facts import Told, alarm, depth, flow, store, worker

if TYPE_CHECKING:
    from snqd.telemetry.daemon_view import DaemonView


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mail", "mail"),
        ("mail.out", "mail_out"),
        ("a:b|c@d#e f", "a_b_c_d_e_f"),
        ("café\n", "caf__"),
        ("example.net", "example_net"),
        ("", "_"),
        ("x" * 500, "x" * PART_LIMIT),
    ],
)
def test_a_name_becomes_one_harmless_part(name: str, expected: str) -> None:
    assert part(name) == expected


def test_the_first_look_tells_no_history_and_then_every_increment_is_told_once() -> None:
    told, figures = Told(), Figures()

    assert figures.increments(told.tell(flow(handled=100, failed=3))) == []
    assert figures.increments(told.tell(flow(handled=105, failed=3))) == [("queue.mail.handled", 5)]
    assert figures.increments(told.view) == []
    assert dict(figures.increments(told.tell(flow(handled=107, failed=4, claimed=9)))) == {
        "queue.mail.claimed": 9, "queue.mail.handled": 2, "queue.mail.failed": 1
    }  # fmt: skip


def test_every_counter_of_a_flow_is_told() -> None:
    told, figures = Told(), Figures()
    figures.increments(told.tell(flow()))

    found = figures.increments(told.tell(flow(**cast(Any, dict.fromkeys(figures_module.COUNTERS, 1)))))

    assert sorted(found) == sorted((f"queue.mail.{name}", 1) for name in figures_module.COUNTERS)


def test_a_first_look_waits_until_everything_is_there_but_not_for_ever() -> None:
    told, figures = Told(), Figures()

    assert figures.increments(told.tell(flow(handled=60), missing_flows=1)) == []
    assert figures.increments(told.tell(flow(site="b.example", handled=40))) == [], "history, seen late"
    assert figures.increments(told.tell(flow(handled=61))) == [("queue.mail.handled", 1)]

    told, figures = Told(), Figures()
    for count in range(figures_module.LOOKS + 1):
        assert figures.increments(told.tell(flow(handled=count), missing_flows=1)) == []
    assert figures.increments(told.tell(flow(handled=50), missing_flows=1)) == [("queue.mail.handled", 20)]


def test_sites_and_names_that_become_the_same_are_added() -> None:
    told, figures = Told(), Figures()
    figures.increments(told.tell(flow()))

    found = figures.increments(
        told.tell(flow(site="b.example", handled=3), flow(queue="a.b", handled=4), flow(queue="a:b", handled=5))
    )

    assert dict(found) == {"queue.mail.handled": 3, "queue.a_b.handled": 9}


def test_sites_are_told_when_that_is_wanted() -> None:
    told, figures = Told(), Figures(with_sites=True)
    figures.increments(told.tell(flow()))

    found = figures.increments(told.tell(flow(handled=3), flow(queue="other", handled=4)))

    assert dict(found) == {"queue.mail.handled": 3, "queue.other.handled": 4, "site.a_example.handled": 7}


def test_a_flow_that_disappears_and_comes_back_is_not_told_again() -> None:
    told, figures = Told(), Figures()
    figures.increments(told.tell(flow(handled=10), flow(queue="other", handled=1)))
    for _ in range(30):
        figures.increments(told.tell(flow(queue="other", handled=1)))
    assert ("mail", "a.example") not in told.view.flows

    assert figures.increments(told.tell(flow(handled=12))) == [("queue.mail.handled", 2)]


def test_a_new_life_of_the_daemon_counts_from_nothing() -> None:
    told, figures = Told(), Figures()
    figures.increments(told.tell(flow(handled=10)))
    told.boot = 2

    assert figures.increments(told.tell(flow(handled=4))) == [("queue.mail.handled", 4)]


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["x", "y"]), st.integers(0, 9), st.booleans()),
        max_size=30,
    )
)
def test_whatever_processes_tell_adds_up_to_what_was_counted(steps: list[tuple[str, str, int, bool]]) -> None:
    sent = Sent(4096)
    told, figures = Told(), Figures(with_sites=True, sent=sent)
    counts: Counter[tuple[str, str]] = Counter()
    sums: Counter[str] = Counter()

    def tick() -> None:
        for name, increment in figures.increments(told.view):
            assert increment > 0
            sums[name] += increment

    for queue, site, more, is_respawn in steps:
        counts[queue, site] += more
        told.tell(*(flow(*pair, handled=count) for pair, count in counts.items()))
        if is_respawn:
            figures = Figures(with_sites=True, sent=sent)
        tick()

    for kind, place in (("queue", 0), ("site", 1)):
        for name in {pair[place] for pair in counts}:
            expected = sum(count for pair, count in counts.items() if pair[place] == name)
            assert sums[f"{kind}.{name}.handled"] == expected
    sent.close()


def test_what_a_killed_process_told_is_known_to_the_next_one() -> None:
    sent, told = Sent(), Told()
    told.tell(flow(handled=10))

    pid = os.fork()
    if pid == 0:
        Figures(sent=sent).increments(told.view)
        os._exit(0)
    os.waitpid(pid, 0)

    assert sent.values() == {"queue.mail.handled": 10}
    assert Figures(sent=sent).increments(told.tell(flow(handled=13))) == [("queue.mail.handled", 3)]
    sent.close()


def test_the_memory_of_what_was_sent_is_bounded_and_what_found_no_room_is_not_told_again() -> None:
    sent, told = Sent(72), Told()
    told.tell(flow("a", handled=1), flow("b", handled=2))
    figures = Figures(sent=sent)
    assert sorted(figures.increments(told.view)) == [("queue.a.handled", 1), ("queue.b.handled", 2)]
    assert sent.is_full
    assert len(sent.values()) == 1

    figures = Figures(sent=sent)
    assert figures.increments(told.view) == []
    assert sorted(figures.increments(told.tell(flow("a", handled=3), flow("b", handled=4)))) == [
        ("queue.a.handled", 2), ("queue.b.handled", 2)
    ]  # fmt: skip

    sent.clear()
    assert (sent.values(), sent.is_full) == ({}, False)
    sent.close()


def quantiles(gauges: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in gauges.items() if "_p" in name}


def ticked(figures: Figures, view: DaemonView, now: float) -> tuple[list[tuple[str, float]], dict[str, float]]:
    figures.increments(view)
    timings = list(figures.timings(now))
    return timings, figures.gauges(view, now)


def test_durations_are_told_as_timings_and_every_ten_seconds_as_quantiles() -> None:
    told, figures = Told(), Figures()
    timings, gauges = ticked(figures, told.tell(flow(run={5.0: 100})), 0.0)
    assert timings == []

    timings, gauges = ticked(figures, told.tell(flow(run={0.1: 2, 5.0: 101}, wait={0.01: 1})), 1.0)

    assert [name for name, _ in timings] == ["queue.mail.run"] * 3 + ["queue.mail.wait"]
    assert [round(milliseconds) for _, milliseconds in timings] == pytest.approx([100, 100, 5000, 10], rel=0.2)
    assert quantiles(gauges) == {}

    timings, gauges = ticked(figures, told.view, 10.0)

    assert timings == []
    assert quantiles(gauges) == pytest.approx(
        {
            "queue.mail.run_p50_seconds": 0.1,
            "queue.mail.run_p95_seconds": 5.0,
            "queue.mail.run_p99_seconds": 5.0,
            "queue.mail.wait_p50_seconds": 0.01,
            "queue.mail.wait_p95_seconds": 0.01,
            "queue.mail.wait_p99_seconds": 0.01,
        },
        rel=0.2,
    )
    assert quantiles(ticked(figures, told.tell(flow(run={0.1: 2, 5.0: 101, 20.0: 9})), 20.0)[1])[
        "queue.mail.run_p50_seconds"
    ] == pytest.approx(20.0, rel=0.2)


def test_timings_are_bounded_and_keep_their_distribution() -> None:
    told, figures = Told(), Figures()
    ticked(figures, told.tell(flow()), 0.0)

    timings, _ = ticked(figures, told.tell(flow(run={0.01: 900_000, 10.0: 100_000})), 1.0)

    assert len(timings) == figures_module.TIMINGS_PER_NAME
    assert sum(milliseconds > 1000 for _, milliseconds in timings) == figures_module.TIMINGS_PER_NAME // 10

    many = [flow(queue=f"q{number}", run={0.01: 50}) for number in range(700)]
    timings, _ = ticked(figures, told.tell(*many), 2.0)
    assert len(timings) == figures_module.TIMINGS_PER_TICK


def test_gauges_tell_what_there_is() -> None:
    told, figures = Told(host="web-1.example"), Figures(with_sites=True)
    view = told.tell(
        depth(ready=3, lag_seconds=2.0, paused=8),
        depth(site="b.example", ready=4, scheduled=5, in_flight=6, dead=7, lag_seconds=9.12345),
        worker("main.1", rss_bytes=1000),
        worker("main.2", phase="handling", rss_bytes=2000),
        worker("main.3", state="fatal"),
        store(round_trip_seconds=0.002),
        alarm("lag"),
        alarm("memory", is_raised=False),
    )

    gauges = figures.gauges(view, 0.0)

    daemon = "daemon.main.web-1_example"
    assert {name: value for name, value in gauges.items() if value} == {
        "queue.mail.depth": 7,
        "queue.mail.scheduled": 5,
        "queue.mail.in_flight": 6,
        "queue.mail.dead": 7,
        "queue.mail.paused": 8,
        "queue.mail.lag_seconds": 9.123,
        "site.a_example.depth": 3,
        "site.a_example.paused": 8,
        "site.a_example.lag_seconds": 2.0,
        "site.b_example.depth": 4,
        "site.b_example.scheduled": 5,
        "site.b_example.in_flight": 6,
        "site.b_example.dead": 7,
        "site.b_example.lag_seconds": 9.123,
        f"{daemon}.workers.idle": 1,
        f"{daemon}.workers.handling": 1,
        f"{daemon}.workers.fatal": 1,
        f"{daemon}.rss_bytes": 3000,
        f"{daemon}.hub_rss_bytes": 50_000_000,
        f"{daemon}.alarms": 1,
        f"{daemon}.store_connected": 1,
        f"{daemon}.store_round_trip_seconds": 0.002,
    }
    assert gauges[f"{daemon}.workers.backoff"] == 0


def test_a_queue_that_is_resumed_has_nothing_paused_any_more() -> None:
    figures = Figures()
    assert figures.gauges(Told().tell(depth(paused=8)), 0.0)["queue.mail.paused"] == 8

    assert figures.gauges(Told().tell(depth(ready=8)), 1.0)["queue.mail.paused"] == 0


def test_depths_of_names_that_become_the_same_are_added_and_the_higher_lag_counts() -> None:
    view = Told().tell(depth("a.b", ready=1, lag_seconds=9.0), depth("a:b", ready=2, lag_seconds=3.0))

    gauges = Figures().gauges(view, 0.0)

    assert (gauges["queue.a_b.depth"], gauges["queue.a_b.lag_seconds"]) == (3, 9.0)


def test_a_store_that_is_not_connected_has_no_round_trip() -> None:
    gauges = Figures().gauges(Told().tell(store(connected=False, round_trip_seconds=-1)), 0.0)

    assert gauges["daemon.main.web1_example.store_connected"] == 0
    assert "daemon.main.web1_example.store_round_trip_seconds" not in gauges


def test_a_depth_that_disappears_is_told_as_nothing_for_a_while() -> None:
    told, figures = Told(), Figures()
    assert figures.gauges(told.tell(depth(ready=3)), 0.0)["queue.mail.depth"] == 3
    for _ in range(30):
        told.tell()

    assert figures.gauges(told.view, 1.0)["queue.mail.depth"] == 0
    assert "queue.mail.depth" not in figures.gauges(told.view, figures_module.GONE_SECONDS)
