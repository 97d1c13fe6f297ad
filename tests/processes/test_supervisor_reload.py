"""HUP, with real processes: workers are replaced one by one, and never is there none."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from snqd.telemetry.board import SlotState, Word
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.processes import FakeDaemon

    MakeDaemon = Callable[..., FakeDaemon]

pytestmark = pytest.mark.fork


def _ready_since_reload(daemon: FakeDaemon) -> list[int]:
    """How many ready workers there were after each event from HUP on."""
    ready: set[int] = set()
    counts = []
    is_reloading = False
    for event in daemon.events():
        is_reloading = is_reloading or event["event"] == "Reloading"
        if event["event"] == "WorkerReady":
            ready.add(event["pid"])
        elif event["event"] == "WorkerExited":
            ready.discard(event["pid"])
        if is_reloading:
            counts.append(len(ready))
    return counts


@pytest.mark.parametrize("threads", [1, 3])
def test_hup_replaces_every_worker_and_there_is_never_none(fake_daemon: MakeDaemon, threads: int) -> None:
    daemon = fake_daemon({"*": {"drain_seconds": 0.1}}, threads=threads, label="old")
    old = daemon.wait_ready(threads)

    daemon.configure({"threads": threads, "label": "new"})
    daemon.signal(signal.SIGHUP)
    daemon.wait_event("ReloadFinished")

    wait_until(lambda: len(daemon.events("WorkerExited")) == threads + 1, "the old workers and the extra one left")
    assert daemon.wait_event("Reloading")["changes"] == ["label: new"]
    assert {event["pid"] for event in daemon.events("WorkerExited")} >= set(old)
    assert {event["reason"] for event in daemon.events("WorkerExited")} == {"drained"}
    assert min(_ready_since_reload(daemon)) >= threads
    assert {event["queues"][0] for event in daemon.events("WorkerReady")[threads:]} == {"new"}
    board = daemon.board()
    states = [SlotState(board.slot(number).get(Word.STATE)) for number in range(1, threads + 2)]
    assert states == [SlotState.RUNNING] * threads + [SlotState.CLOSED], "slots keep their numbers"


def test_workers_are_replaced_one_at_a_time(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon({"*": {}}, threads=3)
    daemon.wait_ready(3)

    daemon.signal(signal.SIGHUP)
    daemon.wait_event("ReloadFinished")

    names = [
        event["worker"] for event in daemon.events() if event["event"] in ("WorkerReady", "WorkerExited")
    ][3:]  # fmt: skip
    assert names[:7] == ["main.4", "main.1", "main.1", "main.2", "main.2", "main.3", "main.3"]


def test_a_bad_configuration_is_refused_and_the_old_stays_in_force(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon({"*": {}}, threads=2)
    pids = daemon.wait_ready(2)

    (daemon.folder / "daemon.json").write_text("{ not json")
    daemon.signal(signal.SIGHUP)
    failed = daemon.wait_event("ReloadFailed")

    assert failed["error"].startswith("daemon.json: ")
    assert daemon.events("WorkerExited") == []
    assert [daemon.board().slot(number).get(Word.PID) for number in (1, 2)] == pids


def test_an_error_of_any_kind_while_reloading_costs_nothing(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon({"*": {}}, threads=1)
    daemon.wait_ready(1)

    daemon.configure({"threads": 1, "memory_soft_limit": "much"})
    daemon.signal(signal.SIGHUP)

    assert daemon.wait_event("ReloadFailed")["error"].startswith("ValueError: must be a percentage")
    assert daemon.events("WorkerExited") == []


def test_a_configuration_with_which_no_worker_starts_costs_no_worker(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon({"*": {}}, threads=2, label="old")
    pids = daemon.wait_ready(2)

    daemon.behave({"3": {"boot_failed": "no module named shop"}, "*": {}})
    daemon.signal(signal.SIGHUP)
    failed = daemon.wait_event("ReloadFailed")

    assert failed["error"] == (
        "a worker with the new configuration could not start: could not start: no module named shop"
    )
    assert [daemon.board().slot(number).get(Word.PID) for number in (1, 2)] == pids
    assert {event["worker"] for event in daemon.events("WorkerExited")} == {"main.3"}


def test_a_second_hup_during_a_reload_is_obeyed_afterwards(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon({"*": {"drain_seconds": 0.3}}, threads=1, label="old")
    daemon.wait_ready(1)

    daemon.signal(signal.SIGHUP)
    daemon.wait_event("Reloading")
    daemon.configure({"threads": 1, "label": "newest"})
    daemon.signal(signal.SIGHUP)

    daemon.wait_events("ReloadFinished", 2)
    assert daemon.events("WorkerReady")[-1]["queues"] == ["newest"]


def test_hup_gives_a_fatal_slot_a_new_worker(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon({"1": {"boot_failed": "wrong"}, "*": {}}, threads=2)
    daemon.wait_event("SlotFatal")

    daemon.behave({"*": {}})
    daemon.signal(signal.SIGHUP)

    daemon.wait_event("WorkerReady", worker="main.1")
    daemon.wait_event("ReloadFinished")


def test_a_slot_that_stays_fatal_does_not_stop_the_reload(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon({"1": {"boot_failed": "wrong"}, "*": {}}, threads=2)
    daemon.wait_event("SlotFatal")

    daemon.signal(signal.SIGHUP)

    daemon.wait_event("ReloadFinished")
    assert len(daemon.events("SlotFatal")) == 2


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 1)])
def test_the_number_of_workers_follows_the_configuration(fake_daemon: MakeDaemon, before: int, after: int) -> None:
    daemon = fake_daemon({"*": {}}, threads=before)
    daemon.wait_ready(before)

    daemon.configure({"threads": after})
    daemon.signal(signal.SIGHUP)

    daemon.wait_event("ReloadFinished", workers=after)
    board = daemon.board()
    wait_until(
        lambda: [
            number for number in range(1, 6) if board.slot(number).get(Word.STATE) != SlotState.CLOSED
        ] == list(range(1, after + 1)),
        f"{after} slots are open",
    )  # fmt: skip


def test_term_during_a_reload_drains_everybody(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon({"*": {"drain_seconds": 0.3}}, threads=2)
    daemon.wait_ready(2)

    daemon.signal(signal.SIGHUP)
    daemon.wait_event("Reloading")
    daemon.wait_event("WorkerReady", worker="main.3")
    daemon.signal(signal.SIGTERM)

    assert daemon.wait_exit() == 0
    assert {event["reason"] for event in daemon.events("WorkerExited")} == {"drained"}
    assert len(daemon.events("WorkerSpawned")) == len(daemon.events("WorkerExited"))
