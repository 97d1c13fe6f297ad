"""`snqmon --web`: the same program in a browser, one process of it for each page that is opened.

textual-serve brings the terminal for the page and the pipe to the process. Here is what makes it safe to leave open on
a host that others use too:

- Whoever can reach the port would be as good as the user who started the command, and with `--control` that user may
  discard dead letters. So each run has a key: it is in the address that is printed, the first visit leaves it in a
  cookie, and nothing is served without it, to pages of other sites in the same browser neither.
- Loopback only, unless another address is named; then it says in words what that means.
- Everything that the page needs is served here, and the browser is told to take nothing from elsewhere: it works on
  hosts without a way to the internet, and tells nobody that it is open.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import shlex
import signal
import socket
import sys
from contextvars import ContextVar
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from aiohttp import web
from textual_serve.server import Server

from snqd.errors import SnqdError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp.typedefs import Handler

DEFAULT_ADDRESS: Final = ("127.0.0.1", 8000)
_KEY_BYTES: Final = 16
_LAST_WORDS_SECONDS: Final = 1.0
"""So long may open pages take to close at the end."""


def serve(arguments: Sequence[str], host: str, port: int) -> None:
    """Serve `snqmon` with these arguments until INT or TERM. Port 0 = one that is free.

    Raises `SnqdError` when that address cannot be had.
    """
    with _listen(host, port) as listener:
        port = listener.getsockname()[1]
        site = _Site([sys.executable, "-m", "snqmon", *arguments], host, port)
        if not _is_loopback(host):
            _say(
                f"warning: {host} can be reached from other machines, and nothing is encrypted: whoever reads along "
                "can open the monitor too. An ssh tunnel to 127.0.0.1 is the safe way"
            )
        _say(f"open {site.address} (Ctrl-C ends)")
        asyncio.run(site.run(listener))


def _say(words: str) -> None:
    sys.stderr.write(f"snqmon: {words}\n")
    sys.stderr.flush()


def _listen(host: str, port: int) -> socket.socket:
    """A socket of our own, so that an address that cannot be had is known before anything is said."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise SnqdError(f"--web {host}:{port}: {error.strerror}: name an address of this host") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError as error:
        listener.close()
        said = "another program serves there" if error.errno == 98 else str(error.strerror)
        raise SnqdError(f"--web {host}:{port}: {said}: try --web {host}:{port + 1}") from error
    return listener


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


_here: ContextVar[str] = ContextVar("here", default="")
"""The scheme, host and port by which the page that is being served was asked for."""


class _Site(Server):
    """textual-serve's server behind a key."""

    def __init__(self, command: Sequence[str], host: str, port: int) -> None:
        super().__init__(
            shlex.join(command), host=host, port=port, title="snqmon", templates_path=Path(__file__).with_name("pages")
        )
        self._key = secrets.token_urlsafe(_KEY_BYTES)
        self._cookie = f"snqmon-{port}"  # cookies do not know ports: two monitors on one host need two names
        shown = f"[{host}]" if ":" in host else host
        self.address = f"http://{shown}:{port}/?key={self._key}"

    @property
    def public_url(self) -> str:
        """Where the page's terminal connects to: where the page came from, so that it works through a tunnel too."""
        return _here.get()

    @public_url.setter
    def public_url(self, url: str) -> None:
        """What textual-serve would have it be is of no use: see above."""

    async def on_startup(self, app: web.Application) -> None:
        """Without the banner: what is to be said has been said."""

    async def run(self, listener: socket.socket) -> None:
        app = await self._make_app()
        app.middlewares.append(self._guard)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_LAST_WORDS_SECONDS)
        await runner.setup()
        ended = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        try:
            await web.SockSite(runner, listener).start()
            await ended.wait()
        finally:
            await runner.cleanup()

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let in who has the key. The address with the key is left at once: it is not to stay in sight."""
        _here.set(f"{request.scheme}://{request.host}")
        if self._is_key(request.query.get("key", "")) and request.path == "/":
            welcome = web.Response(status=303, headers={"Location": "/"})
            welcome.set_cookie(self._cookie, self._key, httponly=True, samesite="Strict")
            return welcome
        origin = request.headers.get("Origin")
        is_ours = origin is None or urlsplit(origin).netloc == request.host
        if not is_ours or not self._is_key(request.cookies.get(self._cookie, "")):
            raise web.HTTPForbidden(text="Open the address that snqmon --web has printed: the key is in it.\n")
        answer = await handler(request)
        if not answer.prepared:
            answer.headers.update(_headers(request.host))
        return answer

    def _is_key(self, said: str) -> bool:
        return hmac.compare_digest(said.encode(), self._key.encode())


def _headers(host: str) -> dict[str, str]:
    """What the browser may do with a page of ours."""
    policy = (
        "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; font-src 'self'; "
        "img-src 'self' data:; "
        f"connect-src 'self' ws://{host} wss://{host}; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )
    return {"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}
