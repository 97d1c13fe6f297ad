"""The agent's process: folds what the hub feeds it into a `Fleet` of its own, and lets the agent answer from that.

It ends with its feed. What it has to say goes back over the feed, a word each second: empty, or a problem in one line.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from snqd.exporters.snmp import settings as told
from snqd.exporters.snmp.agent import Agent
from snqd.exporters.snmp.identity import begin
from snqd.telemetry.fleet import Fleet
from snqd.telemetry.wire import LIMIT, Refused, unpack

if TYPE_CHECKING:
    from snqd.exporters.snmp.settings import AgentSettings

_HELLO_BYTES: Final = 1 << 17
_AT_ONCE: Final = 32
"""Datagrams of the feed that are folded in one turn of the loop: a request waits no longer than that."""
_WORD_SECONDS: Final = 1.0


def run(feed: socket.socket, listener: socket.socket) -> int:
    """Until the feed ends; the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the supervisor decides what becomes of it
    feed.setblocking(True)
    settings = told.decode(feed.recv(_HELLO_BYTES))
    feed.setblocking(False)
    listener.setblocking(False)
    try:
        asyncio.run(_serve(settings, feed, listener))
    except Exception as error:
        where = f" ({settings.identity_file})" if isinstance(error, OSError) else ""
        _say(feed, f"{getattr(error, 'strerror', None) or f'{type(error).__name__}: {error}'}{where}")
        return 1
    return 0


async def _serve(settings: AgentSettings, feed: socket.socket, listener: socket.socket) -> None:
    identity = begin(Path(settings.identity_file))
    agent = Agent(settings, identity, listener, say=lambda problem: _say(feed, problem))
    gc.collect()
    gc.freeze()  # pysnmp's objects are many, and stay
    _say(feed, "")
    ended = asyncio.Event()
    eater = _Eater(feed, agent, ended)
    asyncio.get_running_loop().add_reader(feed.fileno(), eater.eat)
    agent.start()
    while not ended.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), _WORD_SECONDS)
        _say(feed, "")
    agent.stop()


class _Eater:
    """Takes what is fed."""

    def __init__(self, feed: socket.socket, agent: Agent, ended: asyncio.Event) -> None:
        self._feed = feed
        self._agent = agent
        self._ended = ended
        self._fleet = Fleet()

    def eat(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                data = self._feed.recv(LIMIT + 1)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                asyncio.get_running_loop().remove_reader(self._feed.fileno())
                self._ended.set()
                return
            datagram = unpack(data, None)
            if not isinstance(datagram, Refused):
                self._fleet.apply(datagram, source="", now=time.monotonic())
                header = datagram.header
                self._agent.hear(datagram, self._fleet.daemons[f"{header.daemon}@{header.host}"])


def _say(feed: socket.socket, word: str) -> None:
    with contextlib.suppress(OSError):
        feed.send(word.encode(errors="replace")[:1000] or b" ", socket.MSG_NOSIGNAL)
