"""Texts and lists as PostgreSQL takes them: no NUL, no lone surrogates, numbers as one array literal."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from snqd.stores.records import ERROR_LIMIT, TRACEBACK_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import psycopg

_to_json = msgspec.json.Encoder().encode


def storable(text: str) -> str:
    """`text` without what PostgreSQL's text type refuses; what is replaced stays visible."""
    if "\0" in text:
        text = text.replace("\0", "\\0")
    return text.encode("utf-8", "backslashreplace").decode()


def error_text(text: str) -> str:
    return storable(text[:ERROR_LIMIT])


def traceback_text(text: str) -> str:
    return storable(text[-TRACEBACK_LIMIT:])


def number_array(numbers: Iterable[float]) -> str:
    return "{" + ",".join(map(str, numbers)) + "}"


@lru_cache(maxsize=256)
def text_array(texts: tuple[str, ...]) -> str:
    """The array literal of some names."""
    return "{" + ",".join('"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' for text in texts) + "}"


def beyond_all(connection: psycopg.Connection[Any]) -> str:
    """A text after every name. (In a database that is not in UTF-8, after those that are ASCII.)"""
    return "\U0010ffff" if connection.info.parameter_status("server_encoding") == "UTF8" else "~" * 64


def told(rows: Sequence[dict[str, Any]]) -> str:
    """Rows for `jsonb_to_recordset`."""
    return _to_json(rows).decode()
