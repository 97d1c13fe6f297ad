"""`Cell`: what stands in one place of a table, and how good that is."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Grade(IntEnum):
    """Three meanings and no more: good, look, act. `DIM` = not known, not current, or of no interest."""

    DIM = -1
    GOOD = 0
    LOOK = 1
    ACT = 2


SIGNS = {Grade.LOOK: "△", Grade.ACT: "▲"}
"""Stands before the text: a meaning is never told by colour alone."""
PLAIN_SIGNS = {Grade.LOOK: "!", Grade.ACT: "!!"}
"""The same for terminals that have no more than ASCII."""


class Cell(NamedTuple):
    """Right-aligned cells are figures of a fixed form, so that columns do not dance."""

    text: str
    grade: Grade = Grade.GOOD

    @property
    def signed(self) -> str:
        """The text with the sign of its grade in front."""
        return SIGNS.get(self.grade, "") + self.text
