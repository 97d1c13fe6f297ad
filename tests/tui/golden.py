"""Whole screens as text: `python -m tests.tui.golden` writes them anew, `test_golden.py` compares.

The scene is that of `--demo` at one virtual second, so that a picture changes only when the program does.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Final, NamedTuple

from tests.support.screens import opened, scene

FOLDER: Final = Path(__file__).with_name("golden")
SIZES: Final = ((80, 24), (120, 40), (200, 60))


class Stop(NamedTuple):
    """A screen, the keys that lead there from a list, and those that leave it as if nobody had been there."""

    name: str
    there: str
    back: str = ""


TOUR: Final = (
    Stop("overview", ""),
    Stop("neighbours", "n", "escape"),
    Stop("queues", "2"),
    Stop("help", "2 question_mark", "escape"),
    Stop("filter", "2 slash h o o", "escape"),
    Stop("queue", "2 enter", "escape"),
    Stop("queue_15_minutes", "2 enter v v", "v escape"),
    Stop("why", "2 w", "escape"),
    Stop("workers", "3"),
    Stop("worker", "3 enter", "escape"),
    Stop("sites", "4"),
    Stop("site", "4 enter", "escape"),
    Stop("events", "5"),
    Stop("event", "5 enter", "escape"),
    Stop("alarms", "6"),
    Stop("alarm", "6 enter", "escape"),
)
SECOND: Final = 20.0


def path_of(name: str, size: tuple[int, int]) -> Path:
    return FOLDER / f"{name}_{size[0]}x{size[1]}.txt"


async def pictures(size: tuple[int, int]) -> dict[Path, str]:
    """Of every stop, in one go: to start the monitor takes longer than to press a key."""
    found = {}
    async with opened(scene(SECOND), size=size) as screen:
        for stop in TOUR:
            await screen.press(*stop.there.split())
            await screen.tick()
            found[path_of(stop.name, size)] = screen.text + "\n"
            await screen.press(*stop.back.split())
    return found


def main() -> None:
    os.environ["TZ"] = "UTC"
    time.tzset()
    FOLDER.mkdir(exist_ok=True)
    wanted = {path: text for size in SIZES for path, text in asyncio.run(pictures(size)).items()}
    for path in set(FOLDER.glob("*.txt")) - wanted.keys():
        path.unlink()
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
