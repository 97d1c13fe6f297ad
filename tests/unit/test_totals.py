"""The highest lag of totals, which is kept up to date, against the plain maximum of the facts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from snqd.telemetry.fleet import Fleet
from tests.support.telemetry import DEPTH, HEADER, apply, changed, datagram

LAGS = st.sampled_from([0.0, 1.0, 2.5, 2.5, 7.0])
CHANGES = st.lists(
    st.tuples(st.sampled_from(["mail", "push"]), st.sampled_from("abc"), LAGS, st.booleans()), max_size=30
)


@given(CHANGES)
def test_the_lag_of_totals_is_the_highest_of_their_facts_after_any_changes(
    changes: list[tuple[str, str, float, bool]],
) -> None:
    fleet = Fleet()
    apply(fleet, [datagram(DEPTH)])
    view = fleet.daemons[f"{HEADER.daemon}@{HEADER.host}"]
    for sequence, (queue, site, lag, is_asked) in enumerate(changes, start=2):
        apply(fleet, [datagram(changed(DEPTH, queue=queue, site=site, lag_seconds=lag), sequence=sequence)])
        if not is_asked:
            continue
        for name, totals in view.queue_totals().items():
            assert totals.lag_seconds == max(fact.lag_seconds for fact in view.depths.values() if fact.queue == name)
        assert view.totals().lag_seconds == max(fact.lag_seconds for fact in view.depths.values())


def test_the_lag_of_totals_is_nothing_when_the_facts_are_gone() -> None:
    fleet = Fleet()
    apply(fleet, [datagram(changed(DEPTH, lag_seconds=9.0), changed(DEPTH, site="b.example", lag_seconds=4.0))])
    view = fleet.daemons[f"{HEADER.daemon}@{HEADER.host}"]
    assert view.totals().lag_seconds == 9.0

    for second in range(1, 20):
        again = changed(DEPTH, site="b.example", lag_seconds=4.0)
        apply(fleet, [datagram(again, sequence=1 + second, sent_at=HEADER.sent_at + second)])

    assert view.totals().lag_seconds == 4.0
