"""Tables for other programs."""

from __future__ import annotations

import csv
import io
import json

import pytest

from snqd.errors import ConfigError
from snqmon.model.cells import Grade
from snqmon.model.export import as_text, exported
from snqmon.model.tables import QUEUES, TABLES
from snqmon.model.thresholds import Thresholds, read_thresholds
from tests.support.views import alarm, busy, depth, event, flow, queue, store
from tests.support.worlds import world_of

WORLD = world_of(
    queue('ma"il, a'), queue("push"), depth('ma"il, a', ready=1204, lag_seconds=38.5), flow("push"), busy(1), store(),
    event("ItemFailed", 1, queue="push"), alarm("lag"),
)  # fmt: skip


def test_csv_has_every_column_and_values_as_they_are_measured() -> None:
    text = exported("queues.csv", QUEUES.columns, WORLD.queues())
    first, second = csv.DictReader(io.StringIO(text))

    assert list(first) == [column.key for column in QUEUES.columns]
    assert first["queue"] == 'ma"il, a'
    assert (first["lag_seconds"], first["ready"]) == ("38.5", "1204")
    assert first["drain_seconds"] == "", "never"
    assert second["fail_rate"] == "", "not known yet"


@pytest.mark.parametrize("name", TABLES)
def test_every_table_is_json(name: str) -> None:
    table = TABLES[name]
    rows = list(table.rows(WORLD))
    document = json.loads(exported(f"{name}.JSON", table.columns, rows), parse_constant=pytest.fail)

    assert [list(row) for row in document] == [[column.key for column in table.columns]] * len(rows)


def test_a_row_as_text() -> None:
    columns = [QUEUES.column(key) for key in ("queue", "state", "lag_seconds", "ready")]

    assert as_text(columns, WORLD.queues()[0]) == 'queue ma"il, a  lag 38s  depth 1,204'


def test_thresholds_of_single_queues() -> None:
    levels = read_thresholds({"lag_seconds": [1, 2], "queue": {"slow": {"lag_seconds": [100, 200], "ready": [5, 50]}}})

    assert levels.lag("mail", 3.0) is Grade.ACT
    assert levels.lag("slow", 150.0) is Grade.LOOK
    assert levels.backlog("slow", 50) is Grade.ACT
    assert levels.backlog("mail", 10**9) is Grade.GOOD
    assert read_thresholds({}) == Thresholds()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"lag": [1, 2]}, "snqmon.toml: object contains unknown field `lag`; known are lag_seconds, "),
        ({"lag_seconds": [20, 10]}, "snqmon.toml: lag_seconds: the first threshold (20) is above the second (10)"),
        ({"lag_seconds": 20}, "snqmon.toml: lag_seconds: expected `array`, got `int`; two numbers are expected"),
        ({"queue": {"mail": {"lag_seconds": [1, "x"]}}}, "lag_seconds: expected `float`, got `str`"),
    ],
)
def test_wrong_thresholds_are_refused_in_words(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read_thresholds(settings, where="snqmon.toml")

    assert said in str(refused.value)


def test_few_failures_are_no_trouble() -> None:
    levels = Thresholds()

    assert levels.failures("mail", 2, lambda: 2) is Grade.GOOD
    assert levels.failures("mail", 3, lambda: 4) is Grade.ACT
    assert levels.failures("mail", 3, lambda: 30) is Grade.LOOK
    assert levels.failures("mail", None, lambda: None) is Grade.DIM
