"""`ReplayBar`: where a recording stands, how fast it goes, and a place to click at to be elsewhere in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from textual.message import Message

from snqmon.widgets.painting import Lines, Piece

if TYPE_CHECKING:
    from textual import events

    from snqmon.feeds.base import Player


class Bar(NamedTuple):
    """A line in three parts; the middle one is the way, `passed` characters of which lie behind."""

    before: str
    way: int
    passed: int
    after: str


def bar(player: Player, width: int) -> Bar:
    """The line for a width; the way gets what the words leave, and nothing when that is too little to point at."""
    state = "paused" if player.is_paused else f"{player.speed:g}x"
    if player.position >= player.length:
        state = "ended"
    if player.is_seeking:
        state = "seeking"
    before = f" {state:<7} {_clock(player.position, player.length)} "
    after = f" {_clock(player.length, player.length)} "
    way = width - len(before) - len(after)
    if way < 8:
        return Bar(before[:width].ljust(width), 0, 0, "")
    share = min(1.0, player.position / player.length) if player.length > 0 else 1.0
    return Bar(before, way, round(share * way), after)


def moment(player: Player, width: int, column: int) -> float | None:
    """Seconds from the begin of the recording at a column of the line; None = it is not on the way."""
    found = bar(player, width)
    place = column - len(found.before)
    if not 0 <= place < found.way:
        return None
    return player.length * place / max(1, found.way - 1)


def _clock(seconds: float, length: float) -> str:
    """
    >>> _clock(190.4, 900.0), _clock(190.4, 7200.0)
    ('03:10', '0:03:10')
    """
    minutes, second = divmod(int(seconds), 60)
    if length < 3600:
        return f"{minutes:02d}:{second:02d}"
    return f"{minutes // 60}:{minutes % 60:02d}:{second:02d}"


class ReplayBar(Lines):
    """One line. `show` it after each tick; a click on the way seeks, and is told with `Sought`."""

    DEFAULT_CSS = "ReplayBar { height: 1; background: $bar; }"

    class Sought(Message):
        """The recording stands elsewhere now: what is shown is to be looked at anew."""

    def __init__(self, player: Player, *, is_ascii: bool = False, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._player = player
        self._done, self._ahead = ("=", "-") if is_ascii else ("━", "─")
        self.tooltip = "click to be at another moment of the recording"

    def show(self) -> None:
        """Show where the recording stands now."""
        before, way, passed, after = bar(self._player, self.size.width)
        self.paint(
            [
                Piece(before, "bold"),
                Piece(self._done * passed, "mark"),
                Piece(self._ahead * (way - passed), "dim"),
                Piece(after, "bold"),
            ]
        )

    def on_resize(self) -> None:
        self.show()

    def on_click(self, event: events.Click) -> None:
        event.stop()
        seconds = moment(self._player, self.size.width, event.x)
        if seconds is not None:
            self._player.seek(seconds)
            self.show()
            self.post_message(self.Sought())
