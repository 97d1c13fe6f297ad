"""Where the brokers are, read from `store.url`.

`stomp://user:password@host:61613,other:61613/name?vhost=/`: the brokers in the order of preference, and the name that
all destinations begin with. `stomps://` is the same with TLS. Who is given no user and password has those of the broker
before it.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

from snqd.config.secrets import redact_url
from snqd.errors import ConfigError

SCHEMES = ("stomp", "stomps")
_PORTS = {"stomp": 61613, "stomps": 61614}
_FORM = "use stomp://user:password@host:61613,other:61613/name"
_BROKER = re.compile(
    r"(?:(?P<user>[^:]*)(?::(?P<password>.*))?@)?(?P<host>\[[^\]]+\]|[^:\[\]@]+)(?::(?P<port>\d{1,5}))?"
)
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,40}")


class Address(NamedTuple):
    """One broker, and as whom to connect."""

    host: str
    port: int
    user: str
    password: str
    vhost: str
    is_encrypted: bool

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Location(NamedTuple):
    brokers: tuple[Address, ...]
    name: str


def parse(url: str) -> Location:
    """Raises `ConfigError`."""
    scheme, _, rest = url.partition("://")
    rest, _, query = rest.partition("?")
    authority, _, name = _split_path(rest)
    name = name or "snqd"
    if not _NAME.fullmatch(name):
        raise _wrong(url, f"its name {name!r} may have letters, digits, '.', '_' and '-' only, at most 40")
    options = dict(parse_qsl(query, keep_blank_values=True))
    vhost = options.pop("vhost", "/")
    if options:
        raise _wrong(url, f"it has no option {min(options)!r}: only vhost")
    brokers: list[Address] = []
    user, password = "guest", "guest"
    for part in authority.split(","):
        found = _BROKER.fullmatch(part)
        if found is None:
            raise _wrong(url, f"{redact_url('://' + part)[3:]!r} is no broker")
        if found["user"] is not None:
            user, password = unquote(found["user"]), unquote(found["password"] or "")
        port = int(found["port"]) if found["port"] else _PORTS[scheme]
        if not 0 < port < 65536:
            raise _wrong(url, f"port {port} does not exist")
        brokers.append(Address(found["host"].strip("[]"), port, user, password, vhost, scheme == "stomps"))
    return Location(tuple(brokers), name)


def _split_path(rest: str) -> tuple[str, str, str]:
    """A password may hold a `/`, a host may not."""
    at = rest.rfind("@") + 1
    authority, slash, path = rest[at:].partition("/")
    return rest[:at] + authority, slash, path


def _wrong(url: str, why: str) -> ConfigError:
    return ConfigError(f"store.url {redact_url(url)!r}: {why}; {_FORM}")
