"""Another program on the broker: STOMP written by hand on a socket, as a client in any language would send it."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from tests.support.brokers import Broker


class Peer:
    """A connection as guest. Header values go out as they are given."""

    def __init__(self, broker: Broker) -> None:
        self._socket = socket.create_connection(("127.0.0.1", broker.port), timeout=30)
        self._rest = b""
        self._write("CONNECT", {"accept-version": "1.2", "host": "/", "login": "guest", "passcode": "guest"})
        self.read("CONNECTED")

    def send(self, destination: str, body: bytes = b"", **headers: str) -> None:
        """One SEND, confirmed. `_` in the name of a header stands for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._write("SEND", {"destination": destination, **named, "receipt": "sent"}, body)
        self.read("RECEIPT")

    def subscribe(self, destination: str) -> None:
        """Messages there are acked as they come."""
        self._write("SUBSCRIBE", {"id": "0", "destination": destination, "ack": "auto", "receipt": "subscribed"})
        self.read("RECEIPT")

    def read(self, command: str) -> tuple[dict[str, str], bytes]:
        """The next frame, which must be of that kind: its headers and its body."""
        head = self._until(b"\n\n").lstrip(b"\n").decode()
        lines = head.splitlines()
        assert lines[0] == command, head
        headers = dict(line.split(":", 1) for line in lines[1:] if line)
        if "content-length" in headers:
            body = self._exactly(int(headers["content-length"]))
            self._until(b"\0")
        else:
            body = self._until(b"\0")[:-1]
        return headers, body

    def _write(self, command: str, headers: dict[str, str], body: bytes = b"") -> None:
        lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
        self._socket.sendall(f"{command}\n{lines}\n".encode() + body + b"\0")

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._rest.lstrip(b"\n"):
            self._more()
        rest = self._rest.lstrip(b"\n")
        found, _, self._rest = rest.partition(mark)
        return found + mark

    def _exactly(self, size: int) -> bytes:
        while len(self._rest) < size:
            self._more()
        found, self._rest = self._rest[:size], self._rest[size:]
        return found

    def _more(self) -> None:
        data = self._socket.recv(65536)
        assert data, "the broker has ended the connection"
        self._rest += data

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
