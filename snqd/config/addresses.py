"""Where telemetry listens and sends, and the key that protects it.

Pure, but for `resolve_key`, which reads a file. What is wrong is a `ValueError` whose words end the sentence "KEY is
VALUE: …"; the loader adds where.
"""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING, NamedTuple

from snqd.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

    from snqd.config.schema import TelemetryConfig

    Network = IPv4Network | IPv6Network
    _Address = IPv4Address | IPv6Address

AUTO = "auto"
NONE = "none"
KEY_LEAST = 16
"""Fewest characters of a key: fewer can be found by trying."""
KEY_MOST = 1024

_FORM = "must be HOST:PORT, as in '127.0.0.1:5480' or '[::1]:5480'"
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = rf"{_LABEL}(?:\.{_LABEL})*\.?"
_KEY_FILE_LIMIT = 4096


class Address(NamedTuple):
    """`host` is a name or an address, IPv6 without its brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str, *, low: int = 0) -> Address:
    """Understand `HOST:PORT`. Port 0 stands for any free one; `low` 1 forbids it. Raises `ValueError`."""
    host, colon, digits = text.rpartition(":")
    if not colon:
        raise ValueError(f"{_FORM}: the port is missing")
    if not re.fullmatch(r"[0-9]{1,5}", digits) or not low <= int(digits) <= 65535:
        raise ValueError(f"{_FORM}: the port must be {low} to 65535")
    return Address(_host(host), int(digits))


def parse_target(text: str) -> Address:
    """Understand `udp://HOST:PORT`. Raises `ValueError`."""
    address = text.removeprefix("udp://")
    if address == text:
        raise ValueError("must be udp://HOST:PORT, as in 'udp://192.0.2.7:5481'")
    return parse_address(address, low=1)


def parse_networks(texts: Iterable[str]) -> list[Network]:
    """Understand addresses and networks, `192.0.2.7` or `10.0.0.0/8`. Raises `ValueError`."""
    from ipaddress import ip_network

    found = []
    for text in texts:
        try:
            found.append(ip_network(text))
        except ValueError as error:
            raise ValueError(
                f"must be addresses or networks, as in '192.0.2.7' or '10.0.0.0/8'; {text!r} is none: {error}"
            ) from None
    return found


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`. A name other than `localhost` counts as reachable from elsewhere."""
    ip = _ip(host)
    return host.rstrip(".").lower() == "localhost" if ip is None else ip.is_loopback


def check_key(key: str) -> None:
    """Raise `ValueError` if `key` is too short, too long, or not what can be typed."""
    if len(key) < KEY_LEAST:
        raise ValueError(f"must have at least {KEY_LEAST} characters: 'openssl rand -hex 16' makes one")
    if len(key) > KEY_MOST:
        raise ValueError(f"must have at most {KEY_MOST} characters: 'openssl rand -hex 16' makes a good one")
    if key != key.strip() or not key.isprintable():
        raise ValueError("must not begin or end with a space, nor hold what cannot be printed")


def check_spoof(text: str) -> None:
    """Raise `ValueError` if `text` is not `ADDRESS:NAME`, a host in whose name metrics can be told to Ganglia."""
    address, _colon, name = text.partition(":")
    ip = _ip(address)
    if ip is None or ip.version != 4 or not re.fullmatch(_NAME, name) or len(name) > 100:
        raise ValueError("must be an IPv4 address and a name, as in '10.0.0.7:queues'")


def resolve_key(config: TelemetryConfig) -> str | None:
    """The secret that authenticates datagrams, None when there is none: `telemetry.wire.key_of` makes the key of it.

    Raises `ConfigError`, which never shows it.

    Reads the file, so it is called where a daemon starts and where a configuration is checked, not at every command:
    who may enqueue need not be allowed to read the key.
    """
    if config.key is not None:
        return config.key
    if config.key_file is None:
        return None
    return key_in_file(config.key_file, "telemetry.key_file")


def key_in_file(path: str, setting: str) -> str:
    """The key in the first line of a file, see `secret_in_file`. Raises `ConfigError`."""
    key = secret_in_file(path, setting)
    try:
        check_key(key)
    except ValueError as error:
        raise ConfigError(f"{setting} {path}: its first line {error}") from None
    return key


def _host(text: str) -> str:
    if not text:
        raise ValueError(f"{_FORM}: the host is missing; '0.0.0.0' is every address of this machine")
    if text.startswith("[") and text.endswith("]"):
        host = text[1:-1]
        if ":" in host and _ip(host) is not None:
            return host
        raise ValueError(f"{_FORM}: what is in brackets is no IPv6 address")
    if ":" in text:
        raise ValueError(f"{_FORM}: an IPv6 address goes in brackets")
    if re.fullmatch(r"[0-9.]+", text) and _ip(text) is None:
        raise ValueError(f"{_FORM}: the host is no IPv4 address")
    if len(text) > 253 or not re.fullmatch(_NAME, text):
        raise ValueError(f"{_FORM}: the host is no name and no address")
    return text


def _ip(host: str) -> _Address | None:
    from ipaddress import ip_address  # commands that have no such setting do without it

    try:
        return ip_address(host)
    except ValueError:
        return None


def secret_in_file(path: str, setting: str) -> str:
    """The first line of a file that only its owner and group have access to.

    Raises `ConfigError`, which names the `setting` and never shows the secret.
    """
    problem = f"{setting} {path}"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO must not hold us up
    except FileNotFoundError:
        raise ConfigError(f"{problem}: there is no such file") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{problem}: cannot be read: {getattr(error, 'strerror', error)}") from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise ConfigError(f"{problem}: is no file")
        if found.st_mode & stat.S_IRWXO:
            raise ConfigError(f"{problem}: everybody can read or write it: chmod o= {path}")
        raw = os.read(descriptor, _KEY_FILE_LIMIT).partition(b"\n")[0]
    finally:
        os.close(descriptor)
    try:
        return raw.decode().strip()
    except UnicodeDecodeError:
        raise ConfigError(
            f"{problem}: its first line is not UTF-8 text: 'openssl rand -hex 16' makes a secret"
        ) from None
