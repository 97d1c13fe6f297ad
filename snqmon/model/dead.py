"""Dead letters, as the control socket answers: they are not in telemetry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from snqd.errors import SnqdError
from snqmon.model import formats
from snqmon.model.cells import Cell, Grade
from snqmon.model.columns import Column, Table
from snqmon.model.tables import parts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snqmon.model.columns import Key


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """An item that was given up. Its payload is not told."""

    id: int
    queue: str
    site: str
    reason: str
    """attempts, crash, bad_item."""
    group: str = ""
    """The fingerprint of its error; empty when nobody has given it one."""
    error: str = ""
    traceback: str = ""
    died: float = 0.0
    """Epoch seconds."""
    attempts: int = 0
    crash_attempts: int = 0
    history: list[Any] = []
    """What became of each attempt, oldest first."""


class DeadRow:
    def __init__(self, daemon: str, letter: DeadLetter, now: float) -> None:
        """`now`: epoch seconds."""
        self.daemon = daemon
        self.letter = letter
        self.age_seconds = max(0.0, now - letter.died) if letter.died else None

    @property
    def key(self) -> Key:
        return (self.daemon, str(self.letter.id))

    @property
    def id(self) -> int:
        return self.letter.id

    @property
    def queue(self) -> str:
        return self.letter.queue

    @property
    def site(self) -> str:
        return self.letter.site

    @property
    def reason(self) -> str:
        return self.letter.reason

    @property
    def group(self) -> str:
        return self.letter.group

    @property
    def attempts(self) -> int:
        return self.letter.attempts

    @property
    def error(self) -> str:
        return formats.one_line(self.letter.error)

    @property
    def text(self) -> str:
        return f"#{self.id} {self.queue} {self.site} {self.reason} {self.group} {self.error}"

    @property
    def grade(self) -> Grade:
        return Grade.LOOK


def read_letters(answer: Mapping[str, Any], *, daemon: str, now: float) -> list[DeadRow]:
    """Rows out of the answer to `dead`. Raises `SnqdError` in one line if it is a refusal, or not what was agreed."""
    if answer.get("ok") is False:
        raise SnqdError(f"{daemon} refused: {answer.get('error', 'no reason was given')}")
    try:
        letters = msgspec.convert(answer.get("letters", []), list[DeadLetter])
    except msgspec.ValidationError as error:
        raise SnqdError(f"{daemon} answered in another form than this version knows: {error}") from error
    return [DeadRow(daemon, letter, now) for letter in letters]


DEAD: Table[DeadRow] = Table(
    name="dead",
    title="Dead letters",
    measures=(
        "Items that were given up, newest first. Retry puts them back into their queue with no attempts used; "
        "discard deletes them."
    ),
    columns=(
        Column("id", "item", 10, "The item's number.", value=lambda row: row.id, cell=lambda row: Cell(f"#{row.id}"),
               is_right=False, keep=100),
        Column("age_seconds", "age", 7, "Since it was given up.", value=lambda row: row.age_seconds,
               cell=lambda row: Cell(formats.duration(row.age_seconds)), keep=95, is_descending=False),
        parts.name("queue", "queue", 14, "The queue that it was in.", keep=80),
        parts.name("site", "site", 18, "Its site.", keep=70),
        parts.name("reason", "reason", 9, "Why it was given up: attempts, crash, bad_item.", keep=85),
        parts.name("group", "group", 10, "Letters of one group have one cause: sort by it, or filter.", keep=50),
        parts.number("attempts", "tries", 6, "Handlings that ended badly.", keep=60),
        parts.name("error", "error", 0, "The last error, in one line."),
    ),
    sort="age_seconds",
    rows=lambda _world: (),
    empty="There are no dead letters.",
)  # fmt: skip
