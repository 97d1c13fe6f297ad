"""Stacks on demand, of real processes that do not cooperate."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from snqd.telemetry.stacks import StackFiles
from tests.support.processes import process_state, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.fork
SECONDS = 10.0
SLOT = 2


@pytest.fixture
def files() -> Iterator[StackFiles]:
    files = StackFiles.create(3)
    yield files
    files.close()


@pytest.fixture
def start(files: StackFiles) -> Iterator[Callable[[Callable[[], object]], int]]:
    """Forks a process in slot `SLOT` that registers and then does what it is given; returns when it is about to."""
    pids = []

    def start(body: Callable[[], object]) -> int:
        ready, tell = os.pipe()
        pid = os.fork()
        if pid == 0:
            files.keep_only(SLOT)
            file = files.for_slot(SLOT)
            assert file is not None
            file.register()
            os.write(tell, b"!")
            body()
            os._exit(0)
        pids.append(pid)
        os.read(ready, 1)
        os.close(ready)
        os.close(tell)
        return pid

    yield start
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def loop_for_ever() -> None:
    while True:
        pass


def hold_the_gil_in_c() -> None:
    sum(itertools.repeat(1, 10**15))


def sleep_in_a_call() -> None:
    time.sleep(100)


def taken(files: StackFiles, pid: int, is_right: Callable[[str], bool]) -> str:
    """A stack of the process when it has come to where it should be."""

    def take() -> str:
        stack = files.take_stack(pid, SLOT, seconds=SECONDS)
        return stack if is_right(stack) else ""

    return wait_until(take, "the process has come to where it is stuck")


@pytest.mark.parametrize("stuck", [loop_for_ever, hold_the_gil_in_c, sleep_in_a_call])
def test_the_stack_of_a_stuck_process_is_told(
    files: StackFiles, start: Callable[[Callable[[], object]], int], stuck: Callable[[], None]
) -> None:
    pid = start(stuck)

    stack = taken(files, pid, lambda stack: stuck.__name__ in stack)

    assert "most recent call first" in stack
    assert f"in {stuck.__name__}" in stack
    assert stack.endswith("\n")


def test_each_stack_stands_alone_and_the_process_goes_on(
    files: StackFiles, start: Callable[[Callable[[], object]], int]
) -> None:
    pid = start(loop_for_ever)

    stacks = [files.take_stack(pid, SLOT, seconds=SECONDS) for _ in range(5)]

    assert all(stack.count("most recent call first") == 1 for stack in stacks)
    assert process_state(pid) in ("R", "S")


def test_every_thread_is_told(files: StackFiles, start: Callable[[Callable[[], object]], int]) -> None:
    def body() -> None:
        threads = [threading.Thread(target=sleep_in_a_call) for _ in range(3)]
        for thread in threads:
            thread.start()
        loop_for_ever()

    pid = start(body)

    stack = taken(files, pid, lambda stack: stack.count("most recent call first") == 4)
    assert stack.count("in sleep_in_a_call") == 3


def test_a_process_that_cannot_answer_costs_the_time_and_gives_nothing(
    files: StackFiles, start: Callable[[Callable[[], object]], int]
) -> None:
    pid = start(loop_for_ever)
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: process_state(pid) == "T", "it is stopped")

    assert files.take_stack(pid, SLOT, seconds=0.05) == ""


def test_a_process_that_is_gone_gives_nothing(files: StackFiles) -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)

    assert files.take_stack(pid, SLOT) == ""


def test_a_slot_without_a_file_gives_nothing_and_no_signal_is_sent(files: StackFiles) -> None:
    assert files.for_slot(4) is None
    assert files.take_stack(os.getpid(), 4) == ""
