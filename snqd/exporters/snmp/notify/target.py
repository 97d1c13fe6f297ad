"""One receiver: its traps go once, its informs until they are acknowledged or given up. Knows no socket and no clock.

Each further try of an inform waits twice as long as the one before, so a receiver that is down is not flooded, and one
that comes back is told what it missed. How many wait is limited: when there are too many, the oldest is given up.
"""

from __future__ import annotations

import secrets
from math import inf
from typing import TYPE_CHECKING, Final

import msgspec

from snqd.exporters.snmp import ber
from snqd.exporters.snmp.notify.ways import INFORM, TRAP, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from snqd.exporters.snmp.notify.ways import Answer, Way
    from snqd.exporters.snmp.settings import TargetSettings

WAITING_LIMIT: Final = 100
LONGEST_WAIT_SECONDS: Final = 60.0
_STEPS: Final = 4
"""A receiver may ask for so many other messages in one try: two are what it takes to get to know it."""
_SUSPICIOUS: Final = 3
"""So many tries without an answer are a problem."""
_SOUND_SECONDS: Final = 1.0
"""Nobody has said for so long that a trap was in vain."""
_NO_ERROR: Final = ber.integer(0) + ber.integer(0)
_ID_BITS: Final = 31
_QUESTION: Final = -1
"""In the place of a request id: what engine is there."""
_QUESTIONS: Final = 8


class Notification(msgspec.Struct, frozen=True):
    """`bindings` as they are sent, without tag and length."""

    kind: str
    sequence: int
    bindings: bytes


class Counts(msgspec.Struct):
    """Since the daemon was started."""

    sent: int = 0
    """Notifications of which a message went out."""
    acknowledged: int = 0
    retried: int = 0
    """Further messages because no answer came."""
    failed: int = 0
    """Given up, or known not to have arrived."""


class _Inform:
    __slots__ = ("due", "is_sent", "notification", "request", "steps", "tries", "wait_ends")

    def __init__(self, notification: Notification, request: int, now: float) -> None:
        self.notification = notification
        self.request = request
        self.tries = self.steps = 0
        self.is_sent = False
        self.due = self.wait_ends = now


class Target:
    """`send` of `turn` gives the datagram to the network, and says what was wrong with that in words."""

    def __init__(self, settings: TargetSettings, way: Way, counts: Counts) -> None:
        self.settings = settings
        self.counts = counts
        self.problem = ""
        """Why it is not told everything at present, in words."""
        self._way = way
        self._traps: list[Notification] = []
        self._informs: dict[int, _Inform] = {}
        """By the request ids of their PDUs, the oldest first."""
        self._messages: dict[int, int] = {}
        """Ids of messages that are on their way, each with its request id, or `_QUESTION`."""
        self._trouble = ""
        self._sent_at = self._refused_at = -inf

    @property
    def waiting(self) -> list[Notification]:
        """The oldest first."""
        return [*self._traps, *(inform.notification for inform in self._informs.values())]

    @property
    def due(self) -> float:
        """When `turn` has something to do."""
        if self._traps:
            return -inf
        return min((inform.due for inform in self._informs.values()), default=inf)

    def put(self, notification: Notification, now: float) -> None:
        if not self.settings.is_inform:
            self._traps.append(notification)
            if len(self._traps) > WAITING_LIMIT:
                del self._traps[0]
                self._fail("too many wait until its address is known")
            return
        request = _new_id(self._informs)
        self._informs[request] = _Inform(notification, request, now)
        if len(self._informs) > WAITING_LIMIT:
            self._drop(next(iter(self._informs)))
            self._fail(f"more than {WAITING_LIMIT} informs wait for an answer")

    def turn(self, now: float, send: Callable[[bytes], str]) -> None:
        """Send what is due."""
        for trap in self._traps:
            problem = send(self._way.message(_pdu(TRAP, _new_id(), trap), _new_id(), now))
            if problem:
                self._fail(problem)
            else:
                self.counts.sent += 1
                self._sent_at = now
        self._traps.clear()
        is_asked = False
        for inform in [each for each in self._informs.values() if each.due <= now]:
            if inform.due >= inform.wait_ends and not self._begin_try(inform, now):
                continue
            inform.due = inform.wait_ends
            if self._way.is_ready:
                self._send(inform, now, send)
            elif not is_asked:
                is_asked = True
                send(self._way.question(self._new_question()))

    def take(self, data: bytes, now: float) -> bool:
        """Something came from there. Whether it was an answer."""
        answer = self._way.read(data, now, self._messages.__contains__)
        if answer.verdict is Verdict.NOTHING:
            return False
        if answer.message is not None and self._messages.get(answer.message) == _QUESTION:
            self._learned(answer, now)
            return True
        inform = self._answered(answer)
        if inform is None:
            return False
        if answer.verdict is Verdict.ACKNOWLEDGED:
            self._drop(inform.request)
            self.counts.acknowledged += 1
            self.problem = self._trouble = ""
        elif answer.verdict is Verdict.REFUSED:
            self._drop(inform.request)
            self._fail(answer.words)
        elif answer.verdict is Verdict.AGAIN:
            self._step(inform, now)
        else:
            self._trouble = self.problem = answer.words
        return True

    def refused(self, now: float) -> None:
        """The network says that nobody listens there."""
        self._trouble = "nobody listens there"
        self._refused_at = now
        if not self.settings.is_inform:
            self._fail(self._trouble)

    def settle(self, now: float) -> None:
        """Call now and then: a trap of which nothing bad was heard has probably arrived."""
        if not self.settings.is_inform and self._refused_at < self._sent_at < now - _SOUND_SECONDS:
            self.problem = self._trouble = ""

    def _begin_try(self, inform: _Inform, now: float) -> bool:
        """False = it had all its tries."""
        settings = self.settings
        if inform.tries > settings.retries:
            self._drop(inform.request)
            self._fail(self._trouble or "it does not answer")
            self._way.forget()
            return False
        if inform.tries:
            self.counts.retried += 1
        if inform.tries + 1 >= _SUSPICIOUS:
            self.problem = self._trouble or "it does not answer"
        inform.wait_ends = now + min(settings.timeout_seconds * 2.0**inform.tries, LONGEST_WAIT_SECONDS)
        inform.tries += 1
        inform.steps = 0
        return True

    def _send(self, inform: _Inform, now: float, send: Callable[[bytes], str]) -> None:
        number = _new_id(self._messages)
        self._messages[number] = inform.request
        problem = send(self._way.message(_pdu(INFORM, inform.request, inform.notification), number, now))
        if problem:
            self._trouble = problem
        elif not inform.is_sent:
            inform.is_sent = True
            self.counts.sent += 1

    def _new_question(self) -> int:
        """The id of it. The answer to a late one is good, too."""
        asked = [number for number, request in self._messages.items() if request == _QUESTION]
        for number in asked[: -_QUESTIONS + 1]:
            del self._messages[number]
        number = _new_id(self._messages)
        self._messages[number] = _QUESTION
        return number

    def _learned(self, answer: Answer, now: float) -> None:
        """A question about the engine was answered: what waited for that goes now."""
        if answer.verdict is Verdict.AGAIN:
            self._messages = {number: request for number, request in self._messages.items() if request != _QUESTION}
            for inform in self._informs.values():
                self._step(inform, now)
        elif answer.verdict is Verdict.TROUBLE:
            self._trouble = self.problem = answer.words

    def _step(self, inform: _Inform, now: float) -> None:
        if inform.steps < _STEPS and now < inform.wait_ends:
            inform.steps += 1
            inform.due = now

    def _answered(self, answer: Answer) -> _Inform | None:
        """The inform that an answer is to."""
        request = answer.request
        if answer.message is not None:
            asked = self._messages.get(answer.message)
            if request is not None and request != asked:
                return None
            request = asked
        return self._informs.get(request) if request is not None else None

    def _drop(self, request: int) -> None:
        del self._informs[request]
        self._messages = {
            number: asked
            for number, asked in self._messages.items()
            if asked != request and (asked != _QUESTION or self._informs)
        }

    def _fail(self, words: str) -> None:
        self.counts.failed += 1
        self.problem = words


def _new_id(taken: Container[int] = ()) -> int:
    """Not to be guessed: whoever cannot see a message cannot answer it."""
    while True:
        found = secrets.randbits(_ID_BITS)
        if found and found not in taken:
            return found


def _pdu(tag: int, request: int, notification: Notification) -> bytes:
    return ber.tlv(tag, ber.integer(request) + _NO_ERROR + ber.tlv(ber.SEQUENCE, notification.bindings))
