from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import TYPE_CHECKING

import pytest

from snqd.hub import alarm_program
from snqd.hub.alarm_program import QUEUE_LIMIT, AlarmProgram
from tests.support.processes import children_of, is_gone
from tests.support.views import alarm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from snqd.telemetry.facts import AlarmFact

SECONDS = 15.0


class Bench:
    """A program of `alarms.exec` in the test's own loop; it writes what it does into a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.reports: list[tuple[str, str]] = []
        self.programs: list[AlarmProgram] = []

    def script(self, body: str) -> str:
        """A shell script; `$out` is the file that the test reads. Returns the command."""
        path = self.folder / "program with space"
        path.write_text(f"#!/bin/sh\nout='{self.folder}/out'\n{body}\n")
        path.chmod(0o755)
        return f"'{path}' one 'and two'"

    def program(self, command: str, *, limit_seconds: float = SECONDS) -> AlarmProgram:
        loop = asyncio.get_running_loop()
        program = AlarmProgram(
            command,
            daemon="main",
            loop=loop,
            report=lambda *said: self.reports.append(said),
            limit_seconds=limit_seconds,
        )
        self.programs.append(program)
        return program

    def lines(self) -> list[str]:
        path = self.folder / "out"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    others = set(children_of(os.getpid()))  # of fixtures that last for the session
    yield Bench(tmp_path)
    assert set(children_of(os.getpid())) <= others, "no process may be left, and no zombie"


async def until(fact: Callable[[], object]) -> None:
    async with asyncio.timeout(SECONDS):
        while not fact():  # noqa: ASYNC110 - other processes do it
            await asyncio.sleep(0.005)


async def done(program: AlarmProgram) -> None:
    await until(lambda: program.is_idle)


def both(subject: str) -> tuple[AlarmFact, AlarmFact]:
    return alarm("lag", subject), alarm("lag", subject, is_raised=False)


async def test_the_program_is_told_everything_in_its_environment(bench: Bench) -> None:
    program = bench.program(bench.script('env | grep ^SNQD_ALARM | sort > "$out"; echo "$# $1 $2" >> "$out"'))

    program.tell(alarm("lag", "mail", value=372.25, threshold=300.0, message="mail waits; $(reboot) 'x'", since=12.5))
    await done(program)

    assert bench.lines() == [
        "SNQD_ALARM_DAEMON=main", "SNQD_ALARM_MESSAGE=mail waits; $(reboot) 'x'", "SNQD_ALARM_NAME=lag",
        "SNQD_ALARM_SINCE=12.500", "SNQD_ALARM_STATE=raised", "SNQD_ALARM_SUBJECT=mail", "SNQD_ALARM_THRESHOLD=300",
        "SNQD_ALARM_VALUE=372.25", "2 one and two",
    ]  # fmt: skip
    assert bench.reports == []


async def test_the_words_of_one_alarm_are_told_in_order_and_one_at_a_time(bench: Bench) -> None:
    alone = 'mkdir "$out.$SNQD_ALARM_SUBJECT" || echo another runs >> "$out"; sleep 0.05'
    program = bench.program(
        bench.script(f'{alone}; echo $SNQD_ALARM_STATE >> "$out"; rmdir "$out.$SNQD_ALARM_SUBJECT"')
    )

    for told in (*both("mail"), *both("mail")):
        program.tell(told)
    await done(program)

    assert bench.lines() == ["raised", "cleared", "raised", "cleared"]


async def test_an_alarm_does_not_wait_for_another(bench: Bench) -> None:
    wait = 'while [ $SNQD_ALARM_SUBJECT = slow ] && [ ! -e "$out.go" ]; do sleep 0.01; done'
    program = bench.program(bench.script(f'{wait}; echo $SNQD_ALARM_SUBJECT >> "$out"'))

    for told in (*both("slow"), *both("quick")):
        program.tell(told)
    await until(lambda: len(bench.lines()) == 2)
    (bench.folder / "out.go").touch()
    await done(program)

    assert bench.lines() == ["quick", "quick", "slow", "slow"]


async def test_a_slow_program_does_not_hold_up_the_loop(bench: Bench) -> None:
    program = bench.program(bench.script('echo started > "$out"; while :; do sleep 1; done'))
    begun = time.perf_counter()

    program.tell(alarm("lag"))
    told = time.perf_counter() - begun
    await until(bench.lines)
    program.close()

    assert told < 0.5


async def test_a_program_that_does_not_end_gets_TERM_with_all_that_it_started(  # noqa: N802 - it is the signal's name
    bench: Bench,
) -> None:
    body = 'sleep 600 & echo $! > "$out"; echo "waiting for the pager" >&2; trap "exit 0" TERM; wait'
    program = bench.program(bench.script(body), limit_seconds=0.3)

    program.tell(alarm("lag"))
    await done(program)

    assert bench.reports == [(program.what, "it did not end within 0.3 s and was ended: waiting for the pager")]
    await until(lambda: is_gone(int(bench.lines()[0])))


async def test_a_program_that_ignores_TERM_is_killed(  # noqa: N802 - it is the signal's name
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarm_program, "_GRACE_SECONDS", 0.2)
    program = bench.program(
        bench.script('trap "" TERM; echo $$ > "$out"; while :; do sleep 1; done'), limit_seconds=0.3
    )

    program.tell(alarm("lag"))
    await until(bench.lines)
    await done(program)

    assert bench.reports == [(program.what, "it did not end within 0.3 s and was ended")]
    assert is_gone(int(bench.lines()[0]))


async def test_a_program_that_fails_is_reported_with_its_last_words_and_the_next_alarm_is_told(bench: Bench) -> None:
    program = bench.program(bench.script('echo $SNQD_ALARM_STATE >> "$out"; echo no; echo "no pager" >&2; exit 3'))

    for told in both("mail"):
        program.tell(told)
    await done(program)

    assert bench.reports == [(program.what, "it failed with exit code 3: no pager")] * 2
    assert bench.lines() == ["raised", "cleared"]


async def test_a_program_that_a_signal_ends_is_reported(bench: Bench) -> None:
    program = bench.program(bench.script("kill -SEGV $$"))

    program.tell(alarm("lag"))
    await done(program)

    assert [error.split(":")[0] for _, error in bench.reports] == ["it was ended by SIGSEGV"]


async def test_a_program_that_does_not_exist_is_reported(bench: Bench) -> None:
    program = bench.program("/nowhere/pager --loud")

    program.tell(alarm("lag"))
    await done(program)

    ((what, error),) = bench.reports
    assert what == "alarms.exec /nowhere/pager --loud"
    assert error.startswith("it failed with exit code 127: ")
    assert "/nowhere/pager" in error


async def test_what_a_program_leaves_running_is_left_alone(bench: Bench) -> None:
    """A script may send its mail in the background."""
    body = f'"{sys.executable}" -c "import time; time.sleep(600)" & echo $! > "$out"'
    program = bench.program(bench.script(body))

    program.tell(alarm("lag"))
    await done(program)

    (pid,) = map(int, bench.lines())
    assert not is_gone(pid)
    os.kill(pid, 9)


async def test_too_many_alarms_drop_the_oldest_and_say_so(bench: Bench) -> None:
    program = bench.program(
        bench.script('while [ ! -e "$out.go" ]; do sleep 0.01; done; echo $SNQD_ALARM_SUBJECT >> "$out"')
    )

    for number in range(4 + QUEUE_LIMIT + 3):
        program.tell(alarm("lag", f"queue{number}"))
    (bench.folder / "out.go").touch()
    await done(program)

    told = {*range(4), *range(7, 4 + QUEUE_LIMIT + 3)}
    assert {*bench.lines()} == {f"queue{number}" for number in told}
    assert program.dropped == 3
    assert bench.reports[0] == (program.what, "too many alarms wait for it: lag of queue4 is not told")


async def test_nothing_is_left_when_the_hub_leaves(bench: Bench) -> None:
    program = bench.program(bench.script('echo $$ >> "$out"; while :; do sleep 1; done'))
    for number in range(3):
        program.tell(alarm("lag", f"queue{number}"))
    await until(lambda: len(bench.lines()) == 3)

    program.close()

    assert program.is_idle
    assert all(is_gone(int(line)) for line in bench.lines())


@pytest.mark.parametrize("command", ["", "  ", "pager 'open"])
async def test_a_command_that_cannot_be_read_is_refused(bench: Bench, command: str) -> None:
    with pytest.raises(ValueError, match=r"program|quotation"):
        bench.program(command)
