"""Asking the hub of the daemon on this host.

A health check comes every few seconds and does little else, so this module imports neither click nor what only a
failure needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from snqd.errors import SnqdError
from snqd.supervisor.runtime import likely_folders, socket_path
from snqd.telemetry.asking import ask_hub

if TYPE_CHECKING:
    from snqd.config.schema import Config

SECONDS = 2.0
"""Longest time that a command waits for an answer that takes the hub no work."""


class HubAbsent(SnqdError):
    """There is nobody to ask. `is_running`: the daemon itself is there."""

    def __init__(self, message: str, *, is_running: bool) -> None:
        super().__init__(message)
        self.is_running = is_running


def ask(config: Config, request: dict[str, Any], *, seconds: float = SECONDS) -> dict[str, Any]:
    """The hub's answer. Raises `HubAbsent`, or the `SnqdError` that it answered with."""
    problem = ""
    for folder in likely_folders(config.daemon):
        path = socket_path(config.daemon, folder)
        try:
            return ask_hub(path, request, seconds=seconds)
        except FileNotFoundError:
            continue
        except PermissionError:
            problem = problem or f"{path} belongs to another user: ask as that user or as root"
        except TimeoutError:
            problem = f"{path}: the hub has not answered within {seconds:g} s"
        except OSError as error:
            problem = problem or f"{path}: {error.strerror or error}"
    raise _absent(config, problem)


def _absent(config: Config, problem: str) -> HubAbsent:
    from snqd.cli.daemon_view import read_daemon

    daemon = read_daemon(config)
    if daemon.pid is None:
        return HubAbsent(daemon.absence, is_running=False)
    if not config.telemetry.enabled:
        problem = "telemetry.enabled is false: set it and restart the daemon"
    said = problem or "it has just started, or its hub is being replaced: ask again"
    return HubAbsent(f"daemon {config.daemon.name!r} runs, but its hub cannot be asked: {said}", is_running=True)
