"""Everybody whom a daemon tells, in one process: a subscriber, and a statsd server that only counts.

`python -m bench.lab.listener HOST:PORT FRAMES_PER_SECOND STATSD_PORT` runs until TERM, then prints what it got as JSON.
"""

from __future__ import annotations

import contextlib
import json
import select
import signal
import socket
import sys

from snqd.telemetry.feed import Feed
from snqd.telemetry.fleet import Fleet


def main() -> None:
    hub, rate, statsd_port = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)) as statsd:
        statsd.bind(("127.0.0.1", statsd_port))
        fleet = Fleet()
        taken = 0
        with Feed([hub], fleet=fleet, frames_per_second=rate) as feed:
            try:
                while True:
                    select.select([feed, statsd], [], [], feed.turn())
                    taken += drain(statsd)
            finally:
                handled = sum(view.totals().handled for view in fleet.daemons.values())
                print(json.dumps({"datagrams": fleet.received, "statsd": taken, "handled": handled}), flush=True)


def drain(listener: socket.socket) -> int:
    """Throw away what has come; how many datagrams it was."""
    count = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            listener.recv(2048)
            count += 1
    return count


if __name__ == "__main__":
    main()
