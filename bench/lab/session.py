"""One run of one benchmark: its options, its temporary folder and servers, its figures, and where they go.

Every repetition of every contestant is one JSON line in `bench/results/NAME.jsonl` (with the speed of the machine at
that moment); the tables, ready for the README, go to standard output and to `bench/results/NAME.md`. Narration goes to
standard error. Nothing here fails because something was slow.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self

from bench.lab import quiet
from bench.lab.cluster import Cluster, private_cluster
from bench.lab.machine import calibrate, facts, file_system

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

RESULTS = Path(__file__).resolve().parents[1] / "results"


class Session:
    """Use as a context manager. `options.quick` and `options.reps` are there in every benchmark."""

    def __init__(self, name: str, purpose: str, parser: argparse.ArgumentParser | None = None, reps: int = 3) -> None:
        self.name = name
        parser = parser or argparse.ArgumentParser()
        parser.prog, parser.description = f"python -m bench.{name}", purpose
        parser.add_argument("--quick", action="store_true", help="a short run: shows that it works, not how fast")
        parser.add_argument("--reps", type=int, help=f"repetitions of each contestant (default {reps})")
        parser.add_argument("--only", help="run only contestants whose name contains this")
        parser.add_argument(
            "--folder",
            type=Path,
            default=Path("/var/tmp"),  # unlike /tmp, by convention on a disk
            help="where the temporary databases are made (default %(default)s)",
        )
        parser.add_argument(
            "--patience",
            type=float,
            default=120.0,
            help="longest wait, in seconds, for other programs to leave the processors alone (default %(default)s)",
        )
        self.options = parser.parse_args()
        self.quick: bool = self.options.quick
        self.reps: int = self.options.reps or (1 if self.quick else reps)
        self._purpose = purpose
        self._lines: list[tuple[str, dict[str, Any]]] = []
        self._text: list[str] = []
        self._closing = ExitStack()
        self._round = 0
        self._watch: quiet.Watch | None = None
        self.cluster: Cluster | None = None
        self.facts: dict[str, str] = {}

    def __enter__(self) -> Self:
        signal.signal(signal.SIGTERM, _leave)  # so that servers and daemons are stopped
        self.folder = Path(tempfile.mkdtemp(prefix=f"snqd-bench-{self.name}-", dir=self.options.folder))
        self._closing.callback(shutil.rmtree, self.folder, ignore_errors=True)
        if file_system(self.folder) == "tmpfs":
            self.say("WARNING: this folder is in memory: commits cost nothing here and no figure counts; use --folder")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.close()

    def start_postgres(self) -> Cluster:
        """A private server that lives as long as the session."""
        self.cluster = self._closing.enter_context(private_cluster(self.folder))
        return self.cluster

    def rounds(self) -> Iterator[int]:
        """The repetitions: as many as asked; up to three times that while some contestant was disturbed too often."""
        for turn in range(3 * self.reps):
            if turn >= self.reps and self._undisturbed() >= self.reps:
                return
            if turn >= self.reps and self.quick:
                return
            self._round = turn
            yield turn

    def _undisturbed(self) -> int:
        """Undisturbed repetitions of the contestant that has fewest."""
        clean = Counter(name for name, figures in self._lines if not _is_disturbed(figures))
        return min((clean[name] for name, _figures in self._lines), default=0)

    def wait_for_quiet(self) -> None:
        """Wait until other programs leave the processors alone, and watch them. Call before each repetition."""
        busy = quiet.wait_for_quiet(0.0 if self.quick else self.options.patience)
        if busy > quiet.QUIET_PERCENT and not self.quick:
            self.say(f"  the machine is busy: {busy:.0f} % of its processors")
        self._watch = quiet.Watch([self.cluster.postmaster] if self.cluster else [])

    def wants(self, contestant: str) -> bool:
        """Whether `--only` lets this contestant run."""
        return self.options.only is None or self.options.only in contestant

    def say(self, text: str) -> None:
        """Narrate to standard error."""
        print(text, file=sys.stderr, flush=True)

    def add(self, contestant: str, **figures: Any) -> None:
        """Note the figures of one repetition; None for a figure that does not apply."""
        if self._watch is not None:
            figures["others"] = self._watch.others()
        figures["round"] = self._round
        self._lines.append((contestant, figures))
        line = {"bench": self.name, "contestant": contestant, "at": time.time(), "quick": self.quick}
        line |= {"calib_ms": calibrate(), **figures}
        RESULTS.mkdir(exist_ok=True)
        with (RESULTS / f"{self.name}.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
        shown = ", ".join(
            f"{key} {number(value)}" for key, value in figures.items() if value is not None and key != "round"
        )
        self.say(f"  {contestant}: {shown} (calib {line['calib_ms']} ms)")

    def values(self, contestant: str, key: str) -> list[float]:
        """What the repetitions of a contestant gave: the undisturbed ones, if there are any."""
        found = [figures for name, figures in self._lines if name == contestant and figures.get(key) is not None]
        clean = [figures for figures in found if not _is_disturbed(figures)]
        return [float(figures[key]) for figures in clean or found]

    def median(self, contestant: str, key: str) -> float | None:
        found = self.values(contestant, key)
        return statistics.median(found) if found else None

    def contestants(self, key: str) -> list[str]:
        """Who has such a figure, in order of first appearance."""
        return list(dict.fromkeys(name for name, figures in self._lines if figures.get(key) is not None))

    def title(self, *, note: str = "") -> None:
        """Print what was measured where; call before the tables."""
        self.facts = facts(self.folder, self.cluster.version if self.cluster else None)
        words = "; ".join(f"{key} {value}" for key, value in self.facts.items())
        self.print(f"\n## bench.{self.name}{' (quick: figures mean little)' if self.quick else ''}\n")
        self.print(f"{self._purpose}\n\n{words}.\n")
        disturbed = sum(_is_disturbed(figures) for _name, figures in self._lines)
        words = f" ({disturbed} more were disturbed by other programs)" if disturbed else ""
        self.print(f"Median (min..max) of {self.reps} interleaved repetition(s){words}. {note}".rstrip())

    def table(self, columns: Sequence[tuple[str, str]], *, first: str = "contestant", key: str | None = None) -> None:
        """Print a markdown table: a column per (heading, key), a row per contestant that has one of them (or `key`)."""
        wanted = [key] if key else [name for _heading, name in columns]
        contestants = list(dict.fromkeys(name for figure in wanted for name in self.contestants(figure)))
        if not contestants:
            return
        shown = [(heading, name) for heading, name in columns if self.contestants(name)]
        self.print("\n| " + " | ".join([first, *(heading for heading, _ in shown)]) + " |")
        self.print("|" + " --- |" * (len(shown) + 1))
        for contestant in contestants:
            cells = [spread(self.values(contestant, name)) for _, name in shown]
            self.print("| " + " | ".join([contestant, *cells]) + " |")
        self.print("")

    def ratio(self, over: str, under: str, key: str) -> float | None:
        """Median over the rounds of one contestant over the other; None when they never ran in the same one.

        Within a round they run seconds apart, so that a machine whose speed drifts meets both alike.
        """
        above, below = self._by_round(over, key), self._by_round(under, key)
        ratios = [above[turn] / below[turn] for turn in above if turn in below]
        return statistics.median(ratios) if ratios else None

    def _by_round(self, contestant: str, key: str) -> dict[int, float]:
        found = {figures["round"]: figures for name, figures in self._lines if name == contestant and figures.get(key)}
        clean = {turn: figures for turn, figures in found.items() if not _is_disturbed(figures)}
        return {turn: float(figures[key]) for turn, figures in (clean or found).items()}

    def target(self, what: str, value: float | None, sign: str, bound: float, unit: str = "") -> None:
        """Print whether a target is met. Never an error: none of the benchmarks is a timed test."""
        if value is None:
            self.print(f"- {what}: not measured (target {sign} {bound:g}{unit})")
            return
        met = value >= bound if sign == "≥" else value <= bound
        self.print(f"- {what}: **{number(value)}{unit}**, target {sign} {bound:g}{unit}: {'met' if met else 'MISSED'}")
        with (RESULTS / f"{self.name}.jsonl").open("a") as file:
            line = {"bench": self.name, "target": what, "value": value, "sign": sign, "bound": bound, "met": met}
            file.write(json.dumps(line) + "\n")

    def print(self, text: str) -> None:
        """Print to standard output and keep for the results' markdown file."""
        print(text, flush=True)
        self._text.append(text)
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{self.name}.md").write_text("\n".join(self._text) + "\n")


def number(value: Any) -> str:
    """A figure with three significant digits or so."""
    if isinstance(value, str | bool) or value is None:
        return str(value)
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size >= 0.1 else f"{value:.3g}"


def spread(values: Sequence[float]) -> str:
    """`median (min..max)`."""
    if not values:
        return "-"
    middle = number(statistics.median(values))
    return middle if len(values) == 1 else f"{middle} ({number(min(values))}..{number(max(values))})"


def percentile(values: Sequence[float], fraction: float) -> float:
    """The value below which that fraction of `values` lies (nearest rank)."""
    ordered = sorted(values)
    return ordered[round(fraction * (len(ordered) - 1))]


def _is_disturbed(figures: dict[str, Any]) -> bool:
    return float(figures.get("others", 0.0)) > quiet.DISTURBED_CORES


def _leave(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(143)
