"""A real Icinga 2 for tests: own configuration, own folder, nothing that listens."""

from __future__ import annotations

import contextlib
import grp
import json
import os
import pwd
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING, Any

from tests.support.nagios import checked_services
from tests.support.postgres import missing_server

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.support.nagios import Service

_OBJECTS = """
include "{folder}/objects.conf"
object CheckCommand "none" {{ command = [ "true" ] }}
object Host "queue-host" {{
  check_command = "none"
  address = "127.0.0.1"
  vars = {variables}
}}
object CheckerComponent "checker" {{}}
object StatusDataWriter "status" {{
  status_path = "{folder}/status.dat"
  objects_path = "{folder}/objects.cache"
  update_interval = 1
}}
"""


class Icinga:
    """`objects` is the text of a file of it, `host` the variables of its one host. It runs as who runs the tests."""

    def __init__(self, folder: Path, objects: str, host: Mapping[str, Any]) -> None:
        found = shutil.which("icinga2") or shutil.which("/usr/sbin/icinga2")
        if found is None:
            missing_server("icinga2-bin")
            raise AssertionError  # not reached: the line above skips or fails
        self._folder = folder
        places = {}
        for name in ("DataDir", "CacheDir", "LogDir", "InitRunDir", "SpoolDir"):
            places[name] = folder / name
            places[name].mkdir(parents=True)
        (folder / "objects.conf").write_text(objects)
        variables = "{ " + ", ".join(f"{name} = {_literal(value)}" for name, value in host.items()) + " }"
        (folder / "icinga2.conf").write_text(_OBJECTS.format(folder=folder, variables=variables))
        settings = {**places, "RunAsUser": pwd.getpwuid(os.geteuid()).pw_name, "RunAsGroup": _group()}
        defined = [f"-D{name}={value}" for name, value in settings.items()]
        self._command = [found, "daemon", "-c", str(folder / "icinga2.conf"), *defined]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def services(self) -> dict[str, Service]:
        """Those that have been checked."""
        return checked_services(self._folder / "status.dat")

    def log(self) -> str:
        return (self._folder / "log").read_text()

    def stop(self) -> int:
        """Its exit code."""
        assert self._process is not None
        self._process.terminate()
        try:
            return self._process.wait(timeout=30)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)  # it has processes of its own


def _group() -> str:
    return grp.getgrgid(os.getegid()).gr_name


def _literal(value: Any) -> str:
    """As Icinga writes it: like JSON, but for the keys of dictionaries."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_literal(each)}" for name, each in value.items()) + " }"
    return json.dumps(value)
