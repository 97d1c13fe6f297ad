"""XMPP: all output through the queue `xmppout`, all input through `xmppin`, one connection per site.

For handlers and scripts: `send_message`, `send` and their async twins; `message`, `presence`, `atom_entry` make what is
sent. None of them needs the library of XMPP, which only the xmpp worker has.
"""

from __future__ import annotations

from snqd.xmpp.sending import send, send_async, send_message, send_message_async
from snqd.xmpp.stanzas import CODEC, QUEUE_IN, QUEUE_OUT, Entry, Message, Presence, atom_entry, message, presence

__all__ = [
    "CODEC",
    "QUEUE_IN",
    "QUEUE_OUT",
    "Entry",
    "Message",
    "Presence",
    "atom_entry",
    "message",
    "presence",
    "send",
    "send_async",
    "send_message",
    "send_message_async",
]
