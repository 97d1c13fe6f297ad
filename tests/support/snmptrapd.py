"""net-snmp's receiver of notifications, on a port of loopback, with SNQD-MIB loaded so that names are resolved."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

from tests.support.postgres import missing_server
from tests.support.processes import wait_until
from tests.support.relays import free_ports
from tests.support.snmp import mibs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from snqd.exporters.snmp.settings import User

NAMES = "snmpTrapOID"


class Snmptrapd:
    """`received` has every notification, its objects by their names without module and instance."""

    def __init__(self, port: int, folder: Path, *, prefix: str) -> None:
        self.port = port
        self.address = f"127.0.0.1:{port}"
        self.log = folder / f"{prefix}.log"

    def received(self, name: str | None = None) -> list[dict[str, str]]:
        """Those of one kind, or all."""
        found = []
        for line in self.log.read_text(errors="replace").splitlines():
            if NAMES not in line:
                continue
            pairs = (each.partition(" = ") for each in line.split("\t"))
            objects = {re.split(r"[.]", key.rpartition("::")[2])[0]: value.strip('"') for key, _, value in pairs}
            objects[NAMES] = objects[NAMES].rpartition("::")[2]
            found.append(objects)
        return [each for each in found if name in (None, each[NAMES])]

    def wait(self, name: str, count: int = 1) -> list[dict[str, str]]:
        wait_until(lambda: len(self.received(name)) >= count, f"{count} of {name} came", seconds=30.0)
        return self.received(name)


def trap_user(user: User, engine_id: bytes | None = None) -> str:
    """Lines of snmptrapd.conf for a user. `engine_id`: the sender's, for traps; without, for informs."""
    engine = f"-e 0x{engine_id.hex()} " if engine_id is not None else ""
    auth = user.auth.replace("SHA-1", "SHA")
    words = f'createUser {engine}{user.name} {auth} "{user.auth_passphrase}"'
    if user.privacy == "none":
        return f"{words}\nauthUser log {user.name} auth\n"
    cipher = user.privacy.replace("AES-128", "AES")
    return f'{words} {cipher} "{user.privacy_passphrase}"\nauthUser log {user.name} priv\n'


@contextlib.contextmanager
def running_snmptrapd(
    configuration: str, folder: Path, *, port: int | None = None, prefix: str = "snmptrapd"
) -> Iterator[Snmptrapd]:
    """With these lines of snmptrapd.conf. A second one with the same `prefix` is the same engine, begun again."""
    program = shutil.which("snmptrapd") or shutil.which("/usr/sbin/snmptrapd")
    if program is None:
        missing_server("snmptrapd")
        raise AssertionError  # not reached: the line above skips or fails
    texts = mibs()
    trapd = Snmptrapd(port or free_ports(1)[0], folder, prefix=prefix)
    settings = folder / f"{prefix}.conf"
    settings.write_text(configuration)
    process = subprocess.Popen(
        [
            program, "-f", "-n", "-A", "-Lf", trapd.log, "-C", "-c", settings, "-M", texts, "-m", "SNQD-MIB:SNMPv2-MIB",
            "-OQU", "-F", r"%v\n", f"udp:{trapd.address}",
        ],
        env=os.environ | {"SNMP_PERSISTENT_DIR": str(folder / f"{prefix}-kept"), "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    try:
        wait_until(lambda: trapd.log.exists() and "NET-SNMP version" in trapd.log.read_text(), "snmptrapd is up")
        yield trapd
    finally:
        process.terminate()
        process.wait()
