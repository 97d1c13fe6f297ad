"""The ears of the hub: where the pings of legacy daemons arrive, as the configuration says."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from snqd.config.addresses import Address, parse_address, parse_networks
from snqd.config.startup import H11_MISSING
from snqd.errors import ConfigError
from snqd.telemetry.ears import Believed, UdpEar
from snqd.telemetry.legacy import LegacySenders

if TYPE_CHECKING:
    from snqd.config.schema import TelemetryConfig
    from snqd.telemetry.http_ear import HttpEar
    from snqd.telemetry.wire import Datagram


class LegacyEars:
    """Both ears, or one, or none. Lives in one event loop."""

    def __init__(self, config: TelemetryConfig) -> None:
        self._config = config
        self.senders = LegacySenders()
        self.believed = Believed(parse_networks(config.legacy_senders))
        self._udp: UdpEar | None = None
        self._http: HttpEar | None = None

    async def open(self) -> list[str]:
        """Listen; the addresses in words. Raises `ConfigError`, which names the setting, and listens nowhere then."""
        try:
            return [each for each in (self._open_udp(), await self._open_http()) if each]
        except ConfigError:
            await self.close()
            raise

    def datagrams(self, now: float) -> list[Datagram]:
        """What was heard since the last call, for `Fleet.apply`. Call once a second. `now`: epoch seconds."""
        return self.senders.datagrams(now)

    @property
    def not_understood(self) -> int:
        """What arrived and was no ping."""
        return sum(ear.not_understood for ear in (self._udp, self._http) if ear is not None)

    async def close(self) -> None:
        if self._udp is not None:
            asyncio.get_running_loop().remove_reader(self._udp.fileno())
            self._udp.close()
            self._udp = None
        if self._http is not None:
            await self._http.close()
            self._http = None

    def _open_udp(self) -> str:
        text = self._config.legacy_listen
        if text is None:
            return ""
        ear = UdpEar(parse_address(text), self.senders, self.believed)
        try:
            bound = ear.open()
        except OSError as error:
            raise _cannot_listen("telemetry.legacy_listen", text, error) from error
        self._udp = ear
        asyncio.get_running_loop().add_reader(ear.fileno(), lambda: ear.turn(time.time()))
        return f"udp://{Address(*bound)}"

    async def _open_http(self) -> str:
        text = self._config.legacy_http_listen
        if text is None:
            return ""
        try:
            from snqd.telemetry.http_ear import HttpEar
        except ImportError as error:
            raise ConfigError(H11_MISSING) from error
        ear = HttpEar(parse_address(text), self.senders, self.believed)
        try:
            bound = await ear.open()
        except OSError as error:
            raise _cannot_listen("telemetry.legacy_http_listen", text, error) from error
        self._http = ear
        return f"http://{Address(*bound)}"


def _cannot_listen(key: str, text: str, error: OSError) -> ConfigError:
    return ConfigError(f"{key} is {text}: cannot listen there: {error.strerror or error}")
