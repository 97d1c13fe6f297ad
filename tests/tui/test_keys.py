"""Every key of the table does on the screen what the table says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from snqmon import themes
from snqmon.keys import KEYS, Where
from snqmon.settings import Settings
from tests.support.screens import opened, scene

if TYPE_CHECKING:
    from pathlib import Path

LISTS = {"1": "Overview", "2": "Queues", "3": "Workers", "4": "Sites", "5": "Events", "6": "Alarms"}


async def test_digits_open_the_screens() -> None:
    async with opened(scene()) as screen:
        for key, name in LISTS.items():
            await screen.press(key)

            assert screen.app.current_mode == name.lower()
            assert f"{key} {name}" in screen.lines[1]


async def test_a_digit_closes_what_is_open_on_its_screen() -> None:
    async with opened(scene()) as screen:
        await screen.press("2", "enter")
        assert len(screen.app.screen_stack) == 2

        await screen.press("2")

        assert len(screen.app.screen_stack) == 1


async def test_keys_move_the_cursor_there_and_back() -> None:
    async with opened(scene(), size=(120, 10)) as screen:
        await screen.press("3")
        assert screen.app.front is not None
        assert screen.app.front.table is not None
        view = screen.app.front.table.view
        for there, back in ("j", "k"), ("down", "up"), ("pagedown", "pageup"), ("end", "home"), ("G", "g"):
            await screen.press(there)
            moved = view.cursor_index
            await screen.press(back)

            assert moved > 0, there
            assert view.cursor_index == 0, back
            if there in {"end", "G"}:
                assert moved == len(view.rows) - 1


async def test_enter_opens_the_row_and_escape_closes_it() -> None:
    async with opened(scene()) as screen:
        await screen.press("3", "j", "enter")
        assert "main.2" in screen.lines[1]

        await screen.press("escape")

        assert "main.2" not in screen.lines[1]


async def test_a_filter_holds_while_it_is_typed_and_escape_clears_it() -> None:
    async with opened(scene()) as screen:
        await screen.press("2", "slash", *"hook")
        assert "webhook" in screen.text
        assert "distrib" not in screen.text
        assert "filter hook" in screen.lines[1]
        assert "queues 1 of 8" in screen.lines[1]

        await screen.press("escape")

        assert "distrib" in screen.text
        assert "filter" not in screen.lines[1]


async def test_a_filter_stays_after_enter_until_escape() -> None:
    async with opened(scene()) as screen:
        await screen.press("2", "slash", *"!hook", "enter")
        assert "webhook" not in screen.text
        await screen.press("j")
        assert "7 of 8" in screen.lines[1]

        await screen.press("escape")

        assert "webhook" in screen.text


async def test_keys_are_letters_while_a_filter_is_typed() -> None:
    async with opened(scene()) as screen:
        await screen.press("2", "slash", *"q2?z")

        assert screen.app.is_running
        assert screen.app.current_mode == "queues"
        assert "q2?z" in screen.text


async def test_what_no_row_matches_is_said_with_the_way_out() -> None:
    async with opened(scene()) as screen:
        await screen.press("2", "slash", *"nothing")

        assert "None of 8 queues matches" in screen.text
        assert "Press Escape" in screen.text


async def test_s_sorts_by_the_next_column_and_shift_s_turns_it_round() -> None:
    async with opened(scene()) as screen:
        await screen.press("2")
        assert "lag▼" in screen.lines[2]

        await screen.press("s")
        assert "depth▼" in screen.lines[2]
        first = screen.lines[3]
        await screen.press("S")

        assert "depth▲" in screen.lines[2]
        assert screen.lines[3] != first


async def test_z_shows_only_what_is_in_trouble() -> None:
    async with opened(scene(20)) as screen:
        await screen.press("2", "z")
        assert "xmppout" in screen.text
        assert "digest" not in screen.text
        assert "only in trouble" in screen.lines[1]

        await screen.press("z")

        assert "digest" in screen.text


async def test_shift_w_shows_all_columns() -> None:
    async with opened(scene(), size=(250, 20)) as screen:
        await screen.press("2")
        assert "run p99" not in screen.lines[2]

        await screen.press("W")

        assert "run p99" in screen.lines[2]


async def test_space_lets_the_picture_stand_while_the_feed_goes_on() -> None:
    feed = scene(20)
    async with opened(feed) as screen:
        await screen.press("space")
        before = screen.lines
        feed.go_to(40)
        await screen.tick(20)
        assert screen.lines[2:] == before[2:]
        assert "PAUSED 20s" in screen.lines[0]

        await screen.press("space")

        assert screen.lines[2:] != before[2:]
        assert "PAUSED" not in screen.lines[0]


async def test_a_picture_that_stands_can_still_be_sorted_and_filtered() -> None:
    async with opened(scene(20)) as screen:
        await screen.press("2", "space", "slash", *"mail")

        assert "queues 1 of 8" in screen.lines[1]
        assert "distrib" not in screen.text


async def test_plus_and_minus_change_how_often_it_is_drawn_within_bounds() -> None:
    async with opened(scene()) as screen:
        assert screen.app.refresh_seconds == 1.0
        await screen.press("plus", "plus", "plus", "plus")
        assert screen.app.refresh_seconds == 0.25

        await screen.press(*["minus"] * 8)

        assert screen.app.refresh_seconds == 10.0
        assert "Drawn every 10 s" in screen.toasts[-1]


async def test_y_copies_the_row() -> None:
    async with opened(scene()) as screen:
        await screen.press("3", "y")

        assert screen.app.clipboard.startswith("worker main.1  state ")


@pytest.mark.parametrize(("suffix", "begin"), [(".csv", "daemon,queue,state,"), (".json", "[\n")])
async def test_e_writes_the_rows_that_are_shown_to_a_file(tmp_path: Path, suffix: str, begin: str) -> None:
    async with opened(scene(20)) as screen:
        await screen.press("2", "z", "e", "ctrl+u")
        path = tmp_path / f"rows{suffix}"
        await screen.press(*str(path), "enter")

        assert path.read_text().startswith(begin)
        assert "xmppout" in path.read_text()
        assert "digest" not in path.read_text()
        assert screen.toasts[-1] == f"Written: {path}"


async def test_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("mine")
    async with opened(scene()) as screen:
        await screen.press("2", "e", "ctrl+u", *str(path), "enter")

        assert path.read_text() == "mine"
        assert screen.toasts[-1] == f"{path} is there already: give another name"


async def test_shift_e_writes_a_picture_of_the_screen(tmp_path: Path) -> None:
    path = tmp_path / "screen.svg"
    async with opened(scene()) as screen:
        await screen.press("E", "ctrl+u", *str(path), "enter")

        assert path.read_text().startswith("<svg")
        assert "Write&#160;this" not in path.read_text()


async def test_t_goes_to_the_next_theme() -> None:
    async with opened(scene()) as screen:
        await screen.press("t")

        assert screen.app.theme == themes.LIGHT.name


async def test_question_mark_says_what_the_screen_measures_and_all_keys() -> None:
    async with opened(scene(), size=(120, 60)) as screen:
        await screen.press("2", "question_mark")
        assert "What waits in the store, queue by queue" in screen.text
        assert "Show only rows in trouble" in screen.text

        await screen.press("escape")

        assert "What waits in the store" not in screen.text


async def test_the_palette_has_the_table_of_keys() -> None:
    async with opened(scene(), size=(120, 40)) as screen:
        await screen.press("ctrl+p", *"trouble")
        await screen.wait(lambda: "Show only rows in trouble" in screen.text)

        await screen.press("enter")
        await screen.wait(lambda: len(screen.app.screen_stack) == 1)
        await screen.settle()

        assert "only in trouble" in screen.lines[1]


@pytest.mark.parametrize("key", ["q", "ctrl+q", "ctrl+c"])
async def test_the_monitor_is_left_at_once(key: str) -> None:
    async with opened(scene()) as screen:
        await screen.press(key)

        assert not screen.app.is_running or screen.app._exit
        assert not screen.app.problem


async def test_a_user_may_give_keys_other_names() -> None:
    async with opened(scene(), settings=Settings(keys={"troubled": "!", "quit": ["f10"]})) as screen:
        await screen.press("2", "exclamation_mark")
        assert "only in trouble" in screen.lines[1]
        assert "! Trouble" in screen.lines[-1]

        await screen.press("z", "q")

        assert "only in trouble" in screen.lines[1]
        assert not screen.app._exit


async def test_actions_are_shown_dim_and_say_why_they_are_not_to_be_had() -> None:
    async with opened(scene(), size=(160, 30)) as screen:
        await screen.press("2")
        assert "p Pause" in screen.lines[-1]

        await screen.press("p")

        assert "start snqmon with --control to act" in screen.toasts[-1]


async def test_only_keys_that_work_here_are_in_the_footer() -> None:
    async with opened(scene(), size=(200, 30)) as screen:
        await screen.press("2")
        assert "X Restart" not in screen.lines[-1]
        assert "+10 s" not in screen.lines[-1]

        await screen.press("3")

        assert "X Restart" in screen.lines[-1]
        assert "p Pause" not in screen.lines[-1]


def test_every_key_outside_of_actions_has_somebody_who_does_it() -> None:
    from textual import actions

    from snqmon.app import Monitor
    from snqmon.screens.base import MonitorScreen
    from snqmon.screens.detail import DetailScreen
    from snqmon.screens.letters import LettersScreen

    doers = (Monitor, MonitorScreen, DetailScreen, LettersScreen)
    missing = [
        key.id
        for key in KEYS
        if key.where is not Where.CONTROL
        and not any(hasattr(doer, f"act_{actions.parse(key.action)[1]}") for doer in doers)
    ]

    assert missing == []
