"""The probing thread: what it asks, how often, and what a store does to it that does not answer."""

from __future__ import annotations

import itertools
import threading
import time
from typing import TYPE_CHECKING

import pytest

from snqd.errors import StoreUnavailable
from snqd.hub.prober import Prober
from snqd.items import ItemId, QueueName
from snqd.stores.pauses import Pause
from snqd.stores.probe import QueueLag, ScheduleState, SiteDepth, StoreHealth
from snqd.stores.probe_pace import INTERVALS, Interval
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Store:
    """A probe whose answers a test decides: a mock, because no real store fails and slows down on demand."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, float]] = []
        self.opened = self.closed = 0
        self.error: Exception | None = None
        self.before: Callable[[], None] = lambda: None

    def open(self) -> Store:
        self.opened += 1
        return self

    def lags(self) -> list[QueueLag]:
        self._ask("lags")
        return [QueueLag(QueueName("mail"), 1.5)]

    def pauses(self) -> list[Pause]:
        return [Pause(QueueName("mail"), None, "anna")]

    def depths(self) -> list[SiteDepth]:
        self._ask("depths")
        return []

    def health(self) -> StoreHealth:
        self._ask("health")
        return StoreHealth(round_trip_seconds=0.001)

    def schedules(self) -> list[ScheduleState]:
        self._ask("schedules")
        return [ScheduleState("nightly", "mail", "@daily UTC", "main@here", 1, "a", 1.0, 2.0)]

    def has_item(self, item: ItemId) -> bool:
        return bool(item)

    def close(self) -> None:
        self.closed += 1

    def times(self, question: str) -> list[float]:
        return [at for asked, at in self.asked if asked == question]

    def _ask(self, question: str) -> None:
        self.asked.append((question, time.monotonic()))
        self.before()
        if self.error is not None:
            raise self.error


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def prober(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Prober]:
    """One that asks often: the real intervals are for real stores, and tested in `test_probe_pace.py`."""
    monkeypatch.setattr("snqd.stores.probe_pace.INTERVALS", dict.fromkeys(INTERVALS, Interval(0.05, 0.05, 60.0)))
    made = Prober(store.open, every_seconds=0.0, left=lambda: {("mail", "a"): 3})
    yield made
    made.end()
    if made.is_alive():
        made.join(5)
    assert not made.is_alive()


def test_everything_is_asked_at_once_and_then_again(prober: Prober, store: Store) -> None:
    prober.start()
    wait_until(lambda: len(store.times("lags")) >= 4, "lag is asked again and again")

    assert prober.seen.is_connected
    assert prober.seen.lags[0].lag_seconds == 1.5
    assert prober.seen.health is not None
    assert prober.seen.left == {("mail", "a"): 3}
    assert prober.name == "probe"


def test_a_busy_machine_does_not_let_the_figures_grow_old(
    prober: Prober, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduled = tmp_path / "schedstat"
    monkeypatch.setattr("snqd.hub.prober._SCHEDULED", scheduled)
    kept = itertools.count(50_000_000, 50_000_000)
    scheduled.write_text("0 0 1")

    def wait_for_a_processor() -> None:
        scheduled.write_text(f"7 {next(kept)} 1")
        time.sleep(0.05)

    store.before = wait_for_a_processor
    prober.start()
    wait_until(lambda: len(store.times("depths")) >= 4, "it is not asked every 20 seconds")


def test_a_store_that_does_not_answer_is_said_to_be_away_until_it_does(prober: Prober, store: Store) -> None:
    store.error = StoreUnavailable("nobody there")
    prober.start()
    wait_until(lambda: prober.seen.problem == "nobody there", "the problem is seen")
    since = prober.seen.since
    assert not prober.seen.is_connected
    wait_until(lambda: store.opened >= 2, "it is tried again with a new connection")
    assert prober.seen.since == since, "that it is away is no news"
    assert store.closed >= 1

    store.error = None
    wait_until(lambda: prober.seen.is_connected, "it is back")
    assert prober.seen.problem == ""
    assert prober.seen.since > since


def test_a_surprise_of_a_driver_does_not_end_the_probing(prober: Prober, store: Store) -> None:
    store.error = ZeroDivisionError("surprise")
    prober.start()
    wait_until(lambda: "ZeroDivisionError: surprise" in prober.seen.problem, "it is told")
    store.error = None

    wait_until(lambda: prober.seen.is_connected, "it goes on")


def test_an_errand_runs_in_the_thread_and_ask_now_does_not_wait(store: Store) -> None:
    prober = Prober(store.open, every_seconds=3600.0, left=dict)
    prober.start()
    wait_until(lambda: len(store.times("lags")) == 1, "the first look")
    ran: list[str] = []

    prober.submit(lambda probe: ran.append(f"{threading.current_thread().name} {probe.has_item(ItemId(7))}"))
    wait_until(lambda: ran == ["probe True"], "the errand ran")
    prober.ask_now()
    wait_until(lambda: len(store.times("lags")) == 2, "the second look")

    prober.end()
    prober.join(5)
    assert not prober.is_alive()
