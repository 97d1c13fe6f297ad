"""What it costs to watch a store: a probe's questions with ten million items waiting, while workers drain, and idle."""

from __future__ import annotations

import argparse
import statistics
import time
from contextlib import closing
from typing import TYPE_CHECKING

import psutil

from bench.backlog import Backlog
from bench.lab import record
from bench.lab.processes import fine_cpu_seconds
from bench.lab.session import Session
from snqd.config.schema import Config, StoreConfig
from snqd.stores.probe_pace import INTERVALS, SHARE, ProbePace
from snqd.wiring.stores import open_store

if TYPE_CHECKING:
    from snqd.stores.probe import Probe
    from snqd.stores.probe_pace import Question

PURPOSE = "Probes: each question alone, then the schedule of snqd/stores/probe_pace.py; beside nothing and 2 workers"
COLUMNS = [
    ("lags ms", "lags_ms"),
    ("lags CPU ms", "lags_cpu_ms"),
    ("depths ms", "depths_ms"),
    ("depths CPU ms", "depths_cpu_ms"),
    ("health ms", "health_ms"),
    ("health CPU ms", "health_cpu_ms"),
    ("oldest lag figure, s", "age"),
    ("seconds from depths to depths", "depths_every"),
    ("estimate / truth", "off"),
    ("items/s meanwhile", "rate"),
    ("CPU of all, % of a core", "cpu"),
]
CALLS = 15
PAUSE_SECONDS = 0.2
SCHEDULE = "; ".join(
    f"{question} every {least:g} s, or {SHARE} times as long as it took, {longest:g} s at most"
    for question, (least, _idle, longest) in INTERVALS.items()
)
QUESTIONS: tuple[Question, ...] = ("lags", "depths", "health")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=10_000_000, help="how many wait (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=30.0, help="length of a measurement (default %(default)s)")
    with Session("probes", PURPOSE, parser, reps=1) as session:
        session.start_postgres()
        size = 200_000 if session.quick else session.options.items
        seconds = 6.0 if session.quick else session.options.seconds
        for name, store in (("PostgreSQL", "postgres"), ("SQLite", "sqlite")):
            if not session.wants(name):
                continue
            full, idle = Watched(session, name, store, size), Watched(session, name, store, 0)
            for watched in (full, idle):
                watched.backlog.load()
            for _ in session.rounds():
                idle.measure("nothing waits", seconds)
                full.measure(f"{size:,} wait", seconds)
                full.drain(seconds)
            for watched in (full, idle):
                watched.backlog.daemon.remove()
        report(session, size)


class Watched:
    """A store with a probe of its own, as the hub has one."""

    def __init__(self, session: Session, name: str, store: str, size: int) -> None:
        self.session, self.name = session, name
        self.backlog = Backlog(session, f"{name}, {size:,} waiting", store, size)

    def measure(self, what: str, seconds: float) -> None:
        """One repetition in a store that nobody works on."""
        self.session.wait_for_quiet()
        figures = self._ask(seconds)
        if self.backlog.size:
            figures["off"] = self._estimate() / self.backlog.daemon.count()
        self.session.add(f"{self.name}, {what}", **figures)

    def drain(self, seconds: float) -> None:
        """One repetition while two workers handle what they can."""
        daemon = self.backlog.daemon
        daemon.record.unlink(missing_ok=True)
        self.session.wait_for_quiet()
        daemon.start()
        try:
            if not daemon.wait_for_records(1_000):
                return
            begun, before = time.monotonic(), record.count(daemon.record)
            figures = self._ask(seconds)
            figures["rate"] = (record.count(daemon.record) - before) / (time.monotonic() - begun)
        finally:
            daemon.stop()
        self.session.add(f"{self.name}, 2 workers drain", **figures)

    def _ask(self, seconds: float) -> dict[str, float]:
        """Questions one after another, then by the schedule."""
        with closing(self._probe()) as probe:
            probe.lags()
            meter = Meter(self._server())
            figures: dict[str, float] = {}
            for question in QUESTIONS:
                figures |= one_by_one(probe, question, meter)
            return figures | scheduled(probe, seconds, meter)

    def _probe(self) -> Probe:
        return open_store(Config(store=StoreConfig(url=self.backlog.daemon.url)), claimant="bench").probe()

    def _estimate(self) -> int:
        with closing(self._probe()) as probe:
            return sum(depth.ready for depth in probe.depths())

    def _server(self) -> list[psutil.Process]:
        """The server process of the probe."""
        if self.backlog.daemon.store == "sqlite":
            return []
        with self.backlog.daemon.connect() as connection:
            sql = "select pid from pg_stat_activity where application_name = 'snqd bench probe'"
            return [psutil.Process(pid) for (pid,) in connection.execute(sql)]


class Meter:
    """Processor seconds of this thread and of the probe's server process; its own reading left out."""

    def __init__(self, server: list[psutil.Process]) -> None:
        self._server = server
        self._at_start = 0.0

    def start(self) -> None:
        self._at_start = fine_cpu_seconds(self._server)
        self._at_start += time.thread_time()

    def stop(self) -> float:
        """Since `start`."""
        ours = time.thread_time()
        return ours + fine_cpu_seconds(self._server) - self._at_start


def one_by_one(probe: Probe, question: Question, meter: Meter) -> dict[str, float]:
    """Median time and processor time of one question."""
    took, used = [], []
    for _ in range(CALLS):
        meter.start()
        begun = time.perf_counter()
        getattr(probe, question)()
        took.append((time.perf_counter() - begun) * 1000)
        used.append(meter.stop() * 1000)
        time.sleep(PAUSE_SECONDS)
    return {f"{question}_ms": statistics.median(took), f"{question}_cpu_ms": statistics.median(used)}


def scheduled(probe: Probe, seconds: float, meter: Meter) -> dict[str, float]:
    """As the hub asks. A lag figure is as old as its question just before the next answer comes."""
    pace = ProbePace()
    begins: dict[Question, list[float]] = {question: [] for question in QUESTIONS}
    oldest = 0.0
    meter.start()
    start = time.monotonic()
    while (now := time.monotonic()) < start + seconds:
        question, wait = pace.next(now)
        if wait:
            time.sleep(wait)
        began = time.monotonic()
        getattr(probe, question)()
        ended = time.monotonic()
        pace.asked(question, began, ended)
        if question == "lags" and begins["lags"]:
            oldest = max(oldest, ended - begins["lags"][-1])
        begins[question].append(began)
    used, passed = meter.stop(), time.monotonic() - start
    return {
        "age": oldest,
        "depths_every": passed / len(begins["depths"]),
        "cpu": used / passed * 100,
    }


def report(session: Session, size: int) -> None:
    session.title(
        note=f"CPU is that of the probe's thread and of its server process. Schedule: {SCHEDULE}. "
        "Estimate / truth: of the number of items that wait."
    )
    session.table(COLUMNS)
    for name in ("PostgreSQL", "SQLite"):
        for what in (f"{size:,} wait", "2 workers drain"):
            watched = f"{name}, {what}"
            session.target(f"{watched}: age of the lag figure", session.median(watched, "age"), "≤", 2.0, " s")
            session.target(f"{watched}: CPU of all probes", session.median(watched, "cpu"), "≤", 1.0, " % of a core")
        watched = f"{name}, nothing waits"
        session.target(f"{watched}: CPU of all probes", session.median(watched, "cpu"), "≤", 0.1, " % of a core")


if __name__ == "__main__":
    main()
