"""The agent: a UDP socket, the two fast paths, pysnmp behind them, and notifications. Belongs to one event loop."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import TYPE_CHECKING, Any, Final

from snqd.exporters.snmp import ber
from snqd.exporters.snmp.answering import MESSAGE_LIMIT, Answerer
from snqd.exporters.snmp.counters import Counters
from snqd.exporters.snmp.engine import Engine
from snqd.exporters.snmp.fast_v2c import FastV2c
from snqd.exporters.snmp.fast_v3 import FastV3
from snqd.exporters.snmp.limits import ORDINARY_COST, Pace, Sources
from snqd.exporters.snmp.model import Model
from snqd.exporters.snmp.notify.notifier import Notifier
from snqd.exporters.snmp.notify.objects import NotifyObjects
from snqd.exporters.snmp.standard import standard_objects
from snqd.exporters.snmp.tree import Tree
from snqd.exporters.snmp.usm import keys_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from snqd.exporters.snmp.identity import Identity
    from snqd.exporters.snmp.settings import AgentSettings
    from snqd.telemetry.daemon_view import DaemonView
    from snqd.telemetry.wire import Datagram

_AT_ONCE: Final = 64
"""Datagrams that are taken in one turn of the loop."""
_ANSWERED: Final = (0xA0, 0xA1, 0xA3, 0xA5)
"""Requests. Everything else that a manager can send is for nobody here."""
_VERSION_3: Final = 3


class Agent:
    """`listener` is bound and does not block; `clock` is the one that the model's view is folded by; `say` tells the
    hub of a problem with notifications, in one line.
    """

    def __init__(
        self,
        settings: AgentSettings,
        identity: Identity,
        listener: socket.socket,
        *,
        clock: Callable[[], float] = time.monotonic,
        say: Callable[[str], None] = lambda _problem: None,
    ) -> None:
        self.counters = Counters()
        self._listener = listener
        self._clock = clock
        self._began = clock()
        self.model = Model(
            site_rows=settings.site_rows, queue_site_rows=settings.queue_site_rows, clock=clock, began=self._began
        )
        self._sources = Sources(settings.networks)
        self._pace = Pace(settings.requests_per_second, clock)
        users = {user: keys_of(user, identity.engine_id) for user in settings.users}
        refused: dict[str, Any] = {}
        self._standard = standard_objects(
            settings, identity, self.counters, lambda name: int(refused[name].syntax), self._uptime
        )
        self.notifier = (
            Notifier(settings, identity, self.counters, say, clock=clock, began=self._began)
            if settings.targets
            else None
        )
        self._notify_objects = NotifyObjects(self.notifier)
        self.tree = Tree([*self._standard.leaves, *self.model.leaves(), *self._notify_objects.leaves()])
        self.answerer = Answerer(self.tree, self.counters, self._refresh)
        self._fast: list[Callable[[bytes], bytes | None]] = []
        if settings.community is not None:
            self._fast.append(FastV2c(settings.community.encode(), self.answerer).answer)
        if users:
            self._fast.append(FastV3(users, identity, self.answerer, self._uptime).answer)
        self.engine = Engine(
            identity=identity,
            community=settings.community,
            users=users,
            answerer=self.answerer,
            counters=self.counters,
            send=self._send,
            uptime=self._uptime,
            is_ipv6=listener.family == socket.AF_INET6,
        )
        refused.update(self.engine.refused)

    def start(self) -> None:
        asyncio.get_running_loop().add_reader(self._listener.fileno(), self._read)
        if self.notifier is not None:
            self.notifier.start()

    def hear(self, datagram: Datagram, view: DaemonView) -> None:
        """What the hub tells, and what is known of the daemon after it."""
        self.model.told(view)
        if self.notifier is not None:
            self.notifier.hear(datagram, view)

    def stop(self) -> None:
        if self.notifier is not None:
            self.notifier.stop()
        asyncio.get_running_loop().remove_reader(self._listener.fileno())
        self.engine.close()

    def take(self, data: bytes, address: Any) -> None:
        """Deal with one datagram: at most one answer goes to where it came from."""
        counters, host = self.counters, address[0]
        if not self._sources.allows(host):
            counters.foreign += 1
            return
        counters.in_pkts += 1
        if len(data) > MESSAGE_LIMIT:
            counters.too_long += 1
        elif not self._pace.allows(host):
            counters.too_many += 1
        elif (answer := self.answer_fast(data)) is not None:
            counters.fast += 1
            counters.out_get_responses += 1
            self._send(answer, address)
        elif not self._pace.allows(host, ORDINARY_COST - 1):
            counters.too_many += 1
        elif is_for_us(data):
            self.engine.take(data, address)
        else:
            counters.strays += 1

    def answer_fast(self, data: bytes) -> bytes | None:
        """None: it is for pysnmp."""
        for fast in self._fast:
            answer = fast(data)
            if answer is not None:
                return answer
        return None

    def _refresh(self) -> None:
        self._standard.scalars.touch()
        self.model.refresh()
        self._notify_objects.refresh()

    def _uptime(self) -> float:
        return self._clock() - self._began

    def _read(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                data, address = self._listener.recvfrom(MESSAGE_LIMIT + 1)
            except OSError:  # nothing more, as a rule
                return
            try:
                self.take(data, address)
            except Exception:  # whatever came, the next one is to be answered
                self.counters.defects += 1

    def _send(self, data: bytes, address: Any) -> None:
        try:
            self._listener.sendto(data, address)
        except OSError:  # a full buffer, or no way to there: the manager asks again
            self.counters.silent_drops += 1
        else:
            self.counters.out_pkts += 1


def is_for_us(data: bytes) -> bool:
    """Whether a message of version 1 or 2c holds a request. pysnmp keeps a trace of every other one for good.

    What cannot be read is for pysnmp, which counts it; what is in messages of version 3 it deals with.
    """
    try:
        at, end = ber.enter(data, 0, len(data), ber.SEQUENCE)
        version, at = ber.read_integer(data, at, end)
        if version == _VERSION_3:
            return True
        _begin, at = ber.enter(data, at, end, ber.OCTETS)
        return at >= end or data[at] in _ANSWERED
    except ber.Unusual:
        return True
