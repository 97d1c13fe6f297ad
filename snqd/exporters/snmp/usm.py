"""User-based security of SNMPv3: which hashes and ciphers there are, and the keys that a pass phrase becomes.

RFC 3414 (keys), 7860 (SHA-2), 3826 (AES-128), and Blumenthal's extension for longer AES keys, which is what net-snmp
calls AES-192 and AES-256.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from snqd.exporters.snmp.settings import User

_STRETCHED: Final = 1_048_576
"""Octets of the repeated pass phrase that are hashed."""


class Hash(NamedTuple):
    """`name` as hashlib has it; `size`: octets of the code in a message."""

    name: str
    size: int


HASHES: Final = {
    "SHA-1": Hash("sha1", 12),
    "SHA-224": Hash("sha224", 16),
    "SHA-256": Hash("sha256", 24),
    "SHA-384": Hash("sha384", 32),
    "SHA-512": Hash("sha512", 48),
}
KEY_SIZES: Final = {"AES-128": 16, "AES-192": 24, "AES-256": 32}
NO_PRIVACY: Final = "none"


class Keys(NamedTuple):
    """Of one user, for one engine. `privacy` is empty without a cipher."""

    auth: bytes
    privacy: bytes


def keys_of(user: User, engine_id: bytes) -> Keys:
    """Takes some milliseconds for each pass phrase."""
    found = HASHES[user.auth].name
    auth = localized(user.auth_passphrase, found, engine_id)
    if user.privacy == NO_PRIVACY:
        return Keys(auth, b"")
    key = localized(user.privacy_passphrase, found, engine_id)
    return Keys(auth, _extended(key, found, KEY_SIZES[user.privacy]))


def localized(passphrase: str, hash_name: str, engine_id: bytes) -> bytes:
    raw = passphrase.encode()
    stretched = (raw * (_STRETCHED // len(raw) + 1))[:_STRETCHED]
    key = hashlib.new(hash_name, stretched).digest()
    return hashlib.new(hash_name, key + engine_id + key).digest()


def _extended(key: bytes, hash_name: str, size: int) -> bytes:
    while len(key) < size:
        key += hashlib.new(hash_name, key).digest()
    return key[:size]
