"""The mouse: headings, rows, tabs, keys in the footer, the wheel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.events import MouseScrollDown

from tests.support.screens import opened, scene

if TYPE_CHECKING:
    from snqmon.model.table_view import TableView
    from tests.support.screens import Opened


def view_of(screen: Opened) -> TableView[Any]:
    assert screen.app.front is not None
    assert screen.app.front.table is not None
    return screen.app.front.table.view


async def click(screen: Opened, words: str, *, times: int = 1) -> None:
    """On these words, wherever they stand."""
    y = next(number for number, line in enumerate(screen.lines) if words in line)
    await screen.pilot.click(offset=(screen.lines[y].index(words), y), times=times)
    await screen.settle()


async def test_a_click_on_a_heading_sorts_by_it_and_another_turns_it_round() -> None:
    async with opened(scene()) as screen:
        await screen.press("2")
        await click(screen, "in/s")
        assert "in/s▼" in screen.lines[2]

        await click(screen, "in/s")

        assert "in/s▲" in screen.lines[2]


async def test_a_click_puts_the_cursor_on_a_row_and_two_open_it() -> None:
    async with opened(scene()) as screen:
        await screen.press("3")
        await click(screen, "main.4")
        assert view_of(screen).cursor_index == 3

        await click(screen, "main.5", times=2)

        assert "main.5" in screen.lines[1]


async def test_tabs_and_keys_of_the_footer_can_be_clicked() -> None:
    async with opened(scene()) as screen:
        await click(screen, "3 Workers")
        assert screen.app.current_mode == "workers"

        await click(screen, "z Trouble")

        assert "only in trouble" in screen.lines[1]


async def test_an_answer_of_the_overview_leads_to_its_row() -> None:
    async with opened(scene(20)) as screen:
        await click(screen, "queue xmppout is")

        assert screen.app.current_mode == "queues"
        assert view_of(screen).row.key[-1] == "xmppout"  # type: ignore[union-attr]  # there is one


async def test_the_wheel_scrolls_and_leaves_the_cursor_alone() -> None:
    async with opened(scene(), size=(120, 10)) as screen:
        await screen.press("5", "home")
        first = screen.lines[3]

        await screen.pilot._post_mouse_events([MouseScrollDown], offset=(10, 6), times=1)
        await screen.settle()

        assert screen.lines[3] != first


async def test_a_heading_tells_its_definition_under_the_mouse() -> None:
    async with opened(scene()) as screen:
        await screen.press("2")
        table = screen.app.front.table  # type: ignore[union-attr]  # there is one
        await screen.pilot.hover(offset=(screen.lines[2].index("drain"), 2))
        await screen.settle()

        assert "Time until nothing is ready" in str(table.tooltip)  # type: ignore[union-attr]
