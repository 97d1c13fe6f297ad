"""The monitor as an operator meets it: a real terminal, a real daemon, a queue that backs up and a worker that dies."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import pytest

from snqd.items import new_item
from tests.support.tmux import Terminal
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.daemons import Daemon, Place

pytestmark = pytest.mark.fork

HANDLERS = """
@handler("mail", time_limit_seconds=600)
def mail(payload, context):
    hold("mail")
"""
WAITING = 40


@pytest.fixture
def daemon(place: Place, make_daemon: Callable[..., Daemon]) -> Daemon:
    return make_daemon(place, HANDLERS, daemon={"threads": 2})


@pytest.fixture
def terminal(daemon: Daemon, tmp_path: Path) -> Iterator[Terminal]:
    daemon.wait_hub()
    socket = daemon.folder / "main.sock"
    command = [sys.executable, "-m", "snqmon", "--control", "--socket", str(socket)]
    with Terminal(command, tmp_path, columns=120, rows=40, environment=daemon.environment) as shown:
        yield shown


def test_an_operator_sees_a_queue_back_up_a_worker_die_and_why_and_pauses_the_queue(
    daemon: Daemon, place: Place, terminal: Terminal
) -> None:
    terminal.wait("LIVE")
    terminal.wait("workers 2/2")

    place.enqueue_all([new_item("mail", {"to": number}) for number in range(WAITING)])
    terminal.wait(rf"^.mail .* {WAITING - 2} ")
    terminal.wait("handling mail")

    victim = daemon.wait_ready(2)[0]
    victim.kill()
    terminal.wait(rf"{re.escape(victim.name)} .*killed by SIGKILL")
    terminal.wait("1 died")

    terminal.type("2", "w")
    terminal.wait("All 2 workers are busy")
    terminal.type("Escape")
    terminal.wait(lambda text: "Cause:" not in text)  # a key that follows at once would be another one, with Alt

    # What the dead one held was ready for a moment, and the question keeps the number that it was asked with.
    terminal.wait(rf"^.mail .* {WAITING - 2} ")
    terminal.type("p")
    terminal.wait(f"Pause queue mail of .*[^z]*{WAITING - 2} items wait")
    terminal.write("mailer is down")
    terminal.type("Enter")
    terminal.wait(r"^.mail +.{0,3}paused")
    assert "queue mail is paused" in daemon.command("why", "mail").out

    daemon.open_gate("mail")  # what runs may end, and nothing more is begun
    eventually(lambda: len(place.waiting()) == WAITING - 2)
    terminal.type("3")
    terminal.wait(lambda text: len(re.findall(r"^.main\.[12] +idle", text, re.MULTILINE)) == 2)
    assert len(place.waiting()) == WAITING - 2

    terminal.type("2", "p")
    terminal.wait("Resume queue mail")
    terminal.type("y")
    place.wait_empty()

    terminal.type("q")
    assert terminal.wait_exit() == 0
    assert daemon.stop() == 0
