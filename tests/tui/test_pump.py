"""The pump: how often a feed is turned, and what happens when it fails."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, cast

from snqmon.feeds.base import Feed
from snqmon.pump import Pump


class Fed:
    """Takes what comes out of one socket."""

    def __init__(self, *failures: Exception) -> None:
        self.ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.ours.setblocking(False)
        self.failures = list(failures)
        self.turns = 0
        self.taken: list[bytes] = []
        self.has_taken = asyncio.Event()

    def fileno(self) -> int:
        return self.ours.fileno()

    def turn(self) -> float:
        self.turns += 1
        if self.failures:
            raise self.failures.pop(0)
        try:
            while True:
                self.taken.append(self.ours.recv(100))
                self.has_taken.set()
        except BlockingIOError:
            return 3600.0

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()


async def pumped(feed: Fed, failures: list[Exception]) -> Pump:
    pump = Pump(cast(Feed, cast(Any, feed)), failures.append)
    pump.start(asyncio.get_running_loop())
    return pump


async def test_a_burst_is_taken_in_one_turn() -> None:
    feed = Fed()
    pump = await pumped(feed, [])
    try:
        for number in range(50):
            feed.theirs.send(b"%d" % number)
            await asyncio.sleep(0)
        await asyncio.wait_for(feed.has_taken.wait(), 10)

        assert len(feed.taken) == 50
        assert feed.turns == 2  # the first one, and the one that took them
    finally:
        pump.stop()
        feed.close()


async def test_a_feed_that_fails_is_told_and_turned_again() -> None:
    feed, told = Fed(RuntimeError("boom")), list[Exception]()
    pump = await pumped(feed, told)
    try:
        feed.theirs.send(b"after")
        await asyncio.wait_for(feed.has_taken.wait(), 10)

        assert [str(error) for error in told] == ["boom"]
        assert feed.taken == [b"after"]
    finally:
        pump.stop()
        feed.close()


async def test_nothing_is_turned_after_the_end() -> None:
    feed = Fed()
    pump = await pumped(feed, [])
    pump.stop()
    feed.theirs.send(b"late")
    await asyncio.sleep(0.1)

    assert feed.turns == 1
    feed.close()
