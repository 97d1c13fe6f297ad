"""Whole screens as text: `python -m tests.tui.golden` writes them anew, `test_golden.py` compares.

The scene is that of `--demo` at one virtual second, so that a picture changes only when the program does.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.support.screens import opened, scene

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER: Final = Path(__file__).with_name("golden")
SIZES: Final = ((80, 24), (120, 40), (200, 60))
SCREENS: Final = {
    "overview": (),
    "queues": ("2",),
    "workers": ("3",),
    "sites": ("4",),
    "events": ("5",),
    "alarms": ("6",),
    "help": ("2", "question_mark"),
    "filter": ("2", "slash", "h", "o", "o"),
    "queue": ("2", "enter"),
    "queue_15_minutes": ("2", "enter", "v", "v"),
    "worker": ("3", "enter"),
    "site": ("4", "enter"),
    "event": ("5", "enter"),
    "alarm": ("6", "enter"),
    "neighbours": ("n",),
    "why": ("2", "w"),
}
"""A name, and the keys that lead there."""
SECOND: Final = 20.0


def cases() -> Iterator[tuple[str, tuple[int, int]]]:
    for name in SCREENS:
        for size in SIZES:
            yield name, size


def path_of(name: str, size: tuple[int, int]) -> Path:
    return FOLDER / f"{name}_{size[0]}x{size[1]}.txt"


async def picture(name: str, size: tuple[int, int]) -> str:
    async with opened(scene(SECOND), size=size) as screen:
        await screen.press(*SCREENS[name])
        await screen.tick()
        return screen.text + "\n"


def main() -> None:
    os.environ["TZ"] = "UTC"
    time.tzset()
    FOLDER.mkdir(exist_ok=True)
    wanted = {path_of(name, size): asyncio.run(picture(name, size)) for name, size in cases()}
    for path in set(FOLDER.glob("*.txt")) - wanted.keys():
        path.unlink()
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
