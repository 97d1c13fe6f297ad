"""`Subscription`: the monitor's side. Asks one hub, proves its address, renews, and begins again when there is silence.

Pure: bytes and moments in, bytes and words out. Whoever owns the socket sends what `due` and `handle` give, says with
`heard` that facts came, and shows `words`.
"""

from __future__ import annotations

import secrets
from collections import Counter
from enum import StrEnum
from math import inf
from typing import TYPE_CHECKING, Final

from snqd.telemetry import messages
from snqd.telemetry.messages import WORDS, Code, Message
from snqd.telemetry.wire import VERSION, Refused

if TYPE_CHECKING:
    from collections.abc import Callable

RENEW_SECONDS: Final = 3.0
SILENCE_SECONDS: Final = 2.0
"""A hub tells something every second. Slower receivers wait longer."""
_SILENT_FRAMES: Final = 2.5
_FIRST_RETRY_SECONDS: Final = 0.2
_LONGEST_RETRY_SECONDS: Final = 2.0
_UNANSWERED_RENEWAL_SECONDS: Final = 1.0
_UNANSWERED_ASKS: Final = 2
"""So many asks without a word of the network, and we no longer say that nobody listens there."""
_COOKIE_SECONDS: Final = 8.0
"""A cookie older than this is not tried any more."""


class State(StrEnum):
    ASKING = "asking"
    RECEIVING = "receiving"
    SILENT = "silent"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    CLOSED = "closed"


class Trouble(StrEnum):
    """What keeps a source from being heard, for programs: what a person is told are its words."""

    NONE = ""
    ASKING = "asking"
    """Nothing has come back yet."""
    SILENT = "silent"
    """It was heard, and is not any more."""
    NOBODY_THERE = "nobody there"
    NETWORK = "network"
    """The system cannot send there."""
    LOOKING_UP = "looking up"
    """Its name, which may take the system a while."""
    UNRESOLVED = "unresolved"
    WRONG_KEY = "wrong key"
    KEY_NEEDED = "key needed"
    """It has a key, and we have none."""
    NO_KEY_THERE = "no key there"
    """We have a key, and it has none."""
    VERSION = "version"
    CLOCK = "clock"
    """What is pushed says another time than ours."""
    REFUSED = "refused"
    """For another reason, which its words tell."""
    UNREADABLE = "unreadable"
    """What is pushed there is not ours, or is spoilt."""


_TROUBLES: Final[dict[int, Trouble]] = {
    Code.WRONG_KEY: Trouble.WRONG_KEY,
    Code.KEY_NEEDED: Trouble.KEY_NEEDED,
    Code.NO_KEY: Trouble.NO_KEY_THERE,
    Code.VERSION: Trouble.VERSION,
}


class Subscription:
    """With one hub. Times are seconds of one clock that does not go back."""

    def __init__(
        self, key: bytes | None, frames_per_second: float = 1.0, *, draw: Callable[[], int] | None = None
    ) -> None:
        self.state = State.CLOSED
        self.since = -inf
        """When `state` last changed."""
        self.nonce = 0
        """The session in the header of the datagrams that are meant for us; 0 = none yet."""
        self.refusal = ""
        """Why, in words, when refused or unreachable."""
        self.last_heard = -inf
        self.buffer_bytes = 0
        """Of the socket, as the system counts them: the hub may send so much at once. 0 = not told."""
        self.bad: Counter[str] = Counter()
        """Datagrams that were of no use, by reason."""
        self._key = key
        self._frames_per_second = frames_per_second
        self._draw = draw or (lambda: secrets.randbits(63) or 1)
        self._cookie = b""
        self._cookie_at = -inf
        self._retry_seconds = _FIRST_RETRY_SECONDS
        self._next = inf
        self._refused_for = Trouble.REFUSED
        self._unreachable_for = Trouble.NOBODY_THERE
        self._unanswered = 0  # asks since the network last said that nobody listens

    def begin(self, now: float) -> None:
        """Ask, from the start. May be called at any time; what was wrong before is said until something changes."""
        if self.state in (State.CLOSED, State.RECEIVING):
            self._change(State.ASKING, now)
        self._ask_anew(now)

    def close(self, now: float) -> bytes | None:
        """End the subscription: a last message to send, if the hub knows of us."""
        farewell = messages.bye(self.nonce, self._cookie, self._key) if self._cookie else None
        self._change(State.CLOSED, now)
        self.nonce, self._cookie, self._next = 0, b"", inf
        return farewell

    @property
    def is_open(self) -> bool:
        return self.state != State.CLOSED

    @property
    def next_at(self) -> float:
        """When `due` wants to be called, at the latest."""
        if self.state != State.RECEIVING:
            return self._next
        return min(self._next, self.last_heard + self._patience)

    @property
    def frames_per_second(self) -> float:
        return self._frames_per_second

    def change_pace(self, frames_per_second: float, now: float) -> None:
        """Receive more or fewer frames a second from now on."""
        self._frames_per_second = frames_per_second
        if self.state == State.RECEIVING:
            self._next = now

    def due(self, now: float) -> bytes | None:
        """The message to send at `now`, if any."""
        if self.state == State.RECEIVING and now >= self.last_heard + self._patience:
            self._change(State.SILENT, now)
            self._ask_anew(now)
        if now < self._next:
            return None
        if self.state == State.RECEIVING:
            self._next = now + _UNANSWERED_RENEWAL_SECONDS
            return self._subscribe()
        self._next = now + self._retry_seconds
        self._retry_seconds = min(2 * self._retry_seconds, _LONGEST_RETRY_SECONDS)
        if self._cookie and now - self._cookie_at < _COOKIE_SECONDS:
            return self._subscribe()
        self._cookie = b""
        self._unanswered += 1
        if self.state == State.UNREACHABLE and self._unanswered > _UNANSWERED_ASKS:
            self._change(State.ASKING, now)
        return messages.ask(self.nonce, self._key)

    def handle(self, data: bytes, now: float) -> bytes | None:
        """Take in a message of the hub and give the answer to it, if there is one. Never raises."""
        message = messages.read(data, self._key)
        if isinstance(message, Refused):
            plain = messages.read_plain_refusal(data)
            if plain is None:
                self.bad[message.reason] += 1
                return None
            message = plain
        if not self.is_open or message.nonce != self.nonce:
            self.bad["not ours"] += 1
            return None
        if message.kind == messages.CHALLENGE:
            return self._prove(message, now)
        if message.kind == messages.GRANTED:
            self._granted(message, now)
        elif message.kind == messages.REFUSAL:
            return self._refused(message, now)
        else:
            self.bad["kind"] += 1
        return None

    def heard(self, now: float) -> None:
        """Facts of this session came."""
        self.last_heard = now
        if self.is_open:  # if the grant was lost, it is asked for again: `due` goes on until it comes
            self._change(State.RECEIVING, now)

    def unreachable(self, now: float, problem: str = "") -> None:
        """The network says that nobody listens at the hub's address, or what the `problem` is with sending to it."""
        if self.state == State.RECEIVING:
            self._ask_anew(now)
            self._next = now + self._retry_seconds
        if self.is_open:
            self._unanswered = 0
            self._change(State.UNREACHABLE, now)
            self.refusal = problem or "nobody listens there"
            self._unreachable_for = Trouble.NETWORK if problem else Trouble.NOBODY_THERE

    @property
    def trouble(self) -> Trouble:
        """What keeps facts from coming; of the same meaning as `words`."""
        match self.state:
            case State.RECEIVING:
                return Trouble.NONE
            case State.SILENT:
                return Trouble.SILENT
            case State.REFUSED:
                return self._refused_for
            case State.UNREACHABLE:
                return self._unreachable_for
        return Trouble.ASKING

    def words(self, now: float) -> str:
        """The state, for a person."""
        if self.state == State.SILENT:
            return f"silent for {int(now - self.last_heard)} s, asking again"
        if self.state == State.REFUSED:
            return self.refusal
        if self.state == State.UNREACHABLE:
            return f"{self.refusal}, asking again"
        return str(self.state)

    @property
    def _patience(self) -> float:
        return max(SILENCE_SECONDS, _SILENT_FRAMES / self._frames_per_second)

    def _change(self, state: State, now: float) -> None:
        if state != self.state:
            self.state, self.since = state, now
        if state != State.REFUSED:
            self.refusal = ""

    def _ask_anew(self, now: float) -> None:
        """With another nonce: the numbers of the datagrams begin at 1 again, which the old session would not allow."""
        self.nonce = self._draw()
        self._cookie = b""
        self._retry_seconds = _FIRST_RETRY_SECONDS
        self._next = now

    def _subscribe(self) -> bytes:
        return messages.subscribe(
            self.nonce, self._cookie, self._frames_per_second, self._key, buffer_bytes=self.buffer_bytes
        )

    def _prove(self, message: Message, now: float) -> bytes | None:
        if self.state == State.RECEIVING:  # a renewal is not answered so, unless the hub is a new process
            self._change(State.ASKING, now)
            self._ask_anew(now)
            return self.due(now)
        if message.cookie == self._cookie:
            return None  # a repeated one: what it asks for is on its way
        self._cookie, self._cookie_at = message.cookie, now
        self._retry_seconds = _FIRST_RETRY_SECONDS
        self._next = now + self._retry_seconds
        return self._subscribe()

    def _granted(self, message: Message, now: float) -> None:
        self._change(State.RECEIVING, now)
        self.last_heard = now
        self._cookie, self._cookie_at = message.cookie, now
        self._next = now + min(RENEW_SECONDS, max(0.5, message.figure / 3))

    def _refused(self, message: Message, now: float) -> bytes | None:
        is_plain = self._key is not None and not message.is_authentic
        if self.state == State.RECEIVING and (is_plain or message.code != Code.ENDED):
            self.bad["refusal"] += 1  # facts come: whoever says no is not the hub, or late
            return None
        if message.code == Code.ENDED and not is_plain:
            self._change(State.ASKING, now)
            self._ask_anew(now)
            return self.due(now)
        self._change(State.REFUSED, now)
        self.refusal = self._in_words(message)
        is_other_version = message.version != VERSION
        self._refused_for = Trouble.VERSION if is_other_version else _TROUBLES.get(message.code, Trouble.REFUSED)
        self._cookie = b""
        self._retry_seconds = _LONGEST_RETRY_SECONDS
        self._next = max(self._next, now + self._retry_seconds)
        return None

    def _in_words(self, message: Message) -> str:
        if message.code == Code.VERSION or message.version != VERSION:
            return f"version mismatch: the daemon speaks version {message.version} of the wire, this program {VERSION}"
        text = WORDS.get(message.code) or message.text or "no reason given"
        return f"refused: {text}"
