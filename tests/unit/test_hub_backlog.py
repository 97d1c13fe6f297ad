"""What waits, as facts: how *enqueued* is reckoned, and where a queue is going."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snqd.hub.backlog import Backlog, Service, drain_seconds
from snqd.hub.prober import Seen
from snqd.items import QueueName, SiteName
from snqd.stores.probe import QueueLag, SiteDepth

if TYPE_CHECKING:
    from pathlib import Path

BOOT = 1_764_000_000_000_000
KEY = ("mail", "a")
NOBODY = Service({}, frozenset())


def depth(ready: int, *, is_estimate: bool = False, lag: float = 0.0, site: str = "a") -> SiteDepth:
    return SiteDepth(QueueName("mail"), SiteName(site), ready, 0, 0, lag, 0, is_estimate)


def seen(at: float, ready: int, left: int, *, is_estimate: bool = False) -> Seen:
    depths = (depth(ready, is_estimate=is_estimate),) if ready else ()
    return Seen(depths=depths, depths_at=at, left={KEY: left})


def enqueued(backlog: Backlog) -> int:
    return backlog.depths[KEY].enqueued


def test_what_waited_at_the_first_look_was_not_enqueued_since(tmp_path: Path) -> None:
    backlog = Backlog(BOOT, tmp_path / "baseline")

    backlog.take(seen(1.0, 100, 7))
    assert enqueued(backlog) == 0

    backlog.take(seen(2.0, 60, 57))  # fifty were handled, and ten came
    assert enqueued(backlog) == 10


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50)), max_size=30))
def test_it_never_falls_and_is_exact_when_things_rest(steps: list[tuple[int, int, int]]) -> None:
    """Between reading what had left and asking the store, more may leave: too small then, never too large."""
    backlog = Backlog(BOOT, _nowhere())
    backlog.take(seen(0.0, 0, 0))
    waiting = left = came = before = 0
    for number, (more, gone, meanwhile) in enumerate(steps, 1):
        came, waiting = came + more, waiting + more
        done = min(gone, waiting)
        waiting, left = waiting - done, left + done
        known_left = left
        late = min(meanwhile, waiting)
        waiting, left = waiting - late, left + late
        backlog.take(seen(float(number), waiting, known_left))
        assert before <= enqueued(backlog) <= came
        before = enqueued(backlog)

    backlog.take(seen(1000.0, waiting, left))
    assert enqueued(backlog) == came


def _nowhere() -> Path:
    from pathlib import Path

    return Path("/nonexistent/baseline")


def test_an_estimate_is_told_and_does_not_stay(tmp_path: Path) -> None:
    backlog = Backlog(BOOT, tmp_path / "baseline")
    backlog.take(seen(1.0, 10, 0))

    backlog.take(seen(2.0, 90_000, 0, is_estimate=True))
    assert (enqueued(backlog), backlog.depths[KEY].is_estimate) == (89_990, True)

    backlog.take(seen(3.0, 50_010, 0))
    assert (enqueued(backlog), backlog.depths[KEY].is_estimate) == (50_000, False)


def test_the_next_hub_of_the_same_boot_goes_on_and_another_boot_begins_anew(tmp_path: Path) -> None:
    file = tmp_path / "baseline"
    Backlog(BOOT, file).take(seen(1.0, 100, 0))

    second = Backlog(BOOT, file)
    second.take(seen(2.0, 40, 90))
    assert enqueued(second) == 30

    other = Backlog(BOOT + 1, file)
    other.take(seen(2.0, 40, 0))
    assert enqueued(other) == 0


@pytest.mark.parametrize("text", ["", "[]", "{", '{"boot": 1}', f'{{"boot": {BOOT}, "waiting": 7}}'])
def test_a_baseline_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "baseline"
    file.write_text(text)
    backlog = Backlog(BOOT, file)

    backlog.take(seen(1.0, 5, 0))

    assert enqueued(backlog) == 0


def test_what_is_no_longer_in_the_store_is_zero_and_keeps_its_sum(tmp_path: Path) -> None:
    backlog = Backlog(BOOT, tmp_path / "baseline")
    backlog.take(Seen(depths_at=1.0))
    backlog.take(seen(2.0, 3, 0))

    (gone,) = backlog.take(seen(3.0, 0, 3))

    assert (gone.ready, gone.lag_seconds, gone.enqueued) == (0, 0.0, 3)


def test_a_fact_in_which_nothing_is_new_is_told_again_only_to_confirm_it(tmp_path: Path) -> None:
    backlog = Backlog(BOOT, tmp_path / "baseline")
    backlog.take(seen(1.0, 3, 0))

    assert backlog.take(seen(2.0, 3, 0)) == []
    (confirmed,) = backlog.take(seen(11.5, 3, 0))
    assert confirmed.at == 11.5


def test_a_queue_says_its_rates_and_who_serves_it(tmp_path: Path) -> None:
    backlog = Backlog(BOOT, tmp_path / "baseline")
    backlog.take(seen(100.0, 100, 0))
    backlog.take(seen(110.0, 120, 80))
    lags = Seen(lags=(QueueLag(QueueName("mail"), 12.5),), lags_at=110.0)

    mail, idle = backlog.queues(lags, Service({"mail": 2}, frozenset({"mail", "quiet"})), {"quiet": "by anna"})

    assert (mail.queue, mail.workers, mail.has_handler) == ("mail", 2, True)
    assert (mail.in_per_second, mail.out_per_second, mail.is_growing, mail.drain_seconds) == (10.0, 8.0, True, -1.0)
    assert (mail.lag_seconds, mail.lag_at) == (12.5, 110.0)
    assert (idle.queue, idle.workers, idle.has_handler, idle.drain_seconds) == ("quiet", 0, True, 0.0)
    assert (mail.paused, idle.paused) == ("", "by anna")


def test_what_is_paused_waits_and_is_not_ready(tmp_path: Path) -> None:
    backlog = Backlog(BOOT, tmp_path / "baseline")
    site = SiteDepth(QueueName("mail"), SiteName("a"), 0, 1, 2, 0.0, 0, False, paused=30)
    (before,) = backlog.take(Seen(depths=(site,), depths_at=100.0))

    (later,) = backlog.take(Seen(depths=(site._replace(paused=37),), depths_at=101.0))

    assert (before.ready, before.paused, before.enqueued) == (0, 30, 0)
    assert (later.ready, later.paused, later.enqueued) == (0, 37, 7)


def test_rates_are_those_of_the_last_minute(tmp_path: Path) -> None:
    backlog = Backlog(BOOT, tmp_path / "baseline")
    backlog.take(seen(0.0, 1000, 0))
    backlog.take(seen(10.0, 0, 1000))
    for second in range(20, 200, 10):
        backlog.take(seen(float(second), 0, 1000))

    (mail,) = backlog.queues(Seen(), NOBODY, {})

    assert mail.out_per_second == 0.0


@pytest.mark.parametrize(
    ("ready", "came", "gone", "expected"),
    [(0, 5.0, 1.0, 0.0), (100, 5.0, 10.0, 20.0), (100, 10.0, 10.0, -1.0), (100, 0.0, 0.0, -1.0), (1, 9.0, 1.0, -1.0)],
)
def test_time_to_drain(ready: int, came: float, gone: float, expected: float) -> None:
    assert drain_seconds(ready, came, gone) == expected
