"""A real Nagios core for tests: own configuration, own folder, nothing that listens."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.support.postgres import missing_server

_SETTINGS = """
log_file={folder}/nagios.log
cfg_file={folder}/objects.cfg
cfg_dir={folder}/objects
object_cache_file={folder}/objects.cache
precached_object_file={folder}/objects.precache
status_file={folder}/status.dat
temp_file={folder}/nagios.tmp
temp_path={folder}
lock_file={folder}/nagios.lock
command_file={folder}/nagios.cmd
query_socket={folder}/nagios.qh
check_result_path={folder}/results
state_retention_file={folder}/retention.dat
nagios_user={user}
nagios_group={group}
interval_length=1
service_inter_check_delay_method=n
host_inter_check_delay_method=n
max_service_check_spread=1
max_host_check_spread=1
status_update_interval=1
check_for_updates=0
use_syslog=0
execute_host_checks=0
illegal_macro_output_chars=`~$&|'"<>
"""
HOST = """
define host {
    host_name               queue-host
    address                 127.0.0.1
    max_check_attempts      1
    check_interval          0
    check_period            snqd-always
    notification_period     snqd-always
    notifications_enabled   0
    contacts                snqd-operators
}
"""


def check_snmp() -> str:
    """The plugin that comes with Nagios' plugins."""
    path = Path("/usr/lib/nagios/plugins/check_snmp")
    if not path.exists():
        missing_server("monitoring-plugins-standard")
    return str(path)


class Service(NamedTuple):
    """A service as Nagios sees it."""

    state: int
    output: str
    performance_data: str


def checked_services(path: Path) -> dict[str, Service]:
    """What a file of states says of those that have been checked."""
    text = path.read_text() if path.exists() else ""
    found = {}
    for part in text.split("servicestatus {")[1:]:
        lines = (line.strip().partition("=") for line in part.partition("\n\t}")[0].splitlines())
        fields = {key: value for key, _equals, value in lines}
        if fields["has_been_checked"] == "1":
            found[fields["service_description"]] = Service(
                int(fields["current_state"]), fields["plugin_output"], fields["performance_data"]
            )
    return found


class Nagios:
    """`objects` are files of it by name. It runs as whoever runs the tests."""

    def __init__(self, folder: Path, objects: dict[str, str]) -> None:
        found = shutil.which("nagios4") or shutil.which("/usr/sbin/nagios4")
        if found is None:
            missing_server("nagios4-core")
            raise AssertionError  # not reached: the line above skips or fails
        self._program, self._folder = found, folder
        for name in ("objects", "results"):
            (folder / name).mkdir(parents=True)
        user = pwd.getpwuid(os.geteuid())
        group = user.pw_gid
        self._settings = folder / "nagios.cfg"
        self._settings.write_text(_SETTINGS.format(folder=folder, user=user.pw_name, group=group))
        (folder / "objects.cfg").write_text(HOST)
        for name, text in objects.items():
            (folder / "objects" / name).write_text(text)
        self._process: subprocess.Popen[bytes] | None = None

    def verify(self) -> subprocess.CompletedProcess[str]:
        """What it says of its configuration."""
        command = [self._program, "-v", str(self._settings)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)

    def start(self) -> None:
        self._process = subprocess.Popen(
            [self._program, str(self._settings)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def services(self) -> dict[str, Service]:
        """Those that have been checked."""
        return checked_services(self._folder / "status.dat")

    def log(self) -> str:
        path = self._folder / "nagios.log"
        return path.read_text() if path.exists() else ""

    def stop(self) -> int:
        """Its exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(timeout=20)
