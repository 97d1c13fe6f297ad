"""Asks an agent, again and again until it answers: how long is for the caller's clock to say."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

from snqd.check.snmp.pdus import encode
from snqd.check.snmp.wire import Host, Wire
from snqd.errors import SnqdError
from snqd.exporters.snmp import ber
from snqd.exporters.snmp.answering import BULK_BINDINGS, GET, GET_BULK, NO_ERROR, TOO_BIG
from snqd.exporters.snmp.ber import Unusual

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from snqd.check.snmp.pdus import Binding, Response, Session
    from snqd.exporters.snmp.ber import Oid

RESEND_SECONDS: Final = 1.0
_AT_ONCE: Final = 16
"""Objects of one Get."""
_MOST: Final = 200_000
"""Objects of a walk: no daemon has so many queues, and a liar must not fill our memory."""
_ERRORS: Final = ("", "tooBig", "noSuchName", "badValue", "readOnly", "genErr", "noAccess")


class Manager:
    """Of one agent. Everything raises `SnqdError` when it cannot answer, and waits as long as it does not."""

    def __init__(self, host: Host, session: Session) -> None:
        self.host = host
        self._session = session
        self._wire: Wire | None = None
        self._problem = ""

    def doubt(self) -> str:
        """What may be wrong when no answer comes."""
        if self._problem:
            return f"what came is of no use: {self._problem}"
        return self._session.doubt()

    def close(self) -> None:
        if self._wire is not None:
            self._wire.close()

    def get(self, oids: Sequence[Oid]) -> list[Binding]:
        """Each of these objects, in their order."""
        found: list[Binding] = []
        for begin in range(0, len(oids), _AT_ONCE):
            found += self._get(oids[begin : begin + _AT_ONCE])
        return found

    def _get(self, oids: Sequence[Oid]) -> list[Binding]:
        response = self._ask(GET, oids)
        if response.status == TOO_BIG and len(oids) > 1:
            half = len(oids) // 2
            return self._get(oids[:half]) + self._get(oids[half:])
        self._check(response)
        if [binding.oid for binding in response.bindings] != list(oids):
            raise SnqdError(f"{self.host}: the agent answers with other objects than it was asked for")
        return response.bindings

    def walk(self, roots: Sequence[Oid]) -> Iterator[tuple[int, Binding]]:
        """All objects below each of `roots`, with its place among them: side by side, so that rows come together."""
        last = dict(enumerate(roots))
        going = list(last)
        count = 0
        while going:
            response = self._ask(GET_BULK, [last[place] for place in going], BULK_BINDINGS // len(going))
            self._check(response)
            if not response.bindings:
                raise SnqdError(f"{self.host}: the agent answers a walk with nothing")
            ended = set()
            for number, binding in enumerate(response.bindings):
                place = going[number % len(going)]
                root = roots[place]
                if place in ended or binding.tag == ber.END_OF_MIB_VIEW or binding.oid[: len(root)] != root:
                    ended.add(place)
                    continue
                count += 1
                if binding.oid <= last[place]:
                    raise SnqdError(f"{self.host}: the agent's walk goes back")
                if count > _MOST:
                    raise SnqdError(f"{self.host}: the agent's walk has more than {_MOST} objects")
                last[place] = binding.oid
                yield place, binding
            going = [place for place in going if place not in ended]

    def _check(self, response: Response) -> None:
        status = response.status
        if status != NO_ERROR:
            name = _ERRORS[status] if 0 < status < len(_ERRORS) else f"error {status}"
            raise SnqdError(f"{self.host}: the agent answers {name}")

    def _ask(self, pdu: int, oids: Sequence[Oid], max_repetitions: int = 0) -> Response:
        while True:
            number = int.from_bytes(os.urandom(4), "big") >> 1 or 1
            request = encode(pdu, number, oids, 0, max_repetitions)
            try:
                response = self._exchange(self._session.wrap(request, number), number)
            except Unusual as error:
                raise SnqdError(f"{self.host}: {error}") from error
            if response is not None:
                return response

    def _exchange(self, message: bytes, number: int) -> Response | None:
        """None: the session has learnt how to ask."""
        wire = self._wire = self._wire or Wire(self.host)
        while True:
            wire.send(message)
            until = time.monotonic() + RESEND_SECONDS
            while (left := until - time.monotonic()) > 0:
                data = wire.receive(left)
                if data is None:
                    break
                try:
                    response = self._session.open(data, number)
                except Unusual as error:
                    self._problem = str(error)
                    continue
                except SnqdError as error:
                    raise SnqdError(f"{self.host}: {error}") from error
                wire.settle()
                self._problem = ""
                return response
