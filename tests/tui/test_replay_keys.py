"""The keys of a recording: pause, speed, and to another moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from snqmon.feeds.replay import ReplayFeed
from tests.support.screens import opened
from tests.tui.test_replay_bar import recorded

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.screens import Opened

SECONDS = 90


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("replay") / "scene.rec"
    recorded(path, SECONDS).close()
    return path


@pytest.fixture
def feed(recording: Path) -> ReplayFeed:
    return ReplayFeed(recording, clock=lambda: 0.0)


async def arrive(screen: Opened, feed: ReplayFeed) -> str:
    """Until it is where a key has sent it; the bar."""
    while feed.is_seeking:
        feed.turn()
    await screen.tick()
    return screen.lines[-2]


async def test_they_go_ten_seconds_or_a_minute_and_not_past_the_ends(feed: ReplayFeed) -> None:
    async with opened(feed, size=(80, 24)) as screen:
        for key, moment in ((".", 10), (".", 20), (">", 80), (">", SECONDS), (",", 80), ("<", 20), ("<", 0)):
            await screen.press({".": "full_stop", ",": "comma", "<": "less_than_sign", ">": "greater_than_sign"}[key])
            shown = await arrive(screen, feed)

            assert feed.position == pytest.approx(moment, abs=1.0), key
            assert f"{round(feed.position) // 60:02}:{int(feed.position) % 60:02} " in shown


async def test_presses_add_up_while_it_is_on_its_way(feed: ReplayFeed) -> None:
    async with opened(feed, size=(80, 24)) as screen:
        await screen.press("greater_than_sign", "full_stop", "full_stop", "comma", "comma", "comma")
        assert feed.is_seeking
        await arrive(screen, feed)

        assert feed.position == pytest.approx(50, abs=1.0)


async def test_the_figures_are_those_of_the_moment(feed: ReplayFeed) -> None:
    async with opened(feed, size=(120, 40)) as screen:
        await screen.press("2", "greater_than_sign")
        await arrive(screen, feed)
        later = screen.line_with("xmppout")[1:100]
        await screen.press("less_than_sign", "full_stop")
        await arrive(screen, feed)

        assert screen.line_with("xmppout")[1:100] != later
        await screen.press(*["full_stop"] * 5)
        await arrive(screen, feed)
        assert screen.line_with("xmppout")[1:100] == later


async def test_space_holds_it_and_brackets_change_its_speed_within_bounds(feed: ReplayFeed) -> None:
    async with opened(feed, size=(80, 24)) as screen:
        await screen.press("space")
        assert screen.lines[-2].split()[0] == "paused"
        await screen.press("space")
        assert screen.lines[-2].split()[0] == "1x"

        await screen.press("right_square_bracket")
        assert screen.lines[-2].split()[0] == "2x"
        await screen.press(*["right_square_bracket"] * 9)
        assert feed.speed == 64
        await screen.press(*["left_square_bracket"] * 20)
        assert screen.lines[-2].split()[0] == "0.25x"
