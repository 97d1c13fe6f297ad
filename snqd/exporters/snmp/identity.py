"""Who the agent is to SNMPv3: its engine id, made once, and how often the engine has begun (snmpEngineBoots).

Both are in one file: what is lost is lost together, and an engine that does not know its boots any more is another
engine, as RFC 3414 wants it. Managers find a new engine id by themselves.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

BOOTS_LIMIT: Final = 2**31 - 1
_ENTERPRISE: Final = 8072
"""Whose subtree for experiments holds our MIB, as long as we have no number of our own."""
_OCTETS_FORMAT: Final = b"\x05"
_LEAST, _MOST = 5, 32


class Identity(NamedTuple):
    engine_id: bytes
    boots: int


def begin(path: Path) -> Identity:
    """The identity of this start: that of the one before with one boot more, or a new one. Raises `OSError`.

    The file is on disk when it returns: a boot that was told must never be told again.
    """
    before = _read(path)
    if before is None or before.boots + 1 >= BOOTS_LIMIT:
        identity = Identity(_new_engine_id(), 1)
    else:
        identity = Identity(before.engine_id, before.boots + 1)
    _write(path, identity)
    return identity


def _new_engine_id() -> bytes:
    head = (0x80000000 | _ENTERPRISE).to_bytes(4, "big")
    return head + _OCTETS_FORMAT + secrets.token_bytes(12)


def _read(path: Path) -> Identity | None:
    """None: there is no such file, or it cannot be understood."""
    try:
        found = json.loads(path.read_bytes())
        engine_id, boots = bytes.fromhex(found["engine_id"]), found["boots"]
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None
    if not _LEAST <= len(engine_id) <= _MOST or not isinstance(boots, int) or boots < 1:
        return None
    return Identity(engine_id, boots)


def _write(path: Path, identity: Identity) -> None:
    fresh = path.with_name(f"{path.name}.new")
    with contextlib.suppress(FileNotFoundError):
        fresh.unlink()
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(json.dumps({"engine_id": identity.engine_id.hex(), "boots": identity.boots}).encode())
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
