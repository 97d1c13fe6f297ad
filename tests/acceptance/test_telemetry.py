"""What a monitor sees of a real daemon, over a real and a bad network, and when processes die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from snqd.items import new_item
from snqd.telemetry.recording import replay
from snqd.telemetry.wire import key_of
from tests.support.documents import blocks
from tests.support.lossy import SPOILING, LossyProxy
from tests.support.monitor import Monitor
from tests.support.processes import is_gone, wait_until
from tests.support.stopwatch import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from snqd.telemetry.daemon_view import DaemonView
    from tests.support.daemons import Daemon, Place

    MakeDaemon = Callable[..., Daemon]

pytestmark = pytest.mark.fork

KEY = "a key of more than sixteen characters"
SOURCE = """
@handler("work", max_attempts=2, backoff=AT_ONCE)
def work(payload, context):
    if payload % 10 == 3:
        raise Discard("a three")
    if payload % 10 == 7 and context.attempt == 1:
        raise ValueError("a seven, the first time")
    if payload % 100 == 99:
        raise ValueError("for ever")

@handler("held")
def held(payload, context):
    note("began", context)
    hold("held")

@handler("busy")
def busy(payload, context):
    note("began", context)
    while True:
        pass
"""
ITEMS = 3000
EXPECTED = {
    "handled": ITEMS - ITEMS // 10 - ITEMS // 100,
    "discarded": ITEMS // 10,
    "failed": ITEMS // 10 + 2 * (ITEMS // 100),
    "dead_lettered": ITEMS // 100,
}


def enqueue(place: Place) -> None:
    place.enqueue_all([new_item("work", n) for n in range(ITEMS)])


def counted(view: DaemonView) -> dict[str, int]:
    flow = view.flows.get(("work", "default"))
    return {name: getattr(flow, name) if flow else 0 for name in EXPECTED}


def test_totals_over_a_bad_network_agree_exactly_with_the_store(make_daemon: MakeDaemon, place: Place) -> None:
    daemon = make_daemon(place, SOURCE, daemon={"threads": 2}, telemetry={"key": KEY})
    hub = daemon.wait_hub()
    with (
        LossyProxy(hub.address, seed=7, weather=SPOILING) as network,
        Monitor(network.address, key=key_of(KEY)) as monitor,
    ):
        monitor.wait(lambda view: view.is_complete, "the daemon is known")
        enqueue(place)
        place.wait_empty()

        monitor.wait(lambda view: counted(view) == EXPECTED, f"the totals are {EXPECTED}")
        # A look at the store and the counters of workers are never of the same moment: the next look says the rest.
        waiting = monitor.wait(
            lambda view: any((each.dead, each.enqueued) == (ITEMS // 100, ITEMS) for each in view.depths.values()),
            "what came and what is dead are known",
        )
        assert {kind: network.counts[kind] > 0 for kind in ("dropped", "repeated", "reordered", "corrupted")} == {
            "dropped": True,
            "repeated": True,
            "reordered": True,
            "corrupted": True,
        }
        assert waiting.lost > 0, "the loss is seen"
    assert len(place.dead()) == EXPECTED["dead_lettered"]


def test_totals_are_right_again_after_the_hub_was_killed_in_the_middle(make_daemon: MakeDaemon, place: Place) -> None:
    daemon = make_daemon(place, SOURCE, daemon={"threads": 2}, telemetry={"listen": "127.0.0.1:0"})
    hub = daemon.wait_hub()
    enqueue(place)
    os.kill(hub.pid, signal.SIGKILL)
    watch = Stopwatch()

    second = daemon.wait_hub(2)
    assert watch.seconds < 3.0
    place.wait_empty()
    with Monitor(second.address) as monitor:
        view = monitor.wait(lambda view: counted(view) == EXPECTED, f"the totals are {EXPECTED}")
    assert "SIGKILL" in daemon.wait_event("HubExited")["reason"]
    assert view.daemon is not None
    assert view.daemon.hub_pid == second.pid


def test_a_monitor_that_stays_gets_the_next_hub(make_daemon: MakeDaemon, sqlite_place: Place) -> None:
    daemon = make_daemon(sqlite_place, SOURCE, telemetry={"listen": "auto"})
    hub = daemon.wait_hub()
    with Monitor(hub.address) as monitor:
        monitor.wait(lambda view: view.is_complete, "the daemon is known")
        os.kill(hub.pid, signal.SIGKILL)
        second = daemon.wait_hub(2)

        monitor.wait(
            lambda view: view.daemon is not None and view.daemon.hub_pid == second.pid, "the next hub's facts come"
        )


def test_the_crash_of_a_worker_is_seen_within_a_second_with_reason_and_item(
    make_daemon: MakeDaemon, place: Place
) -> None:
    daemon = make_daemon(place, SOURCE, daemon={"threads": 2})
    item = place.enqueue("held")
    worker = daemon.wait_fact("began")["pid"]
    with Monitor(daemon.wait_hub().address) as monitor:
        monitor.wait(lambda view: view.is_complete, "the daemon is known")

        os.kill(worker, signal.SIGKILL)
        exited = monitor.wait_event("WorkerExited", pid=worker, seconds=1.0)

        assert exited.fields["reason"] == "killed by SIGKILL"
        assert exited.fields["items"] == (item,)
        monitor.wait(
            lambda view: any(each.exit_reason == "killed by SIGKILL" for each in view.workers.values()),
            "the slot remembers it",
        )
    daemon.open_gate("held")


def test_a_monitor_that_comes_late_is_complete_in_two_seconds(make_daemon: MakeDaemon, sqlite_place: Place) -> None:
    daemon = make_daemon(sqlite_place, SOURCE, daemon={"threads": 2})
    daemon.wait_hub()
    enqueue(sqlite_place)
    sqlite_place.wait_empty()
    daemon.wait_event("ItemDeadLettered")

    with Monitor(daemon.wait_hub().address, frames_per_second=1.0) as monitor:
        view = monitor.wait(
            lambda view: view.is_complete and counted(view) == EXPECTED, "everything is known", seconds=2.0
        )
        monitor.wait_event("ItemDeadLettered", seconds=5.0)  # what happened lately is told too
    assert view.store is not None
    assert view.store.connected


def test_a_fixed_receiver_and_the_recorder_get_the_same(
    make_daemon: MakeDaemon, sqlite_place: Place, tmp_path: Path
) -> None:
    record = tmp_path / "flight.rec"
    daemon = make_daemon(sqlite_place, SOURCE, telemetry={"record_file": str(record)})
    daemon.wait_hub()
    enqueue(sqlite_place)
    sqlite_place.wait_empty()
    with Monitor(daemon.wait_hub().address) as monitor:
        monitor.wait(lambda view: counted(view) == EXPECTED, "the totals are known")
        assert daemon.stop() == 0

        stopped = monitor.wait_event("DaemonStopped")
        replayed = Monitor("127.0.0.1:9")
        with replayed:
            assert replay(record, replayed.fleet, None) == 0, "no datagram is refused"
            assert counted(replayed.view) == EXPECTED
            assert [event for event in replayed.view.events if event.name == "DaemonStopped"] == [stopped]


def test_without_the_key_nothing_is_understood_and_the_monitor_says_so(
    make_daemon: MakeDaemon, sqlite_place: Place
) -> None:
    daemon = make_daemon(sqlite_place, SOURCE, telemetry={"key": KEY})
    address = daemon.wait_hub().address
    with Monitor(address, key=key_of(KEY)) as friend:
        friend.wait(lambda view: view.is_complete, "the daemon is known")
    for key, words in ((None, "key"), (key_of("another key that is long enough"), "wrong key")):
        with Monitor(address, key=key) as stranger:
            stranger.wait_words(words)
            assert not stranger.fleet.daemons


def test_the_hub_leaves_with_the_supervisor_however_that_ends(make_daemon: MakeDaemon, sqlite_place: Place) -> None:
    daemon = make_daemon(sqlite_place, SOURCE)
    hub = daemon.wait_hub()
    os.kill(daemon.pid, signal.SIGKILL)
    wait_until(lambda: is_gone(hub.pid), "the hub is gone", seconds=2.0)

    second = make_daemon(sqlite_place, SOURCE, folder="second")
    hub = second.wait_hub()
    assert second.stop() == 0
    assert is_gone(hub.pid)
    assert not second.events("HubExited"), "it was asked to leave"
    assert [path.name for path in second.folder.iterdir() if path.suffix in (".sock", ".baseline")] == []


def test_a_reload_gives_the_hub_its_new_settings(make_daemon: MakeDaemon, sqlite_place: Place) -> None:
    daemon = make_daemon(sqlite_place, SOURCE, telemetry={"listen": "none"})
    first = daemon.wait_hub()
    assert first.address == ""

    daemon.configure(telemetry={"listen": "127.0.0.1:0"})
    daemon.send(signal.SIGHUP)
    second = daemon.wait_hub(2)

    with Monitor(second.address) as monitor:
        monitor.wait(lambda view: view.is_complete, "the daemon is known")
    wait_until(lambda: is_gone(first.pid), "the first hub has left")


def test_an_address_in_use_is_told_and_stops_nothing(make_daemon: MakeDaemon, sqlite_place: Place) -> None:
    taken = make_daemon(sqlite_place, SOURCE).wait_hub()
    place = type(sqlite_place)(sqlite_place.url + "2")
    with place.open():
        pass
    daemon = make_daemon(place, SOURCE, folder="second", telemetry={"listen": taken.address})

    problem = daemon.wait_event("TelemetryProblem")
    assert taken.address in problem["what"] + problem["error"]
    assert daemon.wait_hub().address == ""
    place.enqueue("work", 1)
    place.wait_empty()


def test_the_example_of_the_documentation_prints_what_the_daemon_did(
    make_daemon: MakeDaemon, sqlite_place: Place
) -> None:
    (block,) = blocks("python telemetry")
    daemon = make_daemon(sqlite_place, SOURCE)
    enqueue(sqlite_place)
    sqlite_place.wait_empty()
    source = block.text.replace("127.0.0.1:5480", daemon.wait_hub().address)
    with subprocess.Popen(
        [sys.executable, "-u", "-c", source], env=daemon.environment, stdout=subprocess.PIPE, text=True
    ) as example:
        assert example.stdout is not None
        try:
            assert any(f" {EXPECTED['handled']} 0 datagrams lost" in line for line in example.stdout)
        finally:
            example.kill()


def test_without_telemetry_there_is_no_hub(make_daemon: MakeDaemon, sqlite_place: Place) -> None:
    daemon = make_daemon(sqlite_place, SOURCE, telemetry={"enabled": False})
    sqlite_place.enqueue("work", 1)
    sqlite_place.wait_empty()
    ended = daemon.command("health")
    assert daemon.stop() == 0

    assert not daemon.events("HubStarted")
    assert ended.code == 3
    assert "telemetry.enabled is false" in ended.out
