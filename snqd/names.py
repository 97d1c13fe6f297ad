"""What may name a site or a queue. Alone, so that who only reads a configuration needs no codec of items."""

from __future__ import annotations

from snqd.errors import BadItem

NAME_LIMIT = 63
"""Longest name of a site or queue, in characters."""


def check_name(kind: str, name: str) -> str:
    """Return `name` if it may name a site or queue, else raise `BadItem`."""
    if not isinstance(name, str):
        raise BadItem(f"{kind} name {name!r} is not valid: it is a string")
    if not name or len(name) > NAME_LIMIT or not name.isprintable() or name != name.strip():
        shown = repr(name if len(name) <= NAME_LIMIT else name[:NAME_LIMIT] + "…")
        raise BadItem(
            f"{kind} name {shown} is not valid: use 1 to {NAME_LIMIT} printable characters, without spaces at the ends"
        )
    return name
