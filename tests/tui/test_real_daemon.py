"""The monitor on a real daemon: what its details show, and what they ask of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from snqd.telemetry.asking import local_sockets
from snqmon.app import Monitor
from snqmon.control import Control
from snqmon.feeds.finding import Finder, Found, look
from snqmon.feeds.live import LiveFeed
from snqmon.options import Options
from snqmon.screens.detail import DetailScreen
from snqmon.settings import Settings
from tests.support.screens import Opened

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.daemons import Daemon, Place

    MakeDaemon = Callable[..., Daemon]

pytestmark = pytest.mark.fork

SOURCE = """
@handler("mail")
def mail(payload, context):
    note("began", context)
    hold("mail")
"""


async def test_a_held_item_is_seen_with_its_worker_and_its_stack(
    make_daemon: MakeDaemon, sqlite_place: Place, tmp_path: Path
) -> None:
    daemon = make_daemon(sqlite_place, SOURCE)
    for name in ("session", "tmp"):
        (tmp_path / name).mkdir()
    session = {"XDG_RUNTIME_DIR": str(tmp_path / "session"), "TMPDIR": str(tmp_path / "tmp")}
    (Path(session["XDG_RUNTIME_DIR"]) / "snqd").symlink_to(daemon.folder)
    daemon.wait_hub()
    number = sqlite_place.enqueue("mail")
    daemon.wait_fact("began")
    sqlite_place.enqueue("mail")

    def looking() -> Found:
        return look(lambda: local_sockets(session)[:1])

    app = Monitor(
        Options(
            open_feed=lambda: LiveFeed(finder=Finder(looking, fallback="")),
            settings=Settings(),
            may_control=True,
            refresh_seconds=0.25,
        )
    )
    app.control = Control(looking)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        screen = Opened(app, pilot, [0.0])
        await screen.wait(lambda: app.world.workers() and app.world.queues())

        await screen.press("3", "enter")
        await screen.wait(lambda: f"handling mail #{number}" in screen.text)
        await screen.wait(lambda: app.reach.daemons)

        await screen.press("T")
        await screen.wait(lambda: "in mail" in screen.text)
        assert "app.py" in screen.text

        await screen.press("2", "enter")
        detail = screen.app.screen
        assert isinstance(detail, DetailScreen)
        await screen.wait(lambda: "all workers are busy" in screen.text or "the only worker is busy" in screen.text)

        await screen.press("w")
        assert "Cause: busy" in screen.text
    daemon.open_gate("mail")
