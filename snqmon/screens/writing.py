"""Writes what is on the screen to a file whose name somebody gives; in a browser, the file goes to the browser."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import TYPE_CHECKING

from snqmon.screens.prompt import Prompt

if TYPE_CHECKING:
    from collections.abc import Callable

    from snqmon.app import Monitor


def ask_and_write(monitor: Monitor, what: str, kind: str, suffix: str, contents: Callable[[str], str]) -> None:
    """`contents` is told the name of the file. A file that is there already is left alone."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(monitor.feed.wall()))
    name = f"snqmon-{kind}-{stamp}{suffix}"
    if monitor.is_web:  # whoever has the page has no business among the files of this host
        monitor.deliver_text(io.StringIO(contents(name)), save_filename=name)
        return

    def write(given: str | None) -> None:
        if given:
            _write(monitor, Path(given).expanduser(), contents)

    monitor.push_screen(Prompt(f"Write {what} to the file", name, "Enter writes it, Escape does not"), write)


def _write(monitor: Monitor, path: Path, contents: Callable[[str], str]) -> None:
    try:
        with path.open("x", encoding="utf-8", newline="") as file:
            file.write(contents(path.name))
    except FileExistsError:
        monitor.notify(f"{path} is there already: give another name", severity="error", timeout=8, markup=False)
    except OSError as error:
        problem = error.strerror or error
        monitor.notify(f"{path} cannot be written: {problem}", severity="error", timeout=8, markup=False)
    else:
        monitor.notify(f"Written: {path}", timeout=6, markup=False)
