"""`snqd demo` as a person meets it: on a terminal, in a pipe, interrupted, and killed."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from snqd.demo.watch import Watch
from tests.support import prosody
from tests.support.processes import wait_until
from tests.support.tmux import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.fork

COMMAND = [sys.executable, "-m", "snqd", "demo"]
_SECONDS = 45.0


def descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def demo_of(terminal: Terminal) -> psutil.Process:
    """The process of `snqd demo` in a terminal."""
    return next(each for each in descendants(terminal.pane_pid) if each.cmdline()[1:] == COMMAND[1:])


def assert_gone(processes: list[psutil.Process]) -> None:
    _gone, alive = psutil.wait_procs(processes, timeout=10)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where the demonstration makes its folder."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    return folder


@pytest.fixture
def terminal(tmp_path: Path, home: Path) -> Iterator[Terminal]:
    with Terminal(COMMAND, tmp_path, columns=80, rows=24, environment={"TMPDIR": str(home)}) as shown:
        yield shown
        left = descendants(shown.pane_pid)
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def test_the_monitor_shows_it_and_q_leaves_both_and_nothing_behind(terminal: Terminal, home: Path) -> None:
    screen = terminal.wait(lambda text: "died" in text and "LIVE" in text, seconds=_SECONDS)
    processes = descendants(demo_of(terminal).pid)

    assert re.search(r"workers ([23]/3|[34]/4)", screen), screen
    for queue in ("mail", "order", "thumbnail", "webhook"):
        assert queue in screen
    assert len(processes) >= 6, "at least a supervisor, three workers, a hub and the monitor"

    terminal.type("q")

    assert terminal.wait_exit(seconds=_SECONDS) == 0
    assert re.search(r"^[1-9][\d,]* items done, .* dead; .* replaced$", terminal.text, re.MULTILINE)
    assert_gone(processes)
    assert list(home.iterdir()) == []


def test_a_demo_that_is_killed_takes_its_daemon_along(terminal: Terminal) -> None:
    terminal.wait("LIVE", seconds=_SECONDS)
    demo = demo_of(terminal)
    processes = [each for each in descendants(demo.pid) if "snqmon" not in each.cmdline()]
    assert len(processes) >= 5

    demo.send_signal(signal.SIGKILL)

    assert_gone(processes)


def test_without_a_terminal_it_writes_lines_and_leaves_the_persons_own_store_alone(tmp_path: Path) -> None:
    own_store = tmp_path / "own.db"
    environment = {**os.environ, "SNQD_STORE_URL": f"sqlite:///{own_store}", "TMPDIR": str(tmp_path), "PATH": "/none"}

    done = subprocess.run(
        [*COMMAND, "--seconds", "4"], env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert re.search(r"^00:0\d done [1-9]\d* ", done.stdout, re.MULTILINE), done.stdout
    assert "retry: " in done.stdout
    assert re.findall(r"^snqd: without XMPP: .*", done.stderr, re.MULTILINE) == [
        "snqd: without XMPP: to see that too, install Prosody (apt-get install prosody)"
    ]
    assert list(tmp_path.iterdir()) == []


def test_with_prosody_a_shop_writes_to_a_reader_and_the_server_ends_with_the_demo(
    terminal: Terminal, home: Path
) -> None:
    prosody.program()  # or skip
    terminal.wait(lambda text: "xmppout" in text and "LIVE" in text, seconds=_SECONDS)
    processes = descendants(demo_of(terminal).pid)
    assert "prosody" in [word.rpartition("/")[2] for each in processes for word in each.cmdline()]

    watch = Watch(next(home.glob("snqd-demo-*/*.sock")))

    def connections() -> list[tuple[str, str]]:
        watch.look(0.2)
        view = watch.view
        if view is None or view.daemon is None or not view.daemon.connections or not view.is_complete:
            return []
        return [(each.name, each.state) for each in view.connections.values() if each.acknowledged]

    told = wait_until(connections, "the connection is told of, with stanzas that the server has", seconds=_SECONDS)
    watch.close()
    assert told == [("news@bakery.example", "connected")]
    kept = next(home.glob("snqd-demo-xmpp-*/data/bakery%2eexample/offline*/reader.*"))
    assert "is out of the oven" in kept.read_text()

    terminal.type("q")

    assert terminal.wait_exit(seconds=_SECONDS) == 0
    assert_gone(processes)
    assert list(home.iterdir()) == []


def test_a_prosody_that_does_not_start_is_one_line_and_the_demo_goes_on(tmp_path: Path, home: Path) -> None:
    broken = tmp_path / "bin" / "prosody"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho no lua here\nexit 3\n")
    broken.chmod(0o755)
    environment = {**os.environ, "TMPDIR": str(home), "PATH": str(broken.parent)}

    done = subprocess.run(
        [*COMMAND, "--seconds", "1"], env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "snqd: without XMPP: Prosody has ended with code 3: no lua here\n" in done.stderr
    assert re.search(r"^\d+ items? done, ", done.stdout, re.MULTILINE)
    assert list(home.iterdir()) == []


def test_lines_end_at_ctrl_c_with_what_it_came_to(tmp_path: Path, home: Path) -> None:
    with Terminal([*COMMAND, "--plain"], tmp_path, environment={"TMPDIR": str(home)}) as terminal:
        terminal.wait(r"^00:0\d done [1-9]", seconds=_SECONDS)

        terminal.type("C-c")

        assert terminal.wait_exit(seconds=_SECONDS) == 0
        assert re.search(r"^[1-9][\d,]* items? done, ", terminal.text, re.MULTILINE)
    assert list(home.iterdir()) == []


def test_sigterm_ends_it_as_q_does(terminal: Terminal, home: Path) -> None:
    terminal.wait("LIVE", seconds=_SECONDS)
    demo = demo_of(terminal)
    processes = descendants(demo.pid)

    demo.send_signal(signal.SIGTERM)

    assert terminal.wait_exit(seconds=_SECONDS) == 0
    assert "items done" in terminal.text, "the terminal is given back before the last words"
    assert_gone(processes)
    assert list(home.iterdir()) == []
