"""Claimants: who holds an item, and whether that process is surely dead."""

from __future__ import annotations

import os
import subprocess
import sys

from snqd.telemetry.board import start_ticks
from snqd.worker.identity import Claimant, claimant_of_this_process, is_dead, parse


def of_pid(pid: int, start: int) -> str:
    me = parse(claimant_of_this_process("main.1"))
    assert me is not None
    return str(me._replace(pid=pid, start=start))


def test_a_claimant_names_host_worker_and_process() -> None:
    me = parse(claimant_of_this_process("main.3"))

    assert me is not None
    assert me.worker == "main.3"
    assert me.pid == os.getpid()
    assert str(Claimant(*me)) == claimant_of_this_process("main.3")


def test_a_living_process_is_not_dead() -> None:
    assert not is_dead(claimant_of_this_process("main.1"))


def test_an_ended_process_is_dead_and_so_is_one_whose_pid_was_given_to_another() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    start = start_ticks(child.pid)
    assert start is not None
    claimant = of_pid(child.pid, start)
    assert not is_dead(claimant)

    child.communicate(b"\n")

    assert is_dead(claimant)
    assert is_dead(of_pid(os.getpid(), 1))


def test_a_process_of_another_machine_or_container_is_never_judged() -> None:
    me = parse(claimant_of_this_process("main.1"))
    assert me is not None

    assert not is_dead(str(me._replace(pid=2**22 - 1, scope="00000000")))


def test_what_is_not_a_claimant_of_ours_is_never_judged() -> None:
    for text in ("", "somebody", "a/b/c/d", "a/b/1.x/d", "a/b/1.2/c/d"):
        assert parse(text) is None
        assert not is_dead(text)
