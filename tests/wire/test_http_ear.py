"""The HTTP ear with real clients: PHP's requests as bytes, curl, http.client, and those who mean harm."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import http.client
import random
import shutil
import subprocess
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest

from snqd.telemetry import http_ear
from snqd.telemetry.ears import Believed
from snqd.telemetry.http_ear import HttpEar
from snqd.telemetry.legacy import LegacySenders

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HANDLED = (
    b"counter=handled&owners%5B0%5D=queue%3Adistrib&owners%5B1%5D=site%3Aexample.net&owners%5B2%5D=thread%3Ageneric.1"
)


@contextlib.asynccontextmanager
async def open_ear(believed: Believed | None = None, *, request_seconds: float = 10.0) -> AsyncIterator[HttpEar]:
    ear = HttpEar(("127.0.0.1", 0), LegacySenders(), believed, clock=lambda: 100.0, request_seconds=request_seconds)
    await ear.open()
    try:
        yield ear
    finally:
        await ear.close()


def port_of(ear: HttpEar) -> int:
    assert ear.bound is not None
    return ear.bound[1]


def handled(ear: HttpEar) -> int:
    fold = ear.senders.folds.get("127.0.0.1")
    return fold.received if fold else 0


async def talk(ear: HttpEar, *parts: bytes) -> bytes:
    """Send the parts one after another, and read until the other side closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(ear))
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        return await asyncio.wait_for(reader.read(), 20)
    finally:
        writer.close()


def request(body: bytes, *headers: bytes, line: bytes = b"POST /queue HTTP/1.1") -> bytes:
    fields = (line, b"Host: monitor.example.net", b"Content-Length: %d" % len(body), *headers)
    return b"\r\n".join((*fields, b"", body))


CLOSE = b"Connection: close"


async def test_the_requests_of_php_are_taken() -> None:
    http_request2 = (
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: StatusNet/0.9.6 HTTP_Request2/0.5.2\r\n"
        b"Connection: close\r\nAccept-Encoding: gzip, deflate\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%b" % (len(HANDLED), HANDLED)
    )
    stream = b"POST /x HTTP/1.0\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%b"
    async with open_ear() as ear:
        first = await talk(ear, http_request2)
        second = await talk(ear, stream % (len(HANDLED), HANDLED))

        assert first.startswith(b"HTTP/1.1 204 ")
        assert second.startswith(b"HTTP/1.1 204 ")
        assert handled(ear) == 2


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not here")
@pytest.mark.parametrize("options", [(), ("-H", "Transfer-Encoding: chunked"), ("-H", "Expect: 100-continue")])
async def test_curl_is_answered(options: tuple[str, ...]) -> None:
    async with open_ear() as ear:
        url = f"http://127.0.0.1:{port_of(ear)}/a/path?x=1"
        command = ["curl", "-sS", "-m", "10", "-o", "-", "-w", "%{http_code}", "-d", HANDLED.decode(), *options, url]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=True, text=True)

        assert done.stdout == "204"
        assert handled(ear) == 1


async def test_a_connection_is_used_again() -> None:
    def post(port: int) -> list[int]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        statuses = []
        for method, body in (
            ("POST", HANDLED),
            ("POST", iter([HANDLED[:9], HANDLED[9:]])),
            ("GET", b""),
            ("POST", HANDLED),
        ):
            connection.request(method, "/", body)
            with connection.getresponse() as answer:
                answer.read()
                statuses.append(answer.status)
        connection.close()
        return statuses

    async with open_ear() as ear:
        assert await asyncio.to_thread(post, port_of(ear)) == [204, 204, 405, 204]
        assert handled(ear) == 3


async def test_who_asks_before_sending_a_body_is_told_to_go_on() -> None:
    async with open_ear() as ear:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(ear))
        writer.write(request(HANDLED, b"Expect: 100-continue", CLOSE).removesuffix(HANDLED))

        assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)).startswith(b"HTTP/1.1 100 ")
        writer.write(HANDLED)
        assert (await asyncio.wait_for(reader.read(), 10)).startswith(b"HTTP/1.1 204 ")
        writer.close()


async def test_requests_that_come_together_are_all_answered() -> None:
    async with open_ear() as ear:
        answer = await talk(ear, request(HANDLED) * 3 + request(HANDLED, CLOSE))

        assert answer.count(b"HTTP/1.1 204 ") == 4
        assert handled(ear) == 4


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (request(b"noise", CLOSE), 400),
        (request(b"", CLOSE), 400),
        (request(HANDLED, CLOSE, line=b"PUT / HTTP/1.1"), 405),
        (request(HANDLED, CLOSE, line=b"GET / HTTP/1.1"), 405),
        (request(b"x" * 10_000, CLOSE), 413),
        (request(b"x" * 500_000, CLOSE), 413),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999\r\n\r\n" + b"x" * 100_000, 413),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 100_000, 431),
        (b"POST / HTTP/1.1\r\nHost: h\r\n" + b"X: y\r\n" * 10_000, 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\n\r\n", 400),
    ],
)
async def test_what_is_no_ping_is_refused_in_one_answer(sent: bytes, status: int) -> None:
    async with open_ear() as ear:
        answer = await talk(ear, sent)

        assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:100]
        assert answer.count(b"HTTP/1.1") == 1
        assert handled(ear) == 0


async def test_who_is_not_believed_is_refused() -> None:
    async with open_ear(Believed([ip_network("192.0.2.0/24")])) as ear:
        answer = await talk(ear, request(HANDLED, CLOSE))

        assert answer.startswith(b"HTTP/1.1 403 ")
        assert ear.senders.folds == {}


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", b""),
        (b"POST / HT", b""),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\ncoun", b"HTTP/1.1 408 "),
    ],
)
async def test_who_is_slow_is_cut_off(sent: bytes, status: bytes) -> None:
    async with open_ear(request_seconds=0.05) as ear:
        answer = await talk(ear, sent)

        assert answer[:13] == status


async def test_who_trickles_gets_no_more_time() -> None:
    async with open_ear(request_seconds=0.2) as ear:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(ear))

        async def trickle() -> None:
            writer.write(b"POST / HTTP/1.1\r\nHost: h\r\n")
            while True:
                writer.write(b"X: y\r\n")
                await asyncio.sleep(0.01)

        task = asyncio.create_task(trickle())
        try:
            await asyncio.wait_for(reader.read(), 10)
        except ConnectionError:
            pass  # closed while a header was on its way
        finally:
            task.cancel()
            writer.close()


async def test_connections_are_bounded_and_come_free_again() -> None:
    async with open_ear() as ear:
        idle = [await asyncio.open_connection("127.0.0.1", port_of(ear)) for _ in range(http_ear.ADDRESS_LIMIT)]
        try:
            with contextlib.suppress(ConnectionError):
                assert await talk(ear, request(HANDLED, CLOSE)) == b""
            assert ear.turned_away == 1
        finally:
            for _reader, writer in idle:
                writer.close()
                await writer.wait_closed()
        while True:  # until the ear has seen that they are gone
            with contextlib.suppress(ConnectionError):
                if await talk(ear, request(HANDLED, CLOSE)):
                    break
        assert handled(ear) == 1


async def test_closing_cuts_off_who_is_connected() -> None:
    async with open_ear() as ear:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(ear))
        await talk(ear, request(HANDLED, CLOSE))  # so the first one was accepted

        await ear.close()

        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()


_LINES = (b"POST / HTTP/1.1", b"HEAD / HTTP/1.0", b"CONNECT h:1 HTTP/1.1", b"OPTIONS * HTTP/1.1", b"GET / HTTP/2.0")
_FIELDS = (
    b"Host: h", b"Upgrade: websocket", b"Connection: upgrade", b"Expect: 100-continue", b"Connection: close",
    b"Content-Length: 5", b"Content-Length: 0", b"Transfer-Encoding: chunked", b" folded: yes", b"\x00\xff: 1",
)  # fmt: skip
_BODIES = (b"", b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"5;x=y\r\nhe", b"\xff" * 9, HANDLED)


async def test_no_mixture_of_requests_is_an_error_of_ours() -> None:
    chance = random.Random(5)
    errors: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: errors.append(context))

    def mixture() -> bytes:
        fields = [b"Host: h", *chance.choices(_FIELDS, weights=[4] * 8 + [1] * 2, k=chance.randint(0, 4))]
        head = b"\r\n".join((chance.choice(_LINES), *fields, b"", b""))
        return (head + chance.choice(_BODIES)) * chance.randint(1, 3)

    async with open_ear(request_seconds=0.05) as ear:

        async def one(sent: bytes) -> None:
            with contextlib.suppress(ConnectionError):
                await talk(ear, sent)

        for _ in range(60):
            await asyncio.gather(*(one(mixture()) for _ in range(10)))
        assert ear.received > 300
    gc.collect()

    assert errors == []
