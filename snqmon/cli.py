"""The command `snqmon`. Its screens are not built yet; until they are, it points to what shows the same facts."""

from __future__ import annotations

import sys


def main() -> int:
    """Say where to look instead; the exit code."""
    sys.stderr.write("snqmon: the monitor is not part of this release yet: use 'snqd status --watch'\n")
    return 1
