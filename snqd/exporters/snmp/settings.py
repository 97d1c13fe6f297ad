"""What the agent's process is told when it begins: over its feed, so that no secret is in an argument or a variable."""

from __future__ import annotations

import msgspec


class User(msgspec.Struct, frozen=True):
    """A user of SNMPv3. `privacy` is "none" or a cipher; so the pass phrases are the user's secrets."""

    name: str
    auth: str
    auth_passphrase: str
    privacy: str
    privacy_passphrase: str = ""

    def __repr__(self) -> str:
        return f"User({self.name!r}, {self.auth}, {self.privacy})"


class TargetSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A receiver of notifications, by its community or by a user. `notifications`: which kinds; empty = all."""

    name: str
    host: str
    port: int
    community: str | None = None
    user: User | None = None
    is_inform: bool = False
    timeout_seconds: float = 3.0
    retries: int = 5
    notifications: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"TargetSettings({self.name!r}, {self.host!r}, {self.port})"


class AgentSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`identity_file`: where engine id and boots are kept; `kept_file`: what has been notified. `boot` and
    `configuration` name a life of the daemon, and what it was configured to.
    """

    daemon: str
    description: str
    name: str
    contact: str
    location: str
    identity_file: str
    community: str | None = None
    networks: tuple[str, ...] = ()
    users: tuple[User, ...] = ()
    requests_per_second: int = 0
    site_rows: int = 0
    queue_site_rows: int = 0
    targets: tuple[TargetSettings, ...] = ()
    notifications_per_minute: int = 60
    kept_file: str = ""
    boot: int = 0
    configuration: str = ""

    def __repr__(self) -> str:
        return f"AgentSettings({self.daemon!r})"


_decoder = msgspec.msgpack.Decoder(AgentSettings)


def encode(settings: AgentSettings) -> bytes:
    return msgspec.msgpack.encode(settings)


def decode(data: bytes) -> AgentSettings:
    """Raises `msgspec.MsgspecError`."""
    return _decoder.decode(data)
