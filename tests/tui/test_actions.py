"""Actions: asked about by name and count, done through the control socket, and told. The daemon is a stand-in."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

import pytest
from textual.widgets import Input

from snqmon.screens.confirm import Confirm
from snqmon.screens.detail import DetailScreen
from snqmon.screens.letters import LettersScreen
from snqmon.screens.pause import BadDuration, PauseDialog, seconds_of
from snqmon.screens.stack import StackScreen
from tests.support.screens import Opened, opened, scene
from tests.support.stand_in import StandIn, controlled
from tests.support.views import depth, flow, queue, worker
from tests.support.worlds import ToldFeed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
def daemon() -> StandIn:
    return StandIn()


@pytest.fixture
async def screen(daemon: StandIn, tmp_path: Path) -> AsyncIterator[Opened]:
    """Started with `--control`, on the queue `mail`, which has dead letters."""
    feed = ToldFeed()
    feed.tell(queue("mail"), depth("mail", "news.example", ready=12, dead=3), flow("mail", "news.example"), worker(1))
    async with opened(feed, may_control=True) as found, controlled(found.app, tmp_path, daemon, daemon="main@host"):
        await found.press("2")
        yield found


def is_asking(screen: Opened) -> bool:
    return isinstance(screen.app.screen, Confirm)


async def done(screen: Opened) -> None:
    """Until the dialog is closed."""
    await screen.wait(lambda: not isinstance(screen.app.screen, Confirm))
    await screen.settle()


async def test_without_control_actions_are_dim_and_say_what_is_missing() -> None:
    async with opened(scene(20), size=(200, 24)) as screen:
        await screen.press("2")
        assert "p Pause" in screen.lines[-1]

        await screen.press("p")

        assert not is_asking(screen)
        assert "start snqmon with --control" in " ".join(screen.toasts)


async def test_of_a_daemon_on_another_host_it_says_so(tmp_path: Path) -> None:
    async with opened(scene(20), may_control=True) as screen, controlled(screen.app, tmp_path, StandIn(), daemon="x@y"):
        await screen.press("2", "p")

        assert not is_asking(screen)
        assert "its daemon is on another host" in " ".join(screen.toasts)


async def test_a_pause_has_a_reason_and_a_length_and_is_told(screen: Opened, daemon: StandIn) -> None:
    await screen.press("p")
    assert isinstance(screen.app.screen, PauseDialog)
    assert "Pause queue mail of main@host?" in screen.text
    assert "12 items wait" in screen.text

    await screen.press(*"smtp ny", "tab", *"1h30m", "enter")
    await done(screen)

    (asked,) = daemon.asked
    assert asked["ask"] == "pause"
    assert (asked["queue"], asked["site"]) == ("mail", None)
    assert (asked["reason"], asked["seconds"]) == ("smtp ny", 5400.0)
    assert asked["author"].startswith(getpass.getuser())
    assert screen.toasts == ["pause was done"]
    await screen.tick()
    assert "pause was done" in screen.lines[1], "and beside the crumbs"
    await screen.tick(31.0)
    assert "pause was done" not in screen.lines[1]


async def test_a_length_that_is_none_is_refused_in_words(screen: Opened, daemon: StandIn) -> None:
    await screen.press("p", "tab", *"soon", "enter")

    assert isinstance(screen.app.screen, PauseDialog)
    assert "'soon' is no length of time: write it as 90s, 30m, 1h30m or 2d" in screen.text
    assert not daemon.asked

    screen.app.screen.query_one("#duration", Input).value = ""
    await screen.press("enter")
    await done(screen)
    assert daemon.asked[0]["seconds"] is None


@pytest.mark.parametrize(("words", "seconds"), [("90s", 90.0), ("1h30m", 5400.0), ("1.5h", 5400.0), (" 2 d", 172800.0)])
def test_lengths_are_written_as_people_write_them(words: str, seconds: float) -> None:
    assert seconds_of(words) == seconds


@pytest.mark.parametrize("words", ["x", "10", "-5m", "0s", "400d", "5m later"])
def test_other_lengths_are_refused(words: str) -> None:
    with pytest.raises(BadDuration):
        seconds_of(words)


@pytest.mark.parametrize("key", ["n", "escape"])
async def test_no_is_no(screen: Opened, daemon: StandIn, key: str) -> None:
    await screen.press("D")
    assert is_asking(screen)

    await screen.press(key)

    assert not is_asking(screen)
    assert not daemon.asked


async def test_discarding_names_target_and_count_and_has_no_default(screen: Opened, daemon: StandIn) -> None:
    await screen.press("D")
    assert "Discard 3 dead letters of queue mail of main@host?" in screen.text
    assert "What is deleted cannot be had back." in screen.text

    await screen.press("enter", "space")
    assert is_asking(screen), "a stray Enter does nothing"
    assert not daemon.asked

    await screen.press("y")
    await done(screen)
    assert daemon.asked[0] | {"author": ""} == {
        "ask": "discard", "ids": None, "queue": "mail", "site": None, "author": "",
    }  # fmt: skip


async def test_retrying_may_be_confirmed_with_enter(screen: Opened, daemon: StandIn) -> None:
    await screen.press("R", "enter")
    await done(screen)

    assert daemon.asked[0]["ask"] == "retry"


async def test_a_refusal_stays_until_it_is_read(screen: Opened, daemon: StandIn) -> None:
    daemon.refusal = "the store is away for 12 s"
    await screen.press("R", "y")
    await screen.wait(lambda: "Not done: the store is away for 12 s" in screen.text)
    assert not screen.toasts

    await screen.press("escape")

    assert not is_asking(screen)


async def test_while_it_is_being_done_the_monitor_goes_on(screen: Opened, daemon: StandIn) -> None:
    daemon.go_on.clear()
    await screen.press("R", "y")
    assert "asking main@host" in screen.text
    await screen.tick(1.0)

    await screen.press("y")
    daemon.go_on.set()
    await done(screen)

    assert len(daemon.asked) == 1, "a second yes asks nothing"


async def test_a_socket_that_is_gone_is_told_in_words(screen: Opened, tmp_path: Path) -> None:
    (tmp_path / "control").unlink()
    await screen.press("R", "y")

    await screen.wait(lambda: "Not done" in screen.text)
    assert "cannot be asked" in screen.text


async def test_dead_letters_are_listed_opened_and_retried(screen: Opened, daemon: StandIn) -> None:
    await screen.press("d")
    assert isinstance(screen.app.screen, LettersScreen)
    await screen.wait(lambda: "#3" in screen.text)
    assert "3 dead letters of queue mail" in screen.lines[2]

    await screen.press("enter")
    assert isinstance(screen.app.screen, DetailScreen)
    for words in ("dead letter #3", "attempts", "SMTPServerDisconnected", "Attempts", "send_message"):
        assert words in screen.text

    await screen.press("R", "y")
    await done(screen)

    assert daemon.asked[0]["ids"] == [3]
    await screen.wait(lambda: isinstance(screen.app.screen, LettersScreen))
    await screen.wait(lambda: "2 dead letters of queue mail" in screen.lines[2])
    assert "#3" not in screen.text


async def test_marked_letters_are_discarded_together(screen: Opened, daemon: StandIn) -> None:
    await screen.press("d")
    await screen.wait(lambda: "#3" in screen.text)

    await screen.press("m", "m")
    assert "2 marked" in screen.lines[2]
    assert screen.line_with("#3 ").count("●") == 1
    await screen.press("D")
    assert "Discard 2 dead letters of main@host?" in screen.text
    assert "Each is deleted" in screen.text
    await screen.press("y")
    await done(screen)

    assert daemon.asked[0]["ids"] == [2, 3]
    await screen.wait(lambda: "1 dead letter of queue mail" in screen.lines[2])


async def test_pages_come_as_one_goes_down_and_all_can_be_meant(tmp_path: Path) -> None:
    daemon = StandIn(letters=450)
    feed = ToldFeed()
    feed.tell(queue("mail"), depth("mail", dead=450), flow("mail"))
    async with opened(feed, may_control=True) as screen, controlled(screen.app, tmp_path, daemon, daemon="main@host"):
        await screen.press("2", "d")
        await screen.wait(lambda: "200 of them listed" in screen.text)
        await screen.press("end")
        await screen.wait(lambda: "400 of them listed" in screen.text)
        assert [page["after"] for page in daemon.pages] == [None, 200]

        await screen.press("M")
        assert "400 marked" in screen.lines[2]
        await screen.press("M")
        assert "all of them marked, with those that are not listed" in screen.lines[2]
        await screen.press("D")
        assert "Discard all 450 dead letters of queue mail of main@host?" in screen.text
        await screen.press("y")
        await done(screen)

        assert daemon.asked[0]["ids"] is None
        assert daemon.asked[0]["queue"] == "mail"


async def test_no_dead_letters_is_said_and_nothing_is_asked(tmp_path: Path) -> None:
    daemon = StandIn(letters=0)
    feed = ToldFeed()
    feed.tell(queue("mail"), depth("mail"), flow("mail"))
    async with opened(feed, may_control=True) as screen, controlled(screen.app, tmp_path, daemon, daemon="main@host"):
        await screen.press("2", "d")

        assert not isinstance(screen.app.screen, LettersScreen)
        assert "there are no dead letters" in " ".join(screen.toasts)
        assert not daemon.pages


async def test_the_stack_of_a_worker_is_shown_and_taken_again(screen: Opened, daemon: StandIn) -> None:
    await screen.press("3", "T")
    assert isinstance(screen.app.screen, StackScreen)
    await screen.wait(lambda: "send.py" in screen.text)
    assert "pid 4107" in screen.lines[2]

    await screen.press("T")
    await screen.wait(lambda: len(daemon.asked) == 2)
    await screen.wait(lambda: "pid 4107" in screen.lines[2])

    await screen.press("escape")
    assert not isinstance(screen.app.screen, StackScreen)


async def test_a_restart_names_the_worker(screen: Opened, daemon: StandIn) -> None:
    await screen.press("3", "X")
    assert "Restart 1 worker, main.1 of main@host (pid 4001)?" in screen.text

    await screen.press("y")
    await done(screen)

    assert daemon.asked[0]["worker"] == "main.1"


async def test_the_mouse_answers_too(screen: Opened, daemon: StandIn) -> None:
    await screen.press("D")
    await screen.pilot.click("#no")
    await screen.settle()
    assert not is_asking(screen)

    await screen.press("D")
    await screen.pilot.click("#yes")
    await done(screen)
    assert len(daemon.asked) == 1


async def test_why_says_the_cause_and_copies_the_command_that_mends_it() -> None:
    feed = ToldFeed()
    feed.tell(queue("mail", workers=0), depth("mail", ready=12), flow("mail"))
    async with opened(feed) as screen:
        await screen.press("2", "w")
        assert "Why does queue mail wait?" in screen.text
        assert "Cause: " in screen.text
        command = screen.app.world.why("main@host", "mail").command
        assert command in screen.text

        await screen.press("y")
        assert screen.app.clipboard == command

        await screen.press("escape")
        assert screen.app.screen is screen.app.front


async def test_why_is_asked_of_the_site_that_the_cursor_has_gone_to() -> None:
    async with opened(scene(20)) as screen:
        await screen.press("2", "enter", "w")
        assert "Why does queue xmppout wait?" in screen.text

        await screen.press("escape", "j", "w")

        assert "of queue xmppout wait?" in screen.text


async def test_the_noisy_neighbours_are_bars_with_figures() -> None:
    async with opened(scene(20)) as screen:
        await screen.press("n")
        assert "noisy neighbours" in screen.lines[1]
        first = screen.lines[3]
        assert "█" in first
        assert "%" in first

        await screen.press("enter")
        assert isinstance(screen.app.screen, DetailScreen)
        assert screen.app.screen.detail.kind == "sites"
