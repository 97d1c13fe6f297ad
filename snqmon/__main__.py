"""`python -m snqmon`."""

from __future__ import annotations

import sys

from snqmon.cli import main

sys.exit(main())
