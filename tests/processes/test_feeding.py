"""A program beside the hub: it is fed, kept alive, and ends with the hub, whatever it does."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from snqd.hub import feeding
from snqd.hub.feeding import Feeding
from snqd.hub.parts import FedProgram
from snqd.telemetry.outbox import Outbox
from tests.support.processes import SECONDS, is_gone
from tests.support.telemetry import HEADER, ONE_OF_EACH

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.fork


class Fed:
    """A program, and the hub's side of it."""

    def __init__(self, hello: str) -> None:
        self.problems: list[tuple[str, str]] = []
        outbox = Outbox()
        outbox.update(ONE_OF_EACH)
        self.feeding = Feeding(
            FedProgram(name="a program", module="tests.support.fed_program", hello=hello.encode()),
            outbox.cursor,
            HEADER,
            loop=asyncio.get_running_loop(),
            on_problem=lambda what, error: self.problems.append((what, error)),
        )

    async def until(self, fact: Callable[[], object]) -> None:
        """Turn as the hub does, until something is so."""
        deadline = time.monotonic() + SECONDS
        while not fact():
            assert time.monotonic() < deadline, self.problems
            pause = self.feeding.turn(time.monotonic())
            await asyncio.sleep(min(pause, 0.02))


async def test_a_program_is_fed_what_monitors_are_told(tmp_path: Path) -> None:
    log = tmp_path / "log"
    fed = Fed(f"eats {log}")
    try:
        await fed.until(lambda: log.exists() and len(log.read_text().splitlines()) >= 3)
        lines = [list(map(int, line.split())) for line in log.read_text().splitlines()]
        assert [line[1] for line in lines] == list(range(1, len(lines) + 1))
        assert {line[0] for line in lines} == {fed.feeding.pid}
        assert lines[0][2] > 0
        assert fed.problems == []
    finally:
        fed.feeding.close()


async def test_a_program_that_is_killed_is_told_and_started_anew_and_told_everything(tmp_path: Path) -> None:
    log = tmp_path / "log"
    fed = Fed(f"eats {log}")
    try:
        await fed.until(lambda: log.exists() and log.read_text())
        first = fed.feeding.pid
        os.kill(first, signal.SIGKILL)
        await fed.until(lambda: fed.feeding.pid not in (0, first) and str(fed.feeding.pid) in log.read_text())
        assert fed.problems == [("a program", "its process ended: killed by SIGKILL")]
        again = [line for line in log.read_text().splitlines() if line.startswith(str(fed.feeding.pid))]
        assert again[0].split()[1] == "1"
    finally:
        fed.feeding.close()


async def test_a_program_that_dies_again_and_again_is_started_ever_less_often() -> None:
    fed = Fed("dies")
    times: list[float] = []
    fed.feeding._on_problem = lambda _what, _error: times.append(time.monotonic())
    try:
        await fed.until(lambda: len(times) >= 4)
        gaps = [after - before for before, after in itertools.pairwise(times)]
        assert all(gap >= 0.1 * 2**deaths for deaths, gap in enumerate(gaps, 1)), gaps
    finally:
        fed.feeding.close()


async def test_what_a_program_says_before_its_end_is_its_reason() -> None:
    fed = Fed("fails")
    try:
        await fed.until(lambda: fed.problems and not fed.feeding.pid)
        assert fed.problems == [("a program", "the disk is full")]
    finally:
        fed.feeding.close()


async def test_the_end_of_a_program_that_had_a_problem_and_lived_on_is_told(tmp_path: Path) -> None:
    log = tmp_path / "log"
    fed = Fed(f"complains {log}")
    try:
        await fed.until(lambda: log.exists() and len(log.read_text().splitlines()) >= 2)
        os.kill(fed.feeding.pid, signal.SIGKILL)
        await fed.until(lambda: len(fed.problems) >= 2)
        assert [error for _what, error in fed.problems] == ["nobody listens", "its process ended: killed by SIGKILL"]
    finally:
        fed.feeding.close()


async def test_a_program_that_says_nothing_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding, "STUCK_SECONDS", 0.3)
    fed = Fed("hangs")
    try:
        await fed.until(lambda: fed.problems)
        assert fed.problems == [("a program", "its process ended: stuck: it has not said anything for 0 s")]
    finally:
        fed.feeding.close()


async def test_a_program_ends_with_the_hub(tmp_path: Path) -> None:
    log = tmp_path / "log"
    fed = Fed(f"eats {log}")
    await fed.until(lambda: log.exists() and log.read_text())
    pid = fed.feeding.pid
    fed.feeding.close()
    assert is_gone(pid)
    assert fed.feeding.pid == 0
