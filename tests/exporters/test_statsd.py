"""The statsd exporter, told to a socket of ours and to a real server, and to none at all."""

from __future__ import annotations

import builtins
import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from snqd.config.addresses import Address
from snqd.config.schema import TelemetryConfig
from snqd.errors import ConfigError
from snqd.exporters import open_statsd
from snqd.exporters import statsd as statsd_module
from snqd.exporters.resolving import AGAIN_SECONDS, Found, Resolver
from snqd.exporters.statsd import Statsd
from tests.exporters.facts import Told, depth, flow, worker
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.statsd_server import StatsdServer


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Heard:
    """A socket that hears statsd."""

    def __init__(self, family: int, host: str) -> None:
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.bind((host, 0))
        self._socket.setblocking(False)
        self.address = Address(host, self._socket.getsockname()[1])

    def datagrams(self) -> list[bytes]:
        """On loopback a datagram has arrived when it has been sent."""
        found = []
        with contextlib.suppress(BlockingIOError):
            while True:
                found.append(self._socket.recv(65_536))
        return found

    def lines(self) -> list[str]:
        return [line for datagram in self.datagrams() for line in datagram.decode("ascii").split("\n")]

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=[(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")], ids=["IPv4", "IPv6"])
def heard(request: pytest.FixtureRequest) -> Iterator[Heard]:
    found = Heard(*request.param)
    yield found
    found.close()


def test_each_tick_tells_what_is_new(heard: Heard) -> None:
    clock, told = Clock(), Told()
    statsd = Statsd(heard.address, "prod.snqd", clock=clock)
    statsd.tick(told.tell(flow(handled=10), depth(ready=4), worker("main.1")))
    first = heard.lines()
    clock.now = 1.0

    statsd.tick(told.tell(flow(handled=13, run={0.1: 1}), depth(ready=2), worker("main.1")))

    lines = heard.lines()
    assert "prod.snqd.queue.mail.depth:4.0|g" in first
    assert not any("|c" in line for line in first), "no history"
    assert sorted(line for line in lines if "|ms" not in line) == [
        "prod.snqd.queue.mail.depth:2.0|g",
        "prod.snqd.queue.mail.handled:3|c",
    ]
    assert sum(line.startswith("prod.snqd.queue.mail.run:") for line in lines) == 1
    clock.now = 10.0
    statsd.tick(told.view)
    assert set(heard.lines()) > {"prod.snqd.queue.mail.scheduled:0.0|g"}, "told again, though unchanged"
    statsd.close()


def test_datagrams_are_full_but_not_too_long(heard: Heard) -> None:
    statsd = Statsd(heard.address, "")
    told = Told()
    statsd.tick(told.tell(flow()))
    heard.datagrams()

    statsd.tick(told.tell(*(flow(queue=f"queue-{number:03}", handled=1) for number in range(400))))

    datagrams = heard.datagrams()
    assert max(map(len, datagrams)) <= statsd_module.DATAGRAM_BYTES
    assert len(datagrams) <= sum(map(len, datagrams)) / statsd_module.DATAGRAM_BYTES * 1.1 + 1
    assert sum(datagram.count(b"|c") for datagram in datagrams) == 400
    statsd.close()


def test_no_server_costs_nothing_and_raises_nothing() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        address = Address("127.0.0.1", taken.getsockname()[1])
    told = Told()
    statsd = Statsd(address, "snqd")

    for number in range(20):
        statsd.tick(told.tell(flow(handled=number)))

    assert statsd.problem == ""
    statsd.close()
    statsd.close()


def test_increments_wait_until_the_name_of_the_server_is_found(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    may_answer = threading.Event()

    def slow(address: Address) -> Found:
        assert may_answer.wait(10)
        return Found(heard.address.host, address.port, ":" in heard.address.host)

    monkeypatch.setattr("snqd.exporters.resolving.find", slow)
    told = Told()
    statsd = Statsd(Address("statsd.example.net", heard.address.port), "snqd")
    view = told.tell(flow(handled=1))
    began = time.monotonic()
    for _ in range(100):
        statsd.tick(view)
    assert time.monotonic() - began < 5, "nothing waited for the answer"
    assert heard.datagrams() == []
    assert statsd.problem == f"statsd.example.net:{heard.address.port}: not looked up yet"

    may_answer.set()

    def ticked() -> bool:
        statsd.tick(view)
        return bool(heard.datagrams())

    eventually(ticked)
    statsd.tick(told.tell(flow(handled=3)))
    assert "snqd.queue.mail.handled:2|c" in heard.lines()
    assert statsd.problem == ""
    statsd.close()


def answered(resolver: Resolver) -> Found | None:
    """What it says once the look-up is over."""
    at_once = resolver.current()
    for thread in threading.enumerate():
        if thread.name == "statsd name":
            thread.join(10)
    return at_once or resolver.current()


def test_a_name_is_looked_up_again_after_a_while_whether_it_was_found_or_not() -> None:
    clock, answers = Clock(), [OSError(5, "no name server"), Found("192.0.2.1", 1, False), Found("192.0.2.2", 1, False)]
    asked = 0

    def look_up(_address: Address) -> Found:
        nonlocal asked
        asked += 1
        answer: Any = answers[asked - 1]
        if isinstance(answer, OSError):
            raise answer
        return Found(*answer)

    resolver = Resolver(Address("statsd.example.net", 1), clock, look_up)
    assert answered(resolver) is None
    assert resolver.problem == "statsd.example.net:1: no name server"
    assert answered(resolver) is None
    assert asked == 1

    clock.now = AGAIN_SECONDS
    assert answered(resolver) == Found("192.0.2.1", 1, False)
    assert resolver.problem == ""
    assert answered(resolver) is None, "no news"
    clock.now = 2 * AGAIN_SECONDS
    assert answered(resolver) == Found("192.0.2.2", 1, False)


def test_a_name_that_is_lost_again_keeps_its_address() -> None:
    clock, answers = Clock(), [Found("192.0.2.1", 1, False)]

    def look_up(_address: Address) -> Found:
        if not answers:
            raise OSError(5, "no name server")
        return answers.pop()

    resolver = Resolver(Address("statsd.example.net", 1), clock, look_up)
    assert answered(resolver) is not None
    clock.now = AGAIN_SECONDS

    assert answered(resolver) is None
    assert resolver.problem == ""


def test_numbers_are_never_looked_up() -> None:
    def look_up(_address: Address) -> Found:
        raise AssertionError

    assert Resolver(Address("127.0.0.1", 5), Clock(), look_up).current() == Found("127.0.0.1", 5, False)
    assert Resolver(Address("::1", 5), Clock(), look_up).current() == Found("::1", 5, True)


def test_localhost_is_found(heard: Heard) -> None:
    if ":" in heard.address.host:
        return  # IPv4 is preferred
    statsd, told = Statsd(Address("localhost", heard.address.port), "snqd"), Told()

    def ticked() -> bool:
        statsd.tick(told.tell(flow()))
        return bool(heard.datagrams())

    eventually(ticked)
    statsd.close()


def test_it_is_opened_as_configured_or_not_at_all() -> None:
    assert open_statsd(TelemetryConfig()) is None
    opened = open_statsd(TelemetryConfig(statsd="127.0.0.1:8125"))
    assert isinstance(opened, Statsd)
    opened.close()


def test_without_the_package_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def fails(name: str, *rest: Any) -> Any:
        if name == "snqd.exporters.statsd":
            raise ModuleNotFoundError("No module named 'statsd'", name="statsd")
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", fails)

    with pytest.raises(ConfigError, match=r"pip install 'snqd\[statsd\]'"):
        open_statsd(TelemetryConfig(statsd="127.0.0.1:8125"))


def test_a_real_server_understands_every_line(statsd_server: StatsdServer) -> None:
    clock, told = Clock(), Told()
    statsd = Statsd(Address("127.0.0.1", statsd_server.port), "snqd", with_sites=True, clock=clock)
    strange = flow(queue="a.b:c|d@e f#ö\n", site="../x")
    statsd.tick(told.tell(flow(), strange))
    for number in range(1, 12):
        clock.now = float(number)
        view = told.tell(
            flow(handled=10 * number, failed=number, run={0.05: number}, wait={0.5: number}),
            flow(queue=strange.queue, site=strange.site, handled=number),
            depth(ready=100 - number, lag_seconds=1.5),
            worker("main.1", phase="handling", rss_bytes=123_456_789),
        )
        statsd.tick(view)

    eventually(lambda: statsd_server.counter("snqd.queue.mail.handled") == 110)
    eventually(lambda: statsd_server.gauge("snqd.queue.mail.depth") == 89)
    assert statsd_server.counter("snqd.queue.mail.failed") == 11
    assert statsd_server.counter("snqd.site.a_example.handled") == 110
    assert statsd_server.counter("snqd.queue.a_b_c_d_e_f___.handled") == 11
    assert statsd_server.gauge("snqd.queue.mail.lag_seconds") == 1.5
    assert statsd_server.gauge("snqd.daemon.main.web1_example.workers.handling") == 1
    assert statsd_server.gauge("snqd.daemon.main.web1_example.rss_bytes") == 123_456_789
    assert statsd_server.gauge("snqd.queue.mail.run_p95_seconds") == pytest.approx(0.05, rel=0.2)
    assert statsd_server.timings("snqd.queue.mail.run")
    assert statsd_server.timings("snqd.queue.mail.wait")
    assert statsd_server.complaints() == []
    statsd.close()
