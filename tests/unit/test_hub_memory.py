"""When a worker reaches its memory limit, if it goes on as it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqd.hub.memory import MemoryBook
from tests.support.telemetry import WORKER, changed

if TYPE_CHECKING:
    from snqd.telemetry.facts import MemoryFact, WorkerFact

MIB = 2**20
NOW = 2_000_000_000.0


def worker(size: int, *, pid: int = 200, limit: int = 100 * MIB, age: float = 3600.0) -> WorkerFact:
    return changed(WORKER, rss_bytes=size, pid=pid, memory_limit_bytes=limit, spawned=NOW - age)


def forecast(book: MemoryBook, sizes: list[int], *, step: float = 10.0, limit: int = 100 * MIB) -> float:
    facts: list[MemoryFact] = []
    for number, size in enumerate(sizes):
        facts = book.facts(worker(size, limit=limit), {"mail": (5 * MIB, 10)}, NOW + number * step)
    return facts[0].limit_in_seconds


def test_steady_growth_is_carried_on_to_the_limit() -> None:
    assert forecast(MemoryBook(), [50 * MIB, 51 * MIB, 52 * MIB]) == 480.0


def test_without_growth_or_a_limit_it_is_not_in_sight() -> None:
    assert forecast(MemoryBook(), [50 * MIB] * 3) == -1.0
    assert forecast(MemoryBook(), [52 * MIB, 51 * MIB, 50 * MIB]) == -1.0
    assert forecast(MemoryBook(), [50 * MIB, 51 * MIB, 52 * MIB], limit=0) == -1.0


def test_a_new_process_has_no_past() -> None:
    book = MemoryBook()
    forecast(book, [50 * MIB, 60 * MIB, 70 * MIB])

    (fact,) = book.facts(worker(20 * MIB, pid=201), {"mail": (MIB, 1)}, NOW + 30)

    assert fact.limit_in_seconds == -1.0


def test_what_a_process_loads_at_its_start_is_no_growth() -> None:
    book = MemoryBook()
    facts: list[MemoryFact] = []
    for second in range(0, 25, 5):
        facts = book.facts(worker((20 + second) * MIB, age=0.0), {"mail": (MIB, 1)}, NOW + second)

    assert facts[0].limit_in_seconds == -1.0


def test_the_queues_that_grew_most_are_named_with_their_bytes_and_items() -> None:
    growth = {f"queue{number}": (number * MIB, number) for number in range(-1, 12)}

    facts = MemoryBook().facts(worker(50 * MIB), growth, NOW)

    assert [(fact.queue, fact.grown_bytes, fact.items) for fact in facts] == [
        (f"queue{number}", number * MIB, number) for number in range(11, 3, -1)
    ]
