"""snqmon: the terminal monitor of snqd."""

from __future__ import annotations

__version__ = "0.1.0"
