"""What is kept of failures: error texts and the history of an item, cut and cleaned so that any store can hold them."""

from __future__ import annotations

import msgspec

from snqd.stores.records import ERROR_LIMIT, HISTORY_LIMIT, TRACEBACK_LIMIT, HistoryEntry

_decode = msgspec.json.Decoder(list[HistoryEntry]).decode
_encode = msgspec.json.Encoder().encode


def plain_text(text: str) -> str:
    """`text` as any engine can store it: a lone surrogate becomes its escape, NUL becomes `␀`."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "␀")


def error_text(text: str) -> str:
    """An error message, the first `ERROR_LIMIT` characters of it."""
    text = plain_text(text[:ERROR_LIMIT])
    return text if len(text) <= ERROR_LIMIT else text[: ERROR_LIMIT - 1] + "…"


def traceback_text(text: str) -> str:
    """A traceback, the last `TRACEBACK_LIMIT` characters of it: the end says what happened."""
    return plain_text(text[-TRACEBACK_LIMIT:])[-TRACEBACK_LIMIT:]


def extended(history: list[HistoryEntry], entry: HistoryEntry) -> list[HistoryEntry]:
    """`history` and `entry`, at most `HISTORY_LIMIT` entries: the first one and the latest."""
    longer = [*history, entry]
    return longer if len(longer) <= HISTORY_LIMIT else [longer[0], *longer[len(longer) - HISTORY_LIMIT + 1 :]]


def read_history(text: str | None) -> list[HistoryEntry]:
    """The history in a JSON text; text that another program spoiled reads as one entry that says so."""
    if not text:
        return []
    try:
        return _decode(text)
    except msgspec.MsgspecError as error:
        return [HistoryEntry(0.0, 0, f"history unreadable: {error}")]


def write_history(history: list[HistoryEntry]) -> str:
    """The JSON text of a history: a list of `[at, attempt, error]`."""
    return _encode(history).decode()
