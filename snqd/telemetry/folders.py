"""Where the daemons of a host keep sockets, boards and pidfiles when no setting names a folder."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SYSTEM_FOLDER = Path("/run/snqd")
"""Where the unit file of snqd has its runtime folder. Only the daemon itself is told so in its environment."""


def session_folder(environ: Mapping[str, str]) -> Path | None:
    """In the runtime folder of the user's session, if there is a session."""
    session = environ.get("XDG_RUNTIME_DIR")
    return Path(session) / "snqd" if session else None


def private_folder(uid: int, environ: Mapping[str, str]) -> Path:
    """Of a user without a session: in the shared folder for temporary files, where anybody may make that name first.

    Not `tempfile.gettempdir`: where that is depends on what can be written just then, and here two must meet.
    """
    return Path(environ.get("TMPDIR") or "/tmp").absolute() / f"snqd-{uid}"  # noqa: S108  (made and checked as ours)


def is_private(found: os.stat_result, uid: int) -> bool:
    """Whether it is a folder of that user which nobody else can write. Give what `lstat` says: a link is none."""
    return stat.S_ISDIR(found.st_mode) and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and found.st_uid == uid


def usual_folders(environ: Mapping[str, str]) -> list[Path]:
    """Where daemons that this user may ask are likely to be: the session's, the user's and the system's folder.

    A folder in the shared one that somebody else has made is left out, since its sockets could be anybody's.
    """
    session, private = session_folder(environ), private_folder(os.geteuid(), environ)
    folders = [session] if session else []
    with contextlib.suppress(OSError):  # there is none
        if is_private(private.lstat(), os.geteuid()):
            folders.append(private)
    return list(dict.fromkeys([*folders, SYSTEM_FOLDER]))
