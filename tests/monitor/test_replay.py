"""A recording in the monitor: whatever is sought, what is shown is what folding from the begin shows."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snqd.errors import SnqdError
from snqd.telemetry.fleet import Fleet
from snqd.telemetry.recording import Recorder, older_segment
from snqd.telemetry.wire import Datagram, unpack
from snqmon.feeds import checkpoints
from snqmon.feeds.base import Player, Trust
from snqmon.feeds.replay import ReplayFeed
from tests.support.recordings import packed, told, write
from tests.support.telemetry import KEY, WORKER, changed, datagram
from tests.wire.fleet_world import known

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Play = Callable[..., "Played"]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Played:
    """A feed under a clock that only the test moves."""

    def __init__(self, path: Path, **options: Any) -> None:
        self.clock = Clock()
        self.feed = ReplayFeed(path, clock=self.clock, **options)

    def pass_time(self, seconds: float, step: float = 0.25) -> None:
        for _ in range(round(seconds / step)):
            self.clock.now += step
            self.feed.turn()

    def seek(self, seconds: float) -> None:
        self.feed.seek(seconds)
        while self.feed.is_seeking:
            self.feed.turn()


@pytest.fixture
def play() -> Iterator[Callable[..., Played]]:
    """Opens recordings, and closes them at the end."""
    opened: list[Played] = []

    def begin(path: Path, **options: Any) -> Played:
        opened.append(Played(path, **options))
        return opened[-1]

    yield begin
    for each in opened:
        each.feed.close()


def seen(fleet: Fleet) -> dict[str, Any]:
    """All that a screen could show of a fleet."""
    return {
        key: (
            known(view), list(view.events), view.events_taken, view.received, view.repeated, view.late, view.outdated,
            view.lost, view.boot, view.sender, view.last_seen, view.sent_at, view.is_complete, view.totals().handled,
            view.totals().ready, {name: each.handled for name, each in view.queue_totals().items()}
        )
        for key, view in fleet.daemons.items()
    }  # fmt: skip


def folded(records: list[tuple[float, bytes]], until: float) -> dict[str, Any]:
    """What folding from the begin makes."""
    fleet, now = Fleet(), 0.0
    for at, data in records:
        if at > until:
            break
        now = max(now, at)
        found = unpack(data, None)
        assert isinstance(found, Datagram)
        fleet.apply(found, source="", now=now)
    return seen(fleet)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10**6),
    spacing=st.sampled_from([2_000, 20_000, 10**9]),
    moves=st.lists(st.floats(-5, 130), min_size=1, max_size=5),
)
def test_any_seek_shows_what_folding_from_the_begin_shows(
    tmp_path: Path, seed: int, spacing: int, moves: list[float]
) -> None:
    path = tmp_path / "some.rec"
    for each in (path, older_segment(path)):
        each.unlink(missing_ok=True)
    records = sorted(told(seed, 120), key=lambda record: record[0])
    write(path, records)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints, "_FIRST_SPACING", spacing)
        patch.setattr("snqmon.feeds.replay.PAST_SECONDS", 10.0)
        played = Played(path)
        for move in moves:
            played.seek(move)

            target = records[0][0] + min(max(0.0, move), played.feed.length)
            assert played.feed.now() == pytest.approx(target)
            assert seen(played.feed.fleet) == folded(records, target)
        played.feed.close()


def test_a_checkpoint_is_not_spoilt_by_what_is_folded_after_it(
    play: Play, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "_FIRST_SPACING", 5_000)
    monkeypatch.setattr("snqmon.feeds.replay.PAST_SECONDS", 0.0)
    path = tmp_path / "some.rec"
    records = sorted(told(3, 120), key=lambda record: record[0])
    write(path, records)
    played = play(path)
    for _ in range(3):
        played.seek(120)
        played.seek(70)

        assert seen(played.feed.fleet) == folded(records, records[0][0] + 70)
    assert played.feed._checkpoints.before(records[0][0] + 70, played.feed._tape.start) is not None


def steady(seconds: int, begin: float = 5000.0) -> list[tuple[float, bytes]]:
    """One datagram a second, whose number of handled items is its second."""
    facts = [changed(WORKER, handled=second) for second in range(seconds + 1)]
    return [
        (begin + second, packed(datagram(fact, sequence=second + 1, sent_at=begin + second)))
        for second, fact in enumerate(facts)
    ]


@pytest.fixture
def minute(tmp_path: Path) -> Path:
    path = tmp_path / "minute.rec"
    write(path, steady(60))
    return path


def handled(feed: ReplayFeed) -> int:
    (view,) = feed.fleet.daemons.values()
    return view.workers["main.1"].handled


@pytest.mark.parametrize("speed", [0.25, 1.0, 2.0, 16.0])
def test_the_recordings_time_passes_at_its_speed(play: Play, minute: Path, speed: float) -> None:
    played = play(minute)
    played.feed.change_speed(speed)
    played.pass_time(40 / speed)

    assert played.feed.position == pytest.approx(40, abs=0.3 * speed)
    assert handled(played.feed) == int(played.feed.position)
    assert played.feed.status().words == f"REPLAY {speed:g}x 00:00:{int(played.feed.position):02} of 00:01:00"
    assert played.feed.status().trust is Trust.REPLAY


def test_speeds_beyond_what_can_be_seen_are_not_taken(play: Play, minute: Path) -> None:
    played = play(minute)
    for wanted, got in ((1000, 64), (0.01, 0.25)):
        played.feed.change_speed(wanted)
        assert played.feed.speed == got


def test_a_pause_stands_still_and_can_be_sought_in(play: Play, minute: Path) -> None:
    played = play(minute)
    played.pass_time(10)
    played.feed.pause(is_paused=True)
    before = played.feed.now(), handled(played.feed)
    played.pass_time(30)

    assert (played.feed.now(), handled(played.feed)) == before
    assert played.feed.status().trust is Trust.PAUSED
    assert played.feed.status().words == "PAUSED 00:00:10 of 00:01:00"

    played.seek(5)
    assert (played.feed.position, handled(played.feed)) == (5, 5)
    assert played.feed.is_paused
    played.feed.pause(is_paused=False)
    played.pass_time(2)
    assert handled(played.feed) == 7


def test_at_the_end_it_stands_and_says_so(play: Play, minute: Path) -> None:
    played = play(minute)
    played.pass_time(100)

    assert played.feed.position == played.feed.length == 60
    assert played.feed.status() == (
        Trust.ENDED, 0.0, "ENDED 00:01:00 of 00:01:00", (), played.feed.status().sources
    )  # fmt: skip


def test_a_recording_that_is_still_written_goes_on_at_its_end_and_over_turn_overs(play: Play, tmp_path: Path) -> None:
    path = tmp_path / "growing.rec"
    records = steady(400)
    recorder = Recorder(path, 40_000)  # some seventy records in a segment
    for at, data in records[:11]:
        recorder.write(at, data)
    played = play(path)
    played.pass_time(15)
    assert played.feed.status().trust is Trust.ENDED

    for begin in range(11, 400, 10):
        for at, data in records[begin : begin + 10]:
            recorder.write(at, data)
        played.pass_time(10)
        assert played.feed.position <= 10 + begin
    played.pass_time(20)

    assert handled(played.feed) == 400
    assert older_segment(path).exists()
    played.seek(3)
    assert handled(played.feed) == 3, "the segments that were there when it was opened are still known"
    recorder.close()


def test_an_older_segment_comes_first(play: Play, tmp_path: Path) -> None:
    path = tmp_path / "two.rec"
    write(path, steady(100), limit=30_000)
    assert older_segment(path).exists()
    played = play(path)

    played.seek(played.feed.length)

    assert handled(played.feed) == 100
    (view,) = played.feed.fleet.daemons.values()
    assert view.lost == 0


def test_a_long_time_without_a_recorder_is_passed_over_after_a_minute(play: Play, tmp_path: Path) -> None:
    path = tmp_path / "gap.rec"
    write(path, [*steady(10), *((at + 7200, data) for at, data in steady(20)[11:])])
    played = play(path)
    played.pass_time(60)
    assert handled(played.feed) == 10
    assert played.feed.status().age_seconds == pytest.approx(50)

    played.pass_time(25)

    assert handled(played.feed) == 20


def test_a_clock_that_was_set_back_does_not_turn_the_time(play: Play, tmp_path: Path) -> None:
    path = tmp_path / "back.rec"
    records = steady(20)
    write(path, [*records[:10], *((at - 3600, data) for at, data in records[10:])])
    played = play(path)
    played.pass_time(12)

    assert handled(played.feed) == 20
    assert played.feed.now() == 5009
    (view,) = played.feed.fleet.daemons.values()
    assert view.last_seen == 5009


def test_what_has_a_key_is_said_and_read_with_it(play: Play, tmp_path: Path) -> None:
    path = tmp_path / "locked.rec"
    write(path, list(told(1, 20, key=KEY)))
    played = play(path)
    played.seek(20)
    (advice,) = played.feed.status().advice
    assert "could not be read: give their key: --key-file FILE" in advice
    assert not played.feed.fleet.daemons

    unlocked = play(path, key=KEY)
    unlocked.seek(20)

    assert set(unlocked.feed.fleet.daemons) == {"main@host1", "other@host1"}
    assert unlocked.feed.status().advice == ()
    wrong = play(path, key=b"another key that is as long")
    wrong.seek(20)
    assert "is --key-file the key that they were recorded with?" in wrong.feed.status().advice[0]


def test_what_is_no_recording_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(SnqdError, match=r"there is no recording at .*missing\.rec"):
        ReplayFeed(tmp_path / "missing.rec")
    other = tmp_path / "other.rec"
    other.write_bytes(b"something else entirely")
    with pytest.raises(SnqdError, match="is not a recording of snqd"):
        ReplayFeed(other)
    with pytest.raises(SnqdError, match="cannot be read"):
        ReplayFeed(tmp_path)


def test_a_recording_that_has_just_begun_waits_for_its_first_record(play: Play, tmp_path: Path) -> None:
    path = tmp_path / "empty.rec"
    path.write_bytes(b"snqdrec1")
    played = play(path)
    played.pass_time(2)
    assert played.feed.status().advice[0].startswith("Nothing has been recorded in ")
    assert (played.feed.position, played.feed.length) == (0, 0)

    write(path, steady(5))
    played.pass_time(8)

    assert handled(played.feed) == 5
    assert played.feed.status().advice == ()


def test_a_seek_observes_as_closely_as_courses_will_show_it(play: Play, tmp_path: Path) -> None:
    path = tmp_path / "hour.rec"
    write(path, steady(3600))
    played = play(path)
    moments: list[float] = []
    played.feed.watch(lambda: moments.append(played.feed.now()))

    played.seek(3000)

    steps = [round(later - earlier) for earlier, later in itertools.pairwise(moments)]
    assert moments[0] - 5000 >= 3000 - 901
    assert steps.count(15) == pytest.approx(40, abs=1)
    assert steps.count(5) == pytest.approx(48, abs=1)
    assert steps.count(1) == pytest.approx(59, abs=1)


def test_played_fast_every_second_is_observed_and_at_usual_speed_the_screen_does_it(play: Play, minute: Path) -> None:
    played = play(minute)
    moments: list[float] = []
    played.feed.watch(lambda: moments.append(played.feed.now()))
    played.feed.change_speed(16)
    played.pass_time(3)

    assert len(set(map(int, moments))) >= 35


def test_it_is_a_player_for_those_who_ask(play: Play, minute: Path) -> None:
    played = play(minute)

    assert isinstance(played.feed, Player)
    assert played.feed.fileno() == -1


def test_one_turn_is_short_however_far_it_is_to_go(tmp_path: Path) -> None:
    path = tmp_path / "long.rec"
    write(path, steady(20_000))
    feed = ReplayFeed(path)
    feed.seek(20_000)
    longest = 0.0
    turns = 0
    while feed.is_seeking:
        begun = time.thread_time()
        feed.turn()
        longest = max(longest, time.thread_time() - begun)
        turns += 1
        assert turns == 1 or feed.status().words.startswith("SEEKING 05:33:20, now at 0") or not feed.is_seeking

    assert turns > 1
    assert longest < 0.2
    assert handled(feed) == 20_000
    feed.close()
