"""`StompDesk`: the desk on the control topic. Nobody keeps what is said there: who is not connected does not hear it.

Each desk remembers what it has heard. Who opens one to ask something calls the roll first, and waits a moment for the
daemons to say that they are there. There is no table of sites on a broker.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from typing import TYPE_CHECKING

import msgspec

from snqd.errors import StoreError, StoreUnavailable
from snqd.stores.desk import GONE_SECONDS, KEPT_SECONDS, Answered, Asking, Present, Seat
from snqd.stores.stomp.brokers import Brokers
from snqd.stores.stomp.destinations import Routes
from snqd.stores.stomp.envelope import next_id
from snqd.stores.stomp.location import parse
from snqd.stores.stomp.loop import LoopThread
from snqd.stores.stomp.session import Sending

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stompman import MessageFrame

    from snqd.config.schema import StoreConfig
    from snqd.stores.desk import SiteRow
    from snqd.stores.stomp.session import Session

_ROLL_QUIET_SECONDS, _ROLL_LEAST_SECONDS, _ROLL_MOST_SECONDS = 0.5, 1.0, 3.0
"""A roll is over when nobody has answered for a while."""


class Word(msgspec.Struct, omit_defaults=True, frozen=True):
    """A message of the control topic between desks. Of stores' words every field is empty here."""

    roll: bool = False
    """Who is there?"""
    here: Present | None = None
    left: Seat | None = None
    asking: Asking | None = None
    """`seconds` belongs to it."""
    seconds: float = 0.0
    answer: Answered | None = None
    """`request` belongs to it."""
    request: int = 0


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Word).decode


class StompDesk:
    """See `snqd.stores.desk.Desk`. What is heard is kept by the loop's thread."""

    def __init__(self, config: StoreConfig) -> None:
        """Raises `ConfigError`."""
        self._addresses, name = parse(config.url)
        self._control = Routes(name, {}, ()).control
        self._opened: tuple[LoopThread, Brokers] | None = None
        self._bell: tuple[int, int] | None = None
        self._own: tuple[Seat, str, float] | None = None
        """Who we are, our version, and since when (epoch seconds)."""
        self._present: dict[Seat, tuple[str, float, float]] = {}
        """By seat: version, since when, and when it was heard (both monotonic)."""
        self._heard_at = 0.0
        self._answering: asyncio.Task[None] | None = None
        self._asked: dict[int, tuple[Asking, float]] = {}
        """Requests, and until when they may be obeyed (monotonic)."""
        self._answered: set[int] = set()
        """Those that we have answered."""
        self._answers: dict[int, dict[Seat, Answered]] = {}

    def close(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            loop, brokers = opened
            loop.do(brokers.close())
            loop.end()
        bell, self._bell = self._bell, None
        for end in bell or ():
            os.close(end)

    # daemons

    def be_seen(self, seat: Seat, *, boot: int, version: str) -> None:
        self._own = seat, version, boot / 1e6
        self._tell(Word(here=self._here()))

    def leave(self, seat: Seat) -> None:
        self._own = None
        self._tell(Word(left=seat))

    def present(self) -> list[Present]:
        loop, brokers = self._connected()
        return loop.do(self._call_roll(brokers))

    # requests

    def ask(self, ask: str, arguments: str, *, author: str, seconds: float) -> int:
        number = next_id()
        self._tell(Word(asking=Asking(number, ask, arguments, author), seconds=seconds))
        return number

    def requests(self, seat: Seat) -> list[Asking]:  # noqa: ARG002 - a desk has one seat
        loop, _brokers = self._connected()
        return loop.do(self._open_requests())

    def answer(self, request: int, seat: Seat, *, obeyed: bool, said: str) -> None:
        if request not in self._answered:
            self._tell(Word(answer=Answered(seat, obeyed, said), request=request))
            self._answered.add(request)

    def answers(self, request: int) -> list[Answered]:
        loop, _brokers = self._connected()
        return loop.do(self._answers_to(request))

    # sites

    def site_number(self) -> int:
        return 0

    def sites(self) -> Sequence[SiteRow]:
        raise StoreError("a STOMP broker has no table of sites: use sites.directory in place of sites.table")

    # waking

    def open_wakeups(self) -> list[int]:
        if self._bell is None:
            self._bell = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        return [self._bell[0]]

    def read_wakeups(self) -> bool:
        if self._bell is None:
            return False
        try:
            return bool(os.read(self._bell[0], 65536))
        except BlockingIOError:
            return False

    # inside

    def _connected(self) -> tuple[LoopThread, Brokers]:
        """Raises `StoreUnavailable`."""
        if self._opened is None:
            loop = LoopThread()
            self._opened = loop, loop.do(self._make())
        loop, brokers = self._opened
        if not brokers.alive():
            loop.do(brokers.open())
        loop.do(brokers.subscribe(self._control, ack="auto"))
        return self._opened

    async def _make(self) -> Brokers:
        return Brokers(
            self._addresses,
            heartbeat_seconds=10.0,
            prefetch=1,
            on_message=self._on_message,
            on_lost=lambda _session: self._ring(),
        )

    def _tell(self, word: Word) -> None:
        loop, brokers = self._connected()
        loop.do(self._send(brokers, word))

    async def _send(self, brokers: Brokers, word: Word) -> None:
        """To all brokers, so that daemons that have lost some of them hear it."""
        brokers.first()
        sending = Sending(self._control, {"content-type": "application/json"}, _encode(word))
        sent = await asyncio.gather(*(session.send([sending]) for session in brokers.alive()), return_exceptions=True)
        if all(isinstance(each, StoreUnavailable) for each in sent):
            brokers.first()

    async def _call_roll(self, brokers: Brokers) -> list[Present]:
        await self._send(brokers, Word(roll=True))
        began = self._heard_at = time.monotonic()
        while True:
            now = time.monotonic()
            is_quiet = now - self._heard_at >= _ROLL_QUIET_SECONDS and now - began >= _ROLL_LEAST_SECONDS
            if is_quiet or now - began >= _ROLL_MOST_SECONDS:
                break
            await asyncio.sleep(0.05)
        found = [
            Present(seat, version, now - since, now - heard)
            for seat, (version, since, heard) in self._present.items()
            if now - heard < GONE_SECONDS
        ]
        return sorted(found)

    async def _open_requests(self) -> list[Asking]:
        now = time.monotonic()
        return [asking for asking, until in self._asked.values() if until > now and asking.id not in self._answered]

    async def _answers_to(self, request: int) -> list[Answered]:
        return sorted(self._answers.get(request, {}).values())

    def _here(self) -> Present:
        assert self._own is not None
        seat, version, since = self._own
        return Present(seat, version, time.time() - since, 0.0)

    def _on_message(self, session: Session, _destination: str, message: MessageFrame) -> None:
        try:
            word = _decode(message.body)
        except msgspec.MsgspecError:
            return
        now = time.monotonic()
        if word.roll and self._own is not None:
            self._answering = asyncio.get_running_loop().create_task(self._say_here(session))
        elif word.here is not None:
            self._heard_at = now
            self._present[word.here.seat] = (word.here.version, now - word.here.up_seconds, now)
        elif word.left is not None:
            self._present.pop(word.left, None)
        elif word.asking is not None:
            self._forget(now)
            self._asked.setdefault(word.asking.id, (word.asking, now + word.seconds))
            self._ring()
        elif word.answer is not None:
            self._answers.setdefault(word.request, {}).setdefault(word.answer.seat, word.answer)
            self._ring()

    async def _say_here(self, session: Session) -> None:
        with contextlib.suppress(StoreUnavailable):
            await session.tell(Sending(self._control, {}, _encode(Word(here=self._here()))))

    def _forget(self, now: float) -> None:
        old = [number for number, (_asking, until) in self._asked.items() if until + KEPT_SECONDS < now]
        for number in old:
            del self._asked[number]
            self._answers.pop(number, None)
            self._answered.discard(number)

    def _ring(self) -> None:
        if self._bell is not None:
            with contextlib.suppress(BlockingIOError):  # it rings already
                os.write(self._bell[1], b"!")
