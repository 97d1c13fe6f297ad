"""Bare loops on SQLite in WAL mode with `synchronous=FULL`: the ack of a batch and the claim of the next in one
transaction.
"""

from __future__ import annotations

import multiprocessing
import sqlite3
import time
from typing import TYPE_CHECKING

from bench.bare.postgres import FRAME

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.synchronize import Barrier
    from pathlib import Path

SCHEMA = """
create table q (
  id integer primary key autoincrement,
  priority int not null default 0,
  state int not null default 0,
  payload text not null,
  at real not null default 0
);
create index q_ready on q (priority, id) where state = 0;
"""
CLAIM = """
update q set state = 1 where id in (select id from q where state = 0 order by priority, id limit ?)
returning id, payload
"""

_spawn = multiprocessing.get_context("spawn")


def connect(path: Path, synchronous: str = "FULL") -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=30)
    connection.execute("pragma journal_mode=wal")
    connection.execute(f"pragma synchronous={synchronous}")
    return connection


def fresh(path: Path, items: int) -> None:
    """A new file with that many rows, its log written back."""
    for old in path.parent.glob(path.name + "*"):
        old.unlink()
    connection = connect(path, "NORMAL")
    connection.executescript(SCHEMA)
    connection.execute("begin")
    connection.executemany("insert into q (payload) values (?)", [(FRAME,)] * items)
    connection.execute("commit")
    connection.execute("pragma wal_checkpoint(truncate)")
    connection.close()


def drain(path: Path, items: int, batch: int, programs: int = 2) -> dict[str, float]:
    """Empty the table; the rate is without start-up."""
    fresh(path, items)
    barrier = _spawn.Barrier(programs + 1)
    pipes = [_spawn.Pipe(duplex=False) for _ in range(programs)]
    workers = [_spawn.Process(target=_drain, args=(path, batch, barrier, near)) for _far, near in pipes]
    for worker in workers:
        worker.start()
    barrier.wait()
    begun = time.time()
    told = [far.recv() for far, _near in pipes]
    for worker in workers:
        worker.join()
    handled = sum(count for count, _at, _cpu in told)
    return {
        "rate": handled / (max(at for _count, at, _cpu in told) - begun),
        "worker_us": sum(cpu for _count, _at, cpu in told) / handled * 1e6,
        "items": handled,
    }


def insert_each(connection: sqlite3.Connection, count: int) -> float:
    """One INSERT and commit a row; seconds."""
    begun = time.perf_counter()
    for _ in range(count):
        connection.execute("insert into q (payload) values (?)", (FRAME,))
    return time.perf_counter() - begun


def _begin(connection: sqlite3.Connection) -> None:
    """Take the write lock. A short wait of our own: SQLite's busy handler sleeps in steps of up to 100 ms."""
    while True:
        try:
            connection.execute("begin immediate")
        except sqlite3.OperationalError:
            time.sleep(0.0005)
        else:
            return


def _drain(path: Path, batch: int, barrier: Barrier, pipe: Connection) -> None:
    connection = connect(path)
    barrier.wait()
    before, handled, acked = time.process_time(), 0, list[tuple[int]]()
    while True:
        _begin(connection)
        connection.executemany("delete from q where id = ?", acked)
        rows = connection.execute(CLAIM, (batch,)).fetchall()
        connection.execute("commit")
        if not rows:
            break
        acked = [(row[0],) for row in rows]
        handled += len(rows)
    pipe.send((handled, time.time(), time.process_time() - before))
    connection.close()
