"""pgqueuer on asyncpg, which is its fastest driver. Run with the virtualenv of the peer."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg  # type: ignore[import-not-found]
from pgqueuer import PgQueuer  # type: ignore[import-not-found]
from pgqueuer.db import AsyncpgDriver  # type: ignore[import-not-found]
from pgqueuer.queries import Queries  # type: ignore[import-not-found]

from bench.lab import record
from bench.peers import verbs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def _driver() -> AsyncpgDriver:
    return AsyncpgDriver(await asyncpg.connect(verbs.URL))


@asynccontextmanager
async def main() -> AsyncIterator[PgQueuer]:
    """What `pgq run bench.peers.pgqueuer_app:main` serves."""
    queue = PgQueuer(await _driver())

    @queue.entrypoint("job")  # type: ignore[untyped-decorator]
    async def job(found: Any) -> None:
        await record.work_async(json.loads(found.payload))

    yield queue


def reset() -> None:
    async def install() -> None:
        await Queries(await _driver()).install()

    asyncio.run(install())


def load(count: int, seconds: float) -> None:
    asyncio.run(_store(count, 1000, seconds))


def batch(count: int, size: int) -> float:
    return asyncio.run(_store(count, size, 0.0))


async def _store(count: int, size: int, seconds: float) -> float:
    queries = Queries(await _driver())
    await queries.enqueue("other", b"")  # the first call prepares statements
    begun = time.perf_counter()
    for first in range(0, count, size):
        numbers = range(first, min(count, first + size))
        frames = [json.dumps(record.payload(number, seconds)).encode() for number in numbers]
        await queries.enqueue(["job"] * len(frames), list(frames), [0] * len(frames))
    return time.perf_counter() - begun


def each(count: int, pace: float, start: int) -> float:
    async def store() -> float:
        queries = Queries(await _driver())
        await queries.enqueue("other", b"")
        begun = time.perf_counter()
        for turn in range(count):
            rest = begun + turn * pace - time.perf_counter()
            if pace and rest > 0:
                await asyncio.sleep(rest)
            await queries.enqueue("job", json.dumps(record.payload(start + turn)).encode())
        return time.perf_counter() - begun

    return asyncio.run(store())
