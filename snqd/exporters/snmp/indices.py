"""Indices of rows: made of names and numbers alone, so that a row has the same one after every restart."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from snqd.exporters.snmp.ber import Oid

NAME_OCTETS: Final = 56
"""Two of them fit an object identifier of 128 sub-identifiers, below our base and with a column."""
_KEPT: Final = NAME_OCTETS - 9


@lru_cache(maxsize=65_536)
def name_index(name: str) -> Oid:
    """The sub-identifiers of a name: how many octets, then each of them. A long name ends in a hash of the whole."""
    raw = name.encode(errors="replace")
    if len(raw) > NAME_OCTETS:
        from hashlib import blake2b  # rare, and a check that starts anew each time does better without

        begin = raw[:_KEPT].decode(errors="ignore").encode()
        raw = begin + b"~" + blake2b(raw, digest_size=4).hexdigest().encode()
    return (len(raw), *raw)


def names_index(names: tuple[str, ...]) -> Oid:
    """Of several names, one behind the other."""
    return tuple(number for name in names for number in name_index(name))
