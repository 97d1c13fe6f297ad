"""The hub's ears: opened as configured, both at once, into one fold."""

from __future__ import annotations

import asyncio
import socket
import urllib.request

import pytest

from snqd.config.schema import TelemetryConfig
from snqd.errors import ConfigError
from snqd.hub.ears import LegacyEars
from snqd.telemetry.fleet import Fleet

PING = b"counter=handled&owners%5B0%5D=queue%3Adistrib"


async def test_both_ears_fold_into_one_daemon() -> None:
    ears = LegacyEars(TelemetryConfig(legacy_listen="127.0.0.1:0", legacy_http_listen="127.0.0.1:0"))
    udp, http = await ears.open()
    fleet = Fleet()
    try:
        host, _, port = udp.removeprefix("udp://").rpartition(":")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(PING, (host, int(port)))
        await asyncio.to_thread(
            lambda: urllib.request.urlopen(http, PING, timeout=10).close()
        )  # by now the loop has seen both

        for datagram in ears.datagrams(100.0):
            fleet.apply(datagram, source="127.0.0.1", now=1.0)
    finally:
        await ears.close()

    assert fleet.daemons["legacy@127.0.0.1"].queue_totals()["distrib"].handled == 2


async def test_without_settings_nothing_listens() -> None:
    ears = LegacyEars(TelemetryConfig())

    assert await ears.open() == []
    assert ears.datagrams(1.0) == []
    assert ears.not_understood == 0
    await ears.close()


async def test_an_address_in_use_is_one_line_with_the_key_and_leaves_nothing_open() -> None:
    first = LegacyEars(TelemetryConfig(legacy_http_listen="127.0.0.1:0"))
    (http,) = await first.open()
    taken = http.removeprefix("http://")
    second = LegacyEars(TelemetryConfig(legacy_listen="127.0.0.1:0", legacy_http_listen=taken))
    try:
        with pytest.raises(ConfigError) as caught:
            await second.open()
    finally:
        await first.close()

    assert str(caught.value).startswith(f"telemetry.legacy_http_listen is {taken}: cannot listen there: ")
    assert "in use" in str(caught.value)
