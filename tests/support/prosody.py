"""A real Prosody of the test's own: loopback, free ports, its own data folder, a certificate made here.

Two virtual hosts and a component. Accounts are written as Prosody writes them, since its own command takes a third of
a second for each. It can be killed and started again on the same ports, with what it had on disk.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.postgres import free_port, missing_server
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST, OTHER_HOST, COMPONENT = "a.example", "b.example", "updates.example"
PASSWORD, SECRET = "pencil", "component-secret"
SECONDS = 20.0

_CONFIG = """
daemonize = false
run_as_root = true
pidfile = "{folder}/pid"
data_path = "{folder}/data"
log = {{ {{ levels = {{ min = "info" }}, to = "file", filename = "{folder}/log" }} }}
interfaces = {{ "127.0.0.1" }}
local_interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {port} }}
c2s_direct_tls_ports = {{ }}
component_ports = {{ {component_port} }}
component_interfaces = {{ "127.0.0.1" }}
modules_enabled = {{ "roster", "saslauth", "tls", "disco", "ping", "smacks", "offline"{more} }}
modules_disabled = {{ "s2s" }}
authentication = "internal_plain"
storage = "internal"
certificates = "{folder}"
ssl = {{ certificate = "{folder}/server.crt"; key = "{folder}/server.key" }}
c2s_require_encryption = {encrypted}
allow_unencrypted_plain_auth = true
{extra}
VirtualHost "{host}"
VirtualHost "{other}"
Component "{component}"
    component_secret = "{secret}"
"""


class Prosody:
    """One server. `start` it; `kill` is SIGKILL, after which `start` works again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.component_port = free_port(), free_port()
        self.ca_file = folder / "ca.crt"
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "data").mkdir()
        make_certificates(folder, (HOST, OTHER_HOST))
        self.configure()

    def configure(self, *, modules: tuple[str, ...] = (), extra: str = "", encrypted: bool = True) -> None:
        """Write the file anew; for the next `start`."""
        (self.folder / "prosody.cfg.lua").write_text(
            _CONFIG.format(
                folder=self.folder,
                port=self.port,
                component_port=self.component_port,
                more="".join(f', "{name}"' for name in modules),
                extra=extra,
                encrypted=str(encrypted).lower(),
                host=HOST,
                other=OTHER_HOST,
                component=COMPONENT,
                secret=SECRET,
            )
        )

    def add_account(self, jid: str, password: str = PASSWORD) -> str:
        """An account; its JID."""
        name, _at, host = jid.partition("@")
        accounts = self.folder / "data" / host.replace(".", "%2e") / "accounts"
        accounts.mkdir(parents=True, exist_ok=True)
        (accounts / f"{name}.dat").write_text(f'return {{ ["password"] = "{password}"; }};\n')
        return jid

    def start(self) -> None:
        """Start it, and wait until both of its ports are open."""
        with (self.folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [program(), "--config", str(self.folder / "prosody.cfg.lua"), "-F"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.folder,
                start_new_session=True,
            )
        wait_until(self._is_open, f"prosody answers; it said: {self.said()[-2000:]}", seconds=SECONDS)

    def _is_open(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"prosody has ended: {self.said()}"
        return all(is_port_open(port) for port in (self.port, self.component_port))

    def said(self) -> str:
        """Its output and its log."""
        files = (self.folder / name for name in ("output", "log"))
        return "".join(file.read_text(errors="replace") for file in files if file.exists())

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            self._process.wait(SECONDS)
        self._process = None

    def kill(self) -> None:
        self.end(signal.SIGKILL)

    def freeze(self) -> None:
        """It answers no more, and its sockets stay open: what a lost network looks like."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)


def program() -> str:
    found = shutil.which("prosody")
    if found is None:
        missing_server("prosody")
        raise AssertionError  # not reached: the line above skips or fails
    return found


def is_port_open(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0):
        return True
    return False


def make_certificates(folder: Path, names: tuple[str, ...]) -> None:
    """`ca.crt`, and `server.crt` for `names` with its `server.key`."""
    for name, data in _certificates(names).items():
        (folder / name).write_bytes(data)
        (folder / name).chmod(0o600)


@cache
def _certificates(names: tuple[str, ...]) -> dict[str, bytes]:
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a CA of snqd's tests")])
    authority = _signed(issuer, issuer, ca_key.public_key(), ca_key, x509.BasicConstraints(ca=True, path_length=None))
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    server = _signed(subject, issuer, key.public_key(), ca_key, alternatives)
    pem = serialization.Encoding.PEM
    return {
        "ca.crt": authority.public_bytes(pem),
        "server.crt": server.public_bytes(pem),
        "server.key": key.private_bytes(
            pem, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        ),
    }


def _signed(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    by: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        .sign(by, hashes.SHA256())
    )


@contextlib.contextmanager
def running_prosody(*, start: bool = True) -> Iterator[Prosody]:
    program()
    folder = Path(tempfile.mkdtemp(prefix="snqd-prosody-"))
    server = Prosody(folder)
    try:
        if start:
            server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def prosody() -> Iterator[Prosody]:
    """A server for one test, not started yet."""
    with running_prosody(start=False) as server:
        yield server
