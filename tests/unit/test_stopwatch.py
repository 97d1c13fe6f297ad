"""The time that tests hold against promises."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.support import stopwatch
from tests.support.stopwatch import Stopwatch

if TYPE_CHECKING:
    from pathlib import Path


def pressure(file: Path, microseconds: int) -> None:
    file.write_text(
        f"some avg10=99.86 avg60=0.50 avg300=0.00 total={microseconds}\n"
        "full avg10=0.00 avg60=0.00 avg300=0.00 total=77\n"
    )


def test_the_time_in_which_a_process_waited_for_a_processor_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "cpu"
    monkeypatch.setattr(stopwatch, "_PRESSURE", file)
    pressure(file, 5_000_000)
    watch = Stopwatch()

    pressure(file, 7_500_000)

    assert watch.hindered == 2.5
    assert watch.until(watch.began + 10.0) == pytest.approx(7.5)
    assert watch.seconds <= time.monotonic() - watch.began - 2.5


def test_where_the_kernel_does_not_count_it_is_the_time_of_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopwatch, "_PRESSURE", tmp_path / "no such file")
    watch = Stopwatch()

    assert watch.until(watch.began + 10.0) == 10.0
