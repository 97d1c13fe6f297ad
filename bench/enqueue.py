"""How fast items are stored: one durable call, a thousand at a time, and JSON lines from the shell."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import time
from typing import TYPE_CHECKING

from bench.bare import postgres as bare
from bench.bare import sqlite as bare_sqlite
from bench.lab import record
from bench.lab.contestant import Contestant, Huey, Pgqueuer, Snqd
from bench.lab.session import Session
from bench.peers.snqd_app import QUEUE
from snqd import Client

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PURPOSE = "Enqueue: payloads of about 200 bytes, one process, every commit durable"
COLUMNS = [
    ("one call an item, items/s", "each"),
    ("the same by bare INSERT and commit", "bare_each"),
    ("ours / bare", "each_ratio"),
    ("1,000 a call, items/s", "batch"),
]
SHELL_COLUMNS = [("lines/s", "lines_rate"), ("peak MiB", "peak_mib"), ("processor seconds", "cpu"), ("lines", "lines")]
BATCH = 1000
DUEL = 100


def main() -> None:
    with Session("enqueue", PURPOSE) as session:
        session.start_postgres()
        singles, many = (500, 10_000) if session.quick else (5_000, 100_000)
        lines = (5_000, 50_000) if session.quick else (100_000, 1_000_000)
        contestants: list[Contestant] = [
            Snqd(session, "snqd, PostgreSQL", "postgres"),
            Pgqueuer(session, "pgqueuer"),
            Huey(session, "huey, PostgreSQL", "postgres"),
            Snqd(session, "snqd, SQLite", "sqlite"),
            Huey(session, "huey, SQLite", "sqlite"),
        ]
        for _ in session.rounds():
            for contestant in contestants:
                if isinstance(contestant, Snqd) and session.wants(f"{contestant.name}, duel"):
                    duel(contestant, singles)
            if session.wants("bare, PostgreSQL"):
                bare_copy(session, many)
            for contestant in contestants:
                if session.wants(contestant.name):
                    enqueue(contestant, singles, many)
            for contestant in contestants:
                for count in lines:
                    if isinstance(contestant, Snqd) and session.wants(f"{contestant.name}, shell"):
                        from_the_shell(contestant, count)
        report(session, lines)


def enqueue(contestant: Contestant, singles: int, many: int) -> None:
    """One repetition: an empty store for each form. (Our own single calls are measured by `duel`.)"""
    contestant.prepare()
    contestant.session.wait_for_quiet()
    each = None if isinstance(contestant, Snqd) else singles / contestant.call("each", singles, 0.0, 0)
    seconds = contestant.call("batch", many, BATCH)
    contestant.remove()
    contestant.session.add(contestant.name, each=each, batch=many / seconds if seconds else None)


def duel(contestant: Snqd, singles: int) -> None:
    """Single durable calls, ours and bare ones in turn, a hundred at a time: a drifting machine meets both alike."""
    session = contestant.session
    contestant.prepare()
    insert_bare, close = bare_inserter(session, contestant.store)
    session.wait_for_quiet()
    ours, theirs = [], []
    with Client(contestant.url) as client:
        client.enqueue(QUEUE, None)  # connects
        insert_bare(10)
        for _ in range(singles // DUEL):
            theirs.append(insert_bare(DUEL))
            begun = time.perf_counter()
            for number in range(DUEL):
                client.enqueue(QUEUE, record.payload(number))
            ours.append(time.perf_counter() - begun)
    close()
    contestant.remove()
    ratio = statistics.median(bare_took / took for bare_took, took in zip(theirs, ours, strict=True))
    session.add(contestant.name, each=singles / sum(ours), bare_each=singles / sum(theirs), each_ratio=ratio)


def bare_inserter(session: Session, store: str) -> tuple[Callable[[int], float], Callable[[], None]]:
    """How to insert and commit rows one by one, in seconds; and how to end it."""
    if store == "postgres":
        assert session.cluster is not None
        connection = bare.connect(bare.fresh(session.cluster))
        return (lambda count: bare.insert_each(connection, count)), connection.close
    path = session.folder / "bare.db"
    bare_sqlite.fresh(path, 0)
    file = bare_sqlite.connect(path)
    return (lambda count: bare_sqlite.insert_each(file, count)), file.close


def bare_copy(session: Session, many: int) -> None:
    """COPY of 1,000 rows a transaction."""
    assert session.cluster is not None
    url = bare.fresh(session.cluster)
    session.wait_for_quiet()
    with bare.connect(url) as connection:
        batch = many / bare.copy(connection, many, BATCH)
    session.cluster.drop(bare.DATABASE)
    session.add("bare, PostgreSQL", batch=batch)


def from_the_shell(contestant: Snqd, count: int) -> None:
    """`snqd enqueue < file`: the rate with start-up, and the peak of its memory."""
    path = contestant.session.folder / f"{count}.jsonl"
    if not path.exists():
        write_lines(path, count)
    contestant.prepare()
    contestant.session.wait_for_quiet()
    begun = time.perf_counter()
    with path.open("rb") as source, contestant.log.open("ab") as log:
        program = subprocess.Popen(
            contestant.enqueue_command, env=contestant.environment(), stdin=source, stdout=log, stderr=log
        )
        _pid, status, usage = os.wait4(program.pid, 0)
    took = time.perf_counter() - begun
    program.returncode = os.waitstatus_to_exitcode(status)
    stored = contestant.count()
    contestant.remove()
    if program.returncode or stored != count:
        contestant.session.say(f"snqd enqueue stored {stored} of {count}:\n{contestant.last_words()}")
        return
    contestant.session.add(
        f"{contestant.name}, shell, {count:,} lines",
        lines_rate=count / took,
        peak_mib=usage.ru_maxrss / 1024,
        cpu=usage.ru_utime + usage.ru_stime,
        lines=count,
    )


def write_lines(path: Path, count: int) -> None:
    with path.open("w") as file:
        for number in range(count):
            file.write(json.dumps({"queue": "bench", "payload": record.payload(number)}) + "\n")


def report(session: Session, lines: tuple[int, int]) -> None:
    session.title(
        note="bare = INSERT and commit a row, in turn with ours, 100 at a time; COPY of 1,000 rows a transaction. "
        "shell = `snqd enqueue - < file`."
    )
    session.table(COLUMNS)
    session.table(SHELL_COLUMNS)
    name = "snqd, PostgreSQL"
    session.target("one durable call / bare", session.median(name, "each_ratio"), "≥", 0.9)
    session.target("1,000 a call / pgqueuer", session.ratio(name, "pgqueuer", "batch"), "≥", 3.0)
    few, million = (f"{name}, shell, {count:,} lines" for count in lines)
    session.target("JSON lines from the shell", session.median(million, "lines_rate"), "≥", 50_000, "/s")
    memory = session.ratio(million, few, "peak_mib")
    session.target(f"its memory, {lines[1]:,} lines over {lines[0]:,}", memory, "≤", 1.1)


if __name__ == "__main__":
    main()
