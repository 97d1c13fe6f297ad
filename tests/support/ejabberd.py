"""A real ejabberd of the test's own: loopback, free ports, its own database, no cluster (so no epmd).

Accounts are a program's word: everybody exists, with one password. That spares a second for each account.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.postgres import free_port, missing_server
from tests.support.processes import wait_until
from tests.support.prosody import COMPONENT, HOST, OTHER_HOST, PASSWORD, SECRET, is_port_open, make_certificates

if TYPE_CHECKING:
    from collections.abc import Iterator

LIBRARIES = Path("/usr/lib") / f"{os.uname().machine}-linux-gnu"
SECONDS = 60.0

_CONFIG = """
hosts: ["{host}", "{other}"]
loglevel: info
log_rotate_count: 0
certfiles: ["{folder}/all.pem"]
auth_method: [external]
extauth_program: "{folder}/accounts"
listen:
  - port: {port}
    ip: "127.0.0.1"
    module: ejabberd_c2s
    starttls_required: true
  - port: {component_port}
    ip: "127.0.0.1"
    module: ejabberd_service
    hosts: {{"{component}": {{password: "{secret}"}}}}
modules:
  mod_offline: {{}}
  mod_ping: {{}}
  mod_roster: {{}}
  mod_stream_mgmt: {{}}
"""
_ACCOUNTS = """#!{python}
import struct, sys
while head := sys.stdin.buffer.read(2):
    words = sys.stdin.buffer.read(*struct.unpack(">H", head)).decode().split(":")
    is_right = words[0] == "isuser" or (words[0] == "auth" and words[-1] == "{password}")
    sys.stdout.buffer.write(struct.pack(">HH", 2, is_right))
    sys.stdout.buffer.flush()
"""


class Ejabberd:
    """Started when made; `end` stops it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.component_port = free_port(), free_port()
        self.ca_file = folder / "ca.crt"
        make_certificates(folder, (HOST, OTHER_HOST))
        pem = (folder / "server.crt").read_bytes() + (folder / "server.key").read_bytes()
        (folder / "all.pem").write_bytes(pem)
        (folder / "accounts").write_text(_ACCOUNTS.format(python=sys.executable, password=PASSWORD))
        (folder / "accounts").chmod(0o755)
        (folder / "ejabberd.yml").write_text(
            _CONFIG.format(
                folder=folder,
                port=self.port,
                component_port=self.component_port,
                host=HOST,
                other=OTHER_HOST,
                component=COMPONENT,
                secret=SECRET,
            )
        )
        with (folder / "output").open("wb") as output:
            self._process = subprocess.Popen(
                [program(), "-noinput", "-noshell", "-mnesia", "dir", f'"{folder}/db"', "-s", "ejabberd"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=folder,
                env={
                    **os.environ,
                    "HOME": str(folder),
                    "ERL_LIBS": str(LIBRARIES),
                    "ERL_CRASH_DUMP_BYTES": "0",
                    "EJABBERD_CONFIG_PATH": str(folder / "ejabberd.yml"),
                    "EJABBERD_LOG_PATH": str(folder / "ejabberd.log"),
                },
                start_new_session=True,
            )
        wait_until(self._is_open, "ejabberd answers", seconds=SECONDS)

    def _is_open(self) -> bool:
        assert self._process.poll() is None, f"ejabberd has ended: {(self.folder / 'output').read_text()[-2000:]}"
        return all(is_port_open(port) for port in (self.port, self.component_port))

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


def program() -> str:
    found = shutil.which("erl")
    if found is None or not list(LIBRARIES.glob("ejabberd-*")):
        missing_server("ejabberd")
        raise AssertionError  # not reached: the line above skips or fails
    return found


@contextlib.contextmanager
def running_ejabberd() -> Iterator[Ejabberd]:
    program()
    folder = Path(tempfile.mkdtemp(prefix="snqd-ejabberd-"))
    server = Ejabberd(folder)
    try:
        yield server
    finally:
        server.end()
        shutil.rmtree(folder, ignore_errors=True)
