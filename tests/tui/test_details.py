"""Details: what is known of one thing, how it went, what belongs to it, and what happens when it is gone."""

from __future__ import annotations

import pytest

from snqmon.screens.detail import DetailScreen
from snqmon.widgets.chart import ChartView
from snqmon.widgets.sections_view import SectionsView
from tests.support.screens import Opened, opened, scene
from tests.support.views import depth, event, flow, queue, worker
from tests.support.worlds import ToldFeed

SIZES = [(80, 24), (120, 40), (200, 60)]
KINDS = {"queues": "2", "workers": "3", "sites": "4", "events": "5", "alarms": "6"}


def charts(screen: Opened) -> list[str]:
    """The titles of the charts in sight."""
    return [view.lines[0][0].text for view in screen.app.screen.query(ChartView) if view.display]


def figure(screen: Opened, label: str) -> str:
    """What stands beside a name in the sections."""
    detail = screen.app.screen
    assert isinstance(detail, DetailScreen)
    lines = [line for section in detail.detail.sections for line in section.lines if line.label == label]
    assert any(f"{label}  " in line and lines[0].cell.text in line for line in screen.lines), "it is on the screen"
    return lines[0].cell.text


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_every_row_opens_and_fills_its_screen(size: tuple[int, int]) -> None:
    async with opened(scene(20), size=size) as screen:
        for kind, key in KINDS.items():
            await screen.press(key, "enter")

            detail = screen.app.screen
            assert isinstance(detail, DetailScreen)
            assert detail.detail.kind == kind
            assert detail.detail.title in screen.lines[1]
            assert len(screen.lines) == size[1]
            assert "Quit" in screen.lines[-1], "the keys are in the last line"
            assert detail.detail.sections[0].title in screen.text
            await screen.press("escape")


async def test_a_queue_shows_its_figures_trends_and_sites() -> None:
    async with opened(scene(20)) as screen:
        await screen.press("2", "enter")

        assert "queue xmppout" in screen.lines[2], "the sentence why"
        for words in ("Now", "Last minute", "Timings", "lag · seconds", "wait · seconds", "news.example"):
            assert words in screen.text


async def test_where_there_is_no_room_charts_come_in_turn() -> None:
    async with opened(scene(20), size=(80, 24)) as screen:
        await screen.press("2", "enter")
        seen = charts(screen)
        for _ in range(4):
            await screen.press("c")
            seen += charts(screen)

        assert seen == ["lag", "depth", "in, out", "wait", "run"]


async def test_a_large_screen_has_room_for_all_charts_and_no_key_for_more() -> None:
    async with opened(scene(20), size=(200, 60)) as screen:
        await screen.press("2", "enter")

        assert charts(screen) == ["lag", "depth", "in, out", "wait", "run"]
        assert "Chart" not in screen.lines[-1]


async def test_the_span_goes_from_1_to_5_and_15_minutes_and_holds_for_the_next_detail() -> None:
    async with opened(scene(20)) as screen:
        await screen.press("2", "enter")
        assert "trends over 1 min" in screen.lines[1]
        assert "-45s" in screen.text

        await screen.press("v")
        assert "trends over 5 min" in screen.lines[1]
        assert "-3m45s" in screen.text

        await screen.press("v", "escape", "j", "enter")
        assert "trends over 15 min" in screen.lines[1]
        assert "-11m15s" in screen.text


async def test_enter_on_a_site_of_a_queue_opens_the_site_and_escape_goes_back_step_by_step() -> None:
    async with opened(scene(20)) as screen:
        await screen.press("2", "enter", "enter")
        assert "site news.example" in screen.lines[1]

        await screen.press("escape")
        assert "queue xmppout" in screen.lines[1]

        await screen.press("escape")
        assert screen.app.screen is screen.app.front
        assert not isinstance(screen.app.screen, DetailScreen)


async def test_enter_on_an_event_opens_what_it_is_about() -> None:
    async with opened(scene(20)) as screen:
        await screen.press("5", "enter")
        detail = screen.app.screen
        assert isinstance(detail, DetailScreen)
        first = detail.detail.jumps[0]

        await screen.press("enter")

        assert f"{first.label} {first.cell.text}" in screen.lines[1]


async def test_an_event_shows_its_traceback_to_scroll_through() -> None:
    feed = ToldFeed()
    traceback = "\n".join(["Traceback:", *(f'  File "x.py", line {number}' for number in range(60)), "Boom: no"])
    feed.tell(event("ItemFailed", traceback=traceback))
    async with opened(feed, size=(80, 24)) as screen:
        await screen.press("5", "enter")
        assert "Traceback:" in screen.text
        assert "Boom: no" not in screen.text

        await screen.press("end")

        assert "Boom: no" in screen.text


async def test_what_is_gone_stays_dimmed_and_says_since_when() -> None:
    feed = ToldFeed()
    feed.tell(queue("mail"), depth("mail", ready=12), flow("mail"), worker(1))
    async with opened(feed) as screen:
        await screen.press("2", "enter")
        assert "gone" not in screen.text

        for _ in range(24):
            feed.pass_time(1.0)
            feed.tell(queue("other"), depth("other"), flow("other"), worker(1))
            await screen.tick(1.0)

        assert "queue mail is gone since" in screen.lines[1]
        assert figure(screen, "depth") == "12", "the last picture stays"
        sections = screen.app.screen.query_one(SectionsView)
        assert sections.is_dimmed

        feed.pass_time(1.0)
        feed.tell(queue("mail"), depth("mail", ready=7), flow("mail"), worker(1))
        await screen.tick(1.0)

        assert "gone" not in screen.lines[1]
        assert not sections.is_dimmed


async def test_it_is_drawn_anew_with_every_tick() -> None:
    feed = ToldFeed()
    feed.tell(queue("mail"), depth("mail", ready=12), flow("mail"))
    async with opened(feed) as screen:
        await screen.press("2", "enter")
        assert figure(screen, "depth") == "12"

        feed.pass_time(1.0)
        feed.tell(queue("mail"), depth("mail", ready=3456), flow("mail"))
        await screen.tick(1.0)

        assert figure(screen, "depth") == "3,456"


async def test_tab_goes_from_part_to_part_and_the_keys_move_in_it() -> None:
    async with opened(scene(20), size=(80, 24)) as screen:
        await screen.press("2", "enter")
        detail = screen.app.screen
        sections = detail.query_one(SectionsView)
        assert detail.focused is not sections

        await screen.press("tab")
        assert detail.focused is sections
        before = screen.text
        await screen.press("end")

        assert screen.text != before
        assert sections.scroll_offset.y > 0


async def test_the_lines_of_a_section_that_lead_elsewhere_are_walked_along_and_opened() -> None:
    async with opened(scene(20)) as screen:
        await screen.press("2", "enter", "tab", "j")
        sections = screen.app.screen.query_one(SectionsView)
        assert sections.link is not None
        assert sections.link.row is not None
        kind, key = sections.link.row

        await screen.press("enter")

        detail = screen.app.screen
        assert isinstance(detail, DetailScreen)
        assert (detail.detail.kind, detail.detail.key) == (kind, key)


async def test_a_death_shows_its_last_words() -> None:
    feed = ToldFeed()
    died = event(
        "WorkerExited", worker="main.1", pid=41, reason="killed by signal 9 (KILL)", expected=False,
        lived_seconds=200.0, rss_bytes=61 << 20, items=(7,), queue="mail", site="a.example",
    )  # fmt: skip
    feed.tell(worker(1), died)
    async with opened(feed) as screen:
        await screen.press("3", "enter")

        line = screen.line_with("killed by signal 9")
        assert "pid 41" in line
        assert "while running #7 of mail (a.example)" in line


async def test_the_copied_detail_has_all_of_it() -> None:
    async with opened(scene(20), size=(80, 24)) as screen:
        await screen.press("2", "enter", "y")

        for words in ("queue xmppout", "Timings", "Since boot"):
            assert words in screen.app.clipboard


async def test_keys_that_do_nothing_here_are_not_offered() -> None:
    async with opened(scene(20)) as screen:
        await screen.press("5", "enter")

        for label in ("Filter", "Sort", "Span", "Chart"):
            assert label not in screen.lines[-1]


async def test_without_dots_everything_is_ascii() -> None:
    async with opened(scene(20), is_ascii=True) as screen:
        for key in KINDS.values():
            await screen.press(key, "enter")
            strange = {sign for line in screen.lines for sign in line if not sign.isascii()}
            assert not strange, f"screen {key}: {strange}"


async def test_a_daemon_opens_too() -> None:
    async with opened(scene(20)) as screen:
        (daemon,) = screen.app.world.daemons()
        await screen.app.open_row(daemon)
        await screen.settle()

        for words in ("daemon main@web1", "Store", "Hub", "Heard here", "lag · seconds"):
            assert words in screen.text


async def test_the_help_says_what_a_detail_measures() -> None:
    async with opened(scene(20)) as screen:
        await screen.press("2", "enter", "question_mark")

        assert "One queue of one daemon" in screen.text
        assert "next of 1, 5 and 15 minutes" in screen.text


async def test_a_stack_that_comes_later_is_shown_too() -> None:
    feed = ToldFeed()
    feed.tell(worker(1))
    async with opened(feed) as screen:
        await screen.press("3", "enter")
        assert "in handle" not in screen.text

        feed.pass_time(1.0)
        feed.tell(worker(1), event("ItemSlow", worker="main.1", stack='File "send.py", line 40 in handle'))
        await screen.tick(1.0)

        assert 'File "send.py", line 40 in handle' in screen.text
