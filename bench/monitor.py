"""What the monitor costs and how fast it answers: in a real terminal fed over UDP, and headless for an hour and crowds.

The load is one daemon with 60 sites by 20 queues and 200 workers that tells what changed four times a second, and
everything once a second, as a hub does. The terminal is a pseudo-terminal of 120 by 40 that is read at once.

The hour is one of virtual time: each frame of it is folded, looked at and drawn, and once a minute somebody presses all
keys, as fast as that goes.
"""

from __future__ import annotations

import asyncio
import fcntl
import itertools
import multiprocessing
import os
import pty
import random
import select
import signal
import socket
import statistics
import struct
import sys
import termios
import time
from functools import partial
from typing import TYPE_CHECKING, Final, Self

import psutil

from bench.lab.monitor_load import FRAMES, LOAD, SIZE, Told
from bench.lab.session import Session
from snqd.telemetry.wire import Header, encode_fact, fill, pack
from tests.support.crowds import Crowd
from tests.support.worlds import ToldFeed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

    from textual.pilot import Pilot

    from snqd.telemetry.facts import AnyFact
    from snqmon.app import Monitor

PURPOSE = "Monitor: processor time, memory, answers to keys and start, with 60 sites by 20 queues and 200 workers"
CROWD: Final = {"sites": 10_000, "queues": 2, "workers": 200}
HOUR: Final = 3600
FACTS_A_TURN: Final = 1000
KEYS: Final = (
    (b"2", b"depth 1 min"), (b"\r", b"Timings"), (b"\x1b", b"depth 1 min"), (b"w", b"Escape closes"),
    (b"\x1b", b"depth 1 min"), (b"?", b"Keys here"), (b"\x1b", b"depth 1 min"), (b"3", b"memory"), (b"4", b"fails"),
    (b"5", b"message"), (b"6", b"about"), (b"1", b"keeping up"),
)  # fmt: skip
NAMES: Final = {b"\r": "enter", b"\x1b": "escape", b"?": "question_mark"}
"""Of those keys that are not called what they send."""
"""A key, and words that are only drawn when what it opens is: every screen, details, why and help, there and back."""
COLUMNS = [
    ("first screen, s", "start"),
    ("CPU, % of a core", "cpu"),
    ("MiB resident", "mib"),
    ("key p50, ms", "key_p50"),
    ("key p99, ms", "key_p99"),
    ("slowest key, ms", "key_max"),
    ("KiB/s to the terminal", "kib"),
]
HEADLESS_COLUMNS = [
    ("MiB after a quarter of it", "mib_quarter"),
    ("at its end", "mib"),
    ("a tick holds a key up for ms", "tick"),
    ("at most", "tick_max"),
    ("a sort, at most", "sort"),
    ("start of it, MiB", "before"),
]
_spawn = multiprocessing.get_context("spawn")


def main() -> None:
    with Session("monitor", PURPOSE) as session:
        for _ in session.rounds():
            for screen in ("overview", "sites"):
                if session.wants(name := f"terminal, {screen}"):
                    session.wait_for_quiet()
                    session.add(
                        name, **in_terminal(screen, 5.0 if session.quick else 20.0, 24 if session.quick else 300)
                    )
            for name, load, ticks, frames in (("an hour", LOAD, HOUR * FRAMES, FRAMES), ("10,000 sites", CROWD, 90, 1)):
                if session.wants(name):
                    session.wait_for_quiet()
                    session.add(name, **apart(load, ticks // 20 if session.quick else ticks, frames))
        report(session)


# In a terminal


def in_terminal(screen: str, seconds: float, presses: int) -> dict[str, float]:
    with _Sender() as sender, _Terminal(sender.port) as terminal:
        start = terminal.wait(b"queue00")
        terminal.press({"overview": b"1", "sites": b"4"}[screen])
        terminal.read(2.0)
        cpu, sent, begun = terminal.cpu(), terminal.received, time.monotonic()
        terminal.read(seconds)
        took = time.monotonic() - begun
        cpu, sent = terminal.cpu() - cpu, terminal.received - sent
        answers = sorted(terminal.answers(presses))
        return {
            "start": start,
            "cpu": cpu / took * 100,
            "kib": sent / took / 1024,
            "mib": terminal.process.memory_info().rss / 2**20,
            "key_p50": statistics.median(answers) * 1000,
            "key_p99": answers[int(len(answers) * 0.99)] * 1000,
            "key_max": answers[-1] * 1000,
        }


class _Terminal:
    """The monitor in a pseudo-terminal, as a person starts it."""

    def __init__(self, port: int) -> None:
        self.begun = time.monotonic()
        self.received = 0
        pid, self.file = pty.fork()
        if pid == 0:
            os.environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "XDG_CONFIG_HOME": "/nonexistent"}
            listen = f"127.0.0.1:{port}"
            os.execv(sys.executable, [sys.executable, "-m", "snqmon", "--listen", listen, "--refresh", "0.25"])
        fcntl.ioctl(self.file, termios.TIOCSWINSZ, struct.pack("HHHH", SIZE[1], SIZE[0], 0, 0))
        self.process = psutil.Process(pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.press(b"q")
        self.read(1.0)
        with_luck, _status = os.waitpid(self.process.pid, os.WNOHANG)
        if not with_luck:
            self.process.send_signal(signal.SIGKILL)
            os.waitpid(self.process.pid, 0)
        os.close(self.file)

    def press(self, key: bytes) -> None:
        os.write(self.file, key)

    def wait(self, words: bytes, *, seconds: float = 20.0) -> float:
        """Seconds from the start of the program until it draws these words."""
        self._until(words, seconds)
        return time.monotonic() - self.begun

    def answers(self, presses: int) -> list[float]:
        """Seconds from keys that open something else until it is drawn, at random moments between two frames. The
        first visits are among them."""
        chance = random.Random(1)
        found = []
        for key, heading in itertools.islice(itertools.cycle(KEYS), presses):
            self.read(chance.uniform(0.1, 0.4))
            begun = time.monotonic()
            self.press(key)
            self._until(heading, 5.0)
            found.append(time.monotonic() - begun)
        return found

    def read(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._take(left)

    def cpu(self) -> float:
        times = self.process.cpu_times()
        return times.user + times.system

    def _until(self, words: bytes, seconds: float) -> None:
        until, seen = time.monotonic() + seconds, b""
        while words not in seen:
            if (left := until - time.monotonic()) <= 0:
                raise TimeoutError(f"the monitor has not drawn {words!r} within {seconds:g} s: {seen[-500:]!r}")
            seen = seen[-200:] + self._take(left)

    def _take(self, seconds: float) -> bytes:
        if not select.select([self.file], [], [], seconds)[0]:
            return b""
        try:
            data = os.read(self.file, 1 << 16)
        except OSError:  # it has left
            return b""
        self.received += len(data)
        return data


class _Sender:
    """A process that pushes what the crowd has to tell, and its port."""

    def __init__(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._begun, there = _spawn.Pipe(duplex=False)
        self._process = _spawn.Process(target=_send, args=(self.port, there), daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        self._begun.recv()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._process.kill()
        self._process.join()


def _send(port: int, begun_here: Connection) -> None:
    told = Told(Crowd(**LOAD), FRAMES)
    boot = int(time.time() * 1e6)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        while True:
            begun = time.monotonic()
            groups = fill(map(encode_fact, told.frame()))
            for place, group in enumerate(groups):
                header = Header("main", "host", boot, boot, told.number * 10_000 + place + 1, time.time())
                try:
                    sender.sendto(pack(header, group, None), ("127.0.0.1", port))
                except ConnectionRefusedError:
                    continue
                if place % 50 == 49:
                    time.sleep(0.002)  # as a hub does: bursts are spread
            if told.number == 0:
                begun_here.send(None)
            time.sleep(max(0.0, begun + 1 / FRAMES - time.monotonic()))


# Without a terminal


def apart(load: dict[str, int], ticks: int, frames: int) -> dict[str, float]:
    """In a process of its own, for its memory; what makes the load is in it too."""
    here, there = _spawn.Pipe()
    process = _spawn.Process(target=_headless, args=(there, load, ticks, frames))
    process.start()
    figures: dict[str, float] = here.recv()
    process.join()
    return figures


def _headless(answer: Connection, load: dict[str, int], ticks: int, frames: int) -> None:
    answer.send(asyncio.run(_play(load, ticks, frames)))


async def _play(load: dict[str, int], ticks: int, frames: int) -> dict[str, float]:
    """So many frames in each virtual second, drawn each time; on the screen of sites."""
    from snqd.telemetry.tables import Limits
    from snqmon.app import Monitor
    from snqmon.options import Options
    from snqmon.settings import Settings

    process = psutil.Process()

    def resident() -> float:
        return float(process.memory_info().rss / 2**20)

    feed, told = ToldFeed(limits=Limits()), Told(Crowd(**load), frames)
    figures = {"before": resident()}
    app = Monitor(Options(open_feed=lambda: feed, settings=Settings()), clock=feed.now, is_driven=False)
    async with app.run_test(size=SIZE) as pilot:
        feed.tell(*told.frame())
        app.tick()
        await app.settle_down()
        await pilot.press("4")
        stalls = []
        for tick in range(ticks):
            feed.pass_time(1 / frames)
            stalls.append(await _stall(pilot, *_turns(app, feed, told.frame()), app.tick))
            if tick % (60 * frames) == 60 * frames // 2:
                await pilot.press(*(NAMES.get(key, key.decode()) for key, _words in KEYS), "4")
            if tick == ticks // 4:
                figures["mib_quarter"] = resident()
        figures["mib"] = resident()
        sorts = [await _stall(pilot, lambda: app.action_dispatch("sort")) for _ in range(10)]
        figures |= {"tick": statistics.median(stalls) * 1000, "tick_max": max(stalls) * 1000}
        return figures | {"sort": max(sorts) * 1000}


def _turns(app: Monitor, feed: ToldFeed, told: list[AnyFact]) -> Iterator[Callable[[], None]]:
    """What has come, as it comes: a hub spreads it over the second, and the pump takes a part at a time."""
    head, *facts = told

    def turn(begin: int) -> None:
        feed.tell(head, *facts[begin : begin + FACTS_A_TURN])
        app.world.keep_up()

    return (partial(turn, begin) for begin in range(0, len(facts), FACTS_A_TURN))


async def _stall(pilot: Pilot[None], *work: Callable[[], object]) -> float:
    """The longest time, in seconds, for which the loop did nothing else until all of the work was done and drawn."""
    longest, is_over = 0.0, False

    async def watch() -> None:
        nonlocal longest
        while not is_over:
            before = time.perf_counter()
            await asyncio.sleep(0)
            longest = max(longest, time.perf_counter() - before)

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0)
    for each in work:
        each()
        await asyncio.sleep(0)
    await pilot.pause(0)
    await pilot.pause(0)
    is_over = True
    await watching
    return longest


def report(session: Session) -> None:
    session.title()
    session.table(COLUMNS, first="in a terminal", key="cpu")
    session.table(HEADLESS_COLUMNS, first="without a terminal", key="tick")
    for screen in ("overview", "sites"):
        name = f"terminal, {screen}"
        session.target(f"processor time, {screen}", session.median(name, "cpu"), "≤", 15.0, " %")
        session.target(f"a key, p99, {screen}", session.median(name, "key_p99"), "≤", 100.0, " ms")
        session.target(f"first useful screen, {screen}", session.median(name, "start"), "≤", 1.0, " s")
    session.target("memory after an hour", session.median("an hour", "mib"), "≤", 100.0, " MiB")
    session.target("a tick with 10,000 sites", session.median("10,000 sites", "tick_max"), "≤", 250.0, " ms")
    session.target("a sort of 10,000 sites", session.median("10,000 sites", "sort"), "≤", 250.0, " ms")


if __name__ == "__main__":
    main()
