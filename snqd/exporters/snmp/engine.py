"""The ordinary road: pysnmp decodes, authenticates, reports and counts; what is answered comes from the `Answerer`.

Only the engine of pysnmp is used, with a transport and a command responder of our own: its responders leak what they
have begun when a figure cannot be told, do not answer some GetBulks and know no size of an answer. The only module that
imports pysnmp.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from pysnmp.carrier.asyncio.dgram import udp, udp6
from pysnmp.carrier.asyncio.dispatch import AsyncioDispatcher
from pysnmp.carrier.base import AbstractTransport
from pysnmp.entity import config
from pysnmp.entity.engine import SnmpEngine
from pysnmp.proto import errind, error, rfc1155, rfc1902, rfc1905
from pysnmp.proto.api import v1, v2c

from snqd.exporters.snmp import ber
from snqd.exporters.snmp.answering import (
    AUTHORIZATION_ERROR,
    GENERAL_ERROR,
    GET,
    GET_BULK,
    GET_NEXT,
    MESSAGE_LIMIT,
    NO_ACCESS,
    NO_ERROR,
    NO_SUCH_NAME,
    NOT_WRITABLE,
    WRAPPED,
    WRAPPED_V3,
    Request,
    room_for,
)
from snqd.exporters.snmp.discovery import as_discovery
from snqd.exporters.snmp.standard import USM_STATS
from snqd.exporters.snmp.tree import parts
from snqd.exporters.snmp.usm import NO_PRIVACY
from snqd.exporters.snmp.views import VIEW, is_in_view

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from snqd.exporters.snmp.answering import Answerer
    from snqd.exporters.snmp.counters import Counters
    from snqd.exporters.snmp.identity import Identity
    from snqd.exporters.snmp.settings import User
    from snqd.exporters.snmp.usm import Keys

_AUTH: Final = {
    "SHA-1": config.USM_AUTH_HMAC96_SHA,
    "SHA-224": config.USM_AUTH_HMAC128_SHA224,
    "SHA-256": config.USM_AUTH_HMAC192_SHA256,
    "SHA-384": config.USM_AUTH_HMAC256_SHA384,
    "SHA-512": config.USM_AUTH_HMAC384_SHA512,
}
_PRIVACY: Final = {
    NO_PRIVACY: config.USM_PRIV_NONE,
    "AES-128": config.USM_PRIV_CFB128_AES,
    "AES-192": config.USM_PRIV_CFB192_AES_BLUMENTHAL,
    "AES-256": config.USM_PRIV_CFB256_AES_BLUMENTHAL,
}
_PDUS: Final = {
    rfc1905.GetRequestPDU.tagSet: GET,
    rfc1905.GetNextRequestPDU.tagSet: GET_NEXT,
    rfc1905.GetBulkRequestPDU.tagSet: GET_BULK,
}
_SET: Final = rfc1905.SetRequestPDU.tagSet
_READ_MODELS: Final = (1, 2)
_USM: Final = 3
_VERSION_1, _VERSION_3 = 0, 3
_NO_AUTH_NO_PRIVACY, _AUTH_ONLY, _AUTH_AND_PRIVACY = 1, 2, 3
_EXACT: Final = 1
_TICK_SECONDS: Final = 1.0
_COMMUNITY: Final = "reader"
_VIEW_NAME: Final = "snqd"
_VALUES_V2: Final[dict[int, Any]] = {
    ber.INTEGER: rfc1902.Integer32,
    ber.COUNTER32: rfc1902.Counter32,
    ber.GAUGE32: rfc1902.Gauge32,
    ber.TIMETICKS: rfc1902.TimeTicks,
    ber.COUNTER64: rfc1902.Counter64,
}
_VALUES_V1: Final[dict[int, Any]] = {
    ber.INTEGER: v1.Integer,
    ber.COUNTER32: rfc1155.Counter,
    ber.GAUGE32: rfc1155.Gauge,
    ber.TIMETICKS: rfc1155.TimeTicks,
}
_EXCEPTIONS: Final[dict[int, Any]] = {
    ber.NO_SUCH_OBJECT: rfc1905.noSuchObject,
    ber.NO_SUCH_INSTANCE: rfc1905.noSuchInstance,
    ber.END_OF_MIB_VIEW: rfc1905.endOfMibView,
}
_REFUSALS: Final = {
    "__SNMPv2-MIB": (
        "snmpInBadVersions",
        "snmpInBadCommunityNames",
        "snmpInBadCommunityUses",
        "snmpInASNParseErrs",
        "snmpSilentDrops",
        "snmpProxyDrops",
    ),
    "__SNMP-MPD-MIB": ("snmpUnknownSecurityModels", "snmpInvalidMsgs", "snmpUnknownPDUHandlers"),
    "__SNMP-USER-BASED-SM-MIB": USM_STATS,
    "__SNMP-TARGET-MIB": ("snmpUnknownContexts",),
}
"""Where pysnmp counts what it refuses."""


class Engine:
    """Made inside a running loop. `send(data, address)` must not raise; `uptime`: seconds since the agent began."""

    def __init__(
        self,
        *,
        identity: Identity,
        community: str | None,
        users: Mapping[User, Keys],
        answerer: Answerer,
        counters: Counters,
        send: Callable[[bytes, Any], None],
        uptime: Callable[[], float],
        is_ipv6: bool,
    ) -> None:
        self._answerer = answerer
        self._counters = counters
        self._uptime = uptime
        self._engine_id = identity.engine_id
        self._most = MESSAGE_LIMIT
        module = udp6 if is_ipv6 else udp
        self._domain = module.DOMAIN_NAME
        self._address_type = udp6.Udp6TransportAddress if is_ipv6 else udp.UdpTransportAddress
        self._engine = SnmpEngine(maxMessageSize=MESSAGE_LIMIT)
        self.refused = {
            name: symbol
            for where, names in _REFUSALS.items()
            for name, symbol in zip(names, self._symbols(where, *names), strict=True)
        }
        self._take_identity(identity)
        dispatcher = AsyncioDispatcher()
        dispatcher.set_timer_resolution(_TICK_SECONDS)
        self._engine.register_transport_dispatcher(dispatcher)
        dispatcher.register_transport(self._domain, _Transport(send))
        self._configure(community, users)
        pdus = (*_PDUS, _SET)
        self._engine.message_dispatcher.register_context_engine_id(self._engine.snmpEngineID, pdus, self._process)

    def close(self) -> None:
        self._engine.close_dispatcher()

    def take(self, data: bytes, address: Any) -> None:
        """Deal with a message. Never raises: what makes pysnmp raise is malformed in a way that it does not know."""
        self._keep_time()
        self._most = _most_of(data)
        data = as_discovery(data, self._engine_id)
        try:
            self._engine.message_dispatcher.receive_message(
                self._engine, self._domain, self._address_type(address), data
            )
        except Exception:
            self._counters.in_asn_parse_errors += 1

    # configuration

    def _symbols(self, module: str, *names: str) -> Sequence[Any]:
        return tuple(self._engine.get_mib_builder().import_symbols(module, *names))

    def _take_identity(self, identity: Identity) -> None:
        """pysnmp would keep the boots in the temporary folder, where everybody may write."""
        engine_id, boots, self._time = self._symbols(
            "__SNMP-FRAMEWORK-MIB", "snmpEngineID", "snmpEngineBoots", "snmpEngineTime"
        )
        engine_id.syntax = engine_id.syntax.clone(identity.engine_id)
        self._engine.snmpEngineID = engine_id.syntax
        boots.syntax = boots.syntax.clone(identity.boots)
        self._began = -1
        self._keep_time()

    def _keep_time(self) -> None:
        """pysnmp reckons by the wall clock, which may be set; an engine's time must only go on."""
        began = int(time.time() - self._uptime())
        if began != self._began:
            self._began = began
            self._time.syntax = self._time.syntax.clone(began)

    def _configure(self, community: str | None, users: Mapping[User, Keys]) -> None:
        engine = self._engine
        config.add_context(engine, b"")
        for subtree in VIEW:
            config.add_vacm_view(engine, _VIEW_NAME, "included", subtree, "")
        if community is not None:
            config.add_v1_system(engine, _COMMUNITY, community, securityName=_COMMUNITY)
            for model in _READ_MODELS:
                self._allow(f"community {model}", model, _COMMUNITY, _NO_AUTH_NO_PRIVACY)
        for user, keys in users.items():
            config.add_v3_user(
                engine,
                user.name,
                _AUTH[user.auth],
                keys.auth,
                _PRIVACY[user.privacy],
                keys.privacy or None,
                authKeyType=config.USM_KEY_TYPE_LOCALIZED,
                privKeyType=config.USM_KEY_TYPE_LOCALIZED,
            )
            level = _AUTH_ONLY if user.privacy == NO_PRIVACY else _AUTH_AND_PRIVACY
            self._allow(f"level {level}", _USM, user.name, level)

    def _allow(self, group: str, model: int, name: str, level: int) -> None:
        """Let a name read the view, and write nothing."""
        config.add_vacm_group(self._engine, group, model, name)
        config.add_vacm_access(self._engine, group, b"", model, level, "exact", _VIEW_NAME, "", "")

    # requests

    def _process(
        self,
        engine: Any,
        processing_model: Any,
        security_model: Any,
        security_name: Any,
        security_level: Any,
        context_engine_id: Any,
        context_name: Any,
        pdu_version: Any,
        pdu: Any,
        most_scoped: Any,
        state: Any,
    ) -> None:
        """What pysnmp calls with a request. It is always given a response, else it would keep the request for good."""
        version = int(processing_model)
        api: Any = v1.apiPDU if version == _VERSION_1 else v2c.apiPDU
        response = api.get_response(pdu)
        status: dict[str, Any] = {}
        try:
            refusal = self._access(security_model, security_name, security_level, context_name, status)
            code, index, bindings = refusal or self._answer(api, pdu, version)
        except ber.Unusual:  # names that are longer than any may be
            self._counters.in_asn_parse_errors += 1
            code, index, bindings = GENERAL_ERROR, 0, None
        except Exception:
            self._counters.defects += 1
            code, index, bindings = GENERAL_ERROR, 0, None
        if bindings is None:
            bindings = api.get_varbinds(pdu)
        api.set_error_status(response, code)
        api.set_error_index(response, index)
        api.set_varbinds(response, bindings)
        if status:
            response = pdu  # what a report is about: pysnmp reports on requests only
        try:
            engine.message_dispatcher.return_response_pdu(
                engine, processing_model, security_model, security_name, security_level, context_engine_id,
                context_name, pdu_version, response, most_scoped, state, status,
            )  # fmt: skip
        except error.StatusInformation:
            self._counters.silent_drops += 1
        else:
            self._counters.out_get_responses += not status

    def _access(
        self, model: Any, name: Any, level: Any, context: Any, status: dict[str, Any]
    ) -> tuple[int, int, None] | None:
        """Whether this reader may read: one question for all objects, since the tree has only those of the view."""
        try:
            self._engine.access_control_model[3].is_access_allowed(
                self._engine, model, name, level, "read", context, rfc1902.ObjectName((*VIEW[-1], 1))
            )
        except error.StatusInformation as refused:
            if refused["errorIndication"] == errind.noSuchContext:
                unknown = self.refused["snmpUnknownContexts"]
                unknown.syntax += 1
                status.update(oid=unknown.name, val=unknown.syntax, errorIndication=errind.noSuchContext)
                return GENERAL_ERROR, 0, None
            return AUTHORIZATION_ERROR, 0, None
        return None

    def _answer(self, api: Any, pdu: Any, version: int) -> tuple[int, int, list[tuple[Any, Any]] | None]:
        """Status, index and bindings; None = those of the request."""
        asked = [tuple(name) for name, _value in api.get_varbinds(pdu)]
        kind = _PDUS.get(pdu.tagSet)
        if kind is None:
            return self._refuse_set(asked, version)
        first = second = 0
        if kind == GET_BULK:
            first = int(v2c.apiBulkPDU.get_non_repeaters(pdu))
            second = int(v2c.apiBulkPDU.get_max_repetitions(pdu))
        names = [ber.oid_content(name) for name in asked]
        request = Request(kind, names, first, second, is_version_1=version == _VERSION_1)
        room = room_for(request, WRAPPED_V3, self._most) if version == _VERSION_3 else room_for(request, WRAPPED)
        found = self._answerer.answer(request, room)
        if found.status != NO_ERROR:
            return found.status, found.at, None if found.bindings else []
        told = map(parts, found.bindings)
        return NO_ERROR, 0, [(_name(name), _value(value, version)) for name, value in told]

    def _refuse_set(self, asked: Sequence[ber.Oid], version: int) -> tuple[int, int, list[tuple[Any, Any]] | None]:
        """Nothing can be set: RFC 3416, section 4.2.5, and RFC 3584 for version 1."""
        self._counters.in_set_requests += 1
        if not asked:
            return NO_ERROR, 0, []
        hidden = next((index for index, name in enumerate(asked, 1) if not is_in_view(name)), 0)
        if version == _VERSION_1:
            return NO_SUCH_NAME, hidden or 1, None
        return (NO_ACCESS, hidden, None) if hidden else (NOT_WRITABLE, 1, None)


class _Transport(AbstractTransport):
    """Where pysnmp's dispatcher sends answers."""

    PROTO_TRANSPORT_DISPATCHER: Any = AsyncioDispatcher

    def __init__(self, send: Callable[[bytes, Any], None]) -> None:
        self._send = send

    def send_message(self, outgoingMessage: Any, transportAddress: Any) -> None:  # noqa: N803 - the interface's names
        self._send(bytes(outgoingMessage), tuple(transportAddress))


def _most_of(data: bytes) -> int:
    """What the sender of a message of version 3 takes; pysnmp does not pass it on."""
    try:
        at, end = ber.enter(data, 0, len(data), ber.SEQUENCE)
        version, at = ber.read_integer(data, at, end)
        if version != _VERSION_3:
            return MESSAGE_LIMIT
        at, end = ber.enter(data, at, end, ber.SEQUENCE)
        _message_id, at = ber.read_integer(data, at, end)
        return ber.read_integer(data, at, end)[0]
    except ber.Unusual:
        return MESSAGE_LIMIT


def _name(content: bytes) -> Any:
    return rfc1902.ObjectName(ber.read_oid(content))


def _value(raw: bytes, version: int) -> Any:
    """A value of pysnmp's types."""
    tag = raw[0]
    if tag in _EXCEPTIONS:
        return _EXCEPTIONS[tag]
    begin, end = ber.enter(raw, 0, len(raw), tag)
    content = raw[begin:end]
    if tag == ber.OCTETS:
        return (v1.OctetString if version == _VERSION_1 else rfc1902.OctetString)(content)
    if tag == ber.OBJECT:
        return rfc1902.ObjectIdentifier(ber.read_oid(content))
    types = _VALUES_V1 if version == _VERSION_1 else _VALUES_V2
    return types[tag](int.from_bytes(content, "big", signed=True))
