"""Steering the daemon: what `snqd ctl` asks, at the control socket of this host or through the store of every daemon.

There is one implementation of each request, and each that is obeyed or refused is an event with who asked for it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import TYPE_CHECKING, Any

import msgspec

from snqd.config.catalogue import change_lines, changes
from snqd.config.show import diff
from snqd.config.site_image import SiteImage, read_image
from snqd.errors import SnqdError
from snqd.hub import requests
from snqd.hub.keeper import Reply
from snqd.hub.requests import read
from snqd.telemetry.board import SLOTS, Word
from snqd.telemetry.events import ControlAsked
from snqd.telemetry.words import plural

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from snqd.config.catalogue import Changes
    from snqd.hub.keeper import Keeper
    from snqd.hub.parts import HubParts
    from snqd.hub.requests import Request
    from snqd.stores.desk import Asking

    Verb = Callable[[Request], Awaitable[Request]]

HUB_SLOT = 0
MOST_WORKERS = SLOTS - 2
_TAKEN_SECONDS = 5.0
_UPDATE_SECONDS = 30.0
_LOOK_SECONDS = 0.02
_SITES_TOLD = 5


class Steering:
    """`handlers` are for the control socket, `obey` is for requests through the store."""

    def __init__(self, parts: HubParts, keeper: Keeper, others: Mapping[str, Verb]) -> None:
        """`others`: verbs that may be asked of all hosts and are implemented elsewhere."""
        self._parts = parts
        self._keeper = keeper
        self._restart_worker = others["restart"]
        self._verbs: dict[str, Verb] = {
            **others,
            "shutdown": self._shutdown,
            "restart": self._restart,
            "reload": self._reload,
            "update": self._update,
            "threads": self._threads,
        }
        own = ("shutdown", "restart", "reload", "update", "threads")
        self.handlers: dict[str, Verb] = {verb: self._at_socket(verb) for verb in own} | {"diff": self._diff}

    async def obey(self, asking: Asking) -> Reply:
        """Never raises."""
        verb = self._verbs.get(asking.ask)
        if verb is None:
            return Reply(obeyed=False, said=f"this version of snqd does not know what {asking.ask!r} is")
        try:
            arguments = msgspec.json.decode(asking.arguments, type=dict[str, Any])
        except msgspec.MsgspecError as error:
            return Reply(obeyed=False, said=f"its arguments are no object of JSON: {error}")
        request = {**arguments, "ask": asking.ask, "author": asking.author}
        try:
            answer = await verb(request)
            reply = Reply(obeyed=True, said=str(answer.get("said") or answer.get("stack") or "done"))
        except SnqdError as error:
            reply = Reply(obeyed=False, said=str(error))
        except Exception as error:  # one request must not take the hub down
            reply = Reply(obeyed=False, said=f"unexpected {type(error).__name__}: {error}")
        self._tell(request, reply, all_hosts=True)
        return reply

    def _at_socket(self, name: str) -> Verb:
        async def handle(request: Request) -> Request:
            try:
                answer = await self._verbs[name](request)
            except SnqdError as error:
                self._tell(request, Reply(obeyed=False, said=str(error)))
                raise
            if not (name == "restart" and request.get("worker")):  # that has an event of its own
                self._tell(request, Reply(obeyed=True, said=str(answer["said"])))
            return answer

        return handle

    def _tell(self, request: Request, reply: Reply, *, all_hosts: bool = False) -> None:
        told = {
            key: value for key, value in request.items() if key not in ("ask", "author") and value not in (None, False)
        }
        self._parts.emit(
            ControlAsked(
                daemon=self._parts.daemon,
                ask=str(request["ask"]),
                arguments=", ".join(f"{key}={value}" for key, value in told.items()),
                author=str(request.get("author") or "") or "somebody at the control socket",
                obeyed=reply.obeyed,
                said="its stack" if request["ask"] == "stack" and reply.obeyed else reply.said,
                all_hosts=all_hosts,
            )
        )

    async def _shutdown(self, request: Request) -> Request:
        asked = read(request, requests.ShuttingDown)
        self._send(signal.SIGQUIT if asked.now else signal.SIGTERM)
        grace = self._parts.config.daemon.grace_seconds
        how = "at once" if asked.now else f"when what runs is done, within {grace:g} s"
        return {"said": f"{self._name} shuts down {how}"}

    async def _restart(self, request: Request) -> Request:
        if read(request, requests.Restarting).worker is not None:
            return await self._restart_worker(request)
        await self._reload(request)
        return {"said": f"the workers of {self._name} are replaced one by one, with the configuration as it is now"}

    async def _reload(self, request: Request) -> Request:
        read(request, requests.Steered)
        found = diff(self._parts.config, await asyncio.to_thread(self._parts.load_again))
        self._send(signal.SIGHUP)
        changed = f"{plural(len(found), 'setting')} changed" if found else "no setting has changed"
        return {"said": f"{self._name} reads its configuration again ({changed}) and replaces its workers one by one"}

    async def _update(self, request: Request) -> Request:
        asked = read(request, requests.Updating)
        author = asked.author.strip() or "somebody at the control socket"
        future = asyncio.wrap_future(self._keeper.update(author, asked.site))
        try:
            found = await asyncio.wait_for(asyncio.shield(future), _UPDATE_SECONDS)
        except TimeoutError:
            raise SnqdError(
                f"the sites are not read after {_UPDATE_SECONDS:g} s; it goes on, and an event tells"
            ) from None
        return {"said": self._update_words(found, asked.site)}

    def _update_words(self, found: Changes, site: str | None) -> str:
        if site is not None:
            declared = SiteImage(self._parts.sites_path).get(site)
            if site in found.set_aside or (declared is not None and declared.problem):
                raise SnqdError(
                    f"site {site!r} is set aside: {declared.problem if declared else found.set_aside[site]}"
                )
            if declared is None and site not in found.removed:
                raise SnqdError(f"site {site!r} is declared nowhere that {self._name} looks")
            kinds = ("added", "changed", "removed", "mended")
            kind = next((kind for kind in kinds if site in getattr(found, kind)), "")
            return f"site {site} is {kind or 'as it was'}" + (
                "" if len(found.sites) <= 1 else f"; {_counts(found)} in all"
            )
        return f"sites: {_counts(found)}" if found else "no site has changed"

    async def _threads(self, request: Request) -> Request:
        wanted = read(request, requests.Threads).count
        if not 1 <= wanted <= MOST_WORKERS:
            raise SnqdError(f"threads {wanted}: a daemon has 1 to {MOST_WORKERS} workers")
        view = self._parts.board.slot(HUB_SLOT)
        view.set(Word.WANTED, wanted)
        self._send(signal.SIGCHLD)  # only wakes the supervisor, which looks at the board
        until = time.monotonic() + _TAKEN_SECONDS
        while view.get(Word.WANTED) == wanted:
            if time.monotonic() >= until:
                view.set(Word.WANTED, 0)
                raise SnqdError(f"{self._name} has not changed its workers within {_TAKEN_SECONDS:g} s: it is stopping")
            await asyncio.sleep(_LOOK_SECONDS)
        return {"said": f"{self._name} has {plural(wanted, 'worker')} now, until its next restart"}

    async def _diff(self, request: Request) -> Request:
        """What a reload would change, and what is declared otherwise than is in force."""
        read(request, requests.Steered)
        return {"changes": await asyncio.to_thread(self._differences)}

    def _differences(self) -> list[str]:
        parts = self._parts
        new = parts.load_again()
        before = read_image(parts.sites_path)
        return [*diff(parts.config, new), *change_lines(changes(before, parts.find_sites_of(new, before)))]

    def _send(self, number: signal.Signals) -> None:
        os.kill(self._parts.supervisor_pid, number)

    @property
    def _name(self) -> str:
        return f"daemon {self._parts.daemon} on {self._parts.host}"


def _counts(found: Changes) -> str:
    words = []
    for kind in ("added", "changed", "removed", "mended", "set_aside"):
        names = sorted(getattr(found, kind))
        if names:
            listed = ", ".join(names[:_SITES_TOLD]) + (" …" if len(names) > _SITES_TOLD else "")
            words.append(f"{len(names):,} {kind.replace('_', ' ')} ({listed})")
    return ", ".join(words)
