"""How long a health check takes, from the start of its process to its end, beside Python that does nothing."""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from bench.lab.contestant import Snqd
from bench.lab.session import Session

if TYPE_CHECKING:
    from collections.abc import Sequence

PURPOSE = "Health: the whole command, as Nagios, keepalived and Kubernetes run it every few seconds"
COLUMNS = [("ms", "ms"), ("CPU ms", "cpu_ms"), ("best ms", "best_ms")]
BARE = "python -c pass"
FULL = "snqd health"
START_SECONDS = 30.0


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--runs", type=int, default=20, help="commands of each kind and repetition (default %(default)s)"
    )
    with Session("health", PURPOSE, parser) as session:
        daemon = Snqd(session, "snqd, SQLite", "sqlite", {"telemetry": {"listen": "none"}})
        program, config = str(daemon.python.parent / "snqd"), ["--config", str(daemon.config)]
        commands = {
            BARE: [sys.executable, "-c", "pass"],
            FULL: [program, "health", *config],
            "snqd health --ready": [program, "health", "--ready", *config],
            "snqd health --live": [program, "health", "--live", *config],
            # An option that no probe has, so that click reads the words.
            "snqd health, read by click": [program, "health", *config, "--store", daemon.url],
            "snqd --version": [program, "--version"],
        }
        wanted = {name: command for name, command in commands.items() if session.wants(name)}
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed program has its bytecode
        daemon.prepare()
        daemon.start()
        try:
            wait_until_healthy(daemon, commands[FULL])
            for _ in session.rounds():
                session.wait_for_quiet()
                measure(session, wanted, 3 if session.quick else session.options.runs)
        finally:
            daemon.stop()
        report(session)


def wait_until_healthy(daemon: Snqd, command: Sequence[str]) -> None:
    until = time.monotonic() + START_SECONDS
    while subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode:
        if time.monotonic() > until:
            raise SystemExit(f"the daemon does not become healthy; its log ends:\n{daemon.last_words()}")
        time.sleep(0.1)


def measure(session: Session, commands: dict[str, list[str]], runs: int) -> None:
    """One repetition: the commands in turn, so that a machine whose speed drifts meets all of them alike."""
    took: dict[str, list[float]] = {name: [] for name in commands}
    used: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            begun, cpu = time.perf_counter(), children_cpu_seconds()
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            took[name].append((time.perf_counter() - begun) * 1000)
            used[name].append((children_cpu_seconds() - cpu) * 1000)
    for name in commands:
        session.add(
            name, ms=statistics.median(took[name]), cpu_ms=statistics.median(used[name]), best_ms=min(took[name])
        )


def children_cpu_seconds() -> float:
    """Of children that have been waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def report(session: Session) -> None:
    session.title(note="Each repetition is the median of its commands, run in turn; the daemon has 2 workers.")
    session.table(COLUMNS)
    session.target(FULL, session.median(FULL, "ms"), "≤", 50.0, " ms")
    if (ratio := session.ratio(FULL, BARE, "ms")) is not None:
        session.print(f"- {FULL} / {BARE}: {ratio:.2f}")


if __name__ == "__main__":
    main()
