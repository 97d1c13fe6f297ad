"""User-based security of SNMPv3: which hashes and ciphers there are, and the keys that a pass phrase becomes.

RFC 3414 (keys), 7860 (SHA-2), 3826 (AES-128), and Blumenthal's extension for longer AES keys, which is what net-snmp
calls AES-192 and AES-256.
"""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple, Protocol

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


class Phrases(Protocol):
    """A user's hash and cipher, with a pass phrase for each: of the agent's settings, or of who asks it."""

    @property
    def auth(self) -> str: ...
    @property
    def auth_passphrase(self) -> str: ...
    @property
    def privacy(self) -> str: ...
    @property
    def privacy_passphrase(self) -> str: ...


class Keys(NamedTuple):
    """Of one user. `privacy` is empty without a cipher."""

    auth: bytes
    privacy: bytes


def keys_of(user: Phrases, engine_id: bytes) -> Keys:
    """Takes some milliseconds for each pass phrase."""
    return localized(user, stretched(user), engine_id)


def stretched(user: Phrases) -> Keys:
    """What the pass phrases become first, for every engine. This is what takes time."""
    found = HASHES[user.auth].name
    privacy = b"" if user.privacy == NO_PRIVACY else _stretched(user.privacy_passphrase, found)
    return Keys(_stretched(user.auth_passphrase, found), privacy)


def localized(user: Phrases, keys: Keys, engine_id: bytes) -> Keys:
    """The user's keys for one engine, from those that are `stretched`."""
    found = HASHES[user.auth].name
    auth = hashlib.new(found, keys.auth + engine_id + keys.auth).digest()
    if user.privacy == NO_PRIVACY:
        return Keys(auth, b"")
    key = hashlib.new(found, keys.privacy + engine_id + keys.privacy).digest()
    return Keys(auth, _extended(key, found, KEY_SIZES[user.privacy]))


def _stretched(passphrase: str, hash_name: str) -> bytes:
    raw = passphrase.encode()
    repeated = (raw * (_STRETCHED // len(raw) + 1))[:_STRETCHED]
    return hashlib.new(hash_name, repeated).digest()


def _extended(key: bytes, hash_name: str, size: int) -> bytes:
    while len(key) < size:
        key += hashlib.new(hash_name, key).digest()
    return key[:size]
