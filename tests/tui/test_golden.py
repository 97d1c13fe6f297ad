"""Whole screens at three sizes, compared with what somebody has looked at. See `golden.py`."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest

from snqmon.picture import picture as picture_of_the_readme
from tests.tui.golden import cases, path_of, picture


@pytest.mark.parametrize(("name", "size"), list(cases()), ids=lambda part: part if isinstance(part, str) else part[0])
async def test_the_screen_is_as_it_was_looked_at(name: str, size: tuple[int, int]) -> None:
    path = path_of(name, size)
    before = path.read_text(encoding="utf-8") if path.exists() else ""

    now = await picture(name, size)

    difference = difflib.unified_diff(before.splitlines(), now.splitlines(), path.name, "now", lineterm="", n=1)
    assert now == before, "\n".join(difference) + "\nif that is as it should be: python -m tests.tui.golden"


async def test_the_readmes_picture_is_that_of_the_program() -> None:
    shown = Path(__file__).parents[2] / "docs" / "monitor.svg"

    assert await picture_of_the_readme() == shown.read_text(encoding="utf-8"), "run: make picture"
