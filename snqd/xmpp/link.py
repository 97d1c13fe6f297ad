"""One session with a server: the only module that knows the library of XMPP.

slixmpp connects, encrypts, authenticates and parses. What it would do beyond that is done here or not at all: it does
not reconnect (a `Link` is for one session), it keeps no roster, and it does not write our stanzas, since its
serialisation costs more than everything else together. Its own stream management counts only what it has serialised
itself; here every stanza that goes out is counted where it is written.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import ssl
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from slixmpp import ClientXMPP, ComponentXMPP
from slixmpp.plugins.xep_0198 import stanza as sm
from slixmpp.stanza import Iq, Message, Presence, StreamFeatures
from slixmpp.xmlstream import register_stanza_plugin
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from slixmpp.xmlstream.stanzabase import StanzaBase

    from snqd.xmpp.accounts import Account

CONNECT_SECONDS = 30.0
CLOSE_SECONDS = 1.0
_CLIENT_PORT, _COMPONENT_PORT = 5222, 5347
PING_PREFIX = "snqd-ping-"
_PING = "{urn:xmpp:ping}ping"
_TLS = "{urn:ietf:params:xml:ns:xmpp-tls}starttls"
_STREAM = "{http://etherx.jabber.org/streams}"

register_stanza_plugin(StreamFeatures, sm.StreamManagement)
logging.getLogger("slixmpp").setLevel(logging.CRITICAL)  # what went wrong is told once, as an event, with its reason


@lru_cache(maxsize=16)
def _trust(ca_file: str | None, _changed_ns: int) -> ssl.SSLContext:
    """Reading a system's authorities takes tens of milliseconds, and there may be many connections."""
    return ssl.create_default_context(cafile=ca_file)


def _tls(ca_file: str | None) -> ssl.SSLContext:
    try:
        return _trust(ca_file, Path(ca_file).stat().st_mtime_ns if ca_file is not None else 0)
    except OSError as error:  # ssl.SSLError is one
        words = error.strerror or str(error)
        raise LinkLost(f"xmpp.ca_file {ca_file}: cannot be used: {words}", is_refused=True) from error


class LinkLost(Exception):
    """There is no session, or no more. `is_refused`: trying again will not help before somebody does something."""

    def __init__(self, reason: str, *, is_refused: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_refused = is_refused


class LinkUser(Protocol):
    """Told of what comes in; called on the event loop, in order."""

    def ready(self) -> None:
        """The session is there; what comes in and what is written from here on is part of it."""

    def began(self) -> None:
        """From here on stanzas are counted, in both directions."""

    def received(self, stanza: Element) -> None:
        """A message or presence, or an iq that the library deals with."""

    def acknowledged(self, number: int) -> None:
        """The server has so many of the stanzas that were written since the session began (XEP-0198)."""

    def asked(self) -> None:
        """The server asks how many of its stanzas we have."""

    def answered(self, ping: str) -> None:
        """The ping with this id has been through the server."""

    def wrote(self) -> None:
        """The library has written a stanza of its own."""


class Link:
    """Make it in the event loop; `open` once, then `write` until `lost` is done or `close` is called."""

    def __init__(self, account: Account, password: str, user: LinkUser) -> None:
        self._account = account
        self._user = user
        self.lost: asyncio.Future[LinkLost] = asyncio.get_running_loop().create_future()
        self.has_acks = False
        """Whether the server acknowledges (XEP-0198)."""
        self.heard_at = asyncio.get_running_loop().time()
        self._ready = asyncio.get_running_loop().create_future()
        self._enabled: asyncio.Future[bool] | None = None
        self._is_counting = False
        self._problem: LinkLost | None = None
        self._stream: _Client | _Component
        if account.xmpp.component:
            self._stream = _Component(account, password, self)
        else:
            self._stream = _Client(account, password, self, _tls(account.xmpp.ca_file))
        self._listen()

    async def open(self) -> None:
        """Connect and log in. Raises `LinkLost`."""
        xmpp = self._account.xmpp
        port = xmpp.port or (_COMPONENT_PORT if xmpp.component else _CLIENT_PORT)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                if xmpp.host is not None or xmpp.component:
                    self._stream.connect(xmpp.host, port)
                elif xmpp.port:
                    self._stream.connect(self._stream.boundjid.host, port)
                else:
                    self._stream.connect()
                await asyncio.wait([self._ready, self.lost], return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            self.fail(f"no session within {CONNECT_SECONDS:g} s")
        if self.lost.done():
            raise self.lost.result()

    @property
    def own(self) -> str:
        """The JID of this session, as the server has bound it."""
        return str(self._stream.boundjid.full)

    def write(self, data: bytes) -> None:
        """Write stanzas, or what XEP-0198 has. Nothing happens when the session is lost."""
        if self._stream.transport is not None and not self.lost.done():
            self._stream.transport.write(data)

    def pause_reading(self) -> None:
        if self._stream.transport is not None and self._stream.transport.is_reading():
            self._stream.transport.pause_reading()

    def resume_reading(self) -> None:
        if self._stream.transport is not None and not self._stream.transport.is_reading():
            self._stream.transport.resume_reading()

    def fail(self, reason: str, *, is_refused: bool = False) -> None:
        """The session is over, for this reason unless there is an earlier one."""
        if not self.lost.done():
            self.lost.set_result(self._problem or LinkLost(reason, is_refused=is_refused))
        self._stream.abort()

    async def close(self) -> None:
        """End the stream as the protocol wants it; at most `CLOSE_SECONDS`."""
        stream = self._stream
        if not self.lost.done():
            self.lost.set_result(LinkLost("closed"))
            if stream.transport is not None:
                self.resume_reading()  # the answer is behind what was not read
                with contextlib.suppress(Exception):
                    await stream.disconnect(CLOSE_SECONDS, ignore_send_queue=True)
        stream.cancel_connection_attempt()
        stream.abort()
        writer = stream._run_out_filters  # it has no other name: a task that nobody else would end
        if writer is not None:
            writer.cancel()
            await asyncio.wait([writer])

    # ---- what the library tells

    def _listen(self) -> None:
        stream = self._stream
        stream.add_filter("in", self._comes_in)
        stream.add_filter("out_sync", self._goes_out)
        for name, handler in {
            "connection_failed": self._not_connected,
            "failed_auth": self._bad_password,
            "failed_all_auth": self._not_logged_in,
            "stream_error": self._stream_error,
            "disconnected": self._disconnected,
        }.items():
            stream.add_event_handler(name, handler)
        if isinstance(stream, ComponentXMPP):
            stream.add_event_handler("session_start", self._is_ready)
            return
        stream.add_event_handler("stream_negotiated", self._is_ready)
        stream.register_feature("sm", self._enable_acks, restart=False, order=10100)  # after the resource is bound
        features = MatchXPath(f"{_STREAM}features")
        stream.register_handler(Callback("TLS offered", features, self._look_for_tls, instream=True))

    def _is_ready(self, _event: object) -> None:
        if not self._ready.done() and not self.lost.done():
            self._ready.set_result(None)
            self._user.ready()

    def _not_connected(self, error: object) -> None:
        known = isinstance(error, OSError) and error.errno  # its own words are asyncio's: "Connect call failed"
        words = os.strerror(known) if known else str(error)
        self._problem = LinkLost(f"cannot connect to {self._where()}: {words}")

    def _where(self) -> str:
        xmpp = self._account.xmpp
        port = xmpp.port or (_COMPONENT_PORT if xmpp.component else _CLIENT_PORT)
        return f"{xmpp.host or self._stream.boundjid.host}:{port}"

    def could_not_connect(self) -> None:
        """No address of the server could be connected to."""
        self.fail(f"cannot connect to {self._where()}")

    def _bad_certificate(self, error: ssl.SSLError) -> None:
        words = getattr(error, "verify_message", "") or error.reason or str(error)
        self.fail(
            f"the certificate of {self._where()} for {self._stream.boundjid.host} is not trusted: {words}: "
            "correct it, or name its authority in xmpp.ca_file",
            is_refused=True,
        )

    def _look_for_tls(self, features: StanzaBase) -> None:
        assert isinstance(self._stream, ClientXMPP)
        is_wanted = self._account.xmpp.encryption and "starttls" not in self._stream.features
        if is_wanted and features.xml.find(_TLS) is None:
            self.fail(f"{self._where()} offers no STARTTLS: nothing is sent to it in the clear", is_refused=True)

    def _bad_password(self, failure: StanzaBase) -> None:
        condition = failure["condition"]
        self._problem = LinkLost(
            f"{self._where()} refuses to log in {self._account.name}: {condition}", is_refused=True
        )

    def _not_logged_in(self, _event: object) -> None:
        self.fail(f"{self._where()} offers no way to log in that is safe without encryption", is_refused=True)

    def _stream_error(self, error: StanzaBase) -> None:
        condition, text = error["condition"], error["text"]
        words = f"{condition}: {text}" if text else str(condition)
        if condition == "conflict":
            words += f": is another program connected as {self._account.name}, or a daemon on another store?"
        refused = ("conflict", "host-unknown", "not-authorized", "policy-violation", "invalid-from")
        self._problem = LinkLost(f"{self._where()} ended the stream: {words}", is_refused=condition in refused)

    def _disconnected(self, reason: object) -> None:
        if isinstance(reason, ssl.SSLError) and not self._ready.done():
            self._bad_certificate(reason)
            return
        words = str(reason) if reason and str(reason) != "End of stream" else "connection lost"
        self.fail(f"{self._where()}: {words}")

    async def _enable_acks(self, _features: object) -> bool:
        enabled = self._enabled = asyncio.get_running_loop().create_future()
        self._is_counting = True
        self.write(b"<enable xmlns='urn:xmpp:sm:3'/>")
        ends: list[asyncio.Future[Any]] = [enabled, self.lost]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        self.has_acks = self._is_counting = enabled.done() and enabled.result()
        return False

    def _comes_in(self, stanza: StanzaBase) -> StanzaBase | None:
        self.heard_at = asyncio.get_running_loop().time()
        if isinstance(stanza, Message | Presence | Iq):
            self._user.received(stanza.xml)
            return self._iq_comes_in(stanza) if isinstance(stanza, Iq) else None
        match stanza.xml.tag:
            case "{urn:xmpp:sm:3}a":
                self._user.acknowledged(int(stanza.xml.get("h", "0")))
            case "{urn:xmpp:sm:3}r":
                self._user.asked()
            case "{urn:xmpp:sm:3}enabled" | "{urn:xmpp:sm:3}failed" as answer if self._enabled is not None:
                if not self._enabled.done():
                    self._user.began()
                    self._enabled.set_result(answer.endswith("enabled"))
            case _:
                return stanza
        return None

    def _iq_comes_in(self, stanza: Iq) -> Iq | None:
        number = stanza.xml.get("id", "")
        if number.startswith(PING_PREFIX):
            self._user.answered(number)
            return None
        if stanza.xml.get("type") == "get" and stanza.xml.find(_PING) is not None:
            stanza.reply().send()
            return None
        return stanza

    def _goes_out(self, stanza: StanzaBase) -> StanzaBase:
        if self._is_counting and isinstance(stanza, Message | Presence | Iq):
            self._user.wrote()
        return stanza


class _Client(ClientXMPP):
    """A client that does not try again by itself."""

    def __init__(self, account: Account, password: str, link: Link, trust: ssl.SSLContext) -> None:
        xmpp = account.xmpp
        in_clear = {"unencrypted_plain": not xmpp.encryption, "unencrypted_scram": not xmpp.encryption}
        super().__init__(
            f"{xmpp.jid}/{xmpp.resource}",
            password,
            plugin_config={"feature_mechanisms": in_clear},
            ssl_context=trust,
        )
        self.enable_direct_tls = False
        self.enable_starttls = xmpp.encryption
        self.enable_plaintext = not xmpp.encryption
        self._link = link

    def reschedule_connection_attempt(self) -> None:
        self._link.could_not_connect()


class _Component(ComponentXMPP):
    """The same for a component."""

    def __init__(self, account: Account, secret: str, link: Link) -> None:
        super().__init__(account.name, secret)  # type: ignore[no-untyped-call]
        self._link = link

    def reschedule_connection_attempt(self) -> None:
        self._link.could_not_connect()
