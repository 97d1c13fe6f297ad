"""Actions on a real daemon, from the screens: what is asked about, done, told and true in the store afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from snqd.items import new_item
from snqmon.app import Monitor
from snqmon.control import Control
from snqmon.feeds.finding import Finder, looking_at
from snqmon.feeds.live import LiveFeed
from snqmon.options import Options
from snqmon.screens.confirm import Confirm
from snqmon.settings import Settings
from tests.support.processes import wait_until
from tests.support.screens import Opened

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.daemons import Daemon, Place

pytestmark = pytest.mark.fork

SOURCE = """
from pathlib import Path

@handler("mail", max_attempts=1)
def mail(payload, context):
    if not Path(os.environ["SNQD_TEST_FACTS"], "gate.relay").exists():
        raise RuntimeError("the relay is down")
    note("sent", context)
"""


async def test_dead_letters_are_discarded_and_retried_and_a_worker_is_replaced(
    make_daemon: Callable[..., Daemon], sqlite_place: Place
) -> None:
    daemon = make_daemon(sqlite_place, SOURCE)
    daemon.wait_hub()
    first, second, third = sqlite_place.enqueue_all([new_item("mail", number) for number in range(3)])
    wait_until(lambda: len(sqlite_place.dead()) == 3, "all three are dead letters")
    looking = looking_at((daemon.folder / "main.sock",))
    options = Options(
        open_feed=lambda: LiveFeed(finder=Finder(looking, fallback="")),
        settings=Settings(),
        may_control=True,
        refresh_seconds=0.25,
    )
    app = Monitor(options)
    app.control = Control(looking)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        screen = Opened(app, pilot, [0.0])
        await screen.wait(lambda: app.reach.daemons and [row for row in app.world.queues() if row.dead == 3])

        await screen.press("2", "d")
        await screen.wait(lambda: f"{second} " in screen.text and "the relay is down" in screen.text)
        await screen.press("down", "D")
        assert f"Discard 1 dead letter, #{second} of queue mail (default) of main@" in " ".join(screen.text.split())
        await screen.press("y")
        await screen.wait(lambda: not isinstance(app.screen, Confirm))
        assert sorted(letter.id for letter in sqlite_place.dead()) == [first, third]

        daemon.open_gate("relay")
        await screen.press("escape")
        await screen.wait(lambda: app.world.queues()[0].dead == 2)
        await screen.press("R")
        assert "Retry 2 dead letters of queue mail" in screen.text
        await screen.press("y")
        await screen.wait(lambda: not isinstance(app.screen, Confirm))
        await screen.wait(lambda: {fact["item"] for fact in daemon.facts("sent")} == {first, third})
        assert sqlite_place.dead() == []
        assert any("2 dead letters" in words for words in screen.toasts)

        before = app.world.workers()[0].pid
        await screen.press("3", "X")
        assert "Restart 1 worker, main.1 of main@" in screen.text
        await screen.press("y")
        await screen.wait(lambda: app.world.workers()[0].pid not in (0, before))
        assert daemon.wait_event("WorkerExited", worker="main.1")["pid"] == before
    assert daemon.stop() == 0
