"""The event pipe: what happens in the supervisor and the workers, on its way to the hub, and how connections are.

A pair of sequenced-packet sockets, made before the first fork: one packet is one event, or a few facts. Writing never
waits and never fails: what has no room is dropped and counted (it is in the log in any case). The supervisor keeps both
ends open, so that events wait for a hub that is being respawned.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from typing import TYPE_CHECKING, Any

import msgspec

from snqd.telemetry.events import ItemDiscarded, ItemFailed, ItemRetried, ItemsReleased
from snqd.telemetry.facts import ConnectionFact  # noqa: TC001 - msgspec looks at it
from snqd.telemetry.lines import level_of, message_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from snqd.telemetry.events import Event

PACKET_BYTES = 8192
"""Largest event in the pipe."""
_TEXT = 2000
"""Characters that are kept of a text."""
_LIST = 100
"""Entries that are kept of a list."""
_SMALLER = ((600, 100), (600, 20), (100, 5), (20, 1))
"""Texts and lists of an event that is still too large."""
_FROM_ITS_END = ("traceback",)
_RATE = 20.0
"""Events a second, of each of the kinds below and each process, that pass; as many may come at once."""
_LIMITED: tuple[type, ...] = (ItemFailed, ItemRetried, ItemDiscarded, ItemsReleased)
_READ_LIMIT = 1000


class PipedEvent(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """An event as it comes out of the pipe: `EventFact` without its number."""

    at: float
    """Epoch seconds."""
    name: str
    level: str
    message: str
    fields: dict[str, Any]


class PipedFacts(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """Facts that a worker tells, since no shared memory has room for things of any number and length."""

    facts: tuple[ConnectionFact, ...]


_decode = msgspec.msgpack.Decoder(PipedEvent | PipedFacts).decode
_FACTS_A_PACKET = 8
_FACT_TEXT = 200


class PipeSink:
    """A sink for an `Emitter`. `on_drop` is called for each event that does not get through."""

    def __init__(self, end: socket.socket, on_drop: Callable[[], None]) -> None:
        self._end = end
        self._on_drop = on_drop
        self._encode = msgspec.msgpack.Encoder(enc_hook=str).encode
        self._allowed = dict.fromkeys(_LIMITED, _RATE)
        self._looked = dict.fromkeys(_LIMITED, 0.0)

    def __call__(self, event: Event, /) -> None:
        try:
            if not self._may_pass(type(event)):
                self._on_drop()
                return
            self._end.send(self._packet(event), socket.MSG_NOSIGNAL)
        except Exception:  # no room, no hub, or an event that cannot be told: none of it is the work's problem
            self._on_drop()

    def tell(self, facts: Sequence[ConnectionFact]) -> None:
        """Send facts. What has no room is not counted as dropped: it is told again, and the newest replaces it."""
        for at in range(0, len(facts), _FACTS_A_PACKET):
            cut = tuple(map(_cut_fact, facts[at : at + _FACTS_A_PACKET]))
            with contextlib.suppress(Exception):  # as for events
                self._end.send(self._encode(PipedFacts(cut)), socket.MSG_NOSIGNAL)

    def _may_pass(self, kind: type) -> bool:
        if kind not in self._allowed:
            return True
        now = time.monotonic()
        allowed = min(_RATE, self._allowed[kind] + (now - self._looked[kind]) * _RATE)
        self._looked[kind] = now
        self._allowed[kind] = allowed - 1.0 if allowed >= 1.0 else allowed
        return allowed >= 1.0

    def _packet(self, event: Event) -> bytes:
        fields = {name: getattr(event, name) for name in event.__dataclass_fields__}
        level = logging.getLevelName(level_of(event)).lower()
        message = message_of(event)
        raw = b""
        for text, entries in ((_TEXT, _LIST), *_SMALLER):
            kept = {name: _cut(name, value, text, entries) for name, value in fields.items()}
            raw = self._encode((0, time.time(), type(event).__name__, level, _cut("", message, text, 0), kept))
            if len(raw) <= PACKET_BYTES:
                break
        return raw


def _cut(name: str, value: Any, text: int, entries: int) -> Any:
    if isinstance(value, str):
        kept = value[-text:] if name in _FROM_ITS_END else value[:text]
        return kept if kept.isascii() else kept.encode(errors="replace").decode()  # a lone surrogate cannot be sent
    if isinstance(value, tuple):
        return [_cut(name, each, text, entries) for each in value[:entries]]
    return value


def _cut_fact(fact: ConnectionFact) -> ConnectionFact:
    if len(fact.problem) <= _FACT_TEXT and len(fact.name) <= _FACT_TEXT:
        return fact
    return msgspec.structs.replace(fact, problem=fact.problem[:_FACT_TEXT], name=fact.name[:_FACT_TEXT])


class EventPipe:
    """Make it before the fork. The hub reads, everyone else has `sink`."""

    def __init__(self, on_drop: Callable[[], None]) -> None:
        self._read_end, self._write_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._read_end.setblocking(False)
        self._write_end.setblocking(False)
        self.sink = PipeSink(self._write_end, on_drop)
        self.malformed = 0
        """Packets that were not events (counted by the reader)."""
        self._facts: list[ConnectionFact] = []

    @property
    def read_fd(self) -> int:
        return self._read_end.fileno()

    def read(self) -> list[PipedEvent]:
        """The events that wait, at most a thousand packets. Does not block. `take_facts` has what came with them."""
        found = []
        with contextlib.suppress(BlockingIOError):
            for _ in range(_READ_LIMIT):
                raw = self._read_end.recv(PACKET_BYTES + 1)
                try:
                    packet = _decode(raw)
                    if isinstance(packet, PipedEvent):
                        found.append(packet)
                    else:
                        self._facts.extend(packet.facts)
                except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                    self.malformed += 1
        return found

    def take_facts(self) -> list[ConnectionFact]:
        """The facts that were read since the last call."""
        facts, self._facts = self._facts, []
        return facts

    def close_read_end(self) -> None:
        """In a process that only writes."""
        self._read_end.close()

    def close(self) -> None:
        self._read_end.close()
        self._write_end.close()
