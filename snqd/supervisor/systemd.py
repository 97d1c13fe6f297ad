"""Telling systemd how the daemon is (`sd_notify`): one datagram per message, nothing when nobody asks for it.

See sd_notify(3). Sending never blocks and never fails the daemon.
"""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import MutableMapping


class Notifier:
    """Sends to `address`; None = nobody listens. `watchdog_seconds` is how often `watchdog` is wanted, 0 = never."""

    def __init__(self, address: str | None = None, *, watchdog_seconds: float = 0.0) -> None:
        self.watchdog_seconds = watchdog_seconds
        self._address = _socket_address(address) if address else None
        self._socket: socket.socket | None = None
        self._next_watchdog = 0.0
        self._status = ""

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str] = os.environ) -> Notifier:
        """Take the address and the watchdog's time out of the environment, so that no child speaks for the daemon."""
        address = environment.pop("NOTIFY_SOCKET", None)
        micros = environment.pop("WATCHDOG_USEC", "")
        meant_for = environment.pop("WATCHDOG_PID", "")
        is_for_us = not meant_for or meant_for == str(os.getpid())
        seconds = int(micros) / 1e6 if address and is_for_us and micros.isdigit() else 0.0
        return cls(address, watchdog_seconds=seconds / 2)

    def ready(self, status: str = "") -> None:
        self._send("READY=1", *_status(status))

    def reloading(self) -> None:
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, status: str = "") -> None:
        self._send("STOPPING=1", *_status(status))

    def status(self, status: str) -> None:
        """Sent only when it differs from the last one."""
        if status != self._status:
            self._status = status
            self._send(f"STATUS={status}")

    def watchdog(self, now: float) -> float | None:
        """Send the sign of life if it is due at `now` (monotonic); seconds until the next one, None for never."""
        if not self.watchdog_seconds:
            return None
        if now >= self._next_watchdog:
            self._send("WATCHDOG=1")
            self._next_watchdog = now + self.watchdog_seconds
        return self._next_watchdog - now

    def close(self) -> None:
        """Also in a child, where it takes nothing from the parent."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, *lines: str) -> None:
        if self._address is None:
            return
        try:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
                self._socket.setblocking(False)
            self._socket.sendto("\n".join(lines).encode(), self._address)
        except OSError:
            self.close()  # systemd is restarting or its queue is full; the next message makes a new socket


def _status(status: str) -> list[str]:
    return [f"STATUS={status}"] if status else []


def _socket_address(name: str) -> str:
    return f"\0{name[1:]}" if name.startswith("@") else name  # "@": Linux's abstract namespace
