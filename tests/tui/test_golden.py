"""Whole screens at three sizes, compared with what somebody has looked at. See `golden.py`."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest

from snqmon.picture import picture as picture_of_the_readme
from tests.tui.golden import FOLDER, SIZES, TOUR, path_of, pictures


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_screens_are_as_they_were_looked_at(size: tuple[int, int]) -> None:
    differences = [line for path, text in (await pictures(size)).items() for line in _difference(path, text)]

    assert not differences, "\n".join(differences) + "\nif that is as it should be: make golden"


def _difference(path: Path, now: str) -> list[str]:
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    return list(difflib.unified_diff(before.splitlines(), now.splitlines(), path.name, "now", lineterm="", n=1))


def test_every_picture_that_was_looked_at_is_compared() -> None:
    assert set(FOLDER.iterdir()) == {path_of(stop.name, size) for stop in TOUR for size in SIZES}


async def test_the_readmes_picture_is_that_of_the_program() -> None:
    shown = Path(__file__).parents[2] / "docs" / "monitor.svg"

    assert await picture_of_the_readme() == shown.read_text(encoding="utf-8"), "run: make picture"
