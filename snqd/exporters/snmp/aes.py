"""AES in CFB mode, as SNMPv3 has it. The only module here that imports `cryptography`."""

from __future__ import annotations

from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms


def cfb_encrypt(key: bytes, vector: bytes, data: bytes) -> bytes:
    """`key` of 16, 24 or 32 octets, `vector` of 16."""
    return Cipher(algorithms.AES(key), CFB(vector)).encryptor().update(data)


def cfb_decrypt(key: bytes, vector: bytes, data: bytes) -> bytes:
    return Cipher(algorithms.AES(key), CFB(vector)).decryptor().update(data)
