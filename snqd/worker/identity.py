"""Who a worker is in the store: `host/worker/pid.start/scope`.

The name answers an operator's question (which process, on which host, holds this item?) and a program's: is that
process dead? `start` is the process's start time in clock ticks, so a reused pid does not look alive. `scope` is a
hash of the machine's boot and the pid namespace: only a claimant of our own scope can be judged. Two containers that
share a host name have different scopes, and what happened before a reboot is left to the lease.
"""

from __future__ import annotations

import hashlib
import os
import socket
from functools import cache
from pathlib import Path
from typing import NamedTuple

from snqd.telemetry.board import start_ticks


class Claimant(NamedTuple):
    host: str
    worker: str
    pid: int
    start: int
    scope: str

    def __str__(self) -> str:
        return f"{self.host}/{self.worker}/{self.pid}.{self.start}/{self.scope}"


def claimant_of_this_process(worker: str) -> str:
    pid = os.getpid()
    host = socket.gethostname().replace("/", "-")[:40]
    return str(Claimant(host, worker.replace("/", "-"), pid, start_ticks(pid) or 0, _scope()))


def parse(text: str) -> Claimant | None:
    """The parts of a claimant, or None if it is not one of ours."""
    parts = text.split("/")
    if len(parts) != 4:
        return None
    pid, _dot, start = parts[2].partition(".")
    if not (pid.isdigit() and start.isdigit()):
        return None
    return Claimant(parts[0], parts[1], int(pid), int(start), parts[3])


def is_dead(text: str) -> bool:
    """True only when the claimant is of our scope and its process is surely gone."""
    claimant = parse(text)
    if claimant is None or claimant.scope != _scope():
        return False
    return start_ticks(claimant.pid) != claimant.start


@cache
def _scope() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    namespace = Path("/proc/self/ns/pid").readlink()
    return hashlib.sha256(f"{boot} {namespace}".encode()).hexdigest()[:8]
