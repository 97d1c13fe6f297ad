"""Sending, from any process: what looks like it stores an item of `xmppout`, which the xmpp worker delivers.

`through` is whatever can enqueue: the context of a handler, or a `snqd.Client`. The calls return when the item is
durable, as `enqueue` does, and take its options (`site`, `atomically`, `delay_seconds` …). On a database connection of
your own, in your own transaction: `snqd.enqueue(connection, xmpp.QUEUE_OUT, xmpp.message(…), codec=xmpp.CODEC)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from snqd.xmpp.frames import read_frame
from snqd.xmpp.stanzas import CODEC, QUEUE_OUT, message

if TYPE_CHECKING:
    from collections.abc import Awaitable


class Enqueues(Protocol):
    """`Context` and `Client`."""

    def enqueue(self, queue: str, payload: Any, /, **options: Any) -> Any: ...


class EnqueuesAsync(Protocol):
    """`Context`."""

    def enqueue_async(self, queue: str, payload: Any, /, **options: Any) -> Awaitable[Any]: ...


def send(through: Enqueues, stanza: bytes | str, **options: Any) -> None:
    """Send a stanza (see `stanzas.message` and `stanzas.presence`). Raises `BadItem` for what cannot be sent."""
    through.enqueue(QUEUE_OUT, _checked(stanza), codec=CODEC, **options)


def send_message(through: Enqueues, to: str, body: str, *, html: str = "", entry: str = "", **options: Any) -> None:
    """Send a chat message, with XHTML-IM and an Atom entry beside its body if given (see `stanzas.message`)."""
    send(through, message(to, body, html=html, entry=entry), **options)


async def send_async(through: EnqueuesAsync, stanza: bytes | str, **options: Any) -> None:
    """`send`, in a coroutine."""
    await through.enqueue_async(QUEUE_OUT, _checked(stanza), codec=CODEC, **options)


async def send_message_async(
    through: EnqueuesAsync, to: str, body: str, *, html: str = "", entry: str = "", **options: Any
) -> None:
    """`send_message`, in a coroutine."""
    await send_async(through, message(to, body, html=html, entry=entry), **options)


def _checked(stanza: bytes | str) -> bytes:
    """What is wrong with a stanza is better told here than by a dead letter."""
    return read_frame(stanza.encode() if isinstance(stanza, str) else stanza).data
