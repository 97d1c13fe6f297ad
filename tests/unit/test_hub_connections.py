"""Connections of services: from the worker's pipe to the hub's facts, and forgotten when nobody tells of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from snqd.config.schema import DaemonConfig
from snqd.hub.connections import GONE_SECONDS, ConnectionBook
from snqd.telemetry.events import ConnectionUp
from snqd.telemetry.facts import ConnectionFact
from snqd.telemetry.pipe import EventPipe
from snqd.wiring.crew import duties_of, groups_of, with_single_workers

if TYPE_CHECKING:
    from collections.abc import Iterator

FACT = ConnectionFact(
    worker="main.1", service="xmpp", name="update@a.example", site="a.example", state="connected", since=1.0,
    problem="", retry_at=0.0, ping_seconds=0.25, sent=10, acknowledged=8, unacknowledged=2, received=3, connects=1,
)  # fmt: skip


@pytest.fixture
def pipe() -> Iterator[EventPipe]:
    pipe = EventPipe(lambda: None)
    yield pipe
    pipe.close()


def test_facts_and_events_share_the_pipe(pipe: EventPipe) -> None:
    facts = [msgspec.structs.replace(FACT, name=f"{number}@a.example") for number in range(20)]
    pipe.sink.tell(facts)
    pipe.sink(ConnectionUp(worker="main.1", service="xmpp", name="n", site="", after_seconds=1.0))

    assert [event.name for event in pipe.read()] == ["ConnectionUp"]
    assert pipe.take_facts() == facts
    assert pipe.take_facts() == []
    assert pipe.malformed == 0


def test_long_texts_are_cut_so_that_facts_fit(pipe: EventPipe) -> None:
    pipe.sink.tell([msgspec.structs.replace(FACT, name="ö" * 5000, problem="p" * 5000)] * 8)

    assert pipe.read() == []
    assert [(len(fact.name), len(fact.problem)) for fact in pipe.take_facts()] == [(200, 200)] * 8


def test_a_pipe_that_nobody_reads_costs_only_the_facts(pipe: EventPipe) -> None:
    pipe.sink.tell([FACT] * 20_000)

    pipe.read()
    assert 0 < len(pipe.take_facts()) < 20_000


def test_only_what_is_new_is_told_at_once_and_what_is_not_told_is_gone() -> None:
    book = ConnectionBook()
    other = msgspec.structs.replace(FACT, name="update@b.example")

    assert book.take([FACT, other], 100.0) == [FACT, other]
    assert book.take([FACT], 105.0) == []
    assert book.facts(105.0) == [FACT, other]
    assert book.facts(100.0 + GONE_SECONDS + 1) == [FACT]


@pytest.mark.parametrize(
    ("serve", "threads", "workers", "first", "second"),
    [
        (("main",), 3, 3, ("main",), ("main",)),
        (("main", "xmpp"), 3, 4, ("xmpp",), ("main",)),
        (("xmpp", "main"), 0, 2, ("xmpp",), ("main",)),
        (("xmpp",), 3, 1, ("xmpp",), ()),
    ],
)
def test_a_single_group_has_one_worker_beside_the_others(
    serve: tuple[str, ...], threads: int, workers: int, first: tuple[str, ...], second: tuple[str, ...]
) -> None:
    config = DaemonConfig(serve=serve, threads=threads)

    assert max(1, with_single_workers(config).threads or 0) == workers
    assert (groups_of(config, 1), groups_of(config, 2)) == (first, second)
    assert duties_of(config, 1) == (first if "xmpp" in first else ())
    assert duties_of(config, 2) == ()
