"""Where a daemon keeps its pidfile and its board, and how another command finds them."""

from __future__ import annotations

import contextlib
import os
import pwd
from pathlib import Path
from typing import TYPE_CHECKING

from snqd.errors import ConfigError
from snqd.telemetry.folders import SYSTEM_FOLDER, is_private, private_folder, session_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snqd.config.schema import DaemonConfig


def runtime_folder(config: DaemonConfig, environ: Mapping[str, str] = os.environ) -> Path:
    """The folder, made if it is missing. Raises `ConfigError` when it cannot be, or when it belongs to somebody else.

    `daemon.runtime_dir`, else what systemd made for the unit, else the user's runtime folder, else a private one.
    """
    folder = find_runtime_folder(config, environ)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()  # in a shared folder, a link may lead anywhere
    except OSError as error:
        raise ConfigError(f"daemon.runtime_dir {folder}: {error.strerror}: name a folder that can be made") from error
    if config.runtime_dir is None and not is_private(found, os.geteuid()):
        raise ConfigError(
            f"{folder} belongs to user {found.st_uid} or can be written by others: "
            "remove it, or set daemon.runtime_dir to a folder of your own"
        )
    return folder


def find_runtime_folder(config: DaemonConfig, environ: Mapping[str, str] = os.environ) -> Path:
    """Where the folder is, or would be."""
    if config.runtime_dir is not None:
        return Path(config.runtime_dir).absolute()
    if systemd := environ.get("RUNTIME_DIRECTORY"):
        return Path(systemd.split(":")[0])
    return session_folder(environ) or private_folder(os.geteuid(), environ)


def pidfile_path(config: DaemonConfig, folder: Path) -> Path:
    return Path(config.pidfile).absolute() if config.pidfile is not None else folder / f"{config.name}.pid"


def board_path(config: DaemonConfig, folder: Path) -> Path:
    return folder / f"{config.name}.board"


def socket_path(config: DaemonConfig, folder: Path) -> Path:
    """Of the hub's control socket."""
    return folder / f"{config.name}.sock"


def sites_path(config: DaemonConfig, folder: Path) -> Path:
    """Of the image of the declared sites."""
    return folder / f"{config.name}.sites"


def baseline_path(config: DaemonConfig, folder: Path) -> Path:
    """Of what waited in the store when the daemon booted."""
    return folder / f"{config.name}.baseline"


def likely_folders(config: DaemonConfig) -> list[Path]:
    """Where a running daemon's folder may be: this user's, the daemon's user's, and the system's."""
    folders = [find_runtime_folder(config)]
    if config.runtime_dir is None:
        if config.user is not None:
            with contextlib.suppress(KeyError):
                folders.append(private_folder(pwd.getpwnam(config.user).pw_uid, os.environ))
        folders.append(SYSTEM_FOLDER)
    return list(dict.fromkeys(folders))
