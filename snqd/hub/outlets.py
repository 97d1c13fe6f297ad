"""The ways out of the hub, and the legacy ears beside them: UDP relay, flight recorder, exporters, fed programs.

None of them can hold up another, nor the gathering: what cannot be opened is told once as a problem and left out.
"""

from __future__ import annotations

import asyncio
import time
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from snqd.errors import ConfigError, SnqdError
from snqd.hub.ears import LegacyEars
from snqd.hub.feeding import FRAMES_PER_SECOND, Feeding
from snqd.hub.receivers import Receiver
from snqd.hub.relay import Relay
from snqd.telemetry.recording import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from snqd.hub.parts import Exporter, HubParts
    from snqd.telemetry.daemon_view import DaemonView
    from snqd.telemetry.facts import AnyFact
    from snqd.telemetry.wire import Datagram, Header

_RECORDED_FRAMES_PER_SECOND = 1.0
_WITHOUT_RECEIVERS_SECONDS = 60.0


class Outlets:
    """Belongs to the hub's loop."""

    def __init__(self, parts: HubParts, header: Header) -> None:
        settings = parts.config.telemetry
        self._parts = parts
        self._relay = self._make_relay(header, settings.listen)
        self._header = header
        self._recorder: Recorder | None = None
        self._record: Receiver | None = None
        self._ears = LegacyEars(settings)
        self._exporters: list[Exporter] = []
        self._fed: list[Feeding] = []
        self._told_problems: dict[str, str] = {}
        self._on_problem: Callable[[str, str], None] = _ignore
        self._relay_at = 0.0
        self._wake: Callable[[], None] = _nothing
        self.listen = ""
        """The address at which monitors subscribe; empty = nowhere."""

    async def start(self, on_problem: Callable[[str, str], None], wake: Callable[[], None]) -> None:
        """Open everything. `wake` is called when something came in that wants a turn."""
        self._wake, self._on_problem = wake, on_problem
        self._open_relay()
        self._exporters = self._parts.make_exporters()
        try:
            await self._ears.open()
        except ConfigError as error:
            on_problem("legacy pings", str(error))
        loop = asyncio.get_running_loop()
        self._fed = [
            Feeding(program, self._relay.outbox.cursor, self._header, loop=loop, on_problem=on_problem)
            for program in self._parts.programs
        ]
        settings = self._parts.config.telemetry
        if settings.record_file is not None:
            self._recorder = Recorder(Path(settings.record_file), settings.record_limit_bytes)
            cursor = self._relay.outbox.cursor(_RECORDED_FRAMES_PER_SECOND, is_lossless=True)
            self._record = Receiver(cursor, self._header, 0, None)

    def _make_relay(self, header: Header, listen: str) -> Relay:
        settings = self._parts.config.telemetry
        return Relay(
            header,
            listen=listen,
            monitors=settings.monitors,
            frames_per_second=settings.frames_per_second,
            key=self._parts.key,
        )

    def _open_relay(self) -> None:
        settings = self._parts.config.telemetry
        try:
            self.listen = self._relay.open()
        except (SnqdError, ValueError) as error:
            self._on_problem(f"telemetry.listen {settings.listen}", str(error))
            self._relay.close()
            self._relay = self._make_relay(self._header, "none")
            self._relay.open()
        asyncio.get_running_loop().add_reader(self._relay.fileno(), self._came_in)

    def _came_in(self) -> None:
        """A monitor asks: answer now, and let the loop know when it is to go on."""
        self._relay_at = time.monotonic() + self._relay.tick()
        self._wake()

    @property
    def has_receivers(self) -> bool:
        return self._record is not None or bool(self._fed) or self._relay.frame_seconds < inf

    @property
    def datagrams_sent(self) -> int:
        return self._relay.sent

    @property
    def bad_datagrams(self) -> int:
        return self._relay.bad.total()

    def frame_pause(self, now: float) -> float:
        """Seconds until the next frame of the receiver who wants most; infinite without any."""
        recorded = 1 / _RECORDED_FRAMES_PER_SECOND if self._record is not None else inf
        fed = 1 / FRAMES_PER_SECOND if self._fed else inf
        return min(self._relay.frame_pause(now), recorded, fed)

    def update(self, facts: Sequence[AnyFact]) -> None:
        """Tell these; events go out in the next `turn`."""
        self._relay.update(facts)
        self._relay_at = 0.0

    def retain(self, facts: Sequence[AnyFact]) -> None:
        """Stop telling what is not among these: they are all that holds."""
        self._relay.outbox.retain({(type(fact), fact.key) for fact in facts})

    def turn(self, *, is_last: bool = False) -> float:
        """Send and record what is due; seconds until the next turn."""
        now = time.monotonic()
        if now >= self._relay_at or is_last:
            self._relay_at = now + self._relay.tick(now)
        pauses = [self._write_record(now), *(each.turn(now) for each in self._fed)]
        if not self.has_receivers:
            return _WITHOUT_RECEIVERS_SECONDS
        return max(0.0, min(self._relay_at - now, *pauses))

    def _write_record(self, now: float) -> float:
        record, recorder = self._record, self._recorder
        if record is None or recorder is None:
            return _WITHOUT_RECEIVERS_SECONDS
        due = record.due
        if now >= due:
            record.serve(now, _writing(recorder, time.time()))
            due = record.due
        return max(0.0, due - now)

    def export(self, view: DaemonView) -> None:
        """Tell those who are not sent datagrams of ours."""
        for exporter in self._exporters:
            try:
                exporter.tick(view)
                problem = exporter.problem
            except Exception as error:  # a defect in one of them must not take the hub down
                problem = f"unexpected {type(error).__name__}: {error}"
            self._tell_once(exporter.name, problem)
        if self._recorder is not None:
            self._tell_once(f"telemetry.record_file {self._parts.config.telemetry.record_file}", self._recorder.problem)

    def heard(self, now: float) -> list[Datagram]:
        """What legacy daemons have said since the last call; it is told to all receivers. `now`: epoch seconds."""
        datagrams = self._ears.datagrams(now)
        for datagram in datagrams:
            self._relay.pass_on(datagram)
        return datagrams

    def _tell_once(self, what: str, problem: str) -> None:
        """A problem that lasts is told when it begins."""
        if problem and self._told_problems.get(what) != problem:
            self._on_problem(what, problem)
        self._told_problems[what] = problem

    async def stop(self) -> None:
        asyncio.get_running_loop().remove_reader(self._relay.fileno())
        self._relay.close()
        await self._ears.close()
        for exporter in self._exporters:
            exporter.close()
        for fed in self._fed:
            fed.close()
        if self._recorder is not None:
            self._recorder.close()


def _writing(recorder: Recorder, at: float) -> Callable[[bytes], bool]:
    def write(data: bytes) -> bool:
        recorder.write(at, data)
        return not recorder.problem

    return write


def _nothing() -> None: ...


def _ignore(_what: str, _error: str) -> None: ...
