"""A real agent on a loop of its own, on a port of loopback, and the real tools of net-snmp to ask it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from snqd.exporters.snmp.agent import Agent
from snqd.exporters.snmp.identity import Identity
from snqd.exporters.snmp.settings import AgentSettings, User
from tests.support.postgres import missing_server
from tests.support.views import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from snqd.telemetry.daemon_view import DaemonView
    from snqd.telemetry.facts import AnyFact

PROJECT = Path(__file__).resolve().parents[2]
MIBS = PROJECT / "build" / "mibs"
ENGINE_ID = bytes.fromhex("80001f88050102030405060708090a0b0c")
COMMUNITY = "s3cret-community"
AUTH, PRIVACY = "authentic phrase", "private phrase"
USER = User("monitor", "SHA-256", AUTH, "AES-128", PRIVACY)
SNQD = "1.3.6.1.4.1.8072.9999.9999.7777"
SECONDS = 20.0


def settings(**changes: Any) -> AgentSettings:
    given: dict[str, Any] = {
        "daemon": "main", "description": "snqd test", "name": "web1", "contact": "ops", "location": "here",
        "identity_file": "", "boot": 5, "community": COMMUNITY, "users": (USER,),
        "site_rows": 100, "queue_site_rows": 100,
    }  # fmt: skip
    return AgentSettings(**given | changes)


def listener(host: str = "127.0.0.1") -> socket.socket:
    opened = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    opened.setblocking(False)
    opened.bind((host, 0))
    return opened


class RunningAgent:
    """An agent in a thread. `call` runs something in its loop."""

    def __init__(self, chosen: AgentSettings, host: str) -> None:
        self._socket = listener(host)
        self.port = int(self._socket.getsockname()[1])
        self.address = f"127.0.0.1:{self.port}"
        self.stage = Stage()
        self.stage.now = time.monotonic()  # the agent reckons ages by this clock
        self.settings = chosen
        self.said: list[str] = []
        """Problems that the hub is told of."""
        self._ready = threading.Event()
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()
        assert self._ready.wait(SECONDS)

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self.agent = Agent(self.settings, Identity(ENGINE_ID, 3), self._socket, say=self.said.append)
        self.agent.start()
        self._ready.set()
        await self._stop.wait()
        self.agent.stop()
        self._socket.close()

    def call(self, function: Callable[[], Any]) -> Any:
        async def run() -> Any:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(SECONDS)

    def show(self, *facts: AnyFact, is_complete: bool = True) -> DaemonView:
        """What the daemon says from now on."""
        view = self.stage.show(*facts, is_complete=is_complete)
        datagram = self.stage.told
        assert datagram is not None
        self.call(lambda: self.agent.hear(datagram, view))
        return view

    def close(self) -> None:
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(SECONDS)


@contextlib.contextmanager
def running_agent(host: str = "127.0.0.1", **changes: Any) -> Iterator[RunningAgent]:
    agent = RunningAgent(settings(**changes), host)
    try:
        yield agent
    finally:
        agent.close()


def section(port: int, **more: Any) -> dict[str, Any]:
    """`[snmp]` of a daemon that answers the community and the user."""
    users = {USER.name: {"auth_passphrase": AUTH, "privacy_passphrase": PRIVACY}}
    return {"listen": f"127.0.0.1:{port}", "community": COMMUNITY, "user": users, **more}


def agents() -> dict[int, int]:
    """Agents by the hub's process that started them."""
    found = {}
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdecimal() and b"snqd.exporters.snmp" in (folder / "cmdline").read_bytes().split(b"\0"):
                stat = (folder / "stat").read_text()
                found[int(stat[stat.rindex(")") + 2 :].split()[1])] = int(folder.name)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


# ---- net-snmp

V1 = ("-v1", "-c", COMMUNITY)
V2C = ("-v2c", "-c", COMMUNITY)


def v3(user: User = USER, *, level: str = "", auth: str = "", privacy: str = "") -> tuple[str, ...]:
    """The flags of a user, or wrong ones."""
    words = ["-v3", "-u", user.name, "-a", user.auth.replace("SHA-1", "SHA"), "-A", auth or user.auth_passphrase]
    if user.privacy == "none":
        return (*words, "-l", level or "authNoPriv")
    cipher = user.privacy.replace("AES-128", "AES")
    return (*words, "-x", cipher, "-X", privacy or user.privacy_passphrase, "-l", level or "authPriv")


def tool(name: str, *words: object, code: int | None = 0, patience: str = "5") -> str:
    """What a program of net-snmp says, in numbers, without texts of MIBs."""
    found = shutil.which(name) or shutil.which(f"/usr/sbin/{name}")
    if found is None:
        missing_server("snmp, snmpd and smitools")
        raise AssertionError  # not reached: the line above skips or fails
    done = subprocess.run(
        [found, "-m", "", "-On", "-t", patience, "-r", "0", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"MIBS": "", "LC_ALL": "C.UTF-8"},
        check=False,
    )
    assert code is None or done.returncode == code, done
    return done.stdout + done.stderr


def mibs() -> Path:
    """The folder with SNQD-MIB and what it imports."""
    if not (MIBS / "SNMPv2-SMI").exists():
        subprocess.run([PROJECT / "scripts" / "mibs", MIBS], check=True, capture_output=True)
    if not (MIBS / "SNMPv2-SMI").exists():
        missing_server("npm and libsnmp-base")
    shutil.copy(PROJECT / "mibs" / "SNQD-MIB.txt", MIBS / "SNQD-MIB")
    return MIBS


@pytest.fixture
def agent() -> Iterator[RunningAgent]:
    """With a community, a user, and nothing known of a daemon yet."""
    with running_agent() as running:
        yield running


@contextlib.contextmanager
def running_snmpd(configuration: str, folder: Path) -> Iterator[int]:
    """net-snmp's agent with this configuration; its port."""
    program = shutil.which("snmpd") or shutil.which("/usr/sbin/snmpd")
    if program is None:
        missing_server("snmpd")
        raise AssertionError  # not reached: the line above skips or fails
    with listener() as probe:
        port = int(probe.getsockname()[1])
    (folder / "snmpd.conf").write_text(configuration)
    process = subprocess.Popen(
        [
            program,
            "-f",
            "-Lf",
            folder / "log",
            "-C",
            "-c",
            folder / "snmpd.conf",
            f"udp:127.0.0.1:{port}",
        ],
        env=os.environ | {"SNMP_PERSISTENT_DIR": str(folder / "kept"), "MIBS": ""},
    )
    try:
        up_time = (*("-v2c", "-c", "host"), f"127.0.0.1:{port}", ".1.3.6.1.2.1.1.3.0")
        deadline = time.monotonic() + SECONDS
        while "Timeticks" not in tool("snmpget", *up_time, code=None, patience="0.2"):
            assert time.monotonic() < deadline, (folder / "log").read_text()
        yield port
    finally:
        process.terminate()
        process.wait()
