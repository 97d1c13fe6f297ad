"""A real feed: several hubs, each with its state in words, under `select` and under asyncio."""

from __future__ import annotations

import asyncio
import select
import socket
import time
from typing import TYPE_CHECKING

import msgspec
import pytest

from snqd.errors import SnqdError
from snqd.hub.relay import Relay
from snqd.telemetry import addresses, messages
from snqd.telemetry.addresses import Place
from snqd.telemetry.feed import Feed
from snqd.telemetry.fleet import Fleet
from snqd.telemetry.wire import Datagram, pack, unpack
from tests.support.relays import drive, free_ports, known, pass_time, relay, told, view
from tests.support.stopwatch import Stopwatch
from tests.support.telemetry import DAEMON, HEADER, KEY, ONE_OF_EACH, QUEUE, WORKER, changed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OTHER_KEY = b"another key, as long"


@pytest.fixture
def hub() -> Iterator[Relay]:
    made = relay()
    made.update(ONE_OF_EACH)
    yield made
    made.close()


def named(name: str, **options: object) -> Relay:
    made = Relay(msgspec.structs.replace(HEADER, daemon=name), listen="127.0.0.1:0", **options)  # type: ignore[arg-type]
    made.open()
    made.update(ONE_OF_EACH)
    return made


def words(feed: Feed) -> list[str]:
    return [source.words for source in feed.sources()]


def says(feed: Feed, *wanted: str) -> Callable[[], bool]:
    return lambda: words(feed) == list(wanted)


def test_it_follows_several_hubs_and_says_of_each_how_it_is() -> None:
    one, two = named("one"), named("two")
    locked = named("locked", key=OTHER_KEY)
    nobody = f"127.0.0.1:{free_ports(1)[0]}"
    fleet = Fleet()
    with Feed([one.address, nobody, locked.address, two.address], fleet=fleet) as feed:
        wanted = "receiving", "nobody listens there, asking again"
        drive(one, two, locked, feed, until=says(feed, *wanted, f"refused: {messages.WORDS[2]}", "receiving"))

        assert set(fleet.daemons) == {"one@host1", "two@host1"}
        assert [source.address for source in feed.sources()] == [one.address, nobody, locked.address, two.address]
        assert [source.is_receiving for source in feed.sources()] == [True, False, False, True]
    for each in (one, two, locked):
        each.close()


@pytest.mark.parametrize(
    ("ours", "theirs", "wanted"),
    [
        (OTHER_KEY, KEY, "refused: wrong key"),
        (None, KEY, "refused: a key is needed: the daemon has one, and none was given here"),
        (KEY, None, "refused: the daemon has no key: ask without one, or give it the key"),
    ],
)
def test_a_key_that_is_not_common_is_said_in_words(ours: bytes | None, theirs: bytes | None, wanted: str) -> None:
    hub = relay(key=theirs)
    fleet = Fleet()
    with Feed([hub.address], fleet=fleet, key=ours) as feed:
        drive(hub, feed, until=says(feed, wanted))

        assert not fleet.daemons
        assert hub.bad.total() >= 1
    hub.close()


def test_a_hub_of_another_version_is_said_in_words() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.1", 0))
        with Feed([addresses.written(stranger.getsockname())], fleet=Fleet()) as feed:
            feed.turn()
            ask, monitor = stranger.recvfrom(2048)
            nonce = messages.asked_nonce(ask)
            assert nonce is not None
            refusal = bytearray(messages.refusal(nonce, messages.Code.VERSION, "the daemon speaks version 7", None))
            refusal[4] = 7
            stranger.sendto(refusal, monitor)

            drive(
                feed,
                until=says(feed, "version mismatch: the daemon speaks version 7 of the wire, this program 1"),
            )


def test_a_feed_that_waits_is_woken_by_what_comes_and_by_nothing_else(hub: Relay) -> None:
    with Feed([hub.address], fleet=Fleet()) as feed:
        drive(hub, feed, until=says(feed, "receiving"))
        assert feed.turn() > 0

        assert select.select([feed], [], [], 0.05)[0] == [], "nothing is sent while the hub has no turn"
        drive(hub, until=lambda: select.select([feed], [], [], 0)[0] == [feed])


def test_the_ninth_of_one_host_is_told_why_it_is_refused(hub: Relay) -> None:
    feeds = [Feed([hub.address], fleet=Fleet()) for _ in range(9)]

    drive(hub, *feeds, until=lambda: all(words(feed)[0] not in ("asking", "closed") for feed in feeds))

    assert max(words(feed)[0] for feed in feeds).startswith("refused: your address has 8 subscriptions")
    for feed in feeds:
        feed.close()


def test_a_name_that_cannot_be_resolved_is_said_in_words_and_disturbs_nobody(hub: Relay) -> None:
    fleet = Fleet()
    with Feed(["no-such-host.invalid:5480", hub.address], fleet=fleet) as feed:
        longest = 0.0
        deadline = time.monotonic() + 30.0
        while not words(feed)[0].startswith("cannot resolve no-such-host.invalid: "):
            assert time.monotonic() < deadline
            watch = Stopwatch()
            feed.turn()
            longest = max(longest, watch.seconds)
            pass_time(hub, seconds=0.005)

        assert longest < 0.5, "the look-up must not hold up the others"
        drive(hub, feed, until=lambda: told(fleet) == known(hub))


def test_a_name_with_several_addresses_is_tried_in_turn(hub: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    host, port = addresses.parse(hub.address)
    found = [Place(socket.AF_INET, ("127.0.0.1", free_ports(1)[0])), Place(socket.AF_INET, (host, port))]
    monkeypatch.setattr(addresses, "places", lambda *_arguments, **_options: found)
    fleet = Fleet()
    with Feed(["daemon.example"], fleet=fleet) as feed:
        drive(hub, feed, until=lambda: told(fleet) == known(hub))

        assert view(fleet).source == hub.address


@pytest.mark.parametrize("address", ["", "host:port", "host:70000", "http://host:1", "[::1", ":5480"])
def test_an_address_that_cannot_be_read_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"expected|known here"):
        Feed([address], fleet=Fleet())


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("host", ("host", 5480)),
        ("host:1", ("host", 1)),
        ("udp://host:1/", ("host", 1)),
        ("[::1]:7", ("::1", 7)),
        ("[fe80::1%eth0]", ("fe80::1%eth0", 5480)),
        ("::1", ("::1", 5480)),
        ("192.0.2.1:0", ("192.0.2.1", 0)),
    ],
)
def test_addresses_are_read(text: str, wanted: tuple[str, int]) -> None:
    assert addresses.parse(text) == wanted


def test_a_hub_that_was_respawned_is_found_by_itself_within_seconds() -> None:
    first = relay()
    first.update(ONE_OF_EACH)
    fleet = Fleet()
    with Feed([first.address], fleet=fleet) as feed:
        drive(first, feed, until=lambda: told(fleet) == known(first))
        address = first.address
        first.close()
        drive(feed, until=lambda: words(feed) != ["receiving"])

        second = relay(sender=HEADER.sender + 1, listen=address)
        second.update([changed(DAEMON, hub_pid=999), QUEUE])
        watch = Stopwatch()
        drive(second, feed, until=lambda: view(fleet).daemon == changed(DAEMON, hub_pid=999))

        assert watch.seconds < 3.0
        assert words(feed) == ["receiving"]
        second.close()


def test_a_hub_that_is_stopped_is_said_to_be_silent(hub: Relay) -> None:
    fleet = Fleet()
    with Feed([hub.address], fleet=fleet) as feed:
        drive(hub, feed, until=lambda: told(fleet) == known(hub))

        watch = Stopwatch()
        drive(feed, until=says(feed, "silent for 2 s, asking again"))
        assert time.monotonic() - watch.began > 1.0
        assert watch.seconds < 3.0

        drive(hub, feed, until=says(feed, "receiving"))
        drive(hub, feed, until=lambda: told(fleet) == known(hub))


def test_it_works_in_an_asyncio_loop_beside_other_work() -> None:
    async def watch() -> None:
        hub, fleet = relay(), Fleet()
        hub.update(ONE_OF_EACH)
        loop = asyncio.get_running_loop()
        done = asyncio.Event()
        timers: dict[str, asyncio.TimerHandle] = {}
        with Feed([hub.address], fleet=fleet) as feed:

            def turn_hub() -> None:
                if "hub" in timers:
                    timers["hub"].cancel()
                timers["hub"] = loop.call_later(hub.tick(), turn_hub)

            def turn_feed() -> None:
                if "feed" in timers:
                    timers["feed"].cancel()
                timers["feed"] = loop.call_later(feed.turn(), turn_feed)
                if told(fleet) == known(hub):
                    done.set()

            loop.add_reader(hub.fileno(), turn_hub)
            loop.add_reader(feed.fileno(), turn_feed)
            turn_hub()
            turn_feed()
            async with asyncio.timeout(5.0):
                await done.wait()
            loop.remove_reader(hub.fileno())
            loop.remove_reader(feed.fileno())
            for timer in timers.values():
                timer.cancel()
        hub.close()

    asyncio.run(watch())


def test_the_recorder_gets_every_datagram_that_is_folded(hub: Relay) -> None:
    recorded: list[tuple[float, bytes]] = []
    fleet, again = Fleet(), Fleet()
    with Feed([hub.address], fleet=fleet, on_datagram=lambda at, data: recorded.append((at, data))) as feed:
        drive(hub, feed, until=lambda: told(fleet) == known(hub))
    for at, data in recorded:
        found = unpack(data, None)
        assert isinstance(found, Datagram)
        again.apply(found, source="recording", now=at)

    assert told(again) == told(fleet)
    assert recorded[0][0] == pytest.approx(time.time(), abs=10.0)


def test_datagrams_of_another_subscription_are_not_folded(hub: Relay) -> None:
    """What a hub sent to somebody else, or to us before, is sent again from the hub's own address."""
    fleet = Fleet()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as impostor:
        impostor.bind(("127.0.0.1", 0))
        with Feed([addresses.written(impostor.getsockname())], fleet=fleet) as feed:
            feed.turn()
            _ask, monitor = impostor.recvfrom(2048)
            for session in (0, 12345):
                impostor.sendto(pack(msgspec.structs.replace(HEADER, session=session), [], None), monitor)

            drive(feed, until=lambda: feed.sources()[0].bad == 2)

            assert not fleet.daemons
            assert words(feed) == ["asking"]


def test_a_listener_says_of_each_sender_how_it_is() -> None:
    fleet, now = Fleet(), msgspec.structs.replace(HEADER, sent_at=time.time())
    with Feed(fleet=fleet, listen="127.0.0.1:0", key=KEY) as feed:
        assert words(feed) == ["listening, nothing has come for 0 s"]
        senders = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(6)]
        host, port = addresses.parse(feed.listens_at)
        for each in senders:
            each.connect((host, port))
        senders[0].send(pack(now, [], KEY))
        senders[1].send(pack(HEADER, [], OTHER_KEY))
        senders[2].send(b"snqd\x09\x01\x00")
        senders[3].send(b"counter=handled")
        senders[4].send(pack(msgspec.structs.replace(now, daemon="another", session=5), [], KEY))
        senders[5].send(pack(HEADER, [], KEY))  # recorded long ago

        drive(feed, until=lambda: len(feed.sources()) == 6)

        assert set(words(feed)) == {
            "receiving",
            "wrong key: what comes is not authentic with ours",
            "version mismatch: what comes is not version 1 of the wire",
            "sends what cannot be used: not ours",
            "sends what cannot be used: another's subscription",
            "refused: its clock is 60 s and more away from ours, or somebody repeats old datagrams",
        }
        assert list(fleet.daemons) == ["main@host1"]
        for each in senders:
            each.close()


def test_without_a_key_nobody_is_asked_for_the_time() -> None:
    fleet = Fleet()
    with Feed(fleet=fleet, listen="127.0.0.1:0") as feed, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(pack(HEADER, [], None), addresses.parse(feed.listens_at))

        drive(feed, until=lambda: words(feed) == ["receiving"])


def test_a_port_that_is_taken_is_said_in_one_line(hub: Relay) -> None:
    with pytest.raises(SnqdError, match=f"cannot listen at udp {hub.address}: Address already in use"):
        Feed(fleet=Fleet(), listen=hub.address)


def test_a_flood_leaves_the_screen_its_turn(hub: Relay) -> None:
    with Feed(fleet=Fleet(), listen="127.0.0.1:0") as feed:
        host, port = addresses.parse(feed.listens_at)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flood:
            for _ in range(2500):
                flood.sendto(b"x", (host, port))

        assert feed.turn() == 0.0, "there is more, but others have their turn before it"
        (source,) = feed.sources()
        assert 256 <= source.bad < 2500, "2,048, or fewer when the time of a turn is over before"
        drive(feed, until=lambda: feed.sources()[0].bad == 2500)


def test_the_pace_can_be_changed(hub: Relay) -> None:
    fleet = Fleet()
    with Feed([hub.address], fleet=fleet, frames_per_second=1.0) as feed:
        drive(hub, feed, until=lambda: told(fleet) == known(hub))
        feed.change_pace(20.0)
        pass_time(hub, feed, seconds=0.2)

        hub.update([changed(WORKER, handled=99)])

        watch = Stopwatch()
        drive(hub, feed, until=lambda: view(fleet).workers["main.1"].handled == 99)
        assert watch.seconds < 0.7
