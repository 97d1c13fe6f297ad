"""`snqmon` beside a real daemon: found without arguments, followed when its hub is replaced, asked for a stack."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from snqd.telemetry.asking import local_sockets
from snqmon.control import Control
from snqmon.feeds.base import Trust
from snqmon.feeds.finding import Finder, Found, look
from snqmon.feeds.live import LiveFeed
from tests.support.processes import wait_until
from tests.support.relays import drive

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.daemons import Daemon, Place

    MakeDaemon = Callable[..., Daemon]

pytestmark = pytest.mark.fork

SOURCE = """
@handler("work")
def work(payload, context):
    note("ran", context)

@handler("held")
def held(payload, context):
    note("began", context)
    hold("held")
"""


@pytest.fixture
def session(tmp_path: Path) -> dict[str, str]:
    """The environment of a user whose session has only the daemons of this test."""
    for name in ("session", "tmp", "config"):
        (tmp_path / name).mkdir()
    return {
        "XDG_RUNTIME_DIR": str(tmp_path / "session"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "TMPDIR": str(tmp_path / "tmp"),
    }


def in_session(daemon: Daemon, session: dict[str, str]) -> None:
    """Let the daemon's folder be where those of the session are."""
    (Path(session["XDG_RUNTIME_DIR"]) / "snqd").symlink_to(daemon.folder)


def looking(session: dict[str, str]) -> Callable[[], Found]:
    return lambda: look(lambda: local_sockets(session)[:1])


def snqmon(session: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SNQD_", "SNQMON_"))}
    return subprocess.run(
        [sys.executable, "-m", "snqmon", *words],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, env=kept | session, timeout=60, check=False,
    )  # fmt: skip


def test_once_finds_the_daemon_of_this_host(
    make_daemon: MakeDaemon, sqlite_place: Place, session: dict[str, str]
) -> None:
    daemon = make_daemon(sqlite_place, SOURCE)
    in_session(daemon, session)
    daemon.wait_hub()
    sqlite_place.enqueue("work")
    daemon.wait_fact("ran")
    wait_until(lambda: daemon.command("health").code == 0, "all is well")

    done = snqmon(session, "--once", "--wait", "20")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("SNQD OK: daemon main: 1 worker, the store answers")

    def told() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(snqmon(session, "--once", "--json", "--wait", "20").stdout)
        return found

    wait_until(lambda: told()["workers"][0]["handled"] == 1, "an idle hub looks at its workers every 2 s")
    assert [row["queue"] for row in told()["queues"]] == ["held", "work"]
    assert [worker["worker"] for worker in told()["workers"]] == ["main.1"]

    assert daemon.stop() == 0
    done = snqmon(session, "--once", "--wait", "2")
    assert done.returncode == 3
    assert done.stdout.startswith("SNQD UNKNOWN: ")
    assert "No daemon was found on this host" in done.stdout


def test_a_hub_that_was_killed_is_followed_to_its_new_port(
    make_daemon: MakeDaemon, sqlite_place: Place, session: dict[str, str]
) -> None:
    daemon = make_daemon(sqlite_place, SOURCE)
    in_session(daemon, session)
    first = daemon.wait_hub()
    feed = LiveFeed(finder=Finder(looking(session), fallback=""))
    drive(feed, until=lambda: feed.status().trust is Trust.LIVE and first.address in str(feed.status().sources))
    (key,) = feed.fleet.daemons

    os.kill(first.pid, signal.SIGKILL)
    second = daemon.wait_hub(2)
    assert second.address != first.address
    drive(
        feed,
        until=lambda: (
            feed.status().trust is Trust.LIVE
            and [source.address for source in feed.status().sources] == [second.address]
        ),
        seconds=30,
    )

    assert set(feed.fleet.daemons) == {key}
    feed.close()


async def test_a_daemon_that_is_watched_can_be_asked_by_its_key(
    make_daemon: MakeDaemon, sqlite_place: Place, session: dict[str, str]
) -> None:
    daemon = make_daemon(sqlite_place, SOURCE)
    in_session(daemon, session)
    hub = daemon.wait_hub()
    feed = LiveFeed(finder=Finder(looking(session), fallback=""))
    drive(feed, until=lambda: feed.status().trust is Trust.LIVE)
    sqlite_place.enqueue("held")
    daemon.wait_fact("began")
    control = Control(looking(session))

    (key,) = feed.fleet.daemons
    assert await control.refresh() == {key}
    answer = await control.ask(key, {"ask": "stack", "worker": "main.1"})

    assert "in held" in answer["stack"]
    assert hub.pid
    daemon.open_gate("held")
    feed.close()
