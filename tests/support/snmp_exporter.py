"""Prometheus' snmp_exporter, the real one, and what it says of an agent."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, NamedTuple

from tests.support.postgres import missing_server
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LINE = re.compile(r"(?P<name>\w+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")


class Sample(NamedTuple):
    name: str
    labels: frozenset[tuple[str, str]]


class Exporter(NamedTuple):
    port: int

    def scrape(self, target: str) -> dict[Sample, float]:
        """What it reads from the agent at `target` with the module `snqd`."""
        text = self._get(f"/snmp?module=snqd&target={target}")
        found = {}
        for line in text.splitlines():
            match = None if line.startswith("#") else _LINE.fullmatch(line)
            if match is not None:
                labels = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match["labels"] or "")
                found[Sample(match["name"], frozenset(labels))] = float(match["value"])
        return found

    def is_up(self) -> bool:
        try:
            return bool(self._get("/"))
        except (urllib.error.URLError, ConnectionError):
            return False

    def _get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=20) as answer:
            text: str = answer.read().decode()
            return text


@contextlib.contextmanager
def running_exporter(configuration: str, folder: Path) -> Iterator[Exporter]:
    """`configuration`: the text of its file, which it reads strictly."""
    program = shutil.which("prometheus-snmp-exporter")
    if program is None:
        missing_server("prometheus-snmp-exporter")
        raise AssertionError  # not reached: the line above skips or fails
    (folder / "snmp.yml").write_text(configuration)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (folder / "exporter.log").open("wb") as log:
        process = subprocess.Popen(
            [program, f"--config.file={folder / 'snmp.yml'}", f"--web.listen-address=127.0.0.1:{port}"],
            stdout=log,
            stderr=log,
        )
    try:
        exporter = Exporter(port)
        eventually(lambda: exporter.is_up() or process.poll() is not None, within_seconds=20)
        assert process.poll() is None, (folder / "exporter.log").read_text()
        yield exporter
    finally:
        process.terminate()
        process.wait()
