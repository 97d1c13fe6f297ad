"""A program that is fed: what it does with its feed, its hello says. `python -m tests.support.fed_program FEED`."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from pathlib import Path

from snqd.telemetry.wire import LIMIT, Refused, unpack


def main() -> int:
    feed = socket.socket(fileno=int(sys.argv[1]))
    what, _, place = feed.recv(4096).decode().partition(" ")
    feed.send(b" ")
    if what == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "fails":
        feed.send(b"the disk is full")
        return 1
    if what == "hangs":
        time.sleep(1000)
    if what == "complains":
        feed.send(b"nobody listens")
    with Path(place).open("a") as file:
        while data := feed.recv(LIMIT + 1):
            datagram = unpack(data, None)
            assert not isinstance(datagram, Refused)
            file.write(f"{os.getpid()} {datagram.header.sequence} {len(datagram.facts)}\n")
            file.flush()
            feed.send(b" ")
    return 0


if __name__ == "__main__":
    sys.exit(main())
