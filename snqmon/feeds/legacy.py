"""`LegacyListener`: hears the monitor pings of StatusNet 0.9 and GNU social without a daemon of snqd between.

A ping is no datagram of the wire. What is heard is told once a second in datagrams, as a hub would, so that folding,
recording and replaying are the same for all.
"""

from __future__ import annotations

import time
from collections import Counter
from math import inf
from typing import TYPE_CHECKING, Final

import msgspec

from snqd.errors import SnqdError
from snqd.telemetry import addresses
from snqd.telemetry.ears import UdpEar
from snqd.telemetry.feed import Source
from snqd.telemetry.legacy import LegacySenders
from snqd.telemetry.subscription import Trouble
from snqd.telemetry.wire import Datagram, encode_fact, fill, pack, unpack
from snqd.telemetry.words import duration_words, plural
from snqmon.feeds.advice import reached

if TYPE_CHECKING:
    from collections.abc import Callable

    from snqd.telemetry.ears import Believed
    from snqd.telemetry.feed import Fold

TELL_SECONDS: Final = 1.0
SILENCE_SECONDS: Final = 90.0
"""The loop of each of their workers turns at least once a minute."""


class LegacyListener:
    """One UDP address. Nothing is ever answered there, and nothing authenticates what comes."""

    def __init__(
        self,
        listen: str,
        *,
        fleet: Fold,
        believed: Believed | None = None,
        key: bytes | None = None,
        on_datagram: Callable[[float, bytes], None] | None = None,
    ) -> None:
        """`believed`: whose pings count; None = everybody's. `key` seals what `on_datagram` gets, so that a recording
        needs one key throughout. Raises `ValueError` or `SnqdError`, in words.
        """
        self._fleet, self._key, self._on_datagram = fleet, key, on_datagram
        self._senders = LegacySenders()
        self._ear = UdpEar(addresses.parse(listen, default_port=None), self._senders, believed)
        try:
            host, port = self._ear.open()
        except OSError as error:
            raise SnqdError(f"cannot listen at udp {listen}: {error.strerror or error}") from error
        self.address = addresses.written((host, port))
        self._since = time.monotonic()
        self._heard = -inf
        self._told_at = -inf
        self._numbers: Counter[tuple[str, str]] = Counter()
        self._datagrams = 0

    def fileno(self) -> int:
        return self._ear.fileno()

    def turn(self, now: float | None = None) -> float:
        """Take what has come, and once a second tell the fleet. Seconds until it must be called again."""
        now = time.monotonic() if now is None else now
        if self._ear.turn(time.time()):
            self._heard = now
        if now >= self._told_at + TELL_SECONDS:
            self._told_at = now
            for datagram in self._senders.datagrams(time.time()):
                self._tell(datagram, now)
        return self._told_at + TELL_SECONDS - now

    def source(self, now: float) -> Source:
        is_receiving = now < self._heard + SILENCE_SECONDS and self._datagrams > 0
        trouble = Trouble.NONE if is_receiving else Trouble.SILENT if self._datagrams else Trouble.ASKING
        return Source(
            self.address, self._words(now), is_receiving, self._since, self._heard if self._datagrams else -inf,
            self._datagrams, self._ear.not_understood + self._ear.believed.refused, trouble, is_pushing=True
        )  # fmt: skip

    def advice(self, now: float) -> list[str]:
        """What a person can do while nothing is heard."""
        if self._datagrams:
            return [f"No legacy ping has come to udp://{self.address} for {duration_words(now - self._heard)}."]
        refused = self._ear.believed.refused
        if refused:
            return [
                f"{plural(refused, 'ping')} came to udp://{self.address} from senders that --legacy-from does not name."
            ]
        return [
            f"No legacy ping has come to udp://{self.address} for {duration_words(now - self._since)}.",
            f"In the configuration of StatusNet: $config['queue']['monitor'] = 'udp://{reached(self.address)}';",
        ]

    def close(self) -> None:
        self._ear.close()

    def _tell(self, datagram: Datagram, now: float) -> None:
        header = datagram.header
        for group in fill(map(encode_fact, datagram.facts)):
            self._numbers[header.daemon, header.host] += 1
            numbered = msgspec.structs.replace(header, sequence=self._numbers[header.daemon, header.host])
            data = pack(numbered, group, self._key)
            if self._on_datagram is not None:
                self._on_datagram(time.time(), data)
            told = unpack(data, self._key)
            assert isinstance(told, Datagram)
            self._fleet.apply(told, source=self.address, now=now)
            self._datagrams += 1

    def _words(self, now: float) -> str:
        if self._datagrams:
            silent = f", silent for {duration_words(now - self._heard)}" if now >= self._heard + 1.0 else ""
            return f"pings of {plural(len(self._senders.folds), 'legacy daemon')}{silent}"
        refused = self._ear.believed.refused
        if refused:
            return f"{plural(refused, 'ping')} of senders that are not believed"
        if self._ear.not_understood:
            return f"{plural(self._ear.not_understood, 'datagram')} that are no pings"
        return f"listening for legacy pings, nothing has come for {duration_words(now - self._since)}"
