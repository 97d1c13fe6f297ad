"""The store goes away in the middle of work: nothing is lost or stranded, and no worker dies of it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from snqd.errors import StoreUnavailable
from snqd.items import new_item
from tests.support.daemons import Place
from tests.support.postgres import Cluster, fresh_database
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.daemons import Daemon

    MakeDaemon = Callable[..., Daemon]

pytestmark = pytest.mark.fork

SOURCE = """
@handler("quick")
def quick(payload, context):
    note("ran", context, n=payload)
    time.sleep(0.002)

@handler("held", concurrency=2)
async def held(payload, context):
    note("began", context, n=payload)
    await hold_async("held")
    note("ended", context, n=payload)
"""


@pytest.mark.pg
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["fast", "immediate"])
def test_a_restart_of_postgresql_in_the_middle_loses_and_strands_nothing(
    make_daemon: MakeDaemon, own_cluster: Cluster, how: signal.Signals
) -> None:
    with fresh_database(own_cluster) as database:
        place = Place(database.url, database)
        place.enqueue_all([new_item("held", n) for n in range(4)])
        place.enqueue_all([new_item("quick", n) for n in range(600)])
        daemon = make_daemon(place, SOURCE, daemon={"threads": 3}, store={"lease_seconds": 600})
        before = daemon.workers()
        daemon.wait_facts("ran", 50)
        daemon.wait_facts("began", 4)

        own_cluster.stop(how)
        daemon.wait_events("StoreLost", 3)
        daemon.open_gate("held")
        daemon.wait_facts("ended", 4)
        own_cluster.start()
        daemon.wait_events("StoreBack", 3)
        place.wait_empty(seconds=30)

        place.enqueue("quick", 1000)
        daemon.wait_fact("ran", n=1000, seconds=5)
        assert {fact["n"] for fact in daemon.facts("ran")} == {*range(600), 1000}
        assert {fact["attempt"] for fact in daemon.facts("ran")} == {1}, "an outage uses no attempt"
        assert len(daemon.facts("ended")) == 4, "what was running was finished, and acked afterwards"
        assert daemon.workers() == before, "no worker died of it"
        assert not daemon.events("WorkerExited")
        backs = [event["after_seconds"] for event in daemon.events("StoreBack")]
        assert len({round(seconds, 3) for seconds in backs}) > 1, "they do not all knock at the same moment"
        lost = daemon.events("StoreLost")
        assert len(lost) == 3, "and each said so once"
        assert all(event["level"] == "error" and "\n" not in event["error"] for event in lost)
        daemon.stop()


@pytest.mark.pg
def test_a_daemon_told_to_stop_during_an_outage_leaves_and_the_next_one_has_everything(
    make_daemon: MakeDaemon, own_cluster: Cluster
) -> None:
    with fresh_database(own_cluster) as database:
        place = Place(database.url, database)
        place.enqueue_all([new_item("held", n) for n in range(2)])
        place.enqueue_all([new_item("quick", n) for n in range(300)])
        daemon = make_daemon(place, SOURCE, daemon={"threads": 2, "grace_seconds": 1})
        daemon.wait_facts("ran", 20)
        daemon.wait_facts("began", 2)

        own_cluster.stop(signal.SIGQUIT)
        daemon.wait_events("StoreLost", 2)
        assert daemon.stop(seconds=30) == 0
        own_cluster.start()

        daemon.open_gate("held")
        daemon.start()
        place.wait_empty(seconds=20)
        assert {fact["n"] for fact in daemon.facts("ran")} == set(range(300))
        assert {fact["attempt"] for fact in daemon.facts("ended")} == {1}
        assert not daemon.events("ItemCrashed")
        daemon.stop()


@pytest.mark.pg
def test_without_its_server_a_daemon_does_not_start_and_says_why_in_one_line(
    make_daemon: MakeDaemon, own_cluster: Cluster
) -> None:
    with fresh_database(own_cluster) as database:
        place = Place(database.url, database)
        daemon = make_daemon(place, SOURCE, start=False)
        own_cluster.stop()
        daemon.start()
        assert daemon.wait_exit() == 3
        own_cluster.start()

    said = daemon.log_text().splitlines()
    assert len(said) == 1, said
    assert said[0].startswith("snqd: error: cannot connect to PostgreSQL")


def test_a_second_daemon_on_one_sqlite_file_is_refused(make_daemon: MakeDaemon, sqlite_place: Place) -> None:
    first = make_daemon(sqlite_place, SOURCE)
    second = make_daemon(sqlite_place, SOURCE, folder="second", ready=False)

    assert second.wait_exit() == 5

    (line,) = second.log_text().splitlines()
    assert f"pid {first.pid}" in line
    assert "already serves" in line
    sqlite_place.enqueue("quick", 1)
    first.wait_fact("ran", n=1)
    assert first.stop() == 0
    second.start()
    second.wait_ready()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small file system")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], check=False)
    if done.returncode != 0:
        pytest.skip("this machine lets nobody mount a small file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_stops_the_work_and_loses_nothing(make_daemon: MakeDaemon, small_disk: Path) -> None:
    place = Place(f"sqlite:///{small_disk / 'queue.db'}")
    source = """
@handler("q")
def q(payload, context):
    note("ran", context, n=payload["n"])
    if payload["n"] == 0:
        hold("go")
"""
    items = [new_item("q", {"n": n, "text": "x" * 1000}) for n in range(300)]
    place.enqueue_all(items)
    daemon = make_daemon(place, source)
    daemon.wait_fact("ran", n=0)
    ballast = small_disk / "ballast"
    with pytest.raises(OSError, match="No space left"):
        _fill(ballast)
    with pytest.raises(StoreUnavailable, match="disk is full"):
        place.enqueue_all(items)

    daemon.open_gate("go")
    lost = daemon.wait_event("StoreLost")
    assert "disk is full" in lost["error"]
    ballast.unlink()
    daemon.wait_event("StoreBack")
    place.wait_empty()

    assert {fact["n"] for fact in daemon.facts("ran")} == set(range(300))
    assert {fact["attempt"] for fact in daemon.facts("ran")} == {1}
    assert not daemon.events("WorkerExited")
    assert daemon.stop() == 0


def test_a_writer_that_keeps_the_sqlite_file_locked_delays_but_loses_nothing(
    make_daemon: MakeDaemon, sqlite_place: Place
) -> None:
    import sqlite3

    sqlite_place.enqueue_all([new_item("quick", n) for n in range(200)])
    daemon = make_daemon(sqlite_place, SOURCE, daemon={"threads": 2}, store={"lease_seconds": 1})
    daemon.wait_facts("ran", 20)
    other = sqlite3.connect(sqlite_place.url.removeprefix("sqlite:///"), isolation_level=None)
    wait_until(lambda: _locks(other), "the lock is ours")

    held = len(daemon.facts("ran"))
    with pytest.raises(AssertionError):  # it is locked: no further item gets in, longer than a lease
        daemon.wait_facts("ran", held + 150, seconds=1.5)
    other.execute("COMMIT")
    other.close()
    sqlite_place.wait_empty()

    assert {fact["n"] for fact in daemon.facts("ran")} == set(range(200))
    assert {fact["attempt"] for fact in daemon.facts("ran")} == {1}
    assert not daemon.events("StoreLost")


def _fill(file: Path) -> None:
    with file.open("wb", buffering=0) as open_file:
        while True:
            open_file.write(b"x" * 4096)


def _locks(connection: object) -> bool:
    import sqlite3

    assert isinstance(connection, sqlite3.Connection)
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        return False
    return True
