"""An XMPP client that is not the library which snqd uses: enough of RFC 6120 to log in, send, and note what comes.

It reads what arrives as it is on the wire, so it says what really was sent. Blocking calls, a thread of its own.
"""

from __future__ import annotations

import base64
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol
from xml.etree import ElementTree

from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from xml.etree.ElementTree import Element

STREAM = "http://etherx.jabber.org/streams"
CLIENT = "{jabber:client}"
_SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
_TLS = "urn:ietf:params:xml:ns:xmpp-tls"
_BIND = "urn:ietf:params:xml:ns:xmpp-bind"
SECONDS = 20.0


class Server(Protocol):
    """What a client must know of one."""

    port: int
    component_port: int
    ca_file: Path


class XmppClient:
    """Logs in when made. `stanzas` grows as they come; `times` has when each came (monotonic)."""

    def __init__(self, server: Server, jid: str, password: str, *, resource: str = "test", priority: int = 0) -> None:
        self.jid = jid
        self.stanzas: list[Element] = []
        self.times: list[float] = []
        self._host = jid.partition("@")[2]
        self._socket: socket.socket = socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS)
        self._begin()
        self._send(f"<starttls xmlns='{_TLS}'/>")
        self._expect(f"{{{_TLS}}}proceed")
        context = ssl.create_default_context(cafile=str(server.ca_file))
        self._socket = context.wrap_socket(self._socket, server_hostname=self._host)
        self._begin()
        token = base64.b64encode(f"\0{jid.partition('@')[0]}\0{password}".encode()).decode()
        self._send(f"<auth xmlns='{_SASL}' mechanism='PLAIN'>{token}</auth>")
        self._expect(f"{{{_SASL}}}success")
        self._begin()
        self._send(f"<iq type='set' id='bind'><bind xmlns='{_BIND}'><resource>{resource}</resource></bind></iq>")
        self._expect(f"{CLIENT}iq")
        self._socket.settimeout(None)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._send(f"<presence><priority>{priority}</priority></presence>")

    def send(self, xml: str) -> None:
        self._send(xml)

    def messages(self) -> list[str]:
        """The bodies of the messages so far."""
        found = [stanza.findtext(f"{CLIENT}body") for stanza in self.stanzas if stanza.tag == f"{CLIENT}message"]
        return [body for body in found if body is not None]

    def wait(self, fact: Callable[[Element], object], *, seconds: float = SECONDS) -> Element:
        """The first stanza of which it is true."""
        found: list[Element] = []

        def look() -> bool:
            found[:] = [stanza for stanza in list(self.stanzas) if fact(stanza)]
            return bool(found)

        wait_until(look, f"{self.jid} gets such a stanza; it got {len(self.stanzas)}", seconds=seconds)
        return found[0]

    def wait_messages(self, count: int, *, seconds: float = SECONDS) -> list[str]:
        wait_until(
            lambda: len(self.messages()) >= count,
            f"{self.jid} gets {count} messages; it has {len(self.messages())}",
            seconds=seconds,
        )
        return self.messages()

    def close(self) -> None:
        """Leave as a client does, so that the server knows."""
        try:
            self._send("</stream:stream>")
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        self._reader.join(SECONDS)
        self._socket.close()

    def _begin(self) -> None:
        self._parser: Any = ElementTree.XMLPullParser(("start", "end"))  # typeshed's has other events in its answer
        self._depth = 0
        self._send(f"<stream:stream to='{self._host}' xmlns='jabber:client' xmlns:stream='{STREAM}' version='1.0'>")
        self._expect(f"{{{STREAM}}}features")

    def _send(self, text: str) -> None:
        self._socket.sendall(text.encode())

    def _expect(self, tag: str) -> Element:
        while True:
            for element in self._feed():
                assert element.tag == tag, f"{element.tag} came for {tag}: {ElementTree.tostring(element)!r}"
                return element

    def _feed(self) -> list[Element]:
        data = self._socket.recv(65536)
        if not data:
            raise EOFError(f"the server has closed the connection of {self.jid}")
        self._parser.feed(data)
        found: list[Element] = []
        for event, element in self._parser.read_events():
            self._depth += 1 if event == "start" else -1
            if event == "end" and self._depth == 1:
                found.append(element)
        return found

    def _read(self) -> None:
        try:
            while True:
                found = self._feed()
                now = time.monotonic()
                self.stanzas += found
                self.times += [now] * len(found)
        except (OSError, EOFError, ValueError, ElementTree.ParseError):
            return
