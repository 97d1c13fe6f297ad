"""A real relay on loopback: who is sent what, how fast, and what it makes of hostile datagrams."""

from __future__ import annotations

import random
import re
import select
import socket
import time
from math import inf
from typing import TYPE_CHECKING

import pytest

from snqd.errors import SnqdError
from snqd.hub.relay import Relay
from snqd.telemetry import messages
from snqd.telemetry.feed import Feed
from snqd.telemetry.fleet import Fleet
from snqd.telemetry.wire import Datagram, unpack
from tests.support.relays import PlainMonitor, drive, known, pass_time, relay, told, view
from tests.support.stopwatch import Stopwatch
from tests.support.telemetry import DAEMON, DEPTH, EVENT, FLOW, HEADER, KEY, ONE_OF_EACH, QUEUE, WORKER, changed

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def hub() -> Iterator[Relay]:
    made = relay()
    yield made
    made.close()


def plain_socket(address: str, *, port: int = 0) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    made.bind(("127.0.0.1", port))
    host, to = address.rsplit(":", 1)
    made.connect((host, int(to)))
    return made


def received(from_socket: socket.socket) -> list[bytes]:
    found = []
    while True:
        try:
            found.append(from_socket.recv(2048))
        except BlockingIOError:
            return found


def test_a_monitor_that_subscribes_has_every_fact(hub: Relay) -> None:
    hub.update(ONE_OF_EACH)
    fleet = Fleet()
    with Feed([hub.address], fleet=fleet) as feed:
        drive(hub, feed, until=lambda: told(fleet) == known(hub) and view(fleet).events)

        assert view(fleet).lost == 0
        assert [event.number for event in view(fleet).events] == [EVENT.number]
        assert hub.subscribers == 1

    drive(hub, until=lambda: hub.subscribers == 0)


def test_a_fixed_receiver_has_every_fact_without_asking() -> None:
    fleet = Fleet()
    with Feed(fleet=fleet, listen="127.0.0.1:0", key=KEY) as feed:
        hub = relay(listen="none", monitors=[f"udp://{feed.listens_at}"], key=KEY)
        hub.update(ONE_OF_EACH)

        drive(hub, feed, until=lambda: told(fleet) == known(hub))

        (source,) = feed.sources()
        assert source.words == "receiving"
        assert hub.address == ""
        hub.close()


def test_a_fixed_receiver_that_is_not_there_costs_little_and_is_told_everything_when_it_comes() -> None:
    place = plain_socket("127.0.0.1:9")
    port = place.getsockname()[1]
    place.close()
    hub = relay(listen="none", monitors=[f"udp://127.0.0.1:{port}"])
    hub.update(changed(FLOW, site=f"site{number}.example") for number in range(3000))

    pass_time(hub, seconds=2.2)
    assert hub.sent + hub.unsent < 30

    fleet = Fleet()
    with Feed(fleet=fleet, listen=f"127.0.0.1:{port}") as feed:
        drive(hub, feed, until=lambda: told(fleet) == known(hub))
    hub.close()


@pytest.mark.timeout(60)
def test_at_full_size_a_usual_buffer_that_is_emptied_every_10_ms_loses_nothing(hub: Relay) -> None:
    hub.update([changed(DAEMON, workers=1000, flows=30_000, depths=30_000)])
    hub.update(changed(WORKER, worker=f"main.{number}") for number in range(1000))
    hub.update(changed(FLOW, queue=f"q{n % 30}", site=f"site{n}.example", handled=n) for n in range(30_000))
    hub.update(changed(DEPTH, queue=f"q{n % 30}", site=f"site{n}.example", ready=n) for n in range(30_000))
    monitor = PlainMonitor(hub.address)

    drive(hub, monitor, until=lambda: sum(len(each.facts) for each in monitor.datagrams) >= len(hub.outbox))
    pass_time(hub, monitor, seconds=1.5)  # the rotation

    assert {(type(fact), fact.key) for each in monitor.datagrams for fact in each.facts} == set(known(hub))
    assert monitor.lost() == 0
    monitor.close()


def test_an_event_reaches_a_subscriber_at_once(hub: Relay) -> None:
    hub.update(ONE_OF_EACH)
    fleet = Fleet()
    with Feed([hub.address], fleet=fleet, frames_per_second=1.0) as feed:
        drive(hub, feed, until=lambda: told(fleet) == known(hub))

        hub.update([changed(EVENT, number=2, name="WorkerExited")])

        watch = Stopwatch()
        drive(hub, feed, until=lambda: view(fleet).events[-1].number == 2)
        assert watch.seconds < 0.8


def test_each_subscriber_has_its_own_pace(hub: Relay) -> None:
    hub.update([DAEMON, FLOW])
    handled: dict[float, set[int]] = {1.0: set(), 10.0: set()}
    fleets = {pace: Fleet() for pace in handled}
    feeds = [Feed([hub.address], fleet=fleets[pace], frames_per_second=pace) for pace in handled]
    drive(hub, *feeds, until=lambda: all(told(fleet) for fleet in fleets.values()))
    begun, turn = time.monotonic(), 0
    while len(handled[10.0]) < 20:
        turn += 1
        assert time.monotonic() < begun + 20.0
        hub.update([changed(FLOW, handled=turn)])
        pass_time(hub, *feeds, seconds=0.02)
        for pace, fleet in fleets.items():
            handled[pace] |= {flow.handled for flow in view(fleet).flows.values()}

    seconds = time.monotonic() - begun
    assert seconds > 1.6
    assert len(handled[1.0]) <= 6 * seconds  # a frame, its echoes, and the rotation twice a second
    for feed in feeds:
        feed.close()


def test_what_is_gathered_after_its_pause_goes_out_at_once_to_who_wants_most(hub: Relay) -> None:
    assert hub.frame_pause(time.monotonic()) == inf
    hub.update([DAEMON, FLOW])
    fleets = [Fleet(), Fleet()]
    feeds = [Feed([hub.address], fleet=fleets[0], frames_per_second=1.0)]
    feeds.append(Feed([hub.address], fleet=fleets[1], frames_per_second=8.0))
    drive(hub, *feeds, until=lambda: all(told(fleet) for fleet in fleets))
    now = begun = time.monotonic()

    for turn in range(1, 9):  # by a clock that is ahead
        now += hub.frame_pause(now)
        before = hub.sent
        hub.update([changed(FLOW, handled=turn)])
        hub.tick(now)
        assert hub.sent > before

    assert now - begun <= 1.01
    for feed in feeds:
        feed.close()


def test_a_subscriber_that_vanished_is_dropped_long_before_its_lease_ends(hub: Relay) -> None:
    hub.update(ONE_OF_EACH)
    monitor = PlainMonitor(hub.address)
    drive(hub, monitor, until=lambda: monitor.datagrams)

    monitor.close()

    watch = Stopwatch()
    drive(hub, until=lambda: hub.subscribers == 0)
    assert watch.seconds < 5.0
    hub.tick()
    assert not select.select([hub], [], [], 0.05)[0], "what the network said is taken, and wakes nobody again"


def test_one_that_vanished_does_not_disturb_the_others(hub: Relay) -> None:
    hub.update(ONE_OF_EACH)  # one datagram: the network's answer to it meets the next one's
    fleet = Fleet()
    gone = [PlainMonitor(hub.address) for _ in range(5)]
    drive(hub, *gone, until=lambda: hub.subscribers == 5)
    with Feed([hub.address], fleet=fleet, frames_per_second=20.0) as feed:
        drive(hub, feed, *gone, until=lambda: all(each.datagrams for each in gone) and told(fleet) == known(hub))
        for each in gone:
            each.close()

        for turn in range(30):
            hub.update([changed(QUEUE, in_per_second=float(turn))])
            hub.tick(time.monotonic() + 0.3)  # everybody has a frame due, so those that are gone are just before us
            pass_time(hub, feed, seconds=0.05)
        drive(hub, feed, until=lambda: told(fleet) == known(hub))

        assert view(fleet).lost == 0
        assert hub.subscribers == 1


def test_whoever_asks_for_somebody_else_makes_the_hub_send_no_more_than_was_sent(hub: Relay) -> None:
    """The victim's address is forged: here, the victim's own socket stands for the forger's."""
    hub.update(changed(FLOW, site=f"site{number}.example") for number in range(1000))
    victim = plain_socket(hub.address)
    sent = 0
    for number in range(200):
        for forged in (
            messages.ask(number + 1, None),
            messages.subscribe(number + 1, random.Random(number).randbytes(16), 20.0, None),
        ):
            sent += victim.send(forged)
        hub.tick()
    pass_time(hub, seconds=0.5)

    got = sum(map(len, received(victim)))
    assert 0 < got < sent
    assert hub.subscribers == 0
    victim.close()


def test_what_one_socket_overheard_is_of_no_use_to_another(hub: Relay) -> None:
    hub.update(ONE_OF_EACH)
    victim, forger = plain_socket(hub.address), plain_socket(hub.address)
    forger.send(messages.ask(5, None))
    drive(hub, until=lambda: select.select([forger], [], [], 0)[0])
    challenge = messages.read(received(forger)[0], None)
    assert isinstance(challenge, messages.Message)

    victim.send(messages.subscribe(5, challenge.cookie, 20.0, None))  # from another address than the cookie's
    pass_time(hub, seconds=0.3)

    assert hub.subscribers == 0
    assert [messages.read(each, None)[0] for each in received(victim)] == [messages.CHALLENGE]
    victim.close()
    forger.close()


@pytest.mark.parametrize("key", [None, KEY])
def test_hostile_bytes_neither_stop_it_nor_slow_it_down(key: bytes | None) -> None:
    hub = relay(key=key)
    hub.update(ONE_OF_EACH)
    fleet = Fleet()
    dice = random.Random(4)
    noise = plain_socket(hub.address)
    with Feed([hub.address], fleet=fleet, key=key, frames_per_second=20.0) as feed:
        drive(hub, feed, until=lambda: told(fleet) == known(hub))
        longest = 0.0
        for turn in range(100):
            for _ in range(300):
                body = dice.randbytes(dice.randrange(0, 300))
                noise.send(dice.choice((body, b"snqd" + body, b"snqd\x01" + bytes((dice.randrange(14, 24), 0)) + body)))
            begun = time.process_time()
            hub.tick()
            longest = max(longest, time.process_time() - begun)
            hub.update([changed(QUEUE, in_per_second=float(turn))])
            feed.turn()
        drive(hub, feed, until=lambda: told(fleet) == known(hub))

        assert longest < 0.1
        assert hub.bad.total() > 10_000
        assert view(fleet).lost == 0
        assert hub.subscribers == 1
    noise.close()
    hub.close()


def test_answers_and_frames_are_authentic_when_there_is_a_key() -> None:
    hub = relay(key=KEY)
    hub.update(ONE_OF_EACH)
    monitor = PlainMonitor(hub.address, key=KEY)
    drive(hub, monitor, until=lambda: monitor.datagrams)
    monitor.close()
    listener = plain_socket(hub.address)
    listener.send(messages.ask(5, KEY))
    drive(hub, until=lambda: select.select([listener], [], [], 0)[0])

    (answer,) = received(listener)

    assert isinstance(messages.read(answer, KEY), messages.Message)
    assert not isinstance(unpack(answer, b"another key, as long"), Datagram)
    assert not isinstance(messages.read(answer, b"another key, as long"), messages.Message)
    listener.close()
    hub.close()


def test_a_daemon_with_nothing_to_say_yet_still_says_that_it_lives(hub: Relay) -> None:
    with Feed([hub.address], fleet=(fleet := Fleet())) as feed:
        drive(hub, feed, until=lambda: view(fleet).received >= 4 if fleet.daemons else False, seconds=8.0)

        assert feed.sources()[0].words == "receiving"


def test_an_idle_hub_with_nobody_there_sends_nothing(hub: Relay) -> None:
    hub.update(ONE_OF_EACH)
    pass_time(hub, seconds=0.3)

    assert hub.sent == 0
    assert hub.tick() >= 0.5


def test_auto_is_the_first_free_port_of_ours() -> None:
    first, second = relay(listen="auto"), relay(listen="auto")

    assert re.fullmatch(r"127\.0\.0\.1:54[89]\d", first.address)
    assert int(second.address[-4:]) > int(first.address[-4:])
    first.close()
    second.close()


def test_an_address_that_is_not_to_be_had_is_said_in_one_line(hub: Relay) -> None:
    with pytest.raises(SnqdError, match=rf"cannot listen for monitors at udp {hub.address}: Address already in use"):
        Relay(HEADER, listen=hub.address).open()


def test_it_works_over_ipv6() -> None:
    hub = relay(listen="[::1]:0")
    hub.update(ONE_OF_EACH)
    fleet = Fleet()
    with Feed([hub.address], fleet=fleet) as feed:
        drive(hub, feed, until=lambda: told(fleet) == known(hub))

        assert hub.address.startswith("[::1]:")
    drive(hub, until=lambda: hub.subscribers == 0)
    hub.close()
