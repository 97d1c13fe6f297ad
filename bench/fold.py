"""How fast one process receives, reads and folds datagrams, and how much memory a large fleet takes there.

What bounds full datagrams (11 flow facts, each changed) is work for each fact, of which none is much. Measured part
by part, in µs of processor time: receiving takes 1 to 4, `unpack` 9 (of which msgspec's decoding is 6.5: it makes 36
objects for a fact), `Fleet.apply` 8 (a key of two new strings made, looked up and compared, 0.2 a fact; the fact
compared with the one before, 0.1; put in two dictionaries, 0.1; 1.8 for the datagram), and the totals, four times a
second, about 1. That is some 20 together; the processor's caches, which the sender shares, decide what it is under a
flood. On few processors the sender is slower than the receiver, so the capacity is told by processor time too.
"""

from __future__ import annotations

import itertools
import multiprocessing
import random
import select
import socket
import time
from typing import TYPE_CHECKING, Self

import psutil

from bench.lab.session import Session
from snqd.telemetry.facts import AnyFact, DaemonFact, DepthFact, FlowFact, WorkerFact
from snqd.telemetry.fleet import Fleet
from snqd.telemetry.wire import Datagram, Header, encode_fact, fill, key_of, pack, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

    from snqd.telemetry.daemon_view import DaemonView

PURPOSE = "Fold: datagrams through a real loopback socket into a Fleet, one process, a drained non-blocking recv loop"
NOW = 1_764_000_000.0
BOOT = 1_764_000_000_000_000
KEY = key_of("a key for the benchmark")
BUFFER = 4 * 1024 * 1024
DRAIN = 256
PACE = 50_000
"""Datagrams per second of the paced runs: the target."""
LARGE = {"daemons": 4, "workers": 1000, "queues": 200, "sites": 10_000, "pairs": 30_000}
COLUMNS = [
    ("bytes each", "size"),
    ("datagrams/s", "rate"),
    ("CPU µs each", "cpu_us"),
    ("datagrams per CPU second", "capacity"),
    ("facts/s", "facts"),
    (f"lost at {PACE:,}/s, %", "lost"),
]
LARGE_COLUMNS = [("MiB resident", "mib"), ("facts", "kept"), ("first totals, ms", "totals_ms")]
_spawn = multiprocessing.get_context("spawn")


def main() -> None:
    with Session("fold", PURPOSE) as session:
        seconds = 1.0 if session.quick else 4.0
        for _ in session.rounds():
            for kind in ("worker", "flow", "full"):
                for key in (None, KEY):
                    name = f"{_TITLES[kind]}, {'with' if key else 'without'} key"
                    if session.wants(name):
                        session.wait_for_quiet()
                        session.add(name, **flooded(kind, key, seconds), **paced(kind, key, seconds))
            if session.wants("large fleet"):
                session.wait_for_quiet()
                session.add("large fleet", **large_fleet())
        report(session)


_TITLES = {"worker": "one worker fact", "flow": "one flow fact", "full": "as many flow facts as fit"}


def flooded(kind: str, key: bytes | None, seconds: float) -> dict[str, float]:
    """Capacity: the sender sends as fast as it can, most is lost in the kernel, and what is taken is counted."""
    with Receiver() as receiver, Sender(receiver.port, kind, key, 0):
        receiver.run(key, 0.5)
        view = receiver.view
        begun, cpu, received = time.monotonic(), time.process_time(), view.received
        facts, size = receiver.facts, receiver.bytes
        receiver.run(key, seconds)
        took, cpu, received = time.monotonic() - begun, time.process_time() - cpu, view.received - received
        return {
            "rate": received / took,
            "cpu_us": cpu / received * 1e6,
            "capacity": received / cpu,
            "facts": (receiver.facts - facts) / took,
            "size": (receiver.bytes - size) / received,
        }


def paced(kind: str, key: bytes | None, seconds: float) -> dict[str, float]:
    with Receiver() as receiver, Sender(receiver.port, kind, key, PACE):
        receiver.run(key, seconds)
        view = receiver.view
        return {"lost": view.lost / (view.lost + view.received) * 100}


class Receiver:
    """What a monitor does: waits, drains the socket, folds, and asks for totals four times a second."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.port: int = self.socket.getsockname()[1]
        self.fleet = Fleet()
        self.facts = self.bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.socket.close()

    @property
    def view(self) -> DaemonView:
        return self.fleet.daemons["main1@bench"]

    def run(self, key: bytes | None, seconds: float) -> None:
        """Receive for so long; the clock starts with the first datagram when there has been none."""
        if not self.fleet.received:
            select.select([self.socket], [], [], 30.0)
        until, look_at = time.monotonic() + seconds, 0.0
        while (now := time.monotonic()) < until:
            if self.drain(key, now) < DRAIN:
                select.select([self.socket], [], [], 0.01)
            if now > look_at:
                look_at = now + 0.25
                for view in self.fleet.daemons.values():
                    view.queue_totals()

    def drain(self, key: bytes | None, now: float) -> int:
        receive, apply = self.socket.recv, self.fleet.apply
        for count in range(DRAIN):
            try:
                data = receive(2048)
            except BlockingIOError:
                return count
            datagram = unpack(data, key)
            if isinstance(datagram, Datagram):
                apply(datagram, source="127.0.0.1", now=now)
                self.facts += len(datagram.facts)
                self.bytes += len(data)
        return DRAIN


class Sender:
    """A process that sends facts of one kind until the end."""

    def __init__(self, port: int, kind: str, key: bytes | None, per_second: int) -> None:
        self._process: SpawnProcess = _spawn.Process(target=send, args=(port, kind, key, per_second), daemon=True)

    def __enter__(self) -> None:
        self._process.start()

    def __exit__(self, *_exception: object) -> None:
        self._process.kill()
        self._process.join()


def send(port: int, kind: str, key: bytes | None, per_second: int) -> None:
    """Thousands of facts in turn, their figures different each time that they come round; 0 = as fast as can be."""
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    out.connect(("127.0.0.1", port))
    begun = time.monotonic()
    for sequence, group in enumerate(itertools.cycle(groups(kind)), 1):
        out.send(pack(Header("main1", "bench", BOOT, BOOT, sequence, NOW + sequence / PACE), group, key))
        if per_second and sequence % 50 == 0:
            time.sleep(max(0.0, begun + sequence / per_second - time.monotonic()))


def groups(kind: str) -> list[list[bytes]]:
    source = random.Random(1)
    if kind == "worker":
        return [[encode_fact(worker(1, number, turn))] for turn in range(8) for number in range(1000)]
    flows = [encode_fact(flow(number, turn, source)) for turn in range(8) for number in range(2000)]
    return list(fill(flows)) if kind == "full" else [[each] for each in flows]


def worker(daemon: int, number: int, turn: int) -> WorkerFact:
    return WorkerFact(
        f"main{daemon}.{number}", 10_000 + number, "running", "handling", NOW, NOW + turn, 1_000_000 + turn,
        f"queue{number % 200}", f"site{number}.example.net", NOW + turn, 1, 100 + turn, 99 + turn, 1, 0, 0, 0, 0,
        60 << 20, 300 << 20, 12.5, 0, "", 0.0,
    )  # fmt: skip


def flow(number: int, turn: int, source: random.Random) -> FlowFact:
    """Pairs of 200 queues and 10,000 sites; ten thousand and more of them are different."""
    queue, site = f"queue{(number + number // 10_000) % 200}", f"site{number % 10_000}.example.net"
    run, wait = histogram(source), histogram(source)
    done = 1000 + turn
    return FlowFact(queue, site, done, done, 3, 2, 0, 1, 0, 0, 0, 0, run, done * 0.01, wait, done * 0.1)


def histogram(source: random.Random) -> tuple[int, ...]:
    first = source.randrange(30, 70)
    return tuple(number for bucket in range(first, first + 5) for number in (bucket, source.randrange(1, 2000)))


def large_fleet() -> dict[str, float]:
    """Memory of a fresh process that has folded the fleet three times over and been asked for all totals."""
    here, there = _spawn.Pipe()
    receiver = _spawn.Process(target=receive_large, args=(there,), daemon=True)
    receiver.start()
    sender = _spawn.Process(target=send_large, args=(here.recv(),), daemon=True)
    sender.start()
    figures: dict[str, float] = here.recv() if here.poll(120) else {}
    for process in (sender, receiver):
        process.kill()
        process.join()
    return figures


def receive_large(pipe: Connection) -> None:
    with Receiver() as receiver:
        pipe.send(receiver.port)
        daemons = receiver.fleet.daemons
        while len(daemons) < LARGE["daemons"] or not all(view.is_complete for view in daemons.values()):
            receiver.run(None, 0.5)
        begun = time.monotonic()
        for view in daemons.values():
            view.totals().run()
        totals_ms = (time.monotonic() - begun) * 1000
        receiver.run(None, 6.0)
        for view in daemons.values():
            for each in (*view.queue_totals().values(), *view.site_totals().values()):
                each.run()
                each.wait()
        mib = psutil.Process().memory_info().rss / 2**20
        pipe.send({"mib": mib, "kept": receiver.fleet.facts, "totals_ms": totals_ms})


def send_large(port: int) -> None:
    """The whole fleet again and again, every time with other figures, about once in two seconds."""
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    out.connect(("127.0.0.1", port))
    sequences = [0] * LARGE["daemons"]
    for turn in itertools.count():
        for daemon, group in large_groups(turn):
            sequences[daemon] += 1
            header = Header(f"main{daemon}", "bench", BOOT, BOOT, sequences[daemon], NOW + turn)
            out.send(pack(header, group, None))
            if sequences[daemon] % 20 == 0:
                time.sleep(0.002)


def large_groups(turn: int) -> Iterator[tuple[int, list[bytes]]]:
    source = random.Random(turn)
    count = LARGE["daemons"]
    for daemon in range(count):
        workers = [worker(daemon, number, turn) for number in range(daemon, LARGE["workers"], count)]
        flows = [flow(number, turn, source) for number in range(daemon, LARGE["pairs"], count)]
        depths = [
            DepthFact(each.queue, each.site, turn % 7, 0, 1, 0.5 * (turn % 7), 0, False, NOW + turn, each.handled)
            for each in flows
        ]
        itself = DaemonFact(
            "0.1.0", 1, NOW, "c0ffee", "postgresql://db/snqd", len(workers), 2, NOW, 1.0, 1 << 25, 1.0, 0, 0, 0,
            len(workers), len(flows), len(depths), 0,
        )  # fmt: skip
        facts: list[AnyFact] = [itself, *workers, *flows, *depths]
        for group in fill(map(encode_fact, facts)):
            yield daemon, group


def report(session: Session) -> None:
    session.title(
        note="Flooded by a sender on another core; every fact differs from what was known. The facts/s count more "
        "where a datagram is full."
    )
    session.table(COLUMNS, key="rate")
    session.table(LARGE_COLUMNS, first="1,000 workers, 200 queues, 10,000 sites, 30,000 pairs active", key="mib")
    for kind, title in _TITLES.items():
        for words in ("without", "with"):
            name = f"{title}, {words} key"
            if kind == "full":
                capacity = session.median(name, "capacity")
                session.target(name, capacity, "≥", 50_000, " datagrams per CPU second")
            else:
                session.target(name, session.median(name, "rate"), "≥", 50_000, " datagrams/s")
    session.target("memory of the large fleet", session.median("large fleet", "mib"), "≤", 300.0, " MiB")


if __name__ == "__main__":
    main()
