from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snqd.config.values import parse_memory_limit
from snqd.supervisor.memory import MemoryFiles

if TYPE_CHECKING:
    from pathlib import Path

GIBIBYTE = 1 << 30


@pytest.mark.parametrize(
    ("text", "workers", "limit"),
    [
        ("90%", 1, GIBIBYTE * 9 // 10),
        ("90%", 3, GIBIBYTE * 9 // 30),
        ("12.5%", 1, GIBIBYTE // 8),
        ("300M", 8, 300 << 20),
        ("1G", 1, 1 << 30),
        ("1.5g", 1, 3 << 29),
        ("2048K", 1, 2 << 20),
        ("512MiB", 1, 512 << 20),
        ("512MB", 1, 512 << 20),
        (" 300 M ", 1, 300 << 20),
        ("1048576", 1, 1 << 20),
        ("none", 1, None),
        ("None", 1, None),
    ],
)
def test_a_limit_is_a_share_of_the_total_or_absolute(text: str, workers: int, limit: int | None) -> None:
    assert parse_memory_limit(text).of(GIBIBYTE, workers=workers) == limit


@pytest.mark.parametrize(
    "text", ["", "much", "0%", "101%", "-5%", "90 percent", "1024", "5X", "1.G", "%", "1e3M", "nan"]
)
def test_anything_else_is_refused_with_what_was_found_and_expected(text: str) -> None:
    with pytest.raises(ValueError, match="must be a percentage such as"):
        parse_memory_limit(text)


@given(percent=st.integers(1, 100), total=st.integers(1, 1 << 50), workers=st.integers(1, 254))
def test_the_workers_together_never_get_more_than_the_share(percent: int, total: int, workers: int) -> None:
    limit = parse_memory_limit(f"{percent}%").of(total, workers=workers)

    assert limit is not None
    assert limit * workers <= total * percent / 100 * (1 + 1e-9)


def make_files(tmp_path: Path, files: dict[str, str], *, cgroup: str = "") -> MemoryFiles:
    named = {"proc/meminfo": "MemFree: 5 kB\nMemTotal:       1000 kB\n", "proc/self/cgroup": cgroup} | files
    for name, text in named.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return MemoryFiles(proc=tmp_path / "proc", cgroup=tmp_path / "cgroup")


def test_without_control_groups_it_is_the_machines_memory(tmp_path: Path) -> None:
    assert make_files(tmp_path, {}).total_bytes() == 1000 * 1024


def test_version_2_the_smallest_limit_on_the_way_up_counts(tmp_path: Path) -> None:
    files = make_files(
        tmp_path,
        {
            "cgroup/system.slice/memory.max": "300000\n",
            "cgroup/system.slice/snqd.service/memory.max": "max\n",
            "cgroup/other/memory.max": "1\n",
        },
        cgroup="0::/system.slice/snqd.service\n",
    )

    assert files.total_bytes() == 300_000


def test_version_1_no_limit_is_a_huge_number(tmp_path: Path) -> None:
    files = make_files(
        tmp_path,
        {
            "cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            "cgroup/memory/docker/abc/memory.limit_in_bytes": "500000\n",
        },
        cgroup="5:cpu,cpuacct:/\n4:memory:/docker/abc\n0::/\n",
    )

    assert files.total_bytes() == 500_000


def test_in_a_container_whose_path_is_the_hosts_the_root_counts(tmp_path: Path) -> None:
    files = make_files(tmp_path, {"cgroup/memory.max": "400000\n"}, cgroup="0::/../../host/only\n")

    assert files.total_bytes() == 400_000


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("cgroup/memory.events", "low 0\noom 3\noom_kill 2\n"),
        ("cgroup/memory/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"),
    ],
)
def test_the_kernels_kills_are_counted_where_it_tells_them(tmp_path: Path, name: str, text: str) -> None:
    assert make_files(tmp_path, {name: text}, cgroup="0::/\n").oom_kills() == 2


def test_where_the_kernel_tells_nothing_nothing_is_claimed(tmp_path: Path) -> None:
    assert make_files(tmp_path, {}).oom_kills() is None


def test_on_this_machine_the_total_is_at_most_what_is_built_in() -> None:
    assert 0 < MemoryFiles().total_bytes() <= psutil.virtual_memory().total + (1 << 20)
