"""The demonstration's XMPP: a private Prosody on loopback, with an account for one shop and one for a reader."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from snqd.demo.daemon import end_with_parent
from snqd.demo.shops import XMPP_JID, XMPP_READER
from snqd.errors import SnqdError

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Self

_PROGRAM = "prosody"
_LOOPBACK = "127.0.0.1"
_START_SECONDS = 10.0
_END_SECONDS = 5.0

# In clear and without a certificate: nothing leaves this host, and the password is made for this run. Root may run it,
# since it has nothing but the demonstration's folder. `offline` keeps what the reader gets, who is never there.
_CONFIG = """
daemonize = false
run_as_root = true
pidfile = "{folder}/pid"
data_path = "{folder}/data"
log = {{ warn = "*stderr" }}
interfaces = {{ "{loopback}" }}
local_interfaces = {{ "{loopback}" }}
c2s_ports = {{ {port} }}
c2s_direct_tls_ports = {{ }}
modules_enabled = {{ "roster", "saslauth", "ping", "smacks", "offline" }}
modules_disabled = {{ "s2s", "tls" }}
authentication = "internal_plain"
storage = "internal"
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
VirtualHost "{host}"
"""


def what_is_missing() -> str:
    """What to install before XMPP can be shown; empty if nothing."""
    missing = []
    if shutil.which(_PROGRAM) is None:
        missing.append("Prosody (apt-get install prosody)")
    if find_spec("slixmpp") is None:
        missing.append("slixmpp (pip install 'snqd[xmpp]')")
    return " and ".join(missing)


class Prosody:
    """A context: the server answers inside it, and its folder is gone after it. Raises `SnqdError` if it does not."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="snqd-demo-xmpp-"))
        self._port = _free_port()
        self._password = secrets.token_hex()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """`[site.NAME.xmpp]` of the site that has the account."""
        return {
            "enabled": True,
            "jid": XMPP_JID,
            "password": self._password,
            "host": _LOOPBACK,
            "port": self._port,
            "encryption": False,
            "receive": False,  # nobody writes to it
        }

    def __enter__(self) -> Self:
        try:
            self._write()
            self._start()
            self._await_start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _write(self) -> None:
        host = XMPP_JID.partition("@")[2]
        text = _CONFIG.format(folder=self._folder, loopback=_LOOPBACK, port=self._port, host=host)
        (self._folder / "prosody.cfg.lua").write_text(text)
        accounts = self._folder / "data" / host.replace(".", "%2e") / "accounts"  # as Prosody names and writes them
        accounts.mkdir(parents=True)
        for jid in (XMPP_JID, XMPP_READER):
            (accounts / f"{jid.partition('@')[0]}.dat").write_text(
                f'return {{ ["password"] = "{self._password}"; }};\n'
            )

    def _start(self) -> None:
        with (self._folder / "output").open("wb") as output:
            self._process = subprocess.Popen(
                [_PROGRAM, "--config", str(self._folder / "prosody.cfg.lua"), "-F"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self._folder,
                process_group=0,  # Ctrl-C is the demonstration's
                preexec_fn=end_with_parent,  # safe: no thread has been started yet
            )

    def _await_start(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + _START_SECONDS
        while not self._is_open():
            code = self._process.poll()
            if code is not None:
                raise SnqdError(f"Prosody has ended with code {code}: {self._last_words()}")
            if time.monotonic() > deadline:
                raise SnqdError(f"Prosody did not answer within {_START_SECONDS:g} s: {self._last_words()}")
            time.sleep(0.05)

    def _is_open(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((_LOOPBACK, self._port), timeout=1.0):
            return True
        return False

    def _last_words(self) -> str:
        lines = (self._folder / "output").read_text(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "no reason given")

    def _end(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((_LOOPBACK, 0))
        port: int = found.getsockname()[1]
        return port
