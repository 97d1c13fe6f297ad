"""The UDP ear on real sockets: what arrives is folded, and a flood or a stranger does no harm."""

from __future__ import annotations

import contextlib
import select
import socket
from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest

from snqd.telemetry import ears
from snqd.telemetry.ears import Believed, UdpEar, canonical
from snqd.telemetry.fleet import Fleet
from snqd.telemetry.legacy import LegacySenders

if TYPE_CHECKING:
    from collections.abc import Iterator

HANDLED = (
    b"counter=handled&owners%5B0%5D=queue%3Adistrib&owners%5B1%5D=site%3Aexample.net&owners%5B2%5D=thread%3Ageneric.1"
)
ENQUEUED = b"counter=enqueued&owners%5B0%5D=queue%3Adistrib&owners%5B1%5D=site%3Aexample.net"
POLL = b"thread_id=generic.1&state=poll&substate=&ts=1290512345.1234"


@contextlib.contextmanager
def open_ear(host: str = "127.0.0.1", believed: Believed | None = None) -> Iterator[tuple[UdpEar, LegacySenders, int]]:
    senders = LegacySenders()
    ear = UdpEar((host, 0), senders, believed)
    _host, port = ear.open()
    try:
        yield ear, senders, port
    finally:
        ear.close()


def send(port: int, *bodies: bytes, host: str = "127.0.0.1") -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        for body in bodies:
            sender.sendto(body, (host, port))


def heard(ear: UdpEar, count: int) -> None:
    """Turn until `count` datagrams have come."""
    while ear.received < count:
        readable, _, _ = select.select([ear], [], [], 10)
        assert readable, f"{ear.received} of {count} datagrams came"
        ear.turn(100.0)


def test_pings_become_a_daemon_of_the_fleet() -> None:
    fleet = Fleet()
    with open_ear() as (ear, senders, port):
        send(port, HANDLED, POLL, HANDLED, b"noise", ENQUEUED)
        heard(ear, 5)
        for datagram in senders.datagrams(100.0):
            fleet.apply(datagram, source="127.0.0.1", now=1.0)

    view = fleet.daemons["legacy@127.0.0.1"]
    assert view.queue_totals()["distrib"].handled == 2
    assert view.site_totals()["example.net"].handled == 2
    assert (view.workers["generic.1"].phase, view.workers["generic.1"].handled) == ("claiming", 2)
    assert view.counters["enqueued", "queue:distrib"].count == 1
    assert view.is_complete
    assert not view.is_loss_known
    assert ear.not_understood == 1


def test_a_daemon_that_goes_on_stays_whole_and_one_that_is_silent_is_not_told() -> None:
    fleet, senders = Fleet(), LegacySenders()
    senders.take(HANDLED, "192.0.2.7", 0.0)
    for second in range(60):
        senders.take(POLL, "192.0.2.7", float(second))
        for datagram in senders.datagrams(float(second)):
            fleet.apply(datagram, source="192.0.2.7", now=float(second))
        view = fleet.daemons["legacy@192.0.2.7"]
        assert view.flows["distrib", "example.net"].handled == 1, "told again, though nothing was counted any more"

    assert fleet.daemons["legacy@192.0.2.7"].received == 60
    assert senders.datagrams(60.0) == []


def test_one_turn_takes_a_bounded_number_and_the_rest_follows() -> None:
    with open_ear() as (ear, _senders, port):
        send(port, *[HANDLED] * (ears.BURST + 50))

        turns: list[int] = []
        while sum(turns) < ears.BURST + 50:
            assert select.select([ear], [], [], 10)[0]
            turns.append(ear.turn(1.0))

        assert max(turns) <= ears.BURST
        assert ear.turn(1.0) == 0


def test_a_datagram_of_any_size_is_taken() -> None:
    with open_ear() as (ear, senders, port):
        send(port, b"", b"x" * 65_000, b"counter=handled&" + b"&" * 50_000, HANDLED)
        heard(ear, 4)

        assert ear.not_understood == 3
        assert senders.folds["127.0.0.1"].received == 1


def test_who_is_not_believed_is_counted_and_dropped() -> None:
    believed = Believed([ip_network("192.0.2.0/24")])
    with open_ear(believed=believed) as (ear, senders, port):
        send(port, HANDLED, HANDLED)
        heard(ear, 2)

    assert senders.folds == {}
    assert believed.refused == 2


def test_networks_are_asked_for_each_sender() -> None:
    believed = Believed([ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")])

    assert [believed.admits(each) for each in ("192.0.2.9", "2001:db8::1", "192.0.3.1", "::1", "")] == [
        True, True, False, False, False
    ]  # fmt: skip
    assert not believed.admits("192.0.3.1")
    assert believed.refused == 4
    assert Believed().admits("192.0.3.1")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:0db8::0001", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("", ""),
    ],
)
def test_a_sender_has_one_name(address: str, expected: str) -> None:
    assert canonical(address) == expected


def test_it_listens_on_ipv6_too() -> None:
    with open_ear("::1") as (ear, senders, port):
        send(port, HANDLED, host="::1")
        heard(ear, 1)

        assert list(senders.folds) == ["::1"]


def test_an_address_in_use_is_an_error_and_leaves_nothing_open() -> None:
    with open_ear() as (_ear, senders, port):
        second = UdpEar(("127.0.0.1", port), senders)
        with pytest.raises(OSError, match="in use"):
            second.open()

    assert second.fileno() == -1
    assert second.turn(1.0) == 0
