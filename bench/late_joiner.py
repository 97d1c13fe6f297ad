"""How soon a monitor that joins late knows everything, what a usual buffer loses, and what is sent meanwhile."""

from __future__ import annotations

import multiprocessing
import select
import time
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import msgspec
import psutil

from bench.lab.session import Session
from snqd.hub.relay import Relay
from snqd.telemetry.facts import AnyFact, DaemonFact, DepthFact, FlowFact, QueueFact, WorkerFact
from snqd.telemetry.feed import Feed
from snqd.telemetry.fleet import Fleet
from snqd.telemetry.wire import Datagram, Header, encode_fact, key_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

PURPOSE = "A monitor joins a relay in another process, over loopback, at 4 frames a second"
KEY = key_of("a key for the benchmark")
USUAL_BUFFER = 212_992 // 2
"""The kernel doubles what is asked for."""
USUAL_DRAIN_SECONDS = 0.01
UPDATE_SECONDS = 0.25
COLUMNS = [
    ("facts", "facts"),
    ("MB", "megabytes"),
    ("complete after, s", "complete"),
    ("lost in a usual buffer, %", "usual_lost"),
    ("then: datagrams/s", "datagrams"),
    ("kB/s", "kilobytes"),
    ("CPU of the relay, %", "cpu"),
]
_spawn = multiprocessing.get_context("spawn")


class Size(NamedTuple):
    """A fleet. `busy`: the share of flows and depths that change every `UPDATE_SECONDS`."""

    workers: int
    queues: int
    flows: int
    busy: float


CONTESTANTS = {
    "small, idle": Size(4, 6, 6, 0.0),
    "small, busy": Size(4, 6, 6, 1.0),
    "medium, idle": Size(50, 50, 1000, 0.0),
    "medium, busy": Size(50, 50, 1000, 1.0),
    "largest, idle": Size(1000, 200, 30_000, 0.0),
    "largest, a tenth busy": Size(1000, 200, 30_000, 0.1),
}


def main() -> None:
    with Session("late_joiner", PURPOSE) as session:
        seconds = 2.0 if session.quick else 5.0
        for _ in session.rounds():
            for name, size in CONTESTANTS.items():
                if session.wants(name):
                    session.wait_for_quiet()
                    session.add(name, **joined(size, seconds))
        report(session)


def joined(size: Size, seconds: float) -> dict[str, Any]:
    """One repetition: a monitor joins and watches, then one with a usual buffer does."""
    ours, theirs = _spawn.Pipe()
    process = _spawn.Process(target=serve, args=(theirs, size), daemon=True)
    process.start()
    try:
        address, megabytes = ours.recv()
        with Watcher(address) as monitor:
            complete = monitor.until_complete()
            hub = psutil.Process(process.pid)
            cpu, begun = sum(hub.cpu_times()[:2]), time.monotonic()
            datagrams, size_before = monitor.datagrams, monitor.bytes
            monitor.watch(seconds)
            took = time.monotonic() - begun
            cpu = sum(hub.cpu_times()[:2]) - cpu
            datagrams, received = monitor.datagrams - datagrams, monitor.bytes - size_before
            facts = monitor.fleet.facts
        return {
            "facts": facts,
            "megabytes": megabytes,
            "complete": complete,
            "datagrams": datagrams / took,
            "kilobytes": received / took / 1000,
            "cpu": cpu / took * 100,
            "usual_lost": usual_loss(address, seconds),
        }
    finally:
        ours.send(None)
        process.join()


class Watcher:
    """A feed, and what came."""

    def __init__(self, address: str) -> None:
        self.fleet = Fleet()
        self.datagrams = 0
        self.bytes = 0
        self.begun = time.monotonic()
        self.feed = Feed([address], fleet=self.fleet, key=KEY, frames_per_second=4.0, on_datagram=self._count)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.feed.close()

    def until_complete(self) -> float:
        """Seconds from the first ask until everything is known."""
        while not any(view.is_complete for view in self.fleet.daemons.values()):
            self._turn()
            if time.monotonic() > self.begun + 30.0:
                raise SystemExit(f"not complete after 30 s: {self.feed.sources()}")
        return time.monotonic() - self.begun

    def watch(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._turn()

    def _turn(self) -> None:
        select.select([self.feed], [], [], min(self.feed.turn(), 0.05))

    def _count(self, _at: float, data: bytes) -> None:
        self.datagrams += 1
        self.bytes += len(data)


class Tally:
    """Stands for a fleet, and only looks at the numbers: the cost of folding belongs to another benchmark."""

    def __init__(self) -> None:
        self.numbers: set[int] = set()

    def apply(self, datagram: Datagram, *, source: str, now: float) -> None:
        self.numbers.add(datagram.header.sequence)


def usual_loss(address: str, seconds: float) -> float:
    """Per cent that a subscriber loses whose buffer has the usual size and is emptied every 10 ms, from its join on."""
    tally = Tally()
    end = time.monotonic() + seconds
    with Feed([address], fleet=tally, key=KEY, frames_per_second=4.0, buffer_bytes=USUAL_BUFFER) as feed:
        while (begun := time.monotonic()) < end:
            feed.turn()
            time.sleep(max(0.0, begun + USUAL_DRAIN_SECONDS - time.monotonic()))
    return (1 - len(tally.numbers) / max(tally.numbers)) * 100


def serve(pipe: Connection, size: Size) -> None:
    """The other process: a relay with a fleet of that size, until something comes through the pipe."""
    boot = int(time.time() * 1e6)
    relay = Relay(Header("bench", "host", boot, boot, 0, 0.0), listen="127.0.0.1:0", key=KEY)
    relay.open()
    relay.update(everything(size))
    pipe.send((relay.address, sum(len(encode_fact(each)) for each in everything(size)) / 1e6))
    flows = [flow(number, size, 0) for number in range(int(size.flows * size.busy))]
    depths = [depth(number, size, 0) for number in range(int(size.flows * size.busy))]
    turn, next_update = 0, time.monotonic()
    while not pipe.poll():
        if time.monotonic() >= next_update:
            next_update += UPDATE_SECONDS
            turn += 1
            relay.update(worker(number, turn if size.busy else 0, turn) for number in range(size.workers))
            relay.update([daemon(size, turn)])
            relay.update(msgspec.structs.replace(each, handled=turn) for each in flows)
            relay.update(msgspec.structs.replace(each, ready=turn) for each in depths)
        wait = min(relay.tick(), max(0.0, next_update - time.monotonic()))
        select.select([relay, pipe], [], [], wait)
    relay.close()


def everything(size: Size) -> Iterator[AnyFact]:
    yield daemon(size, 0)
    for number in range(size.workers):
        yield worker(number, 0, 0)
    for number in range(size.queues):
        yield QueueFact(queue_name(number, size), size.workers, True, "", 12.5, 12.25, 33.0, False)
    for number in range(size.flows):
        yield flow(number, size, 1000)
        yield depth(number, size, 10)


def daemon(size: Size, turn: int) -> DaemonFact:
    now = 1.764e9
    return DaemonFact(
        "0.1.0", 100, now, "c0ffee", "postgresql://host/db", size.workers, 101, now, turn * 0.01, 40_000_000, 0.1, 0,
        turn, 0, size.workers, size.flows, size.flows, size.queues,
    )  # fmt: skip


def worker(number: int, handled: int, turn: int) -> WorkerFact:
    now = 1.764e9
    return WorkerFact(
        f"main.{number}", 1000 + number, "running", "handling", now, now + turn, 7_000_000 + handled, "distrib",
        "site123.example.net", now + turn, 1, 90_000 + handled, 90_000 + handled, 12, 3, 1, 0, 0, 61_000_000,
        256_000_000, turn * 0.1, 0, "", 0.0,
    )  # fmt: skip


def flow(number: int, size: Size, handled: int) -> FlowFact:
    times = tuple(figure for bucket in range(40, 52) for figure in (bucket, 100 + bucket))
    return FlowFact(
        queue_name(number, size), f"site{number}.example.net", handled, handled, 12, 3, 0, 1, 0, 0, 0, 0, times, 12.5,
        times, 33.25,
    )  # fmt: skip


def depth(number: int, size: Size, ready: int) -> DepthFact:
    return DepthFact(
        queue_name(number, size), f"site{number}.example.net", ready, 3, 1, 2.5, 1, False, 1.764e9, 1000
    )  # fmt: skip


def queue_name(number: int, size: Size) -> str:
    return f"queue{number % size.queues}"


def report(session: Session) -> None:
    session.title(
        note="Small: 4 workers, 6 queues. Medium: 50 workers, 50 queues, 1,000 flows and as many depths, all of them "
        "busy or none. Largest: 1,000 workers, 200 queues, 30,000 flows and as many depths. The usual buffer is that "
        "of a socket with no options (212,992 bytes), emptied every 10 ms. All with a key."
    )
    session.table(COLUMNS, first="fleet")
    for name in CONTESTANTS:
        if session.wants(name):
            session.target(f"{name}: complete", session.median(name, "complete"), "≤", 2.0, " s")
            session.target(f"{name}: lost in a usual buffer", session.median(name, "usual_lost"), "≤", 0.0, " %")
    session.target("small, idle: datagrams", session.median("small, idle", "datagrams"), "≤", 8.0, "/s")


if __name__ == "__main__":
    main()
