"""Chaos: workers are killed by SIGKILL at random while four processes enqueue 20,000 items. Nothing may be lost.

Every item must be handled at least once, none may be left, and every second handling must have its explanation: a
worker that was killed while it held the item. `SNQD_SOAK_SECONDS` (default 10) is how long it goes on per store;
`make soak` takes a minute. The report is printed (`pytest -s`) and kept in the test's folder.
"""

from __future__ import annotations

import collections
import os
import random
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.support.daemons import PROJECT
from tests.support.processes import is_gone

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.daemons import Daemon, Place

    MakeDaemon = Callable[..., Daemon]

SECONDS = float(os.environ.get("SNQD_SOAK_SECONDS", "10"))
ITEMS = 20_000
ENQUEUERS = 4
pytestmark = [pytest.mark.fork, pytest.mark.timeout(SECONDS * 4 + 120)]

SOURCE = """
import random

def run(payload, context):
    note("ran", context, n=payload)
    if payload % 50 == 0:
        time.sleep(random.uniform(0.0, 0.05))

@handler("chaos", max_attempts=1000)
def chaos(payload, context):
    run(payload, context)
"""


class Kill(NamedTuple):
    """One SIGKILL: whom and when (monotonic)."""

    worker: str
    pid: int
    at: float


class Twice(NamedTuple):
    """An item that ran more than once, and why."""

    number: int
    handlings: int
    kill: Kill | None
    was_running: bool
    """It was noted as running when its worker was killed, and paid with a crash attempt."""
    seconds_before: float
    """From its beginning to the kill: how long its ack had been waiting at most."""


def test_with_workers_killed_at_random_every_item_is_handled_and_none_is_stuck(
    make_daemon: MakeDaemon, place: Place, tmp_path: Path
) -> None:
    daemon = make_daemon(
        place, SOURCE, daemon={"threads": 3, "crash_limit": 50, "respawn_limit": 10_000, "respawn_delay_seconds": 0.01}
    )
    enqueuers = [_enqueuer(place, each) for each in range(ENQUEUERS)]
    kills = _kill_at_random(daemon, seconds=SECONDS)
    stored = [int(line) for process in enqueuers for line in process.communicate(timeout=120)[0].split()]
    assert [process.returncode for process in enqueuers] == [0] * ENQUEUERS
    assert sorted(stored) == list(range(ITEMS))
    place.wait_empty(seconds=60 + SECONDS)

    ran = daemon.facts("ran")
    assert place.waiting() == []
    assert place.dead() == []
    assert {fact["n"] for fact in ran} == set(range(ITEMS)), "every item was handled"
    assert daemon.stop() == 0
    twice = _explain(daemon, kills, ran)
    report = _report(place, kills, ran, twice)
    (tmp_path / "report").write_text(report)
    sys.stdout.write(report)

    unexplained = [each for each in twice if each.kill is None]
    assert unexplained == []
    late = [each for each in twice if not each.was_running and each.seconds_before > 1.0]
    assert late == [], "an ack that had waited for so long was lost"
    assert len(daemon.events("ItemCrashed")) <= len(kills), "a kill blames the one item that was running"
    assert not daemon.events("ItemLeaseLost")
    assert not daemon.events("SlotFatal")


def _enqueuer(place: Place, each: int) -> subprocess.Popen[str]:
    share = ITEMS // ENQUEUERS
    words = [place.url, each * share, share, SECONDS * 0.9]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.enqueuing", *map(str, words)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
    )


def _kill_at_random(daemon: Daemon, *, seconds: float) -> list[Kill]:
    kills = []
    until = time.monotonic() + seconds
    while (now := time.monotonic()) < until:
        time.sleep(min(random.expovariate(4.0), until - now))
        workers = [worker for worker in daemon.workers() if not is_gone(worker.pid)]
        if workers:
            victim = random.choice(workers)
            kills.append(Kill(victim.name, victim.pid, victim.kill()))
    return kills


def _explain(daemon: Daemon, kills: list[Kill], ran: list[dict[str, Any]]) -> list[Twice]:
    """For each item that ran again: the kill of the worker that had run it the time before."""
    by_number: dict[int, list[dict[str, Any]]] = collections.defaultdict(list)
    for fact in ran:
        by_number[fact["n"]].append(fact)
    kill_of = {kill.pid: kill for kill in kills}
    crashed = collections.Counter(event["item"] for event in daemon.events("ItemCrashed"))
    found = []
    for number, handlings in sorted(by_number.items()):
        handlings.sort(key=lambda fact: fact["at"])
        for before in handlings[:-1]:
            kill = kill_of.get(before["pid"])
            seconds = kill.at - before["at"] if kill else float("nan")
            found.append(Twice(number, len(handlings), kill, crashed[before["item"]] > 0, seconds))
    return found


def _report(place: Place, kills: list[Kill], ran: list[dict[str, Any]], twice: list[Twice]) -> str:
    running = [each for each in twice if each.was_running]
    lines = [
        f"\n{place.kind}: {len(kills)} workers killed in {SECONDS:g} s, {ITEMS} items, {len(ran)} handlings; "
        f"{len(twice)} ran again: {len(running)} were running at the kill (crash_attempts + 1), "
        f"{len(twice) - len(running)} had ended and their ack died with the worker"
    ]
    by_kill: dict[Kill | None, list[Twice]] = collections.defaultdict(list)
    for each in twice:
        by_kill[each.kill].append(each)
    for kill, again in by_kill.items():
        whose = f"kill of {kill.worker} (pid {kill.pid})" if kill else "NO KILL KNOWN"
        was_running = ", ".join(str(each.number) for each in again if each.was_running) or "none"
        ended = [each for each in again if not each.was_running]
        longest = max((each.seconds_before for each in ended), default=0.0)
        acks = f"{len(ended)} ended and not acked, the first begun {longest * 1000:.0f} ms before"
        lines.append(f"  {whose}: running {was_running}; {acks}")
    return "\n".join(lines) + "\n"
