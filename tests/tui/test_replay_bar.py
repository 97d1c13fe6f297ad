"""The bar of a recording: where it stands, how fast it goes, and the click that goes elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from snqd.telemetry.recording import Recorder
from snqmon.feeds.replay import ReplayFeed
from snqmon.feeds.scene import SceneFeed
from snqmon.widgets.replay_bar import ReplayBar, bar, moment
from tests.support.screens import EPOCH, Opened, opened, scene

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Playing:
    """A `Player` that stands where a test wants it."""

    position: float = 0.0
    length: float = 600.0
    speed: float = 1.0
    is_paused: bool = False
    is_seeking: bool = False

    @property
    def aim(self) -> float:
        return self.position

    def pause(self, *, is_paused: bool) -> None:
        self.is_paused = is_paused

    def change_speed(self, speed: float) -> None:
        self.speed = speed

    def seek(self, seconds: float) -> None:
        self.position = seconds


@pytest.mark.parametrize("width", [10, 24, 40, 80, 200])
def test_it_is_as_wide_as_the_screen(width: int) -> None:
    found = bar(Playing(120.0), width)

    assert len(found.before) + found.way + len(found.after) == width
    assert 0 <= found.passed <= found.way


def test_it_says_speed_position_and_length() -> None:
    found = bar(Playing(190.0, 900.0, speed=2.0), 80)

    assert found.before.split() == ["2x", "03:10"]
    assert found.after.split() == ["15:00"]
    assert bar(Playing(190.0, is_paused=True), 80).before.split()[0] == "paused"
    assert bar(Playing(600.0), 80).before.split()[0] == "ended"
    assert bar(Playing(10.0, is_seeking=True), 80).before.split()[0] == "seeking"


def test_the_ends_of_the_way_are_the_ends_of_the_recording() -> None:
    player = Playing()
    found = bar(player, 80)
    first = len(found.before)

    assert moment(player, 80, first) == 0.0
    assert moment(player, 80, first + found.way - 1) == 600.0
    assert moment(player, 80, first - 1) is None
    assert moment(player, 80, first + found.way) is None


def recorded(path: Path, seconds: int = 60) -> ReplayFeed:
    """The scene of `--demo`, recorded and played back."""
    recorder = Recorder(path, 1 << 26)
    feed = SceneFeed(1, epoch=EPOCH, past_seconds=0, recorder=recorder)
    feed.go_to(seconds)
    recorder.close()
    feed.close()
    return ReplayFeed(path, clock=lambda: 0.0)


async def _arrived(screen: Opened, feed: ReplayFeed, position: float) -> None:
    """Seeking takes turns; nobody drives the feed of a test but the test."""
    for _ in range(1000):
        if not feed.is_seeking:
            break
        feed.turn()
    await screen.tick()
    assert feed.position == pytest.approx(position, abs=2.0)


@pytest.mark.parametrize("keys", ["1", "2", "25"], ids=["overview", "table", "events"])
async def test_a_click_on_the_bar_seeks(tmp_path: Path, keys: str) -> None:
    feed = recorded(tmp_path / "scene.rec")
    async with opened(feed, size=(80, 24)) as screen:
        await screen.press(*keys)
        shown = screen.lines[-2]
        assert "00:00" in shown
        found = bar(feed, 80)

        await screen.pilot.click(ReplayBar, offset=(len(found.before) + found.way // 2, 0))
        await _arrived(screen, feed, feed.length / 2)

        assert "00:30" in screen.lines[-2] or "00:29" in screen.lines[-2]
        assert len(screen.lines) == 24


async def test_details_leave_room_for_it(tmp_path: Path) -> None:
    feed = recorded(tmp_path / "scene.rec")
    feed.seek(30.0)
    while feed.is_seeking:
        feed.turn()
    async with opened(feed, size=(80, 24)) as screen:
        await screen.press("2", "enter")

        assert "00:30" in screen.lines[-2]
        assert "Quit" in screen.lines[-1]


async def test_it_is_shown_for_recordings_only() -> None:
    async with opened(scene()) as screen:
        assert not screen.app.screen.query(ReplayBar)
