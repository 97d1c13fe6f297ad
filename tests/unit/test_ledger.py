"""The ledger: a reader sees what a writer counted, whatever the order of their steps."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snqd.telemetry import ledger_layout as layout
from snqd.telemetry.histogram import bucket_of, total
from snqd.telemetry.ledger import CanaryReturn, Count, FlowCounts, Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snqd.telemetry.ledger import LedgerReader, LedgerWriter

Flow = tuple[str, str]
COUNTERS = list(range(layout.FIRST_COUNT, layout.LAST_COUNT + 1))


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    ledger = Ledger.create()
    yield ledger
    ledger.close()


def count(writer: LedgerWriter, flow: Flow, counter: int = Count.HANDLED, number: int = 1) -> None:
    row = writer.row(*flow)
    writer.add(row, counter, number)
    writer.tell([row])


def totals(rows: list[FlowCounts]) -> list[int]:
    """Sums of all counters, and of the entries of both histograms. A counter's place is the same in what is read."""
    sums = [sum(int(row[counter]) for row in rows) for counter in COUNTERS]  # type: ignore[arg-type, misc]
    return [*sums, sum(total(row.run) for row in rows), sum(total(row.wait) for row in rows)]


def test_a_reader_sees_counters_sums_and_histograms_of_each_flow(ledger: Ledger) -> None:
    writer, reader = ledger.writer(3), ledger.reader(3)
    stage = writer.stage()
    row = writer.row("größe", "a.example")
    for number, counter in enumerate(COUNTERS, 1):
        stage.add(row, counter, number)
    stage.add_durations(row, Count.RUN, [1e6, 3e9], 3_001_000_000)
    stage.add_durations(row, Count.RUN, [1_000_000], 1_000_000)
    stage.add_durations(row, Count.WAIT, [60e9], 60_000_000_000)
    assert reader.changed() == [], "nothing is told before it is posted"

    writer.post(stage)

    run, wait = (bucket_of(0.001), 2, bucket_of(3.0), 1), (bucket_of(60.0), 1)
    assert reader.changed() == [("größe", "a.example", *range(1, 11), run, 3.002, wait, 60.0)]
    assert ledger.used() == [3]


def test_only_what_changed_is_read_again(ledger: Ledger) -> None:
    writer, reader = ledger.writer(1), ledger.reader(1)
    for number in range(50):
        count(writer, ("q", str(number)))
    assert len(reader.changed()) == 50
    reader.changed()

    count(writer, ("q", "7"))

    assert [(row.site, row.handled) for row in reader.changed()] == [("7", 2)]
    assert [(row.site, row.handled) for row in reader.changed()] == [("7", 2)], "looked at twice: see the reader"
    assert reader.changed() == []


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(["add", "stage"]), st.integers(0, 11), st.sampled_from(COUNTERS), st.integers(1, 1000)
        ),
        st.tuples(st.just("run"), st.integers(0, 11), st.lists(st.floats(0, 1e14), min_size=1, max_size=5)),
        st.tuples(st.sampled_from(["post", "read", "respawn", "new reader"])),
    ),
    max_size=60,
)


@given(STEPS, st.sampled_from([2, 8, 1000]), st.sampled_from([3, 1000]), st.sampled_from([22, 30, 1000]))
@settings(deadline=None)
def test_a_reader_ends_with_the_sums_whatever_happens_in_between(
    steps: list[tuple[object, ...]], ring: int, rows: int, chunks: int
) -> None:
    """Rings that are lapped, more flows and histograms than have room, respawned writers, readers that begin late."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("RING", ring), ("ROWS", rows), ("CHUNKS", chunks)):
            patch.setattr(layout, name, value)
        ledger = Ledger.create()
        writer, reader = ledger.writer(1), ledger.reader(1)
        seen: dict[Flow, FlowCounts] = {}
        expected = [0] * (len(COUNTERS) + 2)
        stage, staged = writer.stage(), list(expected)

        def read(reader: LedgerReader) -> None:
            told = reader.changed()
            seen.update({row[:2]: row for row in told})
            assert len({row[:2] for row in told}) == len(told), "each flow once"

        for kind, *values in [*steps, ("post",)]:
            if kind == "add":
                flow, counter, number = values
                count(writer, ("q", f"site {flow}"), counter, number)  # type: ignore[arg-type]
                expected[COUNTERS.index(counter)] += number  # type: ignore[arg-type, operator]
                stage, staged = writer.stage(), [0] * len(expected)  # a stage is made and posted by one exchange
            elif kind == "stage":
                flow, counter, number = values
                stage.add(writer.row("q", f"site {flow}"), counter, number)  # type: ignore[arg-type]
                staged[COUNTERS.index(counter)] += number  # type: ignore[arg-type, operator]
            elif kind == "run":
                row = writer.row("q", f"site {values[0]}")
                stage.add_durations(row, Count.RUN, values[1], 1)  # type: ignore[arg-type]
                staged[-2] += len(values[1])  # type: ignore[arg-type]
            elif kind == "post":
                writer.announce(stage, 1)
                writer.post(stage)
                expected = [a + b for a, b in zip(expected, staged, strict=True)]
                stage, staged = writer.stage(), [0] * len(expected)
            elif kind == "read":
                read(reader)
            elif kind == "respawn":
                writer.close()
                writer = ledger.writer(1)
                stage, staged = writer.stage(), [0] * len(expected)
            else:
                reader.close()
                reader = ledger.reader(1)
                seen.clear()
        read(reader)
        read(reader)

        assert totals(list(seen.values())) == expected
        everything = ledger.reader(1)
        assert {row[:2]: row for row in everything.changed()} == seen
        for part in (writer, reader, everything):
            part.close()
        ledger.close()


def test_flows_without_room_are_counted_in_the_row_without_names(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "ROWS", 3)
    writer, reader = ledger.writer(1), ledger.reader(1)

    for site in ("a", "b", "c", "d", "c"):
        count(writer, ("q", site))

    assert {row[:2]: row.handled for row in reader.changed()} == {("q", "a"): 1, ("q", "b"): 1, ("", ""): 3}


def test_names_without_room_are_counted_in_the_row_without_names(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "NAME_BYTES", 10)
    writer, reader = ledger.writer(1), ledger.reader(1)

    for site in ("a" * 9, "b" * 9):
        count(writer, ("q", site))

    assert {row[:2]: row.handled for row in reader.changed()} == {("q", "a" * 9): 1, ("", ""): 1}


def test_a_writer_that_was_killed_in_the_middle_of_posting_is_completed(ledger: Ledger) -> None:
    pid = os.fork()
    if pid == 0:
        writer = ledger.writer(1)
        count(writer, ("q", "s"), number=10)
        stage = writer.stage()
        stage.add(writer.row("q", "s"), Count.HANDLED, 5)
        stage.add(writer.row("q", "s"), Count.RUN_NS, 7)
        writer.announce(stage, witness=4711)
        index, value = next(iter(stage.values.items()))
        writer.words[index] = value  # half of `post`
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    writer, reader = ledger.writer(1), ledger.reader(1)
    assert writer.witness == 4711

    writer.recover(is_committed=True)
    writer.recover(is_committed=True)

    assert [(row.handled, row.run_seconds) for row in reader.changed()] == [(15, 7e-9)]
    assert writer.witness is None


def test_what_was_announced_and_not_committed_is_dropped(ledger: Ledger) -> None:
    writer, reader = ledger.writer(1), ledger.reader(1)
    count(writer, ("q", "s"))
    stage = writer.stage()
    stage.add(writer.row("q", "s"), Count.HANDLED, 5)
    writer.announce(stage, witness=1)

    writer.recover(is_committed=False)

    assert [row.handled for row in reader.changed()] == [1]
    assert writer.witness is None


def test_claims_are_open_until_they_end(ledger: Ledger) -> None:
    writer = ledger.writer(1)
    count(writer, ("q", "a"), Count.CLAIMED, 10)
    count(writer, ("q", "b"), Count.CLAIMED, 3)
    count(writer, ("q", "a"), Count.FAILED, 4)
    count(writer, ("q", "a"), Count.DEAD_LETTERED, 4)
    count(writer, ("q", "b"), Count.RELEASED, 3)

    assert writer.open_claims() == {("q", "a"): 6}


def test_the_lists_of_queues_are_those_of_the_latest_worker(ledger: Ledger) -> None:
    writer, reader = ledger.writer(1), ledger.reader(1)
    assert (reader.served(), reader.known()) == ((), ())

    writer.serve(("mail", "größe"), ("mail", "größe", "xmppout"))
    assert (reader.served(), reader.known()) == (("mail", "größe"), ("mail", "größe", "xmppout"))

    writer.serve(("mail",), ("mail",))
    assert reader.served() == ("mail",)


def test_lists_that_are_being_written_read_as_before(ledger: Ledger) -> None:
    writer, reader = ledger.writer(1), ledger.reader(1)
    writer.serve(("mail",), ("mail",))
    assert reader.served() == ("mail",)

    writer.words[layout.Head.SERVED_VERSION] += 1  # killed there
    assert reader.served() == ("mail",)

    ledger.writer(1).serve(("push",), ())
    assert reader.served() == ("push",)


def test_more_queues_than_fit_are_told_in_part(ledger: Ledger) -> None:
    writer, reader = ledger.writer(1), ledger.reader(1)
    names = tuple(f"{number:063}" for number in range(10_000))

    writer.serve(names, names)

    assert reader.known() == names[: len(reader.known())]
    assert len(reader.known()) == 500


def test_growth_is_about_the_present_process(ledger: Ledger) -> None:
    writer, reader = ledger.writer(1), ledger.reader(1)
    writer.grew("mail", 4096, 10)
    writer.grew("push", -4096, 1)
    writer.grew("mail", 4096, 5)
    assert reader.growth() == {"mail": (8192, 15), "push": (-4096, 1)}

    ledger.writer(1).grew("push", 1, 1)

    assert reader.growth() == {"push": (1, 1)}


def test_canaries_are_remembered_by_queue_and_outlive_the_worker(ledger: Ledger) -> None:
    writer, reader = ledger.writer(1), ledger.reader(1)
    writer.canary_returned("mail", 1, 1000.5)
    writer.canary_returned("mail", 2, 1001.5)

    ledger.writer(1).canary_returned("mail", 3, 1002.5)

    assert reader.canaries() == {"mail": CanaryReturn(3, 1002.5, 3)}


def test_queues_without_room_in_a_table_are_left_out(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "QUEUES", 2)
    writer, reader = ledger.writer(1), ledger.reader(1)

    for queue in ("a", "b", "c"):
        writer.grew(queue, 1, 1)

    assert set(reader.growth()) == {"a", "b"}


def test_slots_do_not_touch_each_other_and_processes_share(ledger: Ledger) -> None:
    slots = (1, 2, 255)
    for slot in slots:
        pid = os.fork()
        if pid == 0:
            ledger.enter(slot)
            ledger.count_dropped(slot)
            count(ledger.writer(slot), ("q", "s"), number=slot)
            os._exit(0)
        os.waitpid(pid, 0)

    assert ledger.used() == list(slots)
    assert [row.handled for slot in slots for row in ledger.reader(slot).changed()] == list(slots)
    assert ledger.events_dropped == sum(slots)


def test_one_process_at_a_time_repairs_a_slot(ledger: Ledger) -> None:
    with ledger.lock(1) as is_ours:
        assert is_ours
        pid = os.fork()
        if pid == 0:
            with ledger.lock(1, seconds=0.02) as first, ledger.lock(2) as second:
                os._exit(int(first) + 2 * int(second))
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 2

    pid = os.fork()
    if pid == 0:
        with ledger.lock(1) as is_free:
            os._exit(int(is_free))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1


def test_an_unused_ledger_takes_no_memory(ledger: Ledger) -> None:
    ledger.writer(1)
    ledger.reader(1).changed()

    used = os.fstat(ledger._descriptor).st_blocks * 512
    assert used < 64 * 1024
