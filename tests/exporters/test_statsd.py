"""The statsd exporter, told to a socket of ours and to a real server, and to none at all."""

from __future__ import annotations

import builtins
import contextlib
import select
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
from tests.support.stopwatch import Stopwatch
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snqd.telemetry.daemon_view import DaemonView
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
        self.address = Address(host, self._socket.getsockname()[1])

    def datagrams(self, lines: int) -> list[bytes]:
        """The next ones, until so many lines have come."""
        found: list[bytes] = []
        deadline = time.monotonic() + 10
        while (have := sum(datagram.count(b"\n") + 1 for datagram in found)) < lines:
            readable, _, _ = select.select([self._socket], [], [], deadline - time.monotonic())
            assert readable, f"{have} of {lines} lines came"
            found.append(self._socket.recv(65_536))
        assert have == lines
        return found

    def lines(self, count: int) -> list[str]:
        return [line for datagram in self.datagrams(count) for line in datagram.decode("ascii").split("\n")]

    def close(self) -> None:
        self._socket.close()


def opened(address: Address, prefix: str = "snqd", **options: Any) -> contextlib.closing[Statsd]:
    return contextlib.closing(Statsd(address, prefix, **options))


def lines_after_tick(statsd: Statsd, view: DaemonView) -> int:
    statsd.tick(view)
    return statsd.lines


@pytest.fixture(params=[(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")], ids=["IPv4", "IPv6"])
def heard(request: pytest.FixtureRequest) -> Iterator[Heard]:
    found = Heard(*request.param)
    yield found
    found.close()


def test_each_tick_tells_what_is_new(heard: Heard) -> None:
    clock, told = Clock(), Told()
    with opened(heard.address, "prod.snqd", clock=clock) as statsd:
        statsd.tick(told.tell(flow(handled=10), depth(ready=4), worker("main.1")))
        first = heard.lines(statsd.lines)
        clock.now = 1.0

        statsd.tick(told.tell(flow(handled=13, run={0.1: 1}), depth(ready=2), worker("main.1")))

        lines = heard.lines(3)
        assert "prod.snqd.queue.mail.depth:4.0|g" in first
        assert not any("|c" in line for line in first), "no history"
        assert sorted(line for line in lines if "|ms" not in line) == [
            "prod.snqd.queue.mail.depth:2.0|g",
            "prod.snqd.queue.mail.handled:3|c",
        ]
        assert sum(line.startswith("prod.snqd.queue.mail.run:") for line in lines) == 1
        clock.now, before = 10.0, statsd.lines
        statsd.tick(told.view)
        again = heard.lines(statsd.lines - before)
        assert "prod.snqd.queue.mail.scheduled:0.0|g" in again, "told again, though unchanged"


def test_datagrams_are_full_but_not_too_long(heard: Heard) -> None:
    told = Told()
    with opened(heard.address, "") as statsd:
        statsd.tick(told.tell(flow()))
        heard.lines(statsd.lines)
        before = statsd.lines

        statsd.tick(told.tell(*(flow(queue=f"queue-{number:03}", handled=1) for number in range(400))))

        datagrams = heard.datagrams(statsd.lines - before)
    assert max(map(len, datagrams)) <= statsd_module.DATAGRAM_BYTES
    assert min(map(len, datagrams[:-1])) > statsd_module.DATAGRAM_BYTES - 100
    assert sum(datagram.count(b"|c") for datagram in datagrams) == 400


def test_no_server_costs_nothing_and_raises_nothing() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        address = Address("127.0.0.1", taken.getsockname()[1])
    told = Told()
    with opened(address) as statsd:
        for number in range(20):
            statsd.tick(told.tell(flow(handled=number)))

        assert statsd.problem == ""
        statsd.close()


def test_increments_wait_until_the_name_of_the_server_is_found(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    may_answer = threading.Event()

    def slow(address: Address) -> Found:
        assert may_answer.wait(10)
        return Found(heard.address.host, address.port, ":" in heard.address.host)

    monkeypatch.setattr("snqd.exporters.resolving.find", slow)
    told = Told()
    with opened(Address("statsd.example.net", heard.address.port)) as statsd:
        view = told.tell(flow(handled=1))
        watch = Stopwatch()
        for _ in range(100):
            statsd.tick(view)
        assert watch.seconds < 5, "nothing waited for the answer"
        assert statsd.lines == 0
        assert statsd.problem == f"statsd.example.net:{heard.address.port}: not looked up yet"

        may_answer.set()
        eventually(lambda: lines_after_tick(statsd, view))

        heard.lines(statsd.lines)
        statsd.tick(told.tell(flow(handled=3)))
        assert heard.lines(1) == ["snqd.queue.mail.handled:2|c"]
        assert statsd.problem == ""


def answered(resolver: Resolver) -> Found | None:
    """What it says once the look-up is over."""
    at_once = resolver.current()
    for thread in threading.enumerate():
        if thread.name == "exporter name":
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
    view = Told().tell(flow())
    with opened(Address("localhost", heard.address.port)) as statsd:
        eventually(lambda: lines_after_tick(statsd, view))

        assert heard.lines(statsd.lines)


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
    strange = flow(queue="a.b:c|d@e f#ö\n", site="../x")
    with opened(Address("127.0.0.1", statsd_server.port), with_sites=True, clock=clock) as statsd:
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

    counters = {
        "queue.mail.handled": 110,
        "queue.mail.failed": 11,
        "site.a_example.handled": 110,
        "queue.a_b_c_d_e_f___.handled": 11,
    }
    gauges = {
        "queue.mail.depth": 89,
        "queue.mail.lag_seconds": 1.5,
        "daemon.main.web1_example.workers.handling": 1,
        "daemon.main.web1_example.rss_bytes": 123_456_789,
        "queue.mail.run_p95_seconds": pytest.approx(0.05, rel=0.2),
    }
    eventually(lambda: {name: statsd_server.counter(f"snqd.{name}") for name in counters} == counters)
    eventually(lambda: {name: statsd_server.gauge(f"snqd.{name}") for name in gauges} == gauges)
    eventually(lambda: statsd_server.timings("snqd.queue.mail.run") and statsd_server.timings("snqd.queue.mail.wait"))
    assert statsd_server.complaints() == []
