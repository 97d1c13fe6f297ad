"""Every state in which there is no picture, or one that is not to be trusted, has words."""

from __future__ import annotations

import pytest

from snqd.errors import SnqdError
from snqmon import themes
from snqmon.app import Monitor
from snqmon.feeds.base import FeedStatus, Trust
from snqmon.options import Options
from snqmon.settings import Settings
from tests.support.screens import opened, scene
from tests.support.views import depth, queue
from tests.support.worlds import ToldFeed


class Feed(ToldFeed):
    """Says of itself what a test wants."""

    advice: tuple[str, ...] = ()
    failure: Exception | None = None

    def watch(self, observe: object) -> None:
        """It never leaps."""

    def status(self) -> FeedStatus:
        if self.failure is not None:
            raise self.failure
        return FeedStatus(self.trust, 0.4, f"{self.trust} 47s", self.advice, ())


async def test_while_nothing_has_come_the_advice_fills_the_screen() -> None:
    feed = Feed(trust=Trust.WAITING)
    feed.advice = ("Nothing has come to udp://127.0.0.1:5481 for 12s.", "[telemetry] monitors = [...]")
    async with opened(feed, size=(80, 24)) as screen:
        assert "WAITING 47s" in screen.text
        assert "[telemetry] monitors" in screen.text
        assert "worker" not in screen.text

        feed.trust = Trust.LIVE
        feed.tell(queue("mail"), depth("mail", ready=1))
        await screen.tick()

        assert "mail" in screen.text
        assert "[telemetry]" not in screen.text


async def test_a_lost_feed_dims_the_picture_and_its_age_goes_on() -> None:
    feed = Feed()
    feed.tell(queue("mail"), depth("mail", ready=1))
    async with opened(feed) as screen:
        await screen.press("2")
        assert screen.app.front is not None
        assert screen.app.front.table is not None
        table = screen.app.front.table
        was_dimmed = table.is_dimmed

        feed.trust = Trust.STALE
        await screen.tick()

        assert (was_dimmed, table.is_dimmed) == (False, True)
        assert "▲ STALE 47s" in screen.lines[0]
        assert "mail" in screen.text


async def test_when_the_feed_is_back_the_length_of_the_gap_is_told() -> None:
    feed = Feed()
    feed.tell(queue("mail"))
    async with opened(feed) as screen:
        feed.trust = Trust.STALE
        await screen.tick()
        await screen.tick(47.0)
        feed.trust = Trust.LIVE

        await screen.tick()

        assert screen.toasts == ["Telemetry is back after 47s."]


@pytest.mark.parametrize("size", [(39, 24), (80, 9)])
async def test_a_terminal_that_is_too_small_is_told_which_size_is_needed(size: tuple[int, int]) -> None:
    async with opened(scene(), size=size) as screen:
        words = " ".join(line.strip() for line in screen.lines)

        assert f"This terminal has {size[0]} columns and {size[1]} lines." in words
        assert "needs 40 and 10" in words


async def test_the_smallest_terminal_shows_the_picture() -> None:
    async with opened(scene(20), size=(40, 10)) as screen:
        assert "xmppout" in screen.text
        assert "q Quit" in screen.lines[-1]


async def test_a_feed_that_fails_is_said_once_and_the_screen_goes_on() -> None:
    feed = Feed()
    feed.tell(queue("mail"))
    async with opened(feed) as screen:
        feed.failure = RuntimeError("boom")
        await screen.tick()
        await screen.tick()

        assert screen.toasts == ["RuntimeError: boom. What is shown may be incomplete."]
        assert "mail" in screen.text

        feed.failure = None
        feed.tell(queue("mail"), queue("sms"))
        await screen.tick()

        assert "sms" in screen.text


def test_a_feed_that_cannot_be_opened_is_one_line_and_no_screen() -> None:
    def refuse() -> ToldFeed:
        raise SnqdError("cannot listen at udp 127.0.0.1:1: permission denied")

    monitor = Monitor(Options(open_feed=refuse, settings=Settings()))
    monitor.run(headless=True)

    assert monitor.problem == "cannot listen at udp 127.0.0.1:1: permission denied"


@pytest.mark.parametrize("theme", [theme.name for theme in themes.THEMES])
async def test_every_theme_draws_every_kind_of_screen(theme: str) -> None:
    async with opened(scene(20), theme=theme) as screen:
        for keys in ("1", "2"), ("slash", "m", "enter"), ("enter",), ("question_mark",), ("escape", "e"):
            await screen.press(*keys)
            assert screen.text.strip()


async def test_without_colours_the_theme_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with opened(scene(20)) as screen:
        assert screen.app.theme == themes.WITHOUT_COLOUR
        strips = screen.app.screen._compositor.render_strips()
        colours = {
            (colour.name, part.text)
            for strip in strips
            for part in strip
            if part.style
            for colour in (part.style.color, part.style.bgcolor)
            if colour is not None and not colour.is_default
        }
        assert colours == set()


async def test_a_terminal_with_ascii_only_is_sent_nothing_else() -> None:
    async with opened(scene(20), size=(200, 60), is_ascii=True) as screen:
        for key in "123456":
            await screen.press(key)
            assert screen.text.isascii(), screen.text


async def test_a_tick_that_was_put_off_meets_a_screen_that_is_only_being_made() -> None:
    async with opened(scene()) as screen:
        left = screen.app.front
        assert left is not None

        screen.app.switch_mode("sites")
        assert screen.app.front is None
        left.tick()
        await screen.settle()

        assert screen.lines[1].endswith("6")
