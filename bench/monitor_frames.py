"""Processor time of the monitor's pictures, in virtual time, and beside those of another checkout in the same run.

Each frame of the load is read from datagrams, folded, looked at and drawn, as fast as that goes. What a change brought
is seen beside the checkout before it:

    git worktree add ../before main
    python -m bench.monitor_frames --only overview --against ../before

Both programs are there at once and take turns of a few virtual seconds, so that they meet the same machine, whatever
else it does; a repetition's figure is the median of its turns. Where the time goes tells
`python -m bench.lab.frames --profile`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final, Self

from bench.lab.session import Session

PURPOSE = "Monitor: processor time to fold and draw a virtual second, with 60 sites by 20 queues and 200 workers"
HERE: Final = Path(__file__).resolve().parents[1]
SCREENS: Final = ("overview", "sites")
WARM_SECONDS: Final = 20
"""Virtual ones, until counters have a past."""
TURNS, TURN_SECONDS = 8, 5
COLUMNS = [("CPU ms of a virtual second", "cpu_ms"), ("KiB drawn in it", "kib"), ("MiB resident", "mib")]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--against", type=Path, help="another checkout, to compare with")
    parser.add_argument("--size", default="120x40", help="of the terminal (default %(default)s)")
    with Session("monitor_frames", PURPOSE, parser, reps=5) as session:
        checkouts = {"here": HERE} | ({"there": session.options.against} if session.options.against else {})
        warm, turns = (2, 2) if session.quick else (WARM_SECONDS, TURNS)
        for _ in session.rounds():
            for screen in SCREENS:
                wanted = {f"{screen}, {program}": checkout for program, checkout in checkouts.items()}
                wanted = {name: checkout for name, checkout in wanted.items() if session.wants(name)}
                for name, figures in played(wanted, screen, session.options.size, warm, turns).items():
                    session.add(name, **figures)
        report(session)


def played(programs: dict[str, Path], screen: str, size: str, warm: int, turns: int) -> dict[str, dict[str, float]]:
    """One repetition: what each of the programs took, by its name."""
    with ExitStack() as stack:
        players = {name: stack.enter_context(_Player(checkout, screen, size)) for name, checkout in programs.items()}
        for player in players.values():
            player.play(warm)
        found: dict[str, list[dict[str, float]]] = {name: [] for name in players}
        for _ in range(turns):
            for name, player in players.items():
                found[name].append(player.play(TURN_SECONDS))
    return {
        name: {key: statistics.median(turn[key] for turn in figures) for key in figures[0]}
        for name, figures in found.items()
    }


class _Player:
    """A process with one monitor in it."""

    def __init__(self, checkout: Path, screen: str, size: str) -> None:
        self._checkout = checkout
        command = [sys.executable, "-m", "bench.lab.frames"]
        command += ["--checkout", str(checkout), "--screen", screen, "--size", size]
        self._process = subprocess.Popen(command, cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        with suppress(BrokenPipeError):
            self._process.communicate()

    def play(self, seconds: int) -> dict[str, float]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            print(seconds, file=self._process.stdin, flush=True)
        if not (line := self._process.stdout.readline()):
            raise SystemExit(f"the monitor of {self._checkout} has ended: what it said is above")
        figures: dict[str, float] = json.loads(line)
        return figures


def report(session: Session) -> None:
    session.title()
    session.table(COLUMNS, first="screen", key="cpu_ms")
    for screen in SCREENS:
        ratio = session.ratio(f"{screen}, here", f"{screen}, there", "cpu_ms")
        if ratio is not None:
            session.print(f"- {screen}: **{ratio:.3f}** of the processor time of the other checkout")


if __name__ == "__main__":
    main()
