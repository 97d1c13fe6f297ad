"""`TopBar`: the first line. Whose daemon this is, whether the picture can be trusted, and whether it is up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from snqmon.feeds.base import Trust
from snqmon.model import formats
from snqmon.model.cells import PLAIN_SIGNS, SIGNS, Grade
from snqmon.widgets.painting import OF_GRADE, Lines, Piece, spread, width_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snqmon.feeds.base import FeedStatus
    from snqmon.model.rows import DaemonRow

MEANING_OF: Final = {
    Trust.WAITING: "look",
    Trust.LIVE: "good",
    Trust.PARTLY: "look",
    Trust.STALE: "act",
    Trust.PAUSED: "mark",
    Trust.REPLAY: "mark",
    Trust.ENDED: "mark",
    Trust.DEMO: "mark",
}
_TRUST_SIGNS: Final = {"good": "●", "look": "△", "act": "▲", "mark": "◆"}
_PLAIN_TRUST_SIGNS: Final = {"good": "*", "look": "!", "act": "!!", "mark": "="}


class TopBar(Lines):
    DEFAULT_CSS = "TopBar { height: 1; background: $bar; }"

    def show(
        self,
        status: FeedStatus,
        daemons: Sequence[DaemonRow],
        *,
        wall: float,
        stands_for: float | None,
        is_ascii: bool,
    ) -> None:
        """`stands_for`: how many seconds the picture has been standing, by the key for it; None = it goes on."""
        self.paint(top_line(status, daemons, wall, self.size.width, stands_for=stands_for, is_ascii=is_ascii))


def top_line(
    status: FeedStatus,
    daemons: Sequence[DaemonRow],
    wall: float,
    width: int,
    *,
    stands_for: float | None = None,
    is_ascii: bool = False,
) -> list[Piece]:
    """Where there is no room, what stands last of the middle goes first; name, trust and clock stay."""
    clock = [Piece(formats.clock(wall)), Piece(" ")]
    line = [Piece(" "), *_name(daemons), Piece("  "), *_trust(status, is_ascii=is_ascii)]
    if stands_for is not None:
        line += [Piece("  "), Piece(f"PAUSED {formats.duration(stands_for)}", "look")]
    for part in _parts(daemons, is_ascii=is_ascii):
        if width_of(line) + 2 + width_of(part) + 1 + width_of(clock) > width:
            break
        line += [Piece("  "), *part]
    return spread(line, clock, width)


def _name(daemons: Sequence[DaemonRow]) -> list[Piece]:
    if not daemons:
        return [Piece("snqmon", "bold")]
    if len(daemons) == 1:
        return [Piece(daemons[0].daemon, "bold")]
    return [Piece(f"{len(daemons)} daemons", "bold")]


def _trust(status: FeedStatus, *, is_ascii: bool) -> list[Piece]:
    meaning = MEANING_OF[status.trust]
    sign = (_PLAIN_TRUST_SIGNS if is_ascii else _TRUST_SIGNS)[meaning]
    return [Piece(f"{sign} {status.words}", meaning)]


def _parts(daemons: Sequence[DaemonRow], *, is_ascii: bool) -> list[list[Piece]]:
    """What is said of the daemons, most important first."""
    if not daemons:
        return []
    signs = PLAIN_SIGNS if is_ascii else SIGNS
    return [_workers(daemons, signs), _lost(daemons, signs), _up(daemons)]


def _workers(daemons: Sequence[DaemonRow], signs: dict[Grade, str]) -> list[Piece]:
    running = sum(row.workers_running for row in daemons)
    wanted = [row.workers_wanted for row in daemons]
    of = "" if None in wanted else f"/{sum(number or 0 for number in wanted)}"
    grade = max(row.workers_grade for row in daemons)
    line = [Piece("workers "), _graded(f"{running}{of}", grade, signs)]
    if died := sum(row.deaths for row in daemons):
        line += [Piece(" "), _graded(f"{died} died", max(Grade.LOOK, *(row.deaths_grade for row in daemons)), signs)]
    return line


def _lost(daemons: Sequence[DaemonRow], signs: dict[Grade, str]) -> list[Piece]:
    """Datagrams: how much of what was said is missing here."""
    known = [row.lost for row in daemons if row.lost is not None]
    if not known:
        return [Piece("lost not known", "dim")]
    return [Piece("lost "), _graded(formats.count(sum(known)), max(row.lost_grade for row in daemons), signs)]


def _up(daemons: Sequence[DaemonRow]) -> list[Piece]:
    """Of several, the one that booted last: a restart should be seen."""
    known = [row.up_seconds for row in daemons if row.up_seconds is not None]
    return [Piece(f"up {formats.uptime(min(known))}")] if known else []


def _graded(text: str, grade: Grade, signs: dict[Grade, str]) -> Piece:
    return Piece(signs.get(grade, "") + text, OF_GRADE[grade])
