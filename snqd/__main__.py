"""`python -m snqd`: the same as the command `snqd`."""

from __future__ import annotations

import sys

from snqd.cli import main

if __name__ == "__main__":
    sys.exit(main())
