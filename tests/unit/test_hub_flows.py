"""Sums of the ledger's rows over worker slots."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from snqd.hub.flows import COUNTERS, FlowBook
from snqd.telemetry.facts import FlowFact
from snqd.telemetry.histogram import total
from snqd.telemetry.ledger import FlowCounts

counts = st.lists(st.integers(0, 1000), min_size=len(COUNTERS), max_size=len(COUNTERS))


def row_of(queue: str, site: str, numbers: list[int], run: int) -> FlowCounts:
    values: dict[str, Any] = dict(zip(COUNTERS, numbers, strict=True))
    values |= {"run": (20, run), "run_seconds": run * 0.5, "wait": (21, run), "wait_seconds": run * 0.25}
    return FlowCounts(queue=queue, site=site, **values)


rows = st.builds(row_of, st.sampled_from(["mail", "digest"]), st.sampled_from(["a", "b"]), counts, st.integers(1, 100))


def test_a_row_and_a_fact_have_the_same_fields_in_the_same_order() -> None:
    assert FlowCounts._fields == FlowFact.__struct_fields__


@given(st.lists(st.tuples(st.integers(1, 3), rows), max_size=40))
def test_facts_and_slots_are_the_sums_of_the_latest_rows(told: list[tuple[int, FlowCounts]]) -> None:
    book = FlowBook()
    latest: dict[tuple[int, str, str], FlowCounts] = {}
    for slot, row in told:
        latest[slot, row.queue, row.site] = row
        book.renew(book.take(slot, [row]))

    for (queue, site), fact in book.facts.items():
        mine = [row for (_slot, *flow), row in latest.items() if flow == [queue, site]]
        for name in COUNTERS:
            assert getattr(fact, name) == sum(getattr(row, name) for row in mine)
        assert total(fact.run) == sum(total(row.run) for row in mine)
        assert fact.wait_seconds == sum(row.wait_seconds for row in mine)
        assert book.left[queue, site] == fact.handled + fact.discarded + fact.dead_lettered
    for slot in (1, 2, 3):
        mine = [row for (of, _queue, _site), row in latest.items() if of == slot]
        assert book.of_slot(slot) == {name: sum(getattr(row, name) for row in mine) for name in COUNTERS}


def test_a_slot_that_was_never_heard_of_has_counted_nothing() -> None:
    assert set(FlowBook().of_slot(7).values()) == {0}
