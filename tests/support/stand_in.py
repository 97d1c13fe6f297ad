"""The control socket of a daemon that is not there: the daemon's own server, with answers that a test decides.

It stands in for the store and the workers behind the hub; what is asked, and in what form, is written down.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from snqd.errors import SnqdError
from snqd.hub.control import Control as Server
from snqmon.control import Control
from snqmon.feeds.finding import Found, Place

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from snqmon.app import Monitor

TRACEBACK = """\
Traceback (most recent call last):
  File "/srv/app/mail/send.py", line 42, in handle
    server.send_message(message)
smtplib.SMTPServerDisconnected: Connection unexpectedly closed
"""
STACK = """\
Thread 0x00007f (most recent call first):
  File "/srv/app/mail/send.py", line 40 in handle
  File "/srv/app/worker.py", line 7 in run
"""


def letter(number: int, **more: Any) -> dict[str, Any]:
    found = {
        "id": number,
        "queue": "mail",
        "site": "news.example",
        "reason": "attempts",
        "error": f"SMTPServerDisconnected: Connection unexpectedly closed ({number})",
        "traceback": TRACEBACK,
        "died": 1_789_999_000.0 + number,
        "attempts": 5,
        "crash_attempts": 0,
        "history": [[1_789_998_000.0, 1, "timed out"], [1_789_999_000.0, 5, "Connection unexpectedly closed"]],
    }
    return found | more


class StandIn:
    def __init__(self, letters: int = 3) -> None:
        self.asked: list[dict[str, Any]] = []
        """Everything but `where` and `dead`."""
        self.pages: list[dict[str, Any]] = []
        """Every `dead` that was asked."""
        self.letters = [letter(number) for number in range(1, letters + 1)]
        self.refusal = ""
        """Says no to everything, with these words."""
        self.go_on = asyncio.Event()
        """Answers to what changes something wait for it."""
        self.go_on.set()

    async def dead(self, request: dict[str, Any]) -> dict[str, Any]:
        self.pages.append(request)
        after = request["after"] or 0
        found = [each for each in self.letters if each["id"] > after][: request["limit"]]
        return {"letters": found, "count": len(self.letters), "is_estimate": False}

    async def change(self, request: dict[str, Any]) -> dict[str, Any]:
        await self.go_on.wait()
        self.asked.append(request)
        if self.refusal:
            raise SnqdError(self.refusal)
        ask = request["ask"]
        if ask not in ("retry", "discard"):
            return {"said": f"{ask} was done"}
        ids = request["ids"]
        gone = [each for each in self.letters if ids is None or each["id"] in ids]
        self.letters = [each for each in self.letters if each not in gone]
        return {"said": f"{len(gone)} dead letters: {ask}", "count": len(gone)}

    async def stack(self, request: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(request)
        if self.refusal:
            raise SnqdError(self.refusal)
        return {"worker": request["worker"], "pid": 4107, "stack": STACK}


@asynccontextmanager
async def controlled(
    app: Monitor, folder: Path, stand_in: StandIn, *, daemon: str = "main@web1"
) -> AsyncIterator[None]:
    """The monitor, started with `--control`, finds this daemon on its host."""
    path = folder / "control"
    asks = ("pause", "resume", "retry", "discard", "restart")
    server = Server(path, {"dead": stand_in.dead, "stack": stand_in.stack, **dict.fromkeys(asks, stand_in.change)})
    await server.start()
    name, _, host = daemon.partition("@")
    found = Found((Place(name, host, "", path),))
    app.control = Control(lambda: found)
    await app.control.refresh()
    try:
        yield
    finally:
        await server.stop()
