"""The live feed on real sockets: hubs that come and go, each with its words and with what a person can do about it."""

from __future__ import annotations

import select
import socket
import threading
import time
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from snqd.errors import SnqdError
from snqd.hub.relay import Relay
from snqd.telemetry import addresses, messages
from snqd.telemetry.ears import Believed
from snqd.telemetry.recording import Recorder, read
from snqd.telemetry.wire import key_of
from snqmon.feeds.base import Trust
from snqmon.feeds.finding import FALLBACK, Finder, Found, Place
from snqmon.feeds.live import Hub, LiveFeed
from snqmon.feeds.replay import ReplayFeed
from tests.support.relays import drive, free_ports, pass_time
from tests.support.telemetry import HEADER, KEY, ONE_OF_EACH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from snqmon.feeds.base import FeedStatus

OTHER_KEY = key_of("another key, as long")
HANDLED = (
    b"counter=handled&owners%5B0%5D=queue%3Adistrib&owners%5B1%5D=site%3Aexample.net&owners%5B2%5D=thread%3Ageneric.1"
)


@pytest.fixture
def live() -> Iterator[Callable[..., LiveFeed]]:
    """Opens feeds, and closes them at the end."""
    opened: list[LiveFeed] = []

    def begin(*hubs: str | Hub, **options: Any) -> LiveFeed:
        named = [Hub(hub) if isinstance(hub, str) else hub for hub in hubs]
        opened.append(LiveFeed(named, **options))
        return opened[-1]

    yield begin
    for each in opened:
        each.close()


@pytest.fixture
def hub() -> Iterator[Callable[..., Relay]]:
    """Makes hubs that tell one of each fact."""
    made: list[Relay] = []

    def begin(name: str = "main", *, listen: str = "127.0.0.1:0", **options: Any) -> Relay:
        each = Relay(msgspec.structs.replace(HEADER, daemon=name), listen=listen, **options)
        each.open()
        each.update(ONE_OF_EACH)
        made.append(each)
        return each

    yield begin
    for each in made:
        each.close()


if TYPE_CHECKING:
    Live = Callable[..., LiveFeed]
    MakeHub = Callable[..., Relay]


def trust(feed: LiveFeed, wanted: Trust) -> Callable[[], bool]:
    return lambda: feed.status().trust is wanted


def advice(status: FeedStatus) -> str:
    return "\n".join(status.advice)


def nobody() -> str:
    return f"127.0.0.1:{free_ports(1)[0]}"


def test_several_hubs_are_one_fleet_under_one_descriptor(live: Live, hub: MakeHub) -> None:
    one, two = hub("one"), hub("two")
    feed = live(one.address, two.address)
    descriptor = feed.fileno()
    drive(one, two, feed, until=trust(feed, Trust.LIVE))

    assert set(feed.fleet.daemons) == {"one@host1", "two@host1"}
    assert feed.fileno() == descriptor
    status = feed.status()
    assert status.words.startswith("LIVE ")
    assert status.age_seconds is not None
    assert status.age_seconds < 2
    assert status.advice == ()
    assert [source.address for source in status.sources] == [one.address, two.address]


def test_what_comes_wakes_whoever_watches_the_descriptor(live: Live, hub: MakeHub) -> None:
    one = hub("one")
    feed = live(one.address)
    drive(one, feed, until=trust(feed, Trust.LIVE))
    while select.select([feed], [], [], 0)[0]:
        feed.turn()

    drive(one, until=lambda: bool(select.select([feed], [], [], 0)[0]))
    before = feed.fleet.received
    feed.turn()
    assert feed.fleet.received > before


def test_one_that_is_down_does_not_disturb_the_others_and_is_named(live: Live, hub: MakeHub) -> None:
    one, down = hub("one"), nobody()
    feed = live(one.address, down)
    drive(one, feed, until=lambda: feed.status().words == "PARTLY LIVE 1 of 2" and "Nobody" in advice(feed.status()))

    assert set(feed.fleet.daemons) == {"one@host1"}
    assert feed.status().trust is Trust.PARTLY
    assert advice(feed.status()).startswith(
        f"Nobody listens at udp://{down}: is the daemon running ('snqd status' on its host)?"
    )
    assert f'[telemetry] listen = "{down}"' in advice(feed.status())

    back = hub("two", listen=down)
    drive(one, back, feed, until=trust(feed, Trust.LIVE))
    assert feed.status().advice == ()


def test_before_anything_comes_it_says_how_long_it_waits(live: Live) -> None:
    feed = live(nobody())
    feed.turn()

    assert feed.status().trust is Trust.WAITING
    assert feed.status().words.startswith("WAITING 0.")
    assert feed.status().age_seconds is None


def test_a_hub_that_falls_silent_is_stale_and_its_age_goes_on(live: Live, hub: MakeHub) -> None:
    one = hub("one")
    feed = live(one.address)
    drive(one, feed, until=trust(feed, Trust.LIVE))
    drive(feed, until=trust(feed, Trust.STALE))

    first = feed.status()
    assert first.words.startswith("STALE 2.")
    assert f"{one.address} has been silent for 2." in advice(first)
    pass_time(feed, seconds=0.2)
    assert (feed.status().age_seconds or 0) > (first.age_seconds or 0)
    assert set(feed.fleet.daemons) == {"one@host1"}, "what was true once is still shown"


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        (OTHER_KEY, KEY, "has another key than ours: give the daemon's telemetry.key with --key-file FILE"),
        (None, KEY, "wants a key: give the daemon's telemetry.key with --key-file FILE or $SNQMON_KEY_FILE"),
        (KEY, None, "has no key, and does not answer those who have one"),
    ],
)
def test_a_key_that_is_not_common_is_advised_on(
    live: Live, hub: MakeHub, ours: bytes | None, theirs: bytes | None, said: str
) -> None:
    locked = hub("locked", key=theirs)
    feed = live(Hub(locked.address, ours))
    drive(locked, feed, until=lambda: said in advice(feed.status()))

    assert feed.status().trust is Trust.WAITING
    for secret in (ours, theirs):
        assert secret is None or repr(secret)[2:-1] not in repr(feed.status())


def test_each_hub_may_have_a_key_of_its_own(live: Live, hub: MakeHub) -> None:
    one, two, plain = hub("one", key=KEY), hub("two", key=OTHER_KEY), hub("plain")
    feed = live(Hub(one.address, KEY), Hub(two.address, OTHER_KEY), plain.address)

    drive(one, two, plain, feed, until=trust(feed, Trust.LIVE))

    assert set(feed.fleet.daemons) == {"one@host1", "two@host1", "plain@host1"}


def test_another_version_is_named_with_what_to_do(live: Live) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.1", 0))
        feed = live(addresses.written(stranger.getsockname()))
        feed.turn()
        ask, monitor = stranger.recvfrom(2048)
        refusal = bytearray(messages.refusal(messages.asked_nonce(ask) or 0, messages.Code.VERSION, "", None))
        refusal[4] = 7
        stranger.sendto(refusal, monitor)

        drive(feed, until=lambda: "version mismatch: the daemon speaks version 7" in advice(feed.status()))
        assert "Upgrade whichever is older" in advice(feed.status())


def test_a_name_that_cannot_be_resolved_is_said(live: Live, hub: MakeHub) -> None:
    one = hub("one")
    feed = live("no-such-host.invalid:5480", one.address)

    drive(one, feed, until=lambda: "cannot resolve no-such-host.invalid" in advice(feed.status()), seconds=30)
    drive(one, feed, until=trust(feed, Trust.PARTLY))

    assert "cannot resolve" in advice(feed.status())


def test_frames_that_are_pushed_are_taken(live: Live, hub: MakeHub) -> None:
    feed = live(listen="127.0.0.1:0")
    (address,) = feed.listens_at
    feed.turn()
    assert f"Nothing has come to udp://{address}" in advice(feed.status()) or feed.status().advice
    one = hub("one", listen="none", monitors=(f"udp://{address}",))

    drive(one, feed, until=trust(feed, Trust.LIVE))

    assert set(feed.fleet.daemons) == {"one@host1"}


def test_what_is_missing_where_nothing_is_pushed_is_a_line_of_configuration(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("snqmon.feeds.advice._PATIENCE_SECONDS", 0.0)
    feed = live(listen="127.0.0.1:0")
    (address,) = feed.listens_at
    feed.turn()

    said = advice(feed.status())
    assert f'In the daemon\'s configuration: [telemetry] monitors = ["udp://{address}"]' in said
    assert "key_file" not in said
    locked = live(listen="127.0.0.1:0", key=KEY)
    assert 'and the same key as here: key_file = "FILE"' in advice(locked.status())


def test_a_pusher_that_comes_back_from_another_port_is_not_missed_at_the_old_one(live: Live, hub: MakeHub) -> None:
    feed = live(listen="127.0.0.1:0")
    (address,) = feed.listens_at
    one = hub("one", listen="none", monitors=(f"udp://{address}",))
    drive(one, feed, until=trust(feed, Trust.LIVE))
    drive(feed, until=trust(feed, Trust.STALE))
    again = hub("one", listen="none", monitors=(f"udp://{address}",))

    drive(again, feed, until=trust(feed, Trust.LIVE))

    assert len(feed.status().sources) == 2


def test_legacy_pings_are_a_daemon_of_the_fleet(live: Live) -> None:
    feed = live(listen_legacy="127.0.0.1:0")
    (address,) = feed.listens_at
    assert f"$config['queue']['monitor'] = 'udp://{address}';" in advice(feed.status())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(3):
            sender.sendto(HANDLED, addresses.parse(address))
    drive(feed, until=trust(feed, Trust.LIVE))

    (view,) = feed.fleet.daemons.values()
    assert view.key == "legacy@127.0.0.1"
    assert view.flows["distrib", "example.net"].handled == 3
    assert view.is_complete
    (source,) = feed.status().sources
    assert source.words.startswith("pings of 1 legacy daemon")


def test_legacy_pings_of_those_who_are_not_believed_are_counted_and_named(live: Live) -> None:
    feed = live(listen_legacy="127.0.0.1:0", believed=Believed([ip_network("192.0.2.0/24")]))
    (address,) = feed.listens_at
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(HANDLED, addresses.parse(address))
    drive(feed, until=lambda: "that --legacy-from does not name" in advice(feed.status()))

    assert not feed.fleet.daemons
    assert feed.status().sources[0].bad == 1


def test_what_is_recorded_replays_as_it_was_legacy_pings_too(live: Live, hub: MakeHub, tmp_path: Path) -> None:
    file = tmp_path / "kept.rec"
    one = hub("one", key=KEY)
    feed = live(
        Hub(one.address, KEY), listen_legacy="127.0.0.1:0", key=KEY, recorder=Recorder(file, 2**20), record_file=file
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(HANDLED, addresses.parse(feed.listens_at[0]))
    drive(one, feed, until=lambda: len(feed.fleet.daemons) == 2 and feed.fleet.daemons["one@host1"].is_complete)
    feed.turn()

    assert len(list(read(file))) == feed.fleet.received
    replayed = ReplayFeed(file, key=KEY)
    replayed.seek(replayed.length)
    while replayed.is_seeking:
        replayed.turn()
    assert set(replayed.fleet.daemons) == {"one@host1", "legacy@127.0.0.1"}
    assert replayed.fleet.daemons["legacy@127.0.0.1"].flows["distrib", "example.net"].handled == 1
    replayed.close()


def test_a_recording_that_cannot_be_written_is_said_and_costs_nothing_else(
    live: Live, hub: MakeHub, tmp_path: Path
) -> None:
    file = tmp_path / "gone" / "kept.rec"
    one = hub("one")
    feed = live(one.address, recorder=Recorder(file, 2**20), record_file=file)

    drive(one, feed, until=trust(feed, Trust.LIVE))

    assert feed.status().words.endswith(", not recorded")
    assert f"could not be written to {file}: No such file or directory" in advice(feed.status())
    assert set(feed.fleet.daemons) == {"one@host1"}


def test_an_address_that_is_taken_is_refused_in_words(live: Live) -> None:
    first = live(listen="127.0.0.1:0")
    (address,) = first.listens_at
    with pytest.raises(SnqdError, match=f"cannot listen at udp {address}: Address already in use"):
        LiveFeed(listen=address)
    with pytest.raises(SnqdError, match=f"cannot listen at udp {address}: Address already in use"):
        LiveFeed(listen_legacy=address)


def place(name: str, listen: str) -> Place:
    return Place(name, "host1", listen, None)  # type: ignore[arg-type]  # nobody asks it


class Looking:
    """What the next look will find."""

    def __init__(self, *places: Place, problems: tuple[str, ...] = ()) -> None:
        self.found = Found(places, problems)
        self.looks = 0

    def __call__(self) -> Found:
        self.looks += 1
        return self.found


def test_hubs_of_this_host_are_found_without_arguments(live: Live, hub: MakeHub) -> None:
    one, two = hub("one"), hub("two")
    feed = live(finder=Finder(Looking(place("one", one.address), place("two", two.address))))

    drive(one, two, feed, until=trust(feed, Trust.LIVE))

    assert set(feed.fleet.daemons) == {"one@host1", "two@host1"}


def test_a_hub_that_is_replaced_on_another_port_is_followed(live: Live, hub: MakeHub) -> None:
    first = hub("one")
    looking = Looking(place("one", first.address))
    feed = live(finder=Finder(looking))
    drive(first, feed, until=trust(feed, Trust.LIVE))
    second = hub("one")
    looking.found = Found((place("one", second.address),))
    drive(second, feed, until=lambda: [s.address for s in feed.status().sources] == [second.address], seconds=20)

    drive(second, feed, until=trust(feed, Trust.LIVE))

    assert set(feed.fleet.daemons) == {"one@host1"}


def test_without_a_daemon_it_asks_at_the_usual_address_and_says_what_to_do(live: Live) -> None:
    looking = Looking(problems=("/run/snqd/main.sock belongs to another user",))
    feed = live(finder=Finder(looking))
    assert "Looking for daemons on this host." in feed.status().advice
    drive(feed, until=lambda: "No daemon was found on this host" in advice(feed.status()))

    assert [source.address for source in feed.status().sources] == [FALLBACK]
    assert "snqd demo" in advice(feed.status())
    assert "snqmon --demo" in advice(feed.status())
    assert "/run/snqd/main.sock belongs to another user" in advice(feed.status())
    drive(feed, until=lambda: looking.looks >= 3)


def test_one_that_is_started_later_takes_the_place_of_the_usual_address(live: Live, hub: MakeHub) -> None:
    looking = Looking()
    feed = live(finder=Finder(looking))
    drive(feed, until=lambda: looking.looks >= 1 and bool(feed.status().sources))
    one = hub("one")
    looking.found = Found((place("one", one.address),))

    drive(one, feed, until=trust(feed, Trust.LIVE))

    assert [source.address for source in feed.status().sources] == [one.address]


def test_a_hub_that_listens_nowhere_is_named(live: Live) -> None:
    feed = live(finder=Finder(Looking(place("deaf", ""))))

    drive(feed, until=lambda: "The hub of daemon deaf@host1 listens nowhere" in advice(feed.status()))


def test_a_look_that_hangs_or_fails_holds_nobody_up(live: Live, hub: MakeHub) -> None:
    released = threading.Event()

    def hangs() -> Found:
        assert released.wait(20)
        return Found()

    finder = Finder(hangs)
    feed = live(finder=finder)
    begun = time.thread_time()
    pass_time(feed, seconds=0.3)
    assert time.thread_time() - begun < 0.2
    assert feed.status().advice == ("Looking for daemons on this host.",)
    released.set()
    drive(feed, until=lambda: finder.found is not None)

    def fails() -> Found:
        raise RuntimeError("so it goes")

    failing = live(finder=Finder(fails))
    said = "looking for hubs on this host failed: RuntimeError: so it goes"
    drive(failing, until=lambda: said in advice(failing.status()))


def test_a_flood_at_one_hub_leaves_every_turn_short(live: Live, hub: MakeHub) -> None:
    feed = live(listen="127.0.0.1:0")
    address = addresses.parse(feed.listens_at[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        longest = 0.0
        for _ in range(20):
            for _ in range(300):
                stranger.sendto(b"noise" * 200, address)
            begun = time.thread_time()
            feed.turn()
            longest = max(longest, time.thread_time() - begun)

    assert longest < 0.3
    assert not feed.fleet.daemons


def test_the_pace_is_asked_of_hubs_that_are_there_and_of_those_that_come(live: Live, hub: MakeHub) -> None:
    looking = Looking()
    feed = live(finder=Finder(looking))
    feed.change_pace(10.0)
    one = hub("one")
    looking.found = Found((place("one", one.address),))
    drive(one, feed, until=trust(feed, Trust.LIVE))

    drive(one, feed, until=lambda: one.frame_seconds == pytest.approx(0.1))
    feed.change_pace(2.0)
    drive(one, feed, until=lambda: one.frame_seconds == pytest.approx(0.5))


def test_it_says_bye_when_it_is_closed(hub: MakeHub) -> None:
    one = hub("one")
    feed = LiveFeed([Hub(one.address)])
    drive(one, feed, until=trust(feed, Trust.LIVE))
    assert one.frame_seconds < 10
    feed.close()

    drive(one, until=lambda: one.frame_seconds > 10)
