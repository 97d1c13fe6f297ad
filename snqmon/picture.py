"""`python -m snqmon.picture`: the README's picture, the scene of `--demo` at one moment. The same bytes each time."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
from typing import Final

from snqmon.app import Monitor
from snqmon.feeds.scene import SceneFeed
from snqmon.options import Options
from snqmon.settings import Settings

SIZE: Final = (120, 40)
EPOCH: Final = 1_790_000_000.0
SECOND: Final = 20.0
"""A backlog grows, its alarm is raised, and a worker died a short while ago."""
_WEB_FONTS: Final = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


async def picture() -> str:
    """SVG."""
    feed = SceneFeed(1, epoch=EPOCH)
    app = Monitor(Options(open_feed=lambda: feed, settings=Settings()), is_driven=False)
    async with app.run_test(size=SIZE) as pilot:
        feed.go_to(SECOND)
        app.tick()
        await pilot.pause()
        drawn = app.export_screenshot(title="snqmon", simplify=True)
    # Nothing is to be fetched from elsewhere when a page shows it: whatever fixed-width font there is will do.
    return _WEB_FONTS.sub("", drawn).replace("Fira Code, monospace", "ui-monospace, monospace")


def main() -> None:
    """To standard output."""
    os.environ["TZ"] = "UTC"
    time.tzset()
    sys.stdout.write(asyncio.run(picture()))


if __name__ == "__main__":
    main()
