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


class AgentSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`identity_file`: where engine id and boots are kept."""

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

    def __repr__(self) -> str:
        return f"AgentSettings({self.daemon!r})"


_decoder = msgspec.msgpack.Decoder(AgentSettings)


def encode(settings: AgentSettings) -> bytes:
    return msgspec.msgpack.encode(settings)


def decode(data: bytes) -> AgentSettings:
    """Raises `msgspec.MsgspecError`."""
    return _decoder.decode(data)
