"""`GlanceBar`: the answers of the first screen, one to a line, with the course of the last minute beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from snqmon.model import formats
from snqmon.model.cells import PLAIN_SIGNS, SIGNS, Grade
from snqmon.model.sparkline import BLOCKS, PLAIN, sparkline
from snqmon.widgets.painting import OF_GRADE, Lines, Piece, cells, fit, width_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snqmon.model.glance import Answer, Glance

WIDE: Final = 110
"""From this width on the courses stand beside the answers; below it, in a line of their own."""
_HEADROOM: Final = 8 / 7
"""Above the highest value: lines that stand upon each other must not touch."""
LABELS: Final = {"up": "up", "pace": "keeping up", "failing": "failing", "worst": "worst", "trust": "trust"}
"""The answers of `Glance`, by name, and the word before each."""
_GOOD_SIGNS: Final = (" ●", " *")
_DIM_SIGNS: Final = (" ○", " -")


class GlanceBar(Lines):
    DEFAULT_CSS = "GlanceBar { height: 5; }"

    def height_for(self, width: int, height: int) -> int:
        """Lines that it takes of a screen of this size. Where there is little room trust is left to the first line."""
        return 5 if width >= WIDE or height < 30 else 6

    def show(self, glance: Glance, *, is_ascii: bool) -> None:
        width, height = self.size
        answers = [(name, getattr(glance, name)) for name in LABELS]
        courses = _courses(glance)
        if width >= WIDE:
            right = max(34, min(84, width // 3))
            beside = [_course(*course, right, is_ascii=is_ascii) for course in courses]
            lines = [
                [*_answer(name, answer, width - right - 2, is_ascii=is_ascii), Piece("  "), *course]
                for (name, answer), course in zip(answers, beside, strict=True)
            ]
        else:
            shown = answers[: height - 1]
            lines = [_answer(name, answer, width, is_ascii=is_ascii) for name, answer in shown]
            each = (width - 1) // 3
            lines.append(
                [Piece(" "), *(piece for course in courses[:3] for piece in _course(*course, each, is_ascii=is_ascii))]
            )
        self.paint(*lines)


def _answer(name: str, answer: Answer, width: int, *, is_ascii: bool) -> list[Piece]:
    signs = PLAIN_SIGNS if is_ascii else SIGNS
    grade = answer.grade
    if grade is Grade.GOOD:
        sign, meaning = _GOOD_SIGNS[is_ascii], "good"
    elif grade is Grade.DIM:
        sign, meaning = _DIM_SIGNS[is_ascii], "dim"
    else:
        sign, meaning = fit(signs[grade], 2, is_right=True), OF_GRADE[grade]
    head = f" {LABELS[name]:<11} "
    room = max(1, width - cells(sign) - cells(head))
    words = answer.words if cells(answer.words) <= room else fit(answer.words, room, more="~" if is_ascii else "…")
    action = f"app.follow({name!r})" if answer.key else ""
    said = Piece(words, "" if grade is Grade.GOOD else meaning, action)
    indent = Piece(" " * (cells(sign) - cells(sign.lstrip())))
    return [indent, Piece(sign.lstrip(), meaning), Piece(head, "dim"), said, Piece(" " * (room - cells(words)))]


def _courses(glance: Glance) -> list[tuple[str, Sequence[float], str]]:
    totals = glance.totals
    lag = glance.course("lag")
    return [
        ("in", glance.course("in"), f"{formats.rate(totals.in_rate)}/s"),
        ("out", glance.course("out"), f"{formats.rate(totals.out_rate)}/s"),
        ("fail", glance.course("failed"), f"{formats.rate(totals.fail_rate)}/s"),
        ("depth", glance.course("ready"), formats.count(totals.ready, is_estimate=totals.is_estimate)),
        ("lag", lag, formats.duration(lag[-1]) if lag and lag[-1] > 0 else formats.UNKNOWN),
    ]


def _course(label: str, values: Sequence[float], now: str, width: int, *, is_ascii: bool) -> list[Piece]:
    figure = fit(now, 8, is_right=True)
    room = max(4, width - 6 - 10)
    top = max((value for value in values if value == value), default=0.0) * _HEADROOM
    line = sparkline(values, min(60, room), top=top, signs=PLAIN if is_ascii else BLOCKS)
    pieces = [Piece(f"{label:<5} ", "dim"), Piece(line, "trend"), Piece(figure, "bold"), Piece("  ")]
    return [*pieces, Piece(" " * max(0, width - width_of(pieces)))]
