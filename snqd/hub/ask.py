"""Asking the hub: the other end of the control socket."""

from __future__ import annotations

import contextlib
import json  # not msgspec, which takes longer to import than all else that a health check does here
import os
import socket
from typing import TYPE_CHECKING, Any

from snqd.errors import SnqdError

if TYPE_CHECKING:
    from collections.abc import Iterator
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


def ask_hub(path: Path, request: dict[str, Any], *, seconds: float) -> dict[str, Any]:
    """One question, one answer. Raises `SnqdError` when the hub refuses it, `OSError` when none answers in time."""
    with short_path(path) as name, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(seconds)
        connection.connect(name)
        connection.sendall(json.dumps(request).encode() + b"\n")
        parts = []
        while part := connection.recv(_PART):
            parts.append(part)
            if part.endswith(b"\n"):
                break
    answer = json.loads(b"".join(parts) or b"null")
    if not isinstance(answer, dict):
        raise ConnectionResetError(f"{path}: the hub left before it answered")
    if not answer.pop("ok", False):
        raise SnqdError(str(answer.get("error", "the hub gave no reason")))
    return answer
