from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from snqd.errors import ConfigError, DaemonRunning
from snqd.supervisor.pidfile import Pidfile

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "main.pid"


def test_it_holds_our_pid_and_is_removed_at_the_end(path: Path) -> None:
    with Pidfile.acquire(path):
        assert path.read_text() == f"{os.getpid()}\n"

    assert not path.exists()


def test_a_second_one_is_told_who_holds_it_and_where(path: Path) -> None:
    with Pidfile.acquire(path):
        with pytest.raises(DaemonRunning, match=rf"pid {os.getpid()} already holds {path}"):
            Pidfile.acquire(path)
        assert path.read_text() == f"{os.getpid()}\n", "the loser has changed nothing"


def test_a_pidfile_of_a_dead_daemon_is_taken_over_even_if_its_pid_lives_again(path: Path) -> None:
    path.write_text("1\n")  # process 1 certainly lives

    with Pidfile.acquire(path):
        assert path.read_text() == f"{os.getpid()}\n"


def test_a_longer_old_pid_leaves_no_digits_behind(path: Path) -> None:
    path.write_text("99999999999999\n")

    with Pidfile.acquire(path):
        assert path.read_text() == f"{os.getpid()}\n"


def test_a_file_that_is_not_ours_any_more_is_not_removed(path: Path) -> None:
    ours = Pidfile.acquire(path)
    path.unlink()
    other = Pidfile.acquire(path)

    ours.release()

    assert path.exists()
    other.release()
    assert not path.exists()


def test_a_missing_folder_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"pidfile .*/missing/main\.pid: No such file or directory: make its folder"):
        Pidfile.acquire(tmp_path / "missing" / "main.pid")


def test_a_symbolic_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "victim")

    with pytest.raises(ConfigError, match="symbolic link"):
        Pidfile.acquire(path)

    assert not (tmp_path / "victim").exists()


def test_the_lock_ends_with_the_process_that_held_it(path: Path) -> None:
    program = (
        f"import pathlib, os; from snqd.supervisor.pidfile import Pidfile; "
        f"Pidfile.acquire(pathlib.Path({str(path)!r})); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    assert path.exists()

    with Pidfile.acquire(path):
        assert path.read_text() == f"{os.getpid()}\n"
