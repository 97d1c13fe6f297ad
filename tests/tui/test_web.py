"""`snqmon --web`: the real command, and a real browser that opens what it prints."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import socket
import sys
import zlib
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp
import psutil
import pytest

from tests.support.chromium import chromium

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PROGRAM = (sys.executable, "-m", "snqmon")
SECONDS = 60.0


@contextlib.asynccontextmanager
async def served(folder: Path, *words: str) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """The address that the command prints, with the key in it. It ends with the block, all of it."""
    process = await asyncio.create_subprocess_exec(
        *PROGRAM, *words, env={"PATH": "/usr/bin:/bin", "HOME": str(folder)}, start_new_session=True,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        async with asyncio.timeout(SECONDS):
            said = b""
            while not (found := re.search(rb"open (http://\S+)", said)):
                line = await process.stderr.readline()
                assert line, f"it ended: {said.decode()}"
                said += line
        yield found[1].decode(), process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(SECONDS):
            await process.wait()


async def test_a_browser_shows_the_monitor_and_takes_keys(tmp_path: Path) -> None:
    async with served(tmp_path, "--demo", "--web", "127.0.0.1:0") as (address, _), chromium(tmp_path) as page:
        await page.open(address)
        text = await page.text_with("DEMO", "1 Overview", "workers")
        assert "xmppout" in text, "a queue of the scene"

        await page.press("2")
        await page.text_with("queue", "in/s", "out/s")
        picture = await page.picture()

        place = urlsplit(address)
        hosts = {urlsplit(url).netloc for url in page.requested if not url.startswith("data:")}
        assert hosts == {place.netloc}, "nothing comes from anywhere else"
        assert not [line for line in page.console if "rror" in line]
        assert await page.value("location.search") == "", "the key is not left in sight"
        assert _is_drawn(picture)


def _is_drawn(picture: bytes) -> bool:
    """Whether a PNG is more than one colour: a screen full of text does not compress to next to nothing."""
    assert picture.startswith(b"\x89PNG")
    return len(picture) > 20_000 and len(zlib.compress(picture)) > 15_000


async def test_without_the_key_nothing_is_served(tmp_path: Path) -> None:
    async with served(tmp_path, "--demo", "--web", "127.0.0.1:0") as (address, _), aiohttp.ClientSession() as session:
        place = urlsplit(address)
        root = f"http://{place.netloc}"
        for path in ("/", "/?key=wrong", "/static/js/textual.js", "/ws"):
            async with session.get(root + path) as answer:
                assert answer.status == 403, path
                assert "has printed" in await answer.text()

        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar) as visitor:
            async with visitor.get(address) as answer:
                assert answer.status == 200
                assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
                assert "googleapis" not in await answer.text()
            async with visitor.get(root, headers={"Origin": "http://evil.example"}) as answer:
                assert answer.status == 403, "another site's page in the same browser"


async def test_it_works_through_a_tunnel_to_another_port(tmp_path: Path) -> None:
    async with served(tmp_path, "--demo", "--web", "127.0.0.1:0") as (address, _):
        place = urlsplit(address)
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as visitor,
            visitor.get(address, headers={"Host": "127.0.0.1:9999"}, allow_redirects=False) as welcome,
        ):
            key = welcome.cookies[f"snqmon-{place.port}"].value
            cookie = {"Host": "127.0.0.1:9999", "Cookie": f"snqmon-{place.port}={key}"}
            async with visitor.get(f"http://{place.netloc}/", headers=cookie) as answer:
                assert 'data-session-websocket-url="ws://127.0.0.1:9999/ws"' in await answer.text()


async def test_a_port_that_is_taken_is_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            *PROGRAM, "--demo", "--web", f"127.0.0.1:{port}", env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(SECONDS):
            _out, said = await process.communicate()

    assert process.returncode == 1
    assert said.decode().splitlines() == [
        f"snqmon: error: --web 127.0.0.1:{port}: another program serves there: try --web 127.0.0.1:{port + 1}"
    ]


async def test_an_address_beyond_loopback_is_warned_of(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *PROGRAM, "--demo", "--web", "0.0.0.0:0", env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        async with asyncio.timeout(SECONDS):
            said = (await process.stderr.readline()).decode()
    finally:
        process.terminate()
        await process.wait()

    assert said.startswith("snqmon: warning: 0.0.0.0 can be reached from other machines, and nothing is encrypted")


async def test_closing_the_page_ends_its_monitor(tmp_path: Path) -> None:
    async with served(tmp_path, "--demo", "--web", "127.0.0.1:0") as (address, process):
        async with chromium(tmp_path) as page:
            await page.open(address)
            await page.text_with("1 Overview")
            children = psutil.Process(process.pid).children(recursive=True)
            assert children

        _gone, alive = await asyncio.to_thread(psutil.wait_procs, children, timeout=20)
        assert not alive


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_and_its_monitors(tmp_path: Path, number: signal.Signals) -> None:
    async with served(tmp_path, "--demo", "--web", "127.0.0.1:0") as (address, process), chromium(tmp_path) as page:
        await page.open(address)
        await page.text_with("1 Overview")
        children = psutil.Process(process.pid).children(recursive=True)

        process.send_signal(number)
        async with asyncio.timeout(SECONDS):
            await process.wait()

        assert process.returncode == 0
        _gone, alive = await asyncio.to_thread(psutil.wait_procs, children, timeout=20)
        assert not alive
