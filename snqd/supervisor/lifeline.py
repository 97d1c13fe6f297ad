"""The lifeline: a pipe that tells every child that the supervisor is gone, even when it was killed by SIGKILL.

Nobody writes into it. The supervisor alone keeps the write end, so that the kernel closes it with the
supervisor, and whoever watches the read end sees end of file. (`PR_SET_PDEATHSIG` would kill the worker in the
middle of an item, and is lost when privileges change.)
"""

from __future__ import annotations

import os


class Lifeline:
    """Made before the first fork; `hold` in each child."""

    def __init__(self) -> None:
        self.read_fd, self._write_fd = os.pipe()  # both close-on-exec: a handler's subprocess keeps no end open

    def hold(self) -> int:
        """In a child: give up the write end, and return the descriptor to watch."""
        os.close(self._write_fd)
        return self.read_fd

    def close(self) -> None:
        """In the supervisor, at its end."""
        os.close(self.read_fd)
        os.close(self._write_fd)
