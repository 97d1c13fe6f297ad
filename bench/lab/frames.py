"""One monitor for `bench.monitor_frames`: it draws as many virtual seconds as it is asked for, in this process.

It is asked by lines of standard input, each a number of seconds, and answers with a line of JSON. With `--profile` it
is asked nothing, and says which functions were at work, by samples of the stack. The datagrams are made here too,
outside of what is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.lab.sampler import Sampler

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

KEYS: Final = {"overview": "1", "queues": "2", "workers": "3", "sites": "4", "events": "5"}
DATAGRAMS_A_TURN: Final = 16
"""They do not come all at once: a hub spreads them, and the totals are kept up after each turn."""
WARM_SECONDS, PROFILE_SECONDS = 20, 60
_REST_SECONDS: Final = 0.04
"""Costs no processor time: what Textual draws in a second go, sixty times a second at most, is of this frame too."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.lab.frames", description=__doc__)
    parser.add_argument("--checkout", type=Path, default=Path(), help="whose programs (default: where this is run)")
    parser.add_argument("--screen", choices=KEYS, default="overview")
    parser.add_argument("--size", default="120x40", help="of the terminal (default %(default)s)")
    parser.add_argument("--profile", action="store_true", help="print where the time goes")
    options = parser.parse_args()
    _import_from(options.checkout.resolve())
    width, height = map(int, options.size.split("x"))
    asyncio.run((_profile if options.profile else _answer)(options.screen, (width, height)))


def _import_from(checkout: Path) -> None:
    """Both programs are that checkout's from now on, and what makes facts of the kinds that it knows."""
    if not (checkout / "snqmon").is_dir():
        raise SystemExit(f"{checkout} is no checkout of this project: it has no folder 'snqmon'")
    sys.path.insert(0, str(checkout))
    import snqd
    import snqmon
    import tests

    sys.path.pop(0)
    assert all(checkout in Path(str(each.__file__)).parents for each in (snqd, snqmon, tests))


async def _answer(screen: str, size: tuple[int, int]) -> None:
    async with _opened(screen, size) as played:
        for line in sys.stdin:
            print(json.dumps(await played.play(int(line))), file=sys.__stdout__, flush=True)


async def _profile(screen: str, size: tuple[int, int]) -> None:
    async with _opened(screen, size) as played:
        await played.play(WARM_SECONDS)
        played.sampler = sampler = Sampler()
        await played.play(PROFILE_SECONDS)
        print(sampler.report(), file=sys.__stdout__)


class _Played:
    """A monitor, and what feeds it."""

    def __init__(self) -> None:
        from textual.drivers.headless_driver import HeadlessDriver

        from bench.lab.monitor_load import FRAMES, LOAD, Told
        from snqd.telemetry.tables import Limits
        from snqmon.app import Monitor
        from snqmon.options import Options
        from snqmon.settings import Settings
        from tests.support.crowds import Crowd
        from tests.support.worlds import ToldFeed

        played = self

        class Nowhere(HeadlessDriver):
            """In the place of a terminal: what it would be sent is made, and counted."""

            @property
            def is_headless(self) -> bool:
                return False

            def write(self, data: str) -> None:
                played._written += len(data.encode())
                played._was_drawn.set()

        self._frames = FRAMES
        self._feed = feed = ToldFeed(limits=Limits())
        self._told, self._sequence = Told(Crowd(**LOAD), FRAMES), itertools.count(1)
        self._written, self._was_drawn = 0, asyncio.Event()
        self.app = Monitor(Options(open_feed=lambda: feed, settings=Settings()), clock=feed.now, is_driven=False)
        self.app.driver_class = Nowhere
        self.sampler: Sampler | None = None

    async def play(self, seconds: int) -> dict[str, float]:
        """Milliseconds of processor time and KiB of output in a virtual second, and MiB resident."""
        import psutil

        self._written = 0
        cpu = sum([await self.frame() for _ in range(seconds * self._frames)])
        return {
            "cpu_ms": cpu / seconds * 1000,
            "kib": self._written / seconds / 1024,
            "mib": psutil.Process().memory_info().rss / 2**20,
        }

    async def frame(self) -> float:
        """Its processor time. Each has something to draw: the figures of the busy pairs."""
        fold = self._folding()
        self._was_drawn.clear()
        if self.sampler is not None:
            self.sampler.resume()
        begun = time.process_time()
        fold()
        self.app.tick()
        await self._was_drawn.wait()
        await asyncio.sleep(_REST_SECONDS)
        took = time.process_time() - begun
        if self.sampler is not None:
            self.sampler.pause()
        return took

    def _folding(self) -> Callable[[], None]:
        """What the pump does with the next frame's datagrams."""
        from snqd.telemetry.wire import Datagram, Header, encode_fact, fill, pack, unpack

        feed, world = self._feed, self.app.world
        feed.pass_time(1 / self._frames)
        datagrams = [
            pack(Header("main", "host", 1, 1, next(self._sequence), feed.noon), group, None)
            for group in fill(map(encode_fact, self._told.frame()))
        ]

        def fold() -> None:
            for begin in range(0, len(datagrams), DATAGRAMS_A_TURN):
                for each in datagrams[begin : begin + DATAGRAMS_A_TURN]:
                    datagram = unpack(each, None)
                    assert isinstance(datagram, Datagram)
                    feed.fleet.apply(datagram, source="host:5480", now=feed.clock)
                world.keep_up()

        return fold


@asynccontextmanager
async def _opened(screen: str, size: tuple[int, int]) -> AsyncIterator[_Played]:
    played = _Played()
    async with played.app.run_test(headless=False, size=size) as pilot:
        await played.frame()
        await played.app.settle_down()
        await pilot.press(KEYS[screen])
        yield played


if __name__ == "__main__":
    main()
