"""What the worker board says of the daemon on this host, as values. Reading it costs the daemon nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from snqd.errors import SnqdError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from snqd.config.schema import Config
    from snqd.telemetry.board import SlotView

_NS = 1e-9


class RunningView(NamedTuple):
    """An item that runs now."""

    item: int
    queue: str
    site: str
    age_seconds: float


class WorkerView(NamedTuple):
    """One slot of the board. Counters are those of the present process, since its start."""

    worker: str
    pid: int
    state: str
    """The slot's state; of a running worker its phase: idle, claiming, handling, draining …"""
    uptime_seconds: float
    running: tuple[RunningView, ...]
    claimed: int
    handled: int
    failed: int
    retried: int
    dead_lettered: int
    discarded: int
    released: int
    rss_bytes: int
    respawns: int
    reason: str
    """Why the last worker of this slot ended, when the slot has no living one."""


class DaemonView(NamedTuple):
    """The daemon on this host. Without one, `absence` says why, or why that cannot be known."""

    name: str
    pid: int | None
    workers: tuple[WorkerView, ...] = ()
    absence: str = ""
    set_aside: Mapping[str, str] = {}
    """Sites that are set aside, and why."""


def read_daemon(config: Config) -> DaemonView:
    """Look at the board of the daemon that `config` names, on this host."""
    name = config.daemon.name
    blocked = ""
    last_pid = 0
    for path in _boards(config):
        try:
            found = _read(path)
        except FileNotFoundError:
            continue
        except PermissionError:
            blocked = f"cannot see whether a daemon runs: {path} belongs to another user; ask as that user or as root"
        except (OSError, ValueError, SnqdError) as error:
            blocked = f"cannot see whether a daemon runs: {path}: {error}"
        else:
            if found.workers is not None:
                return DaemonView(name, found.pid, found.workers, set_aside=_set_aside(config, path.parent))
            last_pid = found.pid
    if blocked:
        return DaemonView(name, None, absence=blocked)
    if last_pid:
        return DaemonView(name, None, absence=f"no daemon {name!r} runs on this host (process {last_pid} has ended)")
    looked = ", ".join(str(path) for path in _boards(config))
    return DaemonView(name, None, absence=f"no daemon {name!r} runs on this host (there is no {looked})")


class _Found(NamedTuple):
    pid: int
    workers: tuple[WorkerView, ...] | None
    """None when the supervisor is gone."""


def _set_aside(config: Config, folder: Path) -> dict[str, str]:
    from snqd.config.site_image import SiteImage
    from snqd.supervisor.runtime import sites_path

    try:
        return SiteImage(sites_path(config.daemon, folder)).problems()
    except (OSError, SnqdError):  # it ends just now; what it is doing is more important
        return {}


def _boards(config: Config) -> list[Path]:
    from snqd.supervisor.runtime import board_path, likely_folders

    return [board_path(config.daemon, folder) for folder in likely_folders(config.daemon)]


def _read(path: Path) -> _Found:
    from snqd.telemetry.board import Board

    board = Board.open(path)
    try:
        if not board.is_live:
            return _Found(board.supervisor_pid, None)
        return _Found(board.supervisor_pid, tuple(_worker(board.daemon, view) for view in board.used()))
    finally:
        board.close()


def _worker(daemon: str, view: SlotView) -> WorkerView:
    from snqd.telemetry.board import Phase, SlotState, Word

    now_ns = time.monotonic_ns()
    state = SlotState(view.get(Word.STATE))
    is_alive = state in (SlotState.STARTING, SlotState.RUNNING, SlotState.STOPPING)
    phase = Phase(view.get(Word.PHASE))
    is_working = state is SlotState.RUNNING
    return WorkerView(
        worker=f"{daemon}.{view.number}",
        pid=view.get(Word.PID) if is_alive else 0,
        state=(phase if is_working else state).name.lower(),
        uptime_seconds=(now_ns - view.get(Word.SPAWNED_NS)) * _NS if is_alive else 0.0,
        running=tuple(
            RunningView(entry.item, entry.queue, entry.site, (now_ns - entry.started_ns) * _NS)
            for entry in (view.running() if is_alive else ())
        ),
        claimed=view.get(Word.CLAIMED),
        handled=view.get(Word.HANDLED),
        failed=view.get(Word.FAILED),
        retried=view.get(Word.RETRIED),
        dead_lettered=view.get(Word.DEAD_LETTERED),
        discarded=view.get(Word.DISCARDED),
        released=view.get(Word.RELEASED),
        rss_bytes=view.get(Word.RSS_BYTES) if is_alive else 0,
        respawns=view.get(Word.RESPAWNS),
        reason="" if is_alive else view.exit_reason,
    )
