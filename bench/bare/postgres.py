"""Bare loops on PostgreSQL by psycopg: claim and ack, enqueue, and enqueue-NOTIFY-claim-ack."""

from __future__ import annotations

import json
import multiprocessing
import time
from typing import TYPE_CHECKING, Any

import psycopg

from bench.lab import record
from bench.lab.processes import cpu_seconds

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.synchronize import Barrier, Event

    from bench.lab.cluster import Cluster

DATABASE = "bare"
FRAME = json.dumps({"i": 123456, "t": time.time(), "s": 0.0, "pad": record.PAD})
SCHEMA = """
create table q (
  id bigint generated always as identity primary key,
  priority int not null default 0,
  state smallint not null default 0,
  payload text not null,
  at timestamptz not null default now()
);
create index q_ready on q (priority, id) where state = 0
"""
CLAIM = """
update q set state = 1
 where id = any(array(select id from q where state = 0 order by priority, id for update skip locked limit %s))
returning id, payload
"""
ACK = "delete from q where id = any(%s)"
ACK_AND_CLAIM = f"with acked as (delete from q where id = any(%s)) {CLAIM}"
INSERT = "insert into q (payload) values (%s)"
INSERT_AND_NOTIFY = (
    "with stored as (insert into q (payload) values (%s) returning 1) select pg_notify('q', '') from stored"
)

_spawn = multiprocessing.get_context("spawn")


def fresh(cluster: Cluster, items: int = 0) -> str:
    """A new database with that many rows, vacuumed; its URL."""
    url = cluster.recreate(DATABASE)
    with cluster.connect(DATABASE) as connection:
        connection.execute(SCHEMA)
        connection.execute("insert into q (payload) select %s from generate_series(1, %s)", (FRAME, items))
    cluster.settle(DATABASE)
    return url


def connect(url: str) -> psycopg.Connection[Any]:
    connection = psycopg.connect(url, autocommit=True)
    connection.prepare_threshold = 2
    return connection


def drain(cluster: Cluster, items: int, batch: int, programs: int = 2) -> dict[str, float]:
    """One statement acks the previous batch and claims the next, until nothing is left."""
    url = fresh(cluster, items)
    barrier = _spawn.Barrier(programs + 1)
    pipes = [_spawn.Pipe(duplex=False) for _ in range(programs)]
    workers = [_spawn.Process(target=_drain, args=(url, batch, barrier, near)) for _far, near in pipes]
    for worker in workers:
        worker.start()
    barrier.wait()
    server, begun = cpu_seconds([cluster.postmaster]), time.time()
    told = [far.recv() for far, _near in pipes]
    server = cpu_seconds([cluster.postmaster]) - server
    for worker in workers:
        worker.join()
    cluster.drop(DATABASE)
    handled = sum(count for count, _at, _cpu in told)
    return {
        "rate": handled / (max(at for _count, at, _cpu in told) - begun),
        "worker_us": sum(cpu for _count, _at, cpu in told) / handled * 1e6,
        "server_us": server / handled * 1e6,
        "items": handled,
    }


def _drain(url: str, batch: int, barrier: Barrier, pipe: Connection) -> None:
    with connect(url) as connection:
        barrier.wait()
        before, handled, ids = time.process_time(), 0, list[int]()
        while rows := connection.execute(ACK_AND_CLAIM, (ids, batch)).fetchall():
            ids = [row[0] for row in rows]
            handled += len(rows)
        pipe.send((handled, time.time(), time.process_time() - before))


def insert_each(connection: psycopg.Connection[Any], count: int) -> float:
    """One INSERT and commit a row; seconds."""
    begun = time.perf_counter()
    for _ in range(count):
        connection.execute(INSERT, (FRAME,))
    return time.perf_counter() - begun


def copy(connection: psycopg.Connection[Any], count: int, size: int) -> float:
    """COPY, `size` rows a transaction; seconds."""
    begun = time.perf_counter()
    for _ in range(count // size):
        with connection.cursor().copy("copy q (payload) from stdin") as stream:
            for _ in range(size):
                stream.write_row((FRAME,))
    return time.perf_counter() - begun


def pickup(cluster: Cluster, count: int, pace: float) -> list[float]:
    """Milliseconds from before the enqueue call to the claimed row in a bare worker, woken by NOTIFY."""
    url = fresh(cluster)
    ready = _spawn.Event()
    far, near = _spawn.Pipe(duplex=False)
    worker = _spawn.Process(target=_pick_up, args=(url, count, ready, near))
    worker.start()
    ready.wait(30)
    with connect(url) as connection:
        begun = time.perf_counter()
        for turn in range(count):
            time.sleep(max(0.0, begun + turn * pace - time.perf_counter()))
            connection.execute(INSERT_AND_NOTIFY, (json.dumps(record.payload(turn)),))
    found: list[float] = far.recv()
    worker.join()
    cluster.drop(DATABASE)
    return found


def _pick_up(url: str, count: int, ready: Event, pipe: Connection) -> None:
    """Two connections, since one that listens stalls the queries on it."""
    waited: list[float] = []
    with connect(url) as listening, connect(url) as connection:
        listening.execute("listen q")
        ready.set()
        for _ in listening.notifies(timeout=30):
            rows = connection.execute(CLAIM, (10,)).fetchall()
            now = time.time()
            waited += [(now - json.loads(payload)["t"]) * 1000 for _id, payload in rows]
            if rows:
                connection.execute(ACK, ([row[0] for row in rows],))
            if len(waited) >= count:
                break
    pipe.send(waited)
