"""Asking the hub: the other end of the control socket, and how it is found."""

from __future__ import annotations

import contextlib
import json  # not msgspec, which takes longer to import than all else that a health check does here
import os
import socket
import time
from typing import TYPE_CHECKING, Any

from snqd.errors import SnqdError
from snqd.telemetry.folders import usual_folders

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_PART = 65536


@contextlib.contextmanager
def short_path(path: Path) -> Iterator[str]:
    """A name of `path` that fits the 107 bytes of a socket's address, whatever folder it is in."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def local_sockets(environ: Mapping[str, str] = os.environ) -> list[Path]:
    """The control sockets of daemons on this host that can be found without any configuration, by name in each folder.

    A socket may be left over from a daemon that was killed: only asking it tells.
    """
    return [path for folder in usual_folders(environ) for path in _sockets(folder)]


def _sockets(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == ".sock" and path.is_socket())
    except OSError:
        return []  # there is no such folder, or it is not for us to look into


def ask_hub(path: Path, request: dict[str, Any], *, seconds: float) -> dict[str, Any]:
    """One question, one answer. Raises `SnqdError` when the hub refuses it, `OSError` when none answers in time."""
    deadline = time.monotonic() + seconds
    with short_path(path) as name, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(seconds)
        connection.connect(name)
        connection.sendall(json.dumps(request).encode() + b"\n")
        parts = []
        while part := connection.recv(_PART):
            parts.append(part)
            if part.endswith(b"\n"):
                break
            if (left := deadline - time.monotonic()) <= 0:
                raise TimeoutError("timed out")
            connection.settimeout(left)
    try:
        answer = json.loads(b"".join(parts) or b"null")
    except ValueError as error:  # it was cut off, or is no hub
        raise ConnectionResetError(f"{path}: no answer of a hub: {error}") from error
    if not isinstance(answer, dict):
        raise ConnectionResetError(f"{path}: the hub left before it answered")
    if not answer.pop("ok", False):
        raise SnqdError(str(answer.get("error", "the hub gave no reason")))
    return answer
