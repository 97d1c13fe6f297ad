"""A bare consumer on RabbitMQ with the client library that snqd uses: each message is acked as it comes."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from typing import TYPE_CHECKING

import stompman
from stompman.connection import Connection

from bench.bare.postgres import FRAME

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from multiprocessing.connection import Connection as Pipe
    from multiprocessing.synchronize import Barrier

_spawn = multiprocessing.get_context("spawn")
_QUIET_SECONDS = 1.0


def drain(port: int, name: str, items: int, prefetch: int, programs: int = 2) -> dict[str, float]:
    """Empty a queue; the rate is without start-up, and ends with the last message."""
    destination = f"/queue/{name}"
    asyncio.run(_load(port, destination, items))
    barrier = _spawn.Barrier(programs)
    pipes = [_spawn.Pipe(duplex=False) for _ in range(programs)]
    workers = [_spawn.Process(target=_drain, args=(port, destination, prefetch, barrier, near)) for _far, near in pipes]
    for worker in workers:
        worker.start()
    told = [far.recv() for far, _near in pipes]
    for worker in workers:
        worker.join()
    handled = sum(count for count, _first, _last, _cpu in told)
    return {
        "rate": handled / (max(last for _c, _f, last, _cpu in told) - min(first for _c, first, _l, _cpu in told)),
        "worker_us": sum(cpu for _count, _first, _last, cpu in told) / handled * 1e6,
        "items": handled,
    }


async def _open(port: int) -> tuple[Connection, AsyncGenerator[stompman.AnyServerFrame, None]]:
    """Without the library's client, which takes the name of the host for that of RabbitMQ's virtual host."""
    connection = await Connection.connect(
        host="127.0.0.1", port=port, timeout=10, read_max_chunk_size=256 * 1024, ssl=None
    )
    assert connection is not None
    frames = connection.read_frames()
    headers = {"accept-version": "1.2", "host": "/", "login": "guest", "passcode": "guest", "heart-beat": "0,0"}
    await connection.write_frame(stompman.ConnectFrame(headers=headers))
    assert isinstance(await anext(frames), stompman.ConnectedFrame)
    return connection, frames


async def _load(port: int, destination: str, items: int) -> None:
    connection, frames = await _open(port)
    body = FRAME.encode()
    headers = {"destination": destination, "persistent": "true", "content-length": str(len(body))}
    for _ in range(items - 1):
        await connection.write_frame(stompman.SendFrame(headers=headers, body=body))
    await connection.write_frame(stompman.SendFrame(headers={**headers, "receipt": "last"}, body=body))
    while not isinstance(await anext(frames), stompman.ReceiptFrame):
        pass
    await connection.close()


def _drain(port: int, destination: str, prefetch: int, barrier: Barrier, pipe: Pipe) -> None:
    asyncio.run(_consume(port, destination, prefetch, barrier, pipe))


async def _consume(port: int, destination: str, prefetch: int, barrier: Barrier, pipe: Pipe) -> None:
    handled, first, last = 0, 0.0, 0.0
    connection, frames = await _open(port)
    barrier.wait()
    before = time.process_time()
    headers = {"id": "0", "destination": destination, "ack": "client-individual", "prefetch-count": str(prefetch)}
    await connection.write_frame(stompman.SubscribeFrame(headers=headers))
    while True:
        try:
            async with asyncio.timeout(_QUIET_SECONDS):
                frame = await anext(frames)
        except TimeoutError:
            break
        if isinstance(frame, stompman.MessageFrame):
            last = time.time()
            first = first or last
            handled += 1
            await connection.write_frame(stompman.AckFrame(headers={"id": frame.headers["ack"]}))
    pipe.send((handled, first, last, time.process_time() - before))
    await connection.close()
