"""`python -m snqd.exporters.snmp FEED LISTENER`: the agent's process, started by the hub with two descriptors."""

from __future__ import annotations

import socket
import sys

from snqd.exporters.snmp.process import run

if __name__ == "__main__":
    sys.exit(run(socket.socket(fileno=int(sys.argv[1])), socket.socket(fileno=int(sys.argv[2]))))
