from __future__ import annotations

from snqd.supervisor.limits import next_deadline_seconds, overdue
from snqd.telemetry.board import Running

SECOND = 1_000_000_000


def running(item: int, deadline_seconds: float) -> Running:
    return Running(item, "mail", "alpha", 0, int(deadline_seconds * SECOND))


def test_an_item_is_overdue_one_second_after_its_deadline() -> None:
    items = [running(1, 10.0), running(2, 10.5), running(3, 0)]

    assert overdue(items, 11 * SECOND) == []
    assert [item.item for item in overdue(items, 11 * SECOND + 1)] == [1]
    assert [item.item for item in overdue(items, 60 * SECOND)] == [1, 2], "0 is no deadline"


def test_the_next_look_is_due_when_the_first_item_can_be_overdue() -> None:
    assert next_deadline_seconds([running(1, 10.0), running(2, 4.0)], 3 * SECOND) == 2.0
    assert next_deadline_seconds([running(1, 1.0)], 3 * SECOND) == -1.0
    assert next_deadline_seconds([running(3, 0)], 3 * SECOND) is None
    assert next_deadline_seconds([], 3 * SECOND) is None
