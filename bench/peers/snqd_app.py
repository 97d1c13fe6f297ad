"""snqd itself, used as an application would: the client to enqueue, a module with one handler."""

from __future__ import annotations

import time
from typing import Any

from bench.lab import record
from bench.peers import verbs
from snqd import Client, handler, new_item

QUEUE = "bench"


@handler(QUEUE)
def work(payload: dict[str, Any], _context: object) -> None:
    """The handler of every benchmark."""
    record.work(payload)


def load(count: int, seconds: float) -> None:
    with Client(verbs.URL) as client:
        client.enqueue_many(new_item(QUEUE, record.payload(number, seconds)) for number in range(count))


def batch(count: int, size: int) -> float:
    with Client(verbs.URL) as client:
        client.enqueue(QUEUE, record.payload(-1))  # connects
        begun = time.perf_counter()
        for first in range(0, count, size):
            numbers = range(first, min(count, first + size))
            client.enqueue_many(new_item(QUEUE, record.payload(number)) for number in numbers)
        return time.perf_counter() - begun


def each(count: int, pace: float, start: int) -> float:
    with Client(verbs.URL) as client:
        client.enqueue(QUEUE, record.payload(-1))  # connects
        begun = time.perf_counter()
        for turn in range(count):
            if pace:
                verbs.wait_for_turn(begun, turn, pace)
            client.enqueue(QUEUE, record.payload(start + turn))
        return time.perf_counter() - begun


def feed(rate: float, seconds: float) -> int:
    """Store `rate` items a second, a hundredth of a second's worth at a time; the number stored."""
    size = max(1, round(rate / 100))
    with Client(verbs.URL) as client:
        begun, stored = time.perf_counter(), 0
        while stored < rate * seconds:
            verbs.wait_for_turn(begun, stored, 1 / rate)
            stored += client.enqueue_many([new_item(QUEUE, record.payload(stored + turn)) for turn in range(size)])
    return stored
