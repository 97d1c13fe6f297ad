"""The Ganglia exporter, told to a socket of ours and to real servers."""

from __future__ import annotations

import contextlib
import socket
import struct
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from snqd.config.addresses import Address
from snqd.config.schema import TelemetryConfig
from snqd.exporters import open_ganglia
from snqd.exporters.figures import COUNTERS, Figures
from snqd.exporters.ganglia.catalogue import describe
from snqd.exporters.ganglia.ganglia import BURST, Ganglia, Timing
from tests.exporters.facts import Told, alarm, depth, flow, store, worker
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snqd.telemetry.daemon_view import DaemonView
    from tests.support.ganglia_server import Gmetad, Gmond

DEFINITION, VALUE = 128, 133
DAEMON = "snqd.daemon.main.web1_example"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Heard:
    """A socket that hears what gmond would."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self.address = Address("127.0.0.1", self._socket.getsockname()[1])

    def datagrams(self) -> list[tuple[int, str, str]]:
        """Kind, name, and value or type of each that has come: on loopback they are there when `sendto` returns."""
        found = []
        with contextlib.suppress(BlockingIOError):
            while True:
                found.append(read(self._socket.recv(65_536)))
        return found

    def names(self, kind: int) -> list[str]:
        return [name for each, name, _text in self.datagrams() if each == kind]

    def values(self) -> dict[str, str]:
        return {name: text for kind, name, text in self.datagrams() if kind == VALUE}

    def close(self) -> None:
        self._socket.close()


def read(datagram: bytes) -> tuple[int, str, str]:
    """By the words of the protocol, and not by the code under test."""
    at = 0

    def number() -> int:
        nonlocal at
        at += 4
        return int(struct.unpack_from(">I", datagram, at - 4)[0])

    def text() -> str:
        nonlocal at
        length = number()
        at += -(-length // 4) * 4
        return datagram[at - -(-length // 4) * 4 :][:length].decode("ascii")

    kind, _host, name, _spoof = number(), text(), text(), number()
    if kind == VALUE:
        assert text() == "%s"
    return kind, name, text()


@pytest.fixture
def heard() -> Iterator[Heard]:
    found = Heard()
    yield found
    found.close()


def opened(address: Address, **options: Any) -> contextlib.closing[Ganglia]:
    return contextlib.closing(Ganglia(address, "snqd", **{"limit": 1000} | options))


def tell_all(ganglia: Ganglia, view: DaemonView) -> None:
    """Until everything that is lined up has been sent."""
    while True:
        before = ganglia.sent
        ganglia.tick(view)
        if ganglia.sent - before < BURST:
            return


def expire(told: Told, *facts: Any) -> None:
    """Tell only these for so long that what is not among them is taken for gone."""
    for second in range(2, 40, 2):
        told.tell(*facts, at=float(second))


def busy(**changes: Any) -> list[Any]:
    given: dict[str, Any] = {"handled": 10, "failed": 1, "run": {0.1: 10}, "wait": {0.5: 10}} | changes
    return [flow(**given), depth(ready=4, lag_seconds=1.5), worker("main.1", rss_bytes=5 << 30), store(), alarm("lag")]


def test_each_figure_of_statsd_that_is_no_timing_is_a_metric_of_the_same_name(heard: Heard) -> None:
    told, clock = Told(), Clock()
    counters: dict[str, Any] = {name: number + 1 for number, name in enumerate(COUNTERS)}
    figures, view = Figures(with_sites=True), told.tell()
    with opened(heard.address, clock=clock) as ganglia:
        for clock.now in (0.0, 10.0, 20.0):
            facts = busy(**counters | {"run": {0.1: int(clock.now)}, "wait": {0.5: int(clock.now)}})
            view = told.tell(*facts)
            tell_all(ganglia, view)
            figures.increments(view)
            figures.durations(clock.now)
        values = heard.values()

        gauges = set(figures.gauges(view, clock.now))
        owners = ("queue.mail", "site.a_example")
        expected = gauges | {f"{owner}.{name}" for owner in owners for name in COUNTERS}
        assert "queue.mail.run_p95_seconds" in expected
        assert set(values) == {f"snqd.{name}" for name in expected} | {f"{DAEMON}.ganglia_left_out"}
        assert (
            values["snqd.queue.mail.reclaimed"] == values["snqd.site.a_example.reclaimed"] == str(counters["reclaimed"])
        )
        assert values["snqd.queue.mail.depth"] == "4"
        assert values["snqd.queue.mail.lag_seconds"] == "1.5"
        assert values[f"{DAEMON}.rss_bytes"] == str(5 << 30)


def test_a_definition_comes_before_the_first_value_and_again_each_minute(heard: Heard) -> None:
    told, clock = Told(), Clock()
    view = told.tell(*busy())
    with opened(heard.address, clock=clock) as ganglia:
        tell_all(ganglia, view)
        first = heard.datagrams()
        assert all(
            (after[0], after[1]) == (VALUE, before[1]) for before, after in pairwise(first) if before[0] == DEFINITION
        )
        names = [name for kind, name, _text in first if kind == DEFINITION]
        assert sorted(names) == sorted(name for kind, name, _text in first if kind == VALUE)

        clock.now = 30.0
        tell_all(ganglia, view)
        assert heard.names(DEFINITION) == []

        clock.now = 60.0
        tell_all(ganglia, view)
        again = heard.datagrams()
        assert {name for kind, name, _text in again if kind == DEFINITION} >= set(names)
        assert {name for kind, name, _text in again if kind == VALUE} >= set(names), "values too, though unchanged"


def test_between_only_what_has_changed_is_told(heard: Heard) -> None:
    told, clock = Told(), Clock()
    with opened(heard.address, clock=clock) as ganglia:
        tell_all(ganglia, told.tell(*busy(run={}, wait={})))
        heard.datagrams()

        clock.now = 9.0
        view = told.tell(*busy(handled=12, run={}, wait={}))
        tell_all(ganglia, view)
        assert heard.datagrams() == [], "a round is ten seconds"

        clock.now = 10.0
        tell_all(ganglia, view)
        assert heard.values() == {"snqd.queue.mail.handled": "12", "snqd.site.a_example.handled": "12"}


def test_no_tick_sends_more_than_a_burst_and_nothing_is_left_unsaid(heard: Heard) -> None:
    told, clock = Told(), Clock()
    view = told.tell(*(flow(queue=f"q{number}", handled=1) for number in range(100)))
    names: set[str] = set()
    with opened(heard.address, clock=clock) as ganglia:
        for tick in range(60):
            clock.now = float(tick)
            ganglia.tick(view)
            datagrams = heard.datagrams()
            assert len(datagrams) <= BURST
            names |= {name for kind, name, _text in datagrams if kind == VALUE}
    assert {f"snqd.queue.q{number}.handled" for number in range(100)} <= names


def test_what_has_no_place_is_counted_and_said(heard: Heard) -> None:
    told, clock = Told(), Clock()
    facts = [
        fact for number in range(100) for fact in (flow(queue=f"q{number:02}", site="x"), depth(f"q{number:02}", "x"))
    ]
    with opened(heard.address, clock=clock, limit=100) as ganglia:
        tell_all(ganglia, told.tell(*facts))
        values = heard.values()

        assert len(values) <= 100
        assert {"snqd.site.x.depth", "snqd.queue.q00.lag_seconds", f"{DAEMON}.alarms"} <= set(values)
        assert int(values[f"{DAEMON}.ganglia_left_out"]) == ganglia.left_out > 0
        assert "telemetry.ganglia_limit (100)" in ganglia.problem


def test_counters_go_on_while_flows_come_and_go_and_begin_again_with_the_daemon(heard: Heard) -> None:
    told, clock = Told(), Clock()
    with opened(heard.address, clock=clock) as ganglia:
        tell_all(ganglia, told.tell(flow(handled=10), flow(site="b", handled=5)))
        assert heard.values()["snqd.queue.mail.handled"] == "15"

        expire(told, flow(handled=40))  # the flow of site b is not told any more
        assert ("mail", "b") not in told.view.flows
        clock.now = 10.0
        tell_all(ganglia, told.view)
        assert heard.values()["snqd.queue.mail.handled"] == "45"

        told.boot += 1
        clock.now = 20.0
        tell_all(ganglia, told.tell(flow(handled=1)))
        assert heard.values()["snqd.queue.mail.handled"] == "1"


def test_a_view_that_is_not_complete_tells_no_counter(heard: Heard) -> None:
    told, clock = Told(), Clock()
    with opened(heard.address, clock=clock) as ganglia:
        tell_all(ganglia, told.tell(flow(handled=7), depth(ready=2), missing_flows=1))
        values = heard.values()
        assert values["snqd.queue.mail.depth"] == "2"
        assert "snqd.queue.mail.handled" not in values

        clock.now = 10.0
        tell_all(ganglia, told.tell(flow(handled=7), flow(site="b", handled=1)))
        assert heard.values()["snqd.queue.mail.handled"] == "8"


def test_nobody_there_costs_nothing_and_an_unreachable_network_is_said() -> None:
    clock, view = Clock(), Told().tell(*busy())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = Address("127.0.0.1", taken.getsockname()[1])
    with opened(nobody, clock=clock) as ganglia:
        tell_all(ganglia, view)
        assert ganglia.problem == ""

    with opened(Address("255.255.255.255", 8649), clock=clock) as ganglia:  # a broadcast, which is not allowed
        tell_all(ganglia, view)
        assert ganglia.sent == 0
        assert "ermission" in ganglia.problem


def test_it_is_opened_as_configured_or_not_at_all(heard: Heard) -> None:
    assert open_ganglia(TelemetryConfig()) is None
    config = TelemetryConfig(ganglia=str(heard.address), ganglia_prefix="", ganglia_spoof="10.0.0.7:queues")
    ganglia = open_ganglia(config)
    assert ganglia is not None
    tell_all(ganglia, Told().tell(*busy()))
    ganglia.close()
    assert "queue.mail.depth" in heard.values()


def test_a_real_gmond_shows_every_metric_as_it_was_told(gmond: Gmond) -> None:
    told, clock = Told(), Clock()
    strange = "a<b>&\"'c d\u00e9\u0007\n"
    facts = [*busy(), flow(queue=strange, site=strange, handled=3), depth(queue=strange, site=strange, ready=1)]
    with opened(Address("127.0.0.1", gmond.port), clock=clock) as ganglia:
        tell_all(ganglia, told.tell(*facts))
        eventually(lambda: len(gmond.metrics()) == len(ganglia._told))

    metrics = gmond.metrics()
    assert set(metrics) == {f"snqd.{name}" for name in ganglia._told}
    lag = metrics["snqd.queue.mail.lag_seconds"]
    assert (lag.value, lag.type, lag.units, lag.slope, lag.tmax, lag.dmax) == ("1.5", "double", "s", "both", 60, 600)
    assert lag.extra == {"GROUP": "snqd_queues", "TITLE": "mail: lag", "DESC": "Age of the oldest ready item"}
    handled = metrics["snqd.site.a_example.handled"]
    assert (handled.value, handled.type, handled.units, handled.slope) == ("10", "double", "items", "derivative")
    assert handled.extra["GROUP"] == "snqd_sites"
    assert metrics[f"{DAEMON}.workers.idle"].value == "1"
    assert metrics[f"{DAEMON}.alarms"].value == "1"
    assert metrics["snqd.queue.a_b____c_d___.handled"].value == "3"


def test_a_gmond_that_was_restarted_knows_everything_again(gmond: Gmond) -> None:
    told, clock = Told(), Clock()
    with opened(Address("127.0.0.1", gmond.port), clock=clock) as ganglia:
        tell_all(ganglia, told.tell(*busy()))
        eventually(lambda: "snqd.queue.mail.depth" in gmond.metrics())
        gmond.stop()
        gmond.start()
        assert gmond.metrics() == {}

        clock.now = 60.0
        tell_all(ganglia, told.view)
        eventually(lambda: "snqd.queue.mail.depth" in gmond.metrics())


def test_a_queue_that_is_gone_vanishes_while_the_others_stay(gmond: Gmond) -> None:
    told, clock = Told(), Clock()
    timing = Timing(round_seconds=0.1, repeat_seconds=0.5, keep_seconds=2.0)
    with opened(Address("127.0.0.1", gmond.port), clock=clock, timing=timing) as ganglia:
        tell_all(ganglia, told.tell(flow(), depth(), flow(queue="gone", handled=1), depth(queue="gone")))
        eventually(lambda: "snqd.queue.gone.handled" in gmond.metrics())
        expire(told, flow(), depth())
        clock.now = 1.0
        tell_all(ganglia, told.view)
        assert "queue.gone.handled" not in ganglia._told

        def is_gone() -> bool:
            clock.now += 0.5
            tell_all(ganglia, told.view)
            return "snqd.queue.gone.handled" not in gmond.metrics()

        eventually(is_gone, every_seconds=0.2)
        assert "snqd.queue.mail.handled" in gmond.metrics()


def test_spoofed_metrics_are_those_of_another_host(gmond: Gmond) -> None:
    clock, view = Clock(), Told().tell(*busy())
    with opened(Address("127.0.0.1", gmond.port), clock=clock, spoof="10.0.0.7:queues") as ganglia:
        tell_all(ganglia, view)
        eventually(lambda: "snqd.queue.mail.depth" in gmond.hosts().get("queues", {}))
    assert list(gmond.hosts()) == ["queues"]


def test_gmetad_draws_gauges_as_they_are_and_counters_as_rates(gmond: Gmond, gmetad: Gmetad) -> None:
    told, clock = Told(), Clock()
    timing = Timing(round_seconds=0.1)
    handled = 0
    with opened(Address("127.0.0.1", gmond.port), clock=clock, timing=timing) as ganglia:

        def is_drawn() -> bool:
            nonlocal handled
            handled += 5
            clock.now += 1.0
            tell_all(ganglia, told.tell(flow(handled=2**33 + handled), depth(ready=handled)))
            rates = gmetad.averages("snqd.queue.mail.handled")
            return any(rate > 0 for rate in rates) and any(gmetad.averages("snqd.queue.mail.depth"))

        eventually(is_drawn, within_seconds=30, every_seconds=0.25)
    assert gmetad.info("snqd.queue.mail.depth")["ds[sum].type"] == "GAUGE"
    assert gmetad.info("snqd.queue.mail.handled")["ds[sum].type"] == "DERIVE"


def test_every_figure_is_described() -> None:
    told = Told()
    figures = Figures(with_sites=True)
    view = told.tell(*busy(**dict.fromkeys(COUNTERS, 1)))
    figures.increments(view)
    names = [*figures.gauges(view, 0.0), *figures.totals()]
    assert len(names) > 30
    assert [name for name in names if describe(name, "") is None] == []
