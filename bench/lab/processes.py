"""Looking at trees of processes: processor time, resident memory; and stopping what we started."""

from __future__ import annotations

import contextlib
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable


def tree(root: psutil.Process) -> list[psutil.Process]:
    """The process and its living descendants; empty if it is gone."""
    try:
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def cpu_seconds(roots: Iterable[psutil.Process]) -> float:
    """Processor seconds of the trees, dead and reaped children included. Resolution: a clock tick, 10 ms."""
    total = 0.0
    for root in roots:
        for process in tree(root):
            with contextlib.suppress(psutil.NoSuchProcess):
                took = process.cpu_times()
                total += took.user + took.system + took.children_user + took.children_system
    return total


def fine_cpu_seconds(roots: Iterable[psutil.Process]) -> float:
    """Processor seconds of the living trees' threads, from the scheduler's nanoseconds: for nearly idle processes."""
    total = 0
    for root in roots:
        for process in tree(root):
            for path in Path(f"/proc/{process.pid}/task").glob("*/schedstat"):
                with contextlib.suppress(OSError):
                    total += int(path.read_text().split()[0])
    return total / 1e9


class Memory(NamedTuple):
    """MiB: resident, its peak, and private to the process (given back if it alone ended)."""

    resident: float
    peak: float
    private: float


def memory(process: psutil.Process) -> Memory:
    """Memory of one process."""
    peak = 0.0
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            peak = int(line.split()[1]) / 1024
    full = process.memory_full_info()
    return Memory(full.rss / 2**20, peak, full.uss / 2**20)


def peak_memory(roots: Iterable[psutil.Process]) -> float:
    """The largest peak of resident memory, in MiB, of any one process of the trees."""
    peaks = [0.0]
    for root in roots:
        for process in tree(root):
            with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
                peaks.append(memory(process).peak)
    return max(peaks)


def stop(roots: list[psutil.Popen], grace_seconds: float = 6.0) -> None:
    """Ask the programs to stop by TERM; after the grace, kill what is left of their trees."""
    everyone = [process for root in roots for process in tree(root)]
    for root in roots:
        if root.poll() is None:
            root.send_signal(signal.SIGTERM)
    until = time.monotonic() + grace_seconds
    for root in roots:
        with contextlib.suppress(psutil.TimeoutExpired):
            root.wait(max(0.1, until - time.monotonic()))
    for process in everyone:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    for root in roots:
        root.wait()


def free_port() -> int:
    """A UDP port of 127.0.0.1 that nobody has now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
