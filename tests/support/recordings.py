"""Recordings for tests: datagrams of a world of daemons in a file, as a recorder writes them."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from snqd.telemetry.recording import Recorder
from snqd.telemetry.wire import encode_fact, pack
from tests.wire.fleet_world import World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from snqd.telemetry.wire import Datagram

LIMIT = 64 * 1024 * 1024


def packed(datagram: Datagram, key: bytes | None = None) -> bytes:
    return pack(datagram.header, [encode_fact(fact) for fact in datagram.facts], key)


def told(seed: int, seconds: float, *, key: bytes | None = None) -> Iterator[tuple[float, bytes]]:
    """What two daemons of a random world tell in that time, with the moments at which it comes."""
    source = random.Random(seed)
    worlds = [World("main", source), World("other", source)]
    begin = worlds[0].clock
    while (world := min(worlds, key=lambda each: each.clock)).clock - begin < seconds:
        for datagram in world.step():
            yield datagram.header.sent_at, packed(datagram, key)


def write(path: Path, records: list[tuple[float, bytes]], *, limit: int = LIMIT) -> None:
    recorder = Recorder(path, limit)
    for at, data in records:
        recorder.write(at, data)
    recorder.close()
    assert recorder.written == len(records)
