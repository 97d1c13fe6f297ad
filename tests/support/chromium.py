"""A headless Chromium, driven over its own protocol, and what its page's terminal shows.

The terminal of the page (xterm.js) draws on a canvas, so there is no text in the document. It holds what it draws in a
buffer of its own, which is reached by watching for the moment at which the page keeps its terminal.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import re
import shutil
from typing import TYPE_CHECKING, Any

import aiohttp

from tests.support.postgres import missing_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--hide-scrollbars", "--mute-audio", "--remote-debugging-port=0",
)  # fmt: skip
START_SECONDS = 30.0
_KEEP_TERMINAL = """
Object.defineProperty(Object.prototype, 'terminal', {configurable: true, set(value) {
  Object.defineProperty(this, 'terminal', {value, writable: true, configurable: true, enumerable: true});
  if (value && value.buffer) window.shownTerminal = value;
}});
"""
_TEXT = """
(() => { const shown = window.shownTerminal; if (!shown) return '';
  const lines = []; const buffer = shown.buffer.active;
  for (let y = 0; y < shown.rows; y++) { const line = buffer.getLine(buffer.viewportY + y);
    lines.push(line ? line.translateToString(true) : ''); }
  return lines.join('\\n'); })()
"""


class Page:
    """One page of the browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._session = ""
        self.requested: list[str] = []
        """Every address that the page has asked for."""
        self.console: list[str] = []
        self._reader = asyncio.create_task(self._read(), name="chromium")

    async def open(self, url: str, *, width: int = 1280, height: int = 800) -> None:
        target = await self._call("Target.createTarget", url="about:blank")
        attached = await self._call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            await self._call(f"{domain}.enable")
        await self._call("Page.addScriptToEvaluateOnNewDocument", source=_KEEP_TERMINAL)
        await self._call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        await self._call("Page.navigate", url=url)

    async def value(self, script: str) -> Any:
        """What a piece of JavaScript gives."""
        answer = await self._call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        return answer["result"].get("value")

    async def text(self) -> str:
        """What the page's terminal shows; empty = there is none yet."""
        return str(await self.value(_TEXT))

    async def text_with(self, *words: str, within_seconds: float = 30.0) -> str:
        """The same as soon as all these words are in it."""
        text = ""
        try:
            async with asyncio.timeout(within_seconds):
                while not all(word in text for word in words):
                    text = await self.text()
                    await asyncio.sleep(0.05)
        except TimeoutError as error:
            said = "\n".join(self.console)
            raise AssertionError(f"{words} are not in the page's terminal:\n{text}\nconsole: {said}") from error
        return text

    async def press(self, text: str) -> None:
        """Type into the page."""
        for sign in text:
            for kind in ("keyDown", "keyUp"):
                await self._call("Input.dispatchKeyEvent", type=kind, text=sign, key=sign, unmodifiedText=sign)

    async def picture(self) -> bytes:
        """A PNG of the page."""
        answer = await self._call("Page.captureScreenshot", format="png")
        return base64.b64decode(answer["data"])

    async def close(self) -> None:
        """End the browser, which ends its own processes."""
        self._session = ""
        with contextlib.suppress(AssertionError, TimeoutError, ConnectionError):
            await self._call("Browser.close")
        self._reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reader

    async def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        await self._socket.send_str(json.dumps(message))
        async with asyncio.timeout(START_SECONDS):
            found = await answer
        assert "error" not in found, f"{method}: {found['error']}"
        result: dict[str, Any] = found["result"]
        return result

    async def _read(self) -> None:
        async for message in self._socket:
            found = json.loads(message.data)
            if "id" in found:
                self._waiting.pop(found["id"]).set_result(found)
                continue
            told = found["params"]
            match found["method"]:
                case "Network.requestWillBeSent":
                    self.requested.append(told["request"]["url"])
                case "Network.webSocketCreated":
                    self.requested.append(told["url"])
                case "Runtime.exceptionThrown":
                    self.console.append(str(told["exceptionDetails"]))
                case "Log.entryAdded":
                    self.console.append(told["entry"]["text"])


@contextlib.asynccontextmanager
async def chromium(folder: Path) -> AsyncIterator[Page]:
    """A browser with its profile in `folder`, and one page of it; both are ended with the block."""
    program = shutil.which("chromium")
    if program is None:
        missing_server("chromium")
        raise AssertionError  # not reached: the line above skips or fails
    process = await asyncio.create_subprocess_exec(
        program, *FLAGS, f"--user-data-dir={folder / 'profile'}",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        async with asyncio.timeout(START_SECONDS):
            while not (found := re.search(rb"DevTools listening on (ws://\S+)", await process.stderr.readline())):
                pass
        drain = asyncio.create_task(process.stderr.read(), name="chromium's words")
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(found[1].decode(), max_msg_size=0) as socket,
        ):
            page = Page(socket)
            try:
                yield page
            finally:
                await page.close()
        drain.cancel()
    finally:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 5)
        if process.returncode is None:
            process.kill()
            await process.wait()
