"""Who gives a command, for the record."""

from __future__ import annotations

import os
import pwd
import socket


def author() -> str:
    """Who is at the keyboard, also behind sudo, and where."""
    name = os.environ.get("SUDO_USER", "")
    if not name:
        try:
            name = pwd.getpwuid(os.getuid()).pw_name
        except KeyError:  # a container whose users have no names
            name = f"user {os.getuid()}"
    return f"{name}@{socket.gethostname()}"
