"""What two small shops have done in the background: handlers as an application writes them.

Both shops run the same code. What differs is in `context.site.settings`: here how fast and how reliable the shop's mail
server is.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
import zlib
from typing import TYPE_CHECKING, Any

from snqd import Backoff, Discard, Handler, Retry, handler

if TYPE_CHECKING:
    from snqd import Context

FOLLOW_UP_SECONDS = 20.0


@handler("order")
def order(payload: dict[str, Any], context: Context) -> None:
    """Feeds a further queue. `atomically`: the two mails exist if and only if this order is done."""
    if not payload["articles"]:
        raise Discard("an order without articles")
    customer = payload["customer"]
    context.enqueue("mail", {"to": customer, "subject": "Thank you for your order"}, atomically=True)
    context.enqueue(
        "mail", {"to": customer, "subject": "How was it?"}, delay_seconds=FOLLOW_UP_SECONDS, atomically=True
    )


@handler("mail", concurrency=4, time_limit_seconds=10, max_attempts=6, backoff=Backoff(first_seconds=2.0))
async def mail(_payload: dict[str, Any], context: Context) -> None:
    """Waits for a mail server, several items at a time. What fails is tried again, later every time."""
    settings = context.site.settings
    await asyncio.sleep(settings["smtp_seconds"])
    if random.random() < settings["smtp_failures"]:
        raise ConnectionError("451 mail server busy")


@handler("webhook", concurrency=2, max_attempts=3, backoff=Backoff(first_seconds=1.0))
def webhook(payload: dict[str, Any], _context: Context) -> None:
    """Tells a partner. A partner that is gone for good makes a dead letter after three attempts."""
    time.sleep(0.08)
    if payload["partner"] == "gone":
        raise LookupError("410 partner is gone")
    if payload["partner"] == "busy" and random.random() < 0.5:
        raise Retry("429 too many requests", after=3.0)


class Thumbnail(Handler):
    """Calls a native library, which takes the whole worker along when a picture is broken."""

    queue = "thumbnail"
    max_attempts = 5

    def handle(self, payload: dict[str, Any], context: Context) -> None:
        zlib.compress(random.randbytes(200) * 200)
        picture = payload["picture"]
        if picture == "poison" or (picture == "broken" and context.attempt == 1):
            os.kill(os.getpid(), signal.SIGKILL)
