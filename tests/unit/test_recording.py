"""The flight recorder: a ring of two files that survives kills, full disks and foreign files."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snqd.errors import SnqdError
from snqd.telemetry.fleet import Fleet
from snqd.telemetry.recording import LONGEST, MAGIC, Recorder, older_segment, read, replay
from snqd.telemetry.wire import Datagram, encode_fact, pack, unpack
from tests.support.telemetry import KEY
from tests.support.waiting import eventually
from tests.wire.fleet_world import World, journey, known

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WRITER = """
import itertools, pathlib, sys
from snqd.telemetry.recording import Recorder
recorder = Recorder(pathlib.Path(sys.argv[1]), int(sys.argv[2]))
for number in itertools.count():
    recorder.write(float(number), b"%d " % number * 50)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "flight"


def recorded(path: Path, *records: bytes, limit: int = 1 << 20) -> Recorder:
    recorder = Recorder(path, limit)
    for number, data in enumerate(records):
        recorder.write(float(number), data)
    recorder.close()
    return recorder


def size(path: Path) -> int:
    return sum(each.stat().st_size for each in (path, older_segment(path)) if each.exists())


@given(st.lists(st.tuples(st.floats(0, 1e10), st.binary(max_size=3000)), min_size=1, max_size=30))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_written_is_read_in_order(path: Path, records: list[tuple[float, bytes]]) -> None:
    path.unlink(missing_ok=True)
    recorder = Recorder(path, 1 << 20)
    for at, data in records:
        recorder.write(at, data)

    assert list(read(path)) == records  # while it is being written
    recorder.close()
    assert (recorder.written, recorder.failed) == (len(records), 0)


def test_records_across_the_blocks_that_are_read_are_whole(path: Path) -> None:
    records = [b"%d " % number * 200 for number in range(3000)]
    recorded(path, *records, limit=1 << 24)
    assert path.stat().st_size > 2 * 2**20

    assert [data for _at, data in read(path)] == records


def test_a_part_of_the_time_can_be_read(path: Path) -> None:
    recorded(path, b"0", b"1", b"2", b"3")

    assert [data for _at, data in read(path, start=1.0, end=2.0)] == [b"1", b"2"]
    assert [data for _at, data in read(path, start=3.0)] == [b"3"]


def test_the_ring_keeps_the_newest_and_never_passes_its_limit(path: Path) -> None:
    limit, recorder = 10_000, Recorder(path, 10_000)
    most = 0
    for number in range(2000):
        recorder.write(float(number), b"x" * (number % 400))
        most = max(most, size(path))
    recorder.close()

    kept = [at for at, _data in read(path)]
    assert limit // 2 < most <= limit
    assert kept == [float(number) for number in range(2000 - len(kept), 2000)]
    assert len(kept) > limit // 2 // 420
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_recording_goes_on_where_it_ended(path: Path) -> None:
    recorded(path, b"one")
    recorded(path, b"two")

    assert [data for _at, data in read(path)] == [b"one", b"two"]


def test_a_lower_limit_applies_to_a_recording_that_is_longer_already(path: Path) -> None:
    recorded(path, *[b"x" * 1000] * 50)
    recorded(path, b"new", limit=5000)

    assert [data for _at, data in read(path)] == [b"new"]
    assert size(path) <= 5000


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damage_costs_only_the_records_that_it_meets(path: Path, data: st.DataObject) -> None:
    path.unlink(missing_ok=True)
    records = [b"%d " % number * 20 for number in range(20)]
    recorded(path, *records)
    content = bytearray(path.read_bytes())
    begin = data.draw(st.integers(len(MAGIC), len(content) - 1))
    end = data.draw(st.integers(begin, min(begin + 60, len(content))))
    content[begin:end] = data.draw(st.binary(max_size=60))
    path.write_bytes(content)

    found = [each for _at, each in read(path)]

    assert len(found) >= len(records) - 3
    assert found == [each for each in records if each in found]


def test_a_writer_that_is_killed_leaves_a_recording_that_can_be_read_and_continued(path: Path) -> None:
    limit = 200_000
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(limit)])
    try:
        eventually(lambda: older_segment(path).exists() and path.exists())
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.wait()

    found = list(read(path))
    assert len(found) > 100
    assert all(data == b"%d " % int(at) * 50 for at, data in found)
    assert [at for at, _data in found] == [found[0][0] + number for number in range(len(found))]
    recorded(path, b"after", limit=limit)
    assert [data for _at, data in read(path)][-1] == b"after"
    assert size(path) <= limit


def test_half_a_record_at_the_end_is_passed_over(path: Path) -> None:
    recorded(path, b"one", b"two")
    whole = path.read_bytes()
    for cut in range(1, 18):
        path.write_bytes(whole[:-cut])
        assert [data for _at, data in read(path)] == [b"one"]

    recorded(path, b"three")
    assert [data for _at, data in read(path)] == [b"one", b"three"]


@contextmanager
def file_limit(limit_bytes: int) -> Iterator[None]:
    """No file of this process may grow longer: what is written beyond is refused, as by a full disk.

    Only around what is tested: the test runner's own output may be a file, too.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def test_a_full_disk_costs_records_and_is_counted(path: Path) -> None:
    records = [bytes([number]) * 900 for number in range(6)]

    with file_limit(4000):
        recorder = recorded(path, *records, b"short")

    assert (recorder.written, recorder.failed) == (5, 2)
    assert [data for _at, data in read(path)] == [*records[:4], b"short"]


def test_a_full_disk_that_is_freed_is_used_again(path: Path) -> None:
    recorder = Recorder(path, 1 << 20)
    with file_limit(4):  # not even the beginning of the file fits
        recorder.write(1.0, b"lost")
        recorder.write(1.5, b"lost too, without a try")
        problem = recorder.problem
    recorder.write(3.0, b"kept")
    recorder.close()

    assert problem
    assert (recorder.written, recorder.failed, recorder.problem) == (1, 2, "")
    assert list(read(path)) == [(3.0, b"kept")]


def test_a_folder_that_is_not_there_is_counted_and_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "later" / "flight"
    recorder = Recorder(path, 1 << 20)
    recorder.write(1.0, b"lost")
    assert "No such file" in recorder.problem
    path.parent.mkdir()
    recorder.write(2.5, b"kept")
    recorder.close()

    assert list(read(path)) == [(2.5, b"kept")]


def test_a_file_that_is_something_else_is_left_alone(path: Path) -> None:
    path.write_text("not a recording at all")

    recorder = recorded(path, b"x")

    assert recorder.failed == 1
    assert "left alone" in recorder.problem
    assert path.read_text() == "not a recording at all"
    with pytest.raises(SnqdError, match="is not a recording"):
        list(read(path))


def test_a_pipe_in_its_place_does_not_block(path: Path) -> None:
    os.mkfifo(path)

    assert recorded(path, b"x").failed == 1


def test_a_recording_that_is_not_there_is_one_clear_line(path: Path) -> None:
    with pytest.raises(SnqdError, match="there is no recording at"):
        list(read(path))


def test_data_that_is_too_long_is_refused_and_counted(path: Path) -> None:
    recorder = recorded(path, b"x" * (LONGEST + 1), b"x" * LONGEST)

    assert (recorder.written, recorder.failed) == (1, 1)
    assert recorded(path, b"x" * 100, limit=100).failed == 1


@pytest.mark.parametrize("key", [None, KEY], ids=["plain", "authentic"])
def test_a_replay_gives_the_same_fleet(path: Path, key: bytes | None) -> None:
    world = World("main", random.Random(7))
    live, recorder = Fleet(), Recorder(path, 1 << 24)
    for number, told in enumerate(journey(world, 300)):
        data = pack(told.header, [encode_fact(fact) for fact in told.facts], key)
        recorder.write(1000.0 + number, data)
        heard = unpack(data, key)
        assert isinstance(heard, Datagram)
        live.apply(heard, source="192.0.2.1:5480", now=float(number))
    recorder.write(2000.0, b"not ours")
    recorder.close()
    again = Fleet()

    refused = replay(path, again, key)

    (view,), (replayed,) = live.daemons.values(), again.daemons.values()
    assert refused == 1
    assert known(replayed) == known(view)
    assert replayed.events == view.events
    assert (replayed.received, replayed.lost, replayed.boot) == (view.received, view.lost, view.boot)
    assert replayed.totals().run() == view.totals().run()
