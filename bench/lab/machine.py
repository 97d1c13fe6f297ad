"""What machine this is and how fast it is at the moment: printed with every figure, since small machines drift."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
import time
from datetime import datetime
from importlib import metadata
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""


def calibrate() -> float:
    """Milliseconds for a fixed loop of Python, the best of five: how fast this machine is right now."""
    best = 9.0
    for _ in range(5):
        begun, total = time.perf_counter(), 0
        for number in range(200_000):
            total += number
        best = min(best, time.perf_counter() - begun)
    return round(best * 1000, 2)


def sync_milliseconds(folder: Path, repetitions: int = 200) -> float:
    """Median milliseconds of one `fdatasync` after a write of 8 kB in `folder`: the price of a durable commit."""
    path = folder / "sync-probe"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    took = []
    try:
        for number in range(repetitions):
            os.pwrite(descriptor, b"x" * 8192, number % 64 * 8192)
            begun = time.perf_counter()
            os.fdatasync(descriptor)
            took.append(time.perf_counter() - begun)
    finally:
        os.close(descriptor)
        path.unlink()
    return round(sorted(took)[repetitions // 2] * 1000, 3)


def file_system(folder: Path) -> str:
    """The type of file system that holds `folder`; on `tmpfs` nothing is durable and no figure counts."""
    holders = [part for part in psutil.disk_partitions(all=True) if folder.resolve().is_relative_to(part.mountpoint)]
    return max(holders, key=lambda part: len(part.mountpoint)).fstype if holders else "unknown"


def _commit() -> str:
    """The checkout's commit, `+` when files differ from it."""
    try:
        head = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, check=True)
        dirty = subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "no git"
    return head.stdout.decode().strip() + ("+" if dirty.stdout.strip() else "")


def facts(folder: Path, postgres: str | None = None) -> dict[str, str]:
    """Machine, date and versions, as words for the first line of every table."""
    found = {
        "date": datetime.now().astimezone().isoformat(timespec="minutes"),
        "machine": f"{os.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB, {platform.machine()}",
        "kernel": platform.release(),
        "disk": f"{file_system(folder)}, fdatasync {sync_milliseconds(folder)} ms",
        "calib": f"{calibrate()} ms",
        "python": platform.python_version(),
        "snqd": f"{metadata.version('snqd')} ({_commit()})",
        "sqlite": sqlite3.sqlite_version,
    }
    if postgres is not None:
        found["postgres"] = postgres
        found["psycopg"] = metadata.version("psycopg")
    return found
