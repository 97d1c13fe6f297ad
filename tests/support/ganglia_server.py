"""Real Ganglia servers for tests: gmond on a free port of loopback, and gmetad that polls it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree  # of a server that the test has started

import pytest

from tests.support.postgres import free_port, missing_server
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

_GMOND = """
globals {{
  daemonize = no
  setuid = no
  cleanup_threshold = 1
  host_dmax = 0
}}
cluster {{ name = "test" }}
udp_send_channel {{ host = 127.0.0.1
  port = {port} }}
udp_recv_channel {{ bind = 127.0.0.1
  port = {port} }}
tcp_accept_channel {{ bind = 127.0.0.1
  port = {port} }}
modules {{ module {{ name = "core_metrics" }} }}
"""
_GMETAD = """
data_source "test" 1 127.0.0.1:{port}
rrd_rootdir "{folder}/rrds"
setuid off
gridname "test"
xml_port {xml_port}
interactive_port {interactive_port}
trusted_hosts 127.0.0.1
"""


class Shown(NamedTuple):
    """A metric as gmond tells it to others."""

    value: str
    type: str
    units: str
    slope: str
    tmax: int
    dmax: int
    extra: dict[str, str]


class Gmond:
    """It may be stopped and started again; what it knew is gone then."""

    def __init__(self, folder: Path, program: str) -> None:
        self._settings, self._program = folder / "gmond.conf", program
        self.port = free_port()
        self._settings.write_text(_GMOND.format(port=self.port))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [self._program, "-f", "-c", str(self._settings)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        eventually(self._answers)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=20)
            self._process = None

    def xml(self) -> str:
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            return b"".join(iter(lambda: connection.recv(65_536), b"")).decode("iso-8859-1")

    def hosts(self) -> dict[str, dict[str, Shown]]:
        """Metrics by host and name. Fails when the XML is not well-formed."""
        tree = ElementTree.fromstring(self.xml().partition("]>")[2])
        return {host.get("NAME", ""): _metrics(host) for host in tree.iter("HOST")}

    def metrics(self) -> dict[str, Shown]:
        """Of the one host, or of none."""
        hosts = self.hosts()
        assert len(hosts) <= 1, list(hosts)
        return next(iter(hosts.values()), {})

    def _answers(self) -> bool:
        try:
            return "<GANGLIA_XML" in self.xml()
        except OSError:
            return False


class Gmetad:
    """Polls one gmond each second."""

    def __init__(self, folder: Path, gmond: Gmond, program: str) -> None:
        self._rrds = folder / "rrds"
        self._rrds.mkdir()
        settings = folder / "gmetad.conf"
        ports = {"xml_port": free_port(), "interactive_port": free_port()}
        settings.write_text(_GMETAD.format(port=gmond.port, folder=folder, **ports))
        self._process = subprocess.Popen(
            [program, "-d", "1", "-c", str(settings)],  # -d: stays in the foreground
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def rrd(self, metric: str) -> Path | None:
        """The file of a metric of the one host; None = there is none yet."""
        found = [path for path in self._rrds.glob(f"test/*/{metric}.rrd") if path.parent.name != "__SummaryInfo__"]
        return found[0] if found else None

    def info(self, metric: str) -> dict[str, str]:
        """What RRDtool says of the file of a metric."""
        path = self.rrd(metric)
        if path is None:
            return {}
        told = subprocess.run(["rrdtool", "info", str(path)], capture_output=True, text=True, check=True).stdout
        return {key: text.strip('"') for key, _equals, text in (line.partition(" = ") for line in told.splitlines())}

    def averages(self, metric: str) -> list[float]:
        """What is known of the last minute, a value a second."""
        path = self.rrd(metric)
        if path is None:
            return []
        command = ["rrdtool", "fetch", str(path), "AVERAGE", "-s", "-60"]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        values = [float(line.partition(": ")[2]) for line in told.splitlines()[2:]]
        return [value for value in values if value == value]  # without those that are not a number

    def stop(self) -> None:
        self._process.kill()
        self._process.wait(timeout=20)


def _metrics(host: ElementTree.Element) -> dict[str, Shown]:
    return {
        metric.get("NAME", ""): Shown(
            value=metric.get("VAL", ""),
            type=metric.get("TYPE", ""),
            units=metric.get("UNITS", ""),
            slope=metric.get("SLOPE", ""),
            tmax=int(metric.get("TMAX", "0")),
            dmax=int(metric.get("DMAX", "0")),
            extra={each.get("NAME", ""): each.get("VAL", "") for each in metric.iter("EXTRA_ELEMENT")},
        )
        for metric in host.iter("METRIC")
    }


def _program(name: str, package: str) -> str:
    found = shutil.which(name) or shutil.which(f"/usr/sbin/{name}")
    if found is None:
        missing_server(package)
        raise AssertionError  # not reached: the line above skips or fails
    return found


@pytest.fixture
def ganglia_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="snqd-ganglia-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def gmond(ganglia_folder: Path) -> Iterator[Gmond]:
    server = Gmond(ganglia_folder, _program("gmond", "ganglia-monitor"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def gmetad(ganglia_folder: Path, gmond: Gmond) -> Iterator[Gmetad]:
    _program("rrdtool", "rrdtool")
    server = Gmetad(ganglia_folder, gmond, _program("gmetad", "gmetad"))
    try:
        yield server
    finally:
        server.stop()
