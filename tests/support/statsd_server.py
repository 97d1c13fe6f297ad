"""A real statsd server for tests: collectd with its statsd plugin, on a free port, thrown away at the end."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.postgres import free_port, missing_server
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

_SETTINGS = """
Hostname "h"
FQDNLookup false
Interval 0.2
LoadPlugin logfile
<Plugin logfile>
  LogLevel info
  File "{folder}/log"
  Timestamp false
</Plugin>
LoadPlugin statsd
<Plugin statsd>
  Host "127.0.0.1"
  Port "{port}"
  TimerCount true
  TimerUpper true
</Plugin>
LoadPlugin csv
<Plugin csv>
  DataDir "{folder}/csv"
  StoreRates false
</Plugin>
"""


class StatsdServer:
    """What it was told, by the names that it keeps; counters are sums over its whole life."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self.port = port

    def counter(self, name: str) -> int:
        return int(self._last(f"derive-{name}"))

    def gauge(self, name: str) -> float | None:
        found = self._last(f"gauge-{name}", missing="nan")
        return None if found == "nan" else float(found)

    def timings(self, name: str) -> bool:
        """Whether durations of that name were told."""
        return bool(list(self._folder.glob(f"csv/h/statsd/latency-{name}-average-*")))

    def names(self) -> set[str]:
        return {path.name[:-11] for path in self._folder.glob("csv/h/statsd/*")}  # without the day

    def complaints(self) -> list[str]:
        """What it could not read."""
        return [line for line in self.log().splitlines() if "nable to parse" in line]

    def log(self) -> str:
        path = self._folder / "log"
        return path.read_text() if path.exists() else ""

    def _last(self, stem: str, missing: str = "0") -> str:
        """The last value of a file's name: at midnight a second file of it begins."""
        lines = [line for path in sorted(self._folder.glob(f"csv/h/statsd/{stem}-????-??-??"))
                 for line in path.read_text().splitlines()[1:] if "," in line]  # fmt: skip
        return lines[-1].partition(",")[2] if lines else missing


@pytest.fixture
def statsd_server() -> Iterator[StatsdServer]:
    program = shutil.which("collectd") or shutil.which("/usr/sbin/collectd")
    if program is None:
        missing_server("collectd-core")
        raise AssertionError  # not reached: the line above skips or fails
    folder = Path(tempfile.mkdtemp(prefix="snqd-statsd-"))
    port = free_port()
    settings = folder / "collectd.conf"
    settings.write_text(_SETTINGS.format(folder=folder, port=port))
    command = [program, "-f", "-C", str(settings), "-B", "-P", str(folder / "pid")]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    server = StatsdServer(folder, port)
    try:
        eventually(lambda: "Listening on" in server.log())
        yield server
    finally:
        process.terminate()
        process.wait(timeout=20)
        shutil.rmtree(folder, ignore_errors=True)
