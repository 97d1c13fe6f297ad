"""The table of workers: an age is never without what it is the age of."""

from __future__ import annotations

import pytest

from snqmon.model.cells import Grade
from snqmon.model.tables import WORKERS
from tests.support.views import busy, worker
from tests.support.worlds import world_of


@pytest.mark.parametrize(
    ("fact", "words", "grade"),
    [
        (busy(1), "#", Grade.GOOD),
        (worker(1), "age of its process", Grade.DIM),
        (worker(1, state="fatal", pid=0), "since the last ended", Grade.DIM),
    ],
)
def test_what_the_time_before_it_is_of(fact: object, words: str, grade: Grade) -> None:
    (row,) = world_of(fact).workers()  # type: ignore[arg-type]

    item, since = WORKERS.column("item").cell(row), WORKERS.column("since_seconds").cell(row)
    assert item.text.startswith(words)
    assert (item.grade, since.grade) == (grade, grade)
    assert WORKERS.column("item").value(row) == row.item
