"""How fast the SNMP agent answers, beside net-snmp's snmpd with a table of the same size in memory.

snmpd serves it from a small C module (`peers/snmpd_table.c`), which needs gcc and the Debian packages snmpd, snmp and
libsnmp-dev. Managers are gufo_snmp (one request in flight) and `snmpbulkwalk -Cr50`, timed as a process.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import psutil
from gufo.snmp import Aes128Key, Sha1Key, SnmpVersion, User
from gufo.snmp.sync import SnmpSession

from bench.fold import Receiver, Sender
from bench.lab.session import Session
from snqd.exporters.snmp import settings as told
from snqd.telemetry.facts import DaemonFact, DepthFact, FlowFact, QueueFact, StoreFact
from snqd.telemetry.wire import Header, encode_fact, fill, pack

if TYPE_CHECKING:
    from collections.abc import Iterator

PURPOSE = "SNMP: our agent beside net-snmp's snmpd, the same table of 10,000 cells in each"
ROWS, COLUMNS = 312, 32
COMMUNITY, NAME, AUTH, PRIVACY = "bench", "bench", "authentic phrase", "private phrase"
OURS, THEIRS = "1.3.6.1.4.1.8072.9999.9999.7777.1.3", "1.3.6.1.4.1.8072.9999.9999.7000"
FOLDED = 10_000
"""Datagrams that another process takes each second, as a busy hub or monitor does."""
MANAGERS = 10
HANDLED = 15
BESIDE = f"snqd v2c, {FOLDED:,} datagrams/s folded beside it"
CELLS = 10_000
POLLING = f"{MANAGERS} managers, a walk of ten queues a second each"
FIGURES = [
    ("GETs/s", "rate"), ("p50 µs", "p50_us"), ("p99 µs", "p99_us"), ("CPU µs per GET", "cpu_us"),
    ("walk of 10,000 cells, ms", "walk_ms"), ("CPU ms of it", "walk_cpu_ms"), ("cells", "cells"),
]  # fmt: skip


class Agent(Protocol):
    """One that runs. `oids` are those of a column that every GET asks for in turn."""

    port: int
    process: psutil.Process
    root: str
    oids: list[str]


def main() -> None:
    with Session("snmp", PURPOSE) as session:
        gets = 500 if session.quick else 5000
        library = built(session.folder)
        for _ in session.rounds():
            for version in ("v2c", "v3"):
                for name, make in (("snmpd", lambda: snmpd(session.folder, library)), ("snqd", snqd)):
                    if session.wants(f"{name} {version}"):
                        with make() as agent:
                            session.wait_for_quiet()
                            session.add(f"{name} {version}", **polled(agent, version, gets))
            if session.wants("folding"):
                with snqd() as agent, folding():
                    session.wait_for_quiet()
                    session.add(BESIDE, **polled(agent, "v2c", gets))
            if session.wants("managers"):
                with snqd(rows=10) as agent:
                    session.wait_for_quiet()
                    session.add(POLLING, **managers(agent))
        report(session)


def report(session: Session) -> None:
    session.title(note="GETs by one manager, one in flight; walks by snmpbulkwalk -Cr50, which is most of their time.")
    session.table(FIGURES, key="rate")
    session.table([("CPU of a core, %", "percent")], key="percent")
    for version, least in (("v2c", 1.0), ("v3", 0.7)):
        session.target(f"GETs by {version}", session.ratio(f"snqd {version}", f"snmpd {version}", "rate"), "≥", least)
        session.target(
            f"CPU of {version}", session.ratio(f"snqd {version}", f"snmpd {version}", "cpu_us"), "≤", 1 / least
        )
        session.target(
            f"walk by {version}", session.ratio(f"snqd {version}", f"snmpd {version}", "walk_ms"), "≤", 1 / least
        )
    session.target("p99 beside a busy fold", session.median(BESIDE, "p99_us"), "≤", 2000, " µs")
    session.target("ten managers", session.median(POLLING, "percent"), "≤", 2.0, " % of a core")


# ---- what is measured


def polled(agent: Agent, version: str, gets: int) -> dict[str, float]:
    times = []
    with session_of(agent, version) as manager:
        for oid in agent.oids[:50]:
            manager.get(oid)
        cpu = cpu_seconds(agent)
        for number in range(gets):
            begun = time.perf_counter_ns()
            manager.get(agent.oids[number % len(agent.oids)])
            times.append(time.perf_counter_ns() - begun)
        cpu = cpu_seconds(agent) - cpu
    times.sort()
    walks, before = [], cpu_seconds(agent)
    for _ in range(7):
        begun = time.perf_counter()
        cells = walk(agent, version)
        walks.append((time.perf_counter() - begun) * 1000)
    share = CELLS / cells  # the two tables are not of quite the same size
    return {
        "rate": gets / sum(times) * 1e9,
        "p50_us": times[len(times) // 2] / 1000,
        "p99_us": times[len(times) * 99 // 100] / 1000,
        "cpu_us": cpu / gets * 1e6,
        "walk_ms": statistics.median(walks) * share,
        "walk_cpu_ms": (cpu_seconds(agent) - before) / len(walks) * 1000 * share,
        "cells": cells,
    }


def managers(agent: Agent) -> dict[str, float]:
    """What their polling costs the machine on the agent's side, in per cent of one core."""
    seconds, before = 5, cpu_seconds(agent)
    for second in range(seconds):
        begun = time.monotonic()
        for _ in range(MANAGERS):
            walk(agent, "v2c")
        assert time.monotonic() - begun < 1.0, "ten managers take longer than their second"
        time.sleep(max(0.0, begun + 1.0 - time.monotonic()) if second < seconds - 1 else 0.0)
    return {"percent": (cpu_seconds(agent) - before) / seconds * 100}


@contextlib.contextmanager
def session_of(agent: Agent, version: str) -> Iterator[SnmpSession]:
    chosen: dict[str, Any] = {"version": SnmpVersion.v2c, "community": COMMUNITY}
    if version == "v3":
        user = User(NAME, auth_key=Sha1Key(AUTH.encode()), priv_key=Aes128Key(PRIVACY.encode()))
        chosen = {"version": SnmpVersion.v3, "user": user}
    with SnmpSession("127.0.0.1", port=agent.port, **chosen) as manager:
        if version == "v3":
            manager.refresh()
        yield manager


def walk(agent: Agent, version: str) -> int:
    """How many cells came."""
    flags = ["-v2c", "-c", COMMUNITY]
    if version == "v3":
        flags = ["-v3", "-l", "authPriv", "-u", NAME, "-a", "SHA", "-A", AUTH, "-x", "AES", "-X", PRIVACY]
    done = subprocess.run(
        ["snmpbulkwalk", *flags, "-m", "", "-On", "-Cr50", f"127.0.0.1:{agent.port}", f".{agent.root}"],
        capture_output=True,
        check=True,
    )
    return done.stdout.count(b"\n")


def cpu_seconds(agent: Agent) -> float:
    times = agent.process.cpu_times()
    return float(times.user + times.system)


@contextlib.contextmanager
def folding() -> Iterator[None]:
    """A process that sends, and a thread of a process of its own that takes and folds, until the end."""
    folder = subprocess.Popen(
        [sys.executable, "-c", "from bench.snmp import fold_for_ever; fold_for_ever()"], stderr=subprocess.DEVNULL
    )
    try:
        time.sleep(2.0)  # it starts
        yield
    finally:
        folder.terminate()
        folder.wait()


def fold_for_ever() -> None:
    with Receiver() as receiver, Sender(receiver.port, "flow", None, FOLDED):
        receiver.run(None, 3600.0)


# ---- the agents


class _Running:
    def __init__(self, port: int, pid: int, root: str, oids: list[str]) -> None:
        self.port, self.process, self.root, self.oids = port, psutil.Process(pid), root, oids


@contextlib.contextmanager
def snqd(rows: int = ROWS) -> Iterator[Agent]:
    """Our agent's process, fed once a second with figures that have all changed."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    identity = Path(tempfile.gettempdir()) / f"snqd-bench-{os.getpid()}.snmp"
    hello = told.AgentSettings(
        daemon="main", description="bench", name="bench", contact="", location="", identity_file=str(identity),
        community=COMMUNITY, users=(told.User(NAME, "SHA-1", AUTH, "AES-128", PRIVACY),),
    )  # fmt: skip
    ours.send(told.encode(hello))
    process = subprocess.Popen(
        [sys.executable, "-m", "snqd.exporters.snmp", str(theirs.fileno()), str(listener.fileno())],
        pass_fds=(theirs.fileno(), listener.fileno()),
    )
    theirs.close()
    listener.close()
    is_over = threading.Event()
    feeder = threading.Thread(target=feed, args=(ours, rows, is_over))
    try:
        ours.recv(2048)  # it has started
        feeder.start()
        agent = _Running(port, process.pid, OURS, [f"{OURS}.1.{HANDLED}.{index(number)}" for number in range(rows)])
        while walk(agent, "v2c") < rows:
            time.sleep(0.05)
        yield agent
    finally:
        is_over.set()
        ours.close()
        process.wait()
        identity.unlink(missing_ok=True)


def feed(ours: socket.socket, rows: int, is_over: threading.Event) -> None:
    sequence, turn, now = 0, 0, time.time()
    while not is_over.is_set():
        turn += 1
        for group in fill(map(encode_fact, facts(rows, turn, now))):
            sequence += 1
            with contextlib.suppress(OSError):
                ours.send(pack(Header("main", "bench", 1, 1, sequence, now + turn), group, None))
                time.sleep(0.002)
        is_over.wait(1.0)


def facts(rows: int, turn: int, now: float) -> Iterator[Any]:
    yield DaemonFact("0", 1, now, "", "", 1, 2, now, 1.0, 1 << 25, 1.0, 0, 0, 0, 0, rows, rows, rows)
    yield StoreFact("sqlite", True, "", now, 0.001, -1, -1, -1, 0.0, 0, 0.0, "")
    for number in range(rows):
        name, done = f"queue{number:05}", 2**32 + turn * 1000 + number
        yield QueueFact(name, 2, True, "", 10.0 + turn, 10.0, 1.0, False)
        yield DepthFact(name, "default", turn + number, 0, 1, 0.5, 0, False, now, done)
        times = (50, done, 55, turn)
        yield FlowFact(name, "default", done, done, 3, 2, 0, 1, 0, 0, 0, 0, times, done * 0.01, times, done * 0.1)


def index(number: int) -> str:
    name = f"queue{number:05}".encode()
    return ".".join(map(str, (len(name), *name)))


@contextlib.contextmanager
def snmpd(folder: Path, library: Path) -> Iterator[Agent]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    configuration = folder / "snmpd.conf"
    configuration.write_text(
        f"dlmod snmpd_table {library}\nrocommunity {COMMUNITY} 127.0.0.1\nrouser {NAME} priv\n"
        f'createUser {NAME} SHA "{AUTH}" AES "{PRIVACY}"\n'
    )
    program = shutil.which("snmpd") or "/usr/sbin/snmpd"
    process = subprocess.Popen(
        [program, "-f", "-Lf", "/dev/null", "-C", "-c", str(configuration), "-I", "-smux", f"udp:127.0.0.1:{port}"],
        env=os.environ | {"SNMP_PERSISTENT_DIR": str(folder), "MIBS": "", "SNMPD_TABLE_ROWS": str(ROWS)},
        stderr=subprocess.DEVNULL,
    )
    agent = _Running(
        port, process.pid, THEIRS, [f"{THEIRS}.1.{2 + number % 2}.{index(number)}" for number in range(ROWS)]
    )
    try:
        for _ in range(100):
            with contextlib.suppress(subprocess.CalledProcessError):
                if walk(agent, "v2c") >= ROWS:
                    break
            time.sleep(0.1)
        yield agent
    finally:
        process.terminate()
        process.wait()


def built(folder: Path) -> Path:
    source, library = Path(__file__).parent / "peers" / "snmpd_table.c", folder / "snmpd_table.so"
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", library, source], check=True, stderr=subprocess.DEVNULL)
    return library


if __name__ == "__main__":
    main()
