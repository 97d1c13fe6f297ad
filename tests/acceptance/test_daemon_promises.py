"""The promises of the design, one by one, each kept by a whole daemon.

Most have suites of their own (`tests/processes/test_worker_*.py`, `tests/acceptance/test_daemon_*.py`,
`tests/acceptance/test_chaos.py`); here each is said once, in its own words.
"""

from __future__ import annotations

import collections
import itertools
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from snqd.items import new_item
from tests.support.processes import wait_until
from tests.support.stopwatch import Stopwatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.daemons import Daemon, Place

    MakeDaemon = Callable[..., Daemon]

pytestmark = pytest.mark.fork

SOURCE = """
@handler("q")
def q(payload, context):
    note("ran", context, n=payload)

@handler("held")
async def held(payload, context):
    note("began", context, n=payload)
    await hold_async("held")
    note("ended", context, n=payload)

@handler("failing", max_attempts=4, backoff=Backoff(first_seconds=0.1, factor=2.0, jitter=0.0))
def failing(payload, context):
    note("failed", context)
    raise ValueError("no")

@handler("pointless")
def pointless(payload, context):
    raise Discard("not worth it")
"""


def test_promise_1_an_item_leaves_only_by_ack_discard_or_into_the_dead_letters(
    make_daemon: MakeDaemon, place: Place
) -> None:
    items = {queue: place.enqueue(queue, 1) for queue in ("q", "failing", "pointless", "nobodys")}
    daemon = make_daemon(place, SOURCE)
    wait_until(lambda: [item.queue for item in place.waiting()] == ["nobodys"], "all but one have left")
    daemon.wait_event("NoHandler", queue="nobodys")

    assert [letter.id for letter in place.dead()] == [items["failing"]]
    assert daemon.wait_event("ItemDiscarded")["item"] == items["pointless"]
    assert daemon.wait_fact("ran")["item"] == items["q"]

    os.kill(daemon.pid, signal.SIGKILL)  # and after the sudden end of everything, the rest is still there
    daemon.kill_group()
    assert [item.id for item in place.waiting()] == [items["nobodys"]]
    assert [letter.id for letter in place.dead()] == [items["failing"]]


def test_promise_2_two_workers_never_complete_one_item(make_daemon: MakeDaemon, place: Place) -> None:
    daemon = make_daemon(place, SOURCE, daemon={"threads": 4})
    place.enqueue_all([new_item("q", n) for n in range(3000)])
    place.wait_empty()

    ran = collections.Counter(fact["n"] for fact in daemon.facts("ran"))
    assert set(ran) == set(range(3000))
    assert set(ran.values()) == {1}
    assert len({fact["pid"] for fact in daemon.facts("ran")}) > 1, "several took part"
    assert not daemon.events("ItemLeaseLost")


def test_promise_3_a_crash_is_repaired_at_once_and_only_what_ran_pays(make_daemon: MakeDaemon, place: Place) -> None:
    daemon = make_daemon(place, SOURCE, daemon={"threads": 2}, store={"sweep_seconds": 60})
    item = place.enqueue("held", 1)
    worker = daemon.wait_fact("began")["pid"]

    watch = Stopwatch()
    os.kill(worker, signal.SIGKILL)

    assert watch.until(daemon.wait_facts("began", 2)[1]["at"]) < 1.0
    found = place.item(item)
    assert found is not None
    assert found.crash_attempts == 1


def test_promise_4_failures_back_off_are_bounded_and_keep_their_history(make_daemon: MakeDaemon, place: Place) -> None:
    place.enqueue("failing")
    daemon = make_daemon(place, SOURCE)
    place.wait_empty()

    times = [fact["at"] for fact in daemon.facts("failed")]
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert len(gaps) == 3
    assert all(gap >= wanted for gap, wanted in zip(gaps, (0.1, 0.2, 0.4), strict=True)), gaps
    (dead,) = place.dead()
    assert [(entry.attempt, entry.error) for entry in dead.history] == [(n, "ValueError: no") for n in (1, 2, 3, 4)]
    assert "raise ValueError" in (dead.traceback or "")
    with place.open() as store:
        from snqd.stores.records import ItemFilter

        assert store.replay(ItemFilter(queue="failing")) == 1
    daemon.wait_facts("failed", 5)


def test_promise_5_shutdown_drains(make_daemon: MakeDaemon, place: Place) -> None:
    daemon = make_daemon(place, SOURCE)
    place.enqueue_all([new_item("held", n) for n in range(3)])
    running = daemon.wait_fact("began")["item"]

    daemon.send(signal.SIGTERM)
    daemon.wait_event("DaemonStopping")
    daemon.open_gate("held")
    assert daemon.wait_exit() == 0

    assert [fact["item"] for fact in daemon.facts("ended")] == [running]
    assert [(item.state, item.attempts) for item in place.waiting()] == [("ready", 0)] * 2


def test_promise_6_no_tenant_runs_as_another(make_daemon: MakeDaemon, place: Place) -> None:
    """Unknown sites between known ones: nobody inherits the settings of the item before."""
    source = """
@handler("q")
def q(payload, context):
    note("ran", context, whose=context.site.settings.get("whose", "nobody's"))
"""
    sites = [f"{letter}.example" for letter in "abc"]
    daemon = make_daemon(place, source, site={site: {"whose": site} for site in sites}, settings={"whose": "default"})
    place.enqueue_all([new_item("q", n, site=site) for n in range(20) for site in (*sites, "unknown.example")])
    daemon.wait_facts("ran", 60)
    wait_until(lambda: all(item.state == "scheduled" for item in place.waiting()), "the rest is set aside")

    assert all(fact["whose"] == fact["site"] for fact in daemon.facts("ran"))
    assert {fact["site"] for fact in daemon.facts("ran")} == set(sites)
    assert {item.site for item in place.waiting()} == {"unknown.example"}
    assert len(place.waiting()) == 20


def test_promise_7_nobody_waits_for_a_reader_of_the_log(make_daemon: MakeDaemon, sqlite_place: Place) -> None:
    """Standard error is a pipe that nobody reads; the work goes on although every item logs."""
    source = """
@handler("q", max_attempts=1)
def q(payload, context):
    context.logger.warning("x" * 500)
    note("ran", context, n=payload)
    raise ValueError("y" * 500)
"""
    daemon = make_daemon(sqlite_place, source, start=False)
    sqlite_place.enqueue_all([new_item("q", n) for n in range(500)])
    process = subprocess.Popen(
        [sys.executable, "-m", "snqd", "run", "-c", "snqd.toml"],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=daemon.folder,
        env=daemon.environment,
        start_new_session=True,
    )
    try:
        daemon.wait_facts("ran", 500, seconds=30)
        sqlite_place.wait_empty()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert len(sqlite_place.dead()) == 500


@pytest.mark.pg
def test_promise_8_the_supervisor_is_small_and_imports_no_driver(
    make_daemon: MakeDaemon, postgres_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
        monkeypatch.delenv(name)  # measuring coverage loads SQLite into every process
    daemon = make_daemon(postgres_place, SOURCE, daemon={"threads": 2})
    daemon.send(signal.SIGHUP)
    daemon.wait_event("ReloadFinished")

    libraries = Path(f"/proc/{daemon.pid}/maps").read_text()
    for name in ("psycopg", "libpq", "_sqlite3"):
        assert name not in libraries, f"the supervisor has loaded {name}"
    assert len(list(Path(f"/proc/{daemon.pid}/task").iterdir())) == 1, "one thread"
    sockets = [link for link in Path(f"/proc/{daemon.pid}/fd").iterdir() if str(link.readlink()).startswith("socket:")]
    assert len(sockets) == 2, "no connection: they are the two ends of the event pipe"
    assert "psycopg" in Path(f"/proc/{daemon.workers()[0].pid}/maps").read_text(), "the workers have one"


def test_promise_9_what_lies_around_is_private_and_payloads_are_not_logged(
    make_daemon: MakeDaemon, sqlite_place: Place
) -> None:
    daemon = make_daemon(sqlite_place, SOURCE, settings={"api_token": "very-secret-token"})
    sqlite_place.enqueue("failing", "a very private payload")
    sqlite_place.enqueue("q", "a very private payload")
    sqlite_place.wait_empty()
    daemon.configure(settings={"api_token": "another-secret-token"})
    daemon.send(signal.SIGHUP)
    daemon.wait_event("ReloadFinished")
    daemon.send(signal.SIGUSR1)
    daemon.wait_event("WorkerDump")

    board = daemon.folder / "main.board"
    assert stat.S_IMODE(board.stat().st_mode) == 0o600
    assert "private payload" not in daemon.log_text()
    assert "secret-token" not in daemon.log_text()


def test_promise_10_every_failure_is_one_line_that_says_what_where_and_what_to_do(
    make_daemon: MakeDaemon, sqlite_place: Place
) -> None:
    """Of a daemon that cannot start; the command line's own mistakes have their tests."""
    daemon = make_daemon(sqlite_place, SOURCE, start=False)
    cases = {
        "def (": 2,  # no Python
        "import nonsense_that_does_not_exist": 2,
        "x = 1": 2,  # no handler
        SOURCE + '\n@handler("q")\ndef other(payload, context): ...\n': 2,  # two for one queue
        "class Nameless(Handler):\n    def handle(self, payload, context): ...\n": 2,
    }
    for source, code in cases.items():
        daemon.handle(source)
        done = daemon.command("run")
        assert done.code == code, done
        (line,) = done.err.splitlines()
        assert line.startswith("snqd: error: "), line
        assert "app" in line, line
        assert "Traceback" not in done.err
    assert not daemon.events("WorkerSpawned")
