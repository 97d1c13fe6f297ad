"""huey on SQLite (`SNQD_BENCH_FILE`) or PostgreSQL (`SNQD_BENCH_URL`). Run with the virtualenv of the peer."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from huey import PostgresHuey, SqliteHuey  # type: ignore[import-not-found]

from bench.lab import record
from bench.peers import verbs

huey: Any = (
    SqliteHuey("bench", filename=verbs.FILE, create_tables=True)
    if verbs.FILE
    else PostgresHuey("bench", dsn=verbs.URL, create_tables=False)
)


@huey.task()  # type: ignore[untyped-decorator]
def job(found: dict[str, Any]) -> None:
    record.work(found)


def reset() -> None:
    if verbs.FILE:
        huey.storage.close()
        for path in Path(verbs.FILE).parent.glob(Path(verbs.FILE).name + "*"):
            path.unlink()
    huey.storage.initialize_schema()


def load(count: int, seconds: float) -> None:
    for number in range(count):
        job(record.payload(number, seconds))


def each(count: int, pace: float, start: int) -> float:
    huey.pending_count()  # connects
    begun = time.perf_counter()
    for turn in range(count):
        if pace:
            verbs.wait_for_turn(begun, turn, pace)
        job(record.payload(start + turn))
    return time.perf_counter() - begun


def batch(_count: int, _size: int) -> None:
    """huey has no call for many."""
