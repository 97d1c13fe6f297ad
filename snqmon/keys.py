"""The one table of keys: what each does, where it works, what the footer and the help say of it.

Screens dispatch by `action`. A user's settings give a key another name by its `id`, which never changes.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from snqd.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping


class Where(StrEnum):
    """Where a key works."""

    ANY = "everywhere"
    TABLE = "tables"
    """Where rows are listed."""
    DETAIL = "details"
    """Where one queue, site, worker, event, alarm or dead letter is open."""
    REPLAY = "replay"
    """While a recording is played."""
    CONTROL = "actions"
    """On a row that can be acted upon, or its detail; shown dim without `--control`."""


@dataclass(frozen=True, slots=True)
class Key:
    id: str
    """In settings; stable."""
    keys: tuple[str, ...]
    """By the names that terminals have for them: a sign, or `enter`, `escape`, `ctrl+p`. Any of them will do."""
    action: str
    """What a screen is asked to do: a name, with an argument in parentheses for some."""
    label: str
    """One or two words, for the footer."""
    help: str
    """A sentence."""
    where: Where = Where.ANY
    is_in_footer: bool = False

    @property
    def shown(self) -> str:
        """How the keys are written for people: `j / Down`."""
        return " / ".join(shown_key(key) for key in self.keys)


_NAMED: Final = {
    "enter": "Enter", "escape": "Esc", "space": "Space", "tab": "Tab", "backspace": "Backspace", "delete": "Del",
    "insert": "Ins", "up": "↑", "down": "↓", "left": "←", "right": "→", "pageup": "PgUp", "pagedown": "PgDn",
    "home": "Home", "end": "End", **{f"f{number}": f"F{number}" for number in range(1, 25)},
}  # fmt: skip
_MODIFIED = re.compile(r"((?:ctrl|alt|shift)\+)+(.+)")


def shown_key(key: str) -> str:
    """How a key is written for people.

    >>> shown_key("pagedown"), shown_key("ctrl+p"), shown_key("S")
    ('PgDn', 'Ctrl+P', 'S')
    """
    if "+" in key and len(key) > 1:
        *modifiers, last = key.split("+")
        return "+".join(
            [*(each.capitalize() for each in modifiers), last.upper() if len(last) == 1 else shown_key(last)]
        )
    return _NAMED.get(key, key)


def _key(
    id_: str, keys: str, action: str, label: str, help_: str, where: Where = Where.ANY, *, footer: bool = False
) -> Key:
    """`keys` apart by blanks."""
    return Key(id_, tuple(keys.split()), action, label, help_, where, footer)


_T, _D, _C, _P = Where.TABLE, Where.DETAIL, Where.CONTROL, Where.REPLAY
KEYS: Final[tuple[Key, ...]] = (
    _key("overview", "1", "screen('overview')", "Overview", "The first screen: is it well, and what is worst now."),
    _key("queues", "2", "screen('queues')", "Queues", "All queues."),
    _key("workers", "3", "screen('workers')", "Workers", "All workers."),
    _key("sites", "4", "screen('sites')", "Sites", "All sites, and what each takes of the daemon."),
    _key("events", "5", "screen('events')", "Events", "What happened, newest last."),
    _key("alarms", "6", "screen('alarms')", "Alarms", "What the daemons themselves call bad."),
    _key("open", "enter", "open", "Open", "Open the row under the cursor.", _T, footer=True),
    _key("jump", "o", "jump", "Go there", "Open the queue, worker or site that an event or an alarm is about.", _T,
         footer=True),
    _key("back", "escape", "back", "Back", "Close what is open; on a list, show what the filter hides.", footer=True),
    _key("down", "j down", "move(1)", "Down", "One row down.", _T),
    _key("up", "k up", "move(-1)", "Up", "One row up.", _T),
    _key("page-down", "pagedown ctrl+f", "page(1)", "Page down", "A screenful down.", _T),
    _key("page-up", "pageup ctrl+b", "page(-1)", "Page up", "A screenful up.", _T),
    _key("first", "home g", "first", "First", "To the first row.", _T),
    _key("last", "end G", "last", "Last", "To the last row; on events, stay at the end again.", _T),
    _key("filter", "/", "filter", "Filter", "Show only rows with these words; !word: without it.", _T, footer=True),
    _key("sort", "s", "sort", "Sort", "Sort by the next column, or the heading that is clicked.", _T, footer=True),
    _key("reverse", "S", "reverse", "Reverse", "Sort in the other direction.", _T),
    _key("troubled", "z", "troubled", "Trouble", "Show only rows in trouble, or all again.", _T, footer=True),
    _key("wide", "W", "wide", "Wide", "Show all columns that there are, or only the usual ones again.", _T),
    _key("why", "w", "why", "Why", "Why is this queue not moving, and which command mends it.", footer=True),
    _key("span", "v", "span", "Span", "Trends over the next of 1, 5 and 15 minutes.", _D, footer=True),
    _key("chart", "c", "next_chart", "Chart", "The next chart, where there is no room for all.", _D, footer=True),
    _key("neighbours", "n", "neighbours", "Neighbours", "What share of slots, seconds and failures each site takes."),
    _key("mark", "m", "mark", "Mark", "Mark this dead letter, or take the mark away.", _D, footer=True),
    _key("mark-all", "M", "mark_all", "Mark all", "Mark all dead letters that are listed, or none.", _D),
    _key("pause-screen", "space", "pause_screen", "Freeze", "Let the screen stand still.", footer=True),
    _key("slower-refresh", "-", "refresh(-1)", "Refresh less", "Draw the screen less often."),
    _key("faster-refresh", "+ =", "refresh(1)", "Refresh more", "Draw the screen more often."),
    _key("copy", "y", "copy", "Copy", "Copy the row under the cursor to the clipboard.", _T),
    _key("export", "e", "export", "Export", "Write this table to a file: CSV, or JSON if its name ends so.", _T),
    _key("picture", "E", "picture", "Picture", "Write the screen to a file, as SVG."),
    _key("reset-peaks", "r", "reset_peaks", "Reset peaks", "Begin anew with the highest values."),
    _key("theme", "t", "theme", "Theme", "The next set of colours."),
    _key("help", "?", "help", "Help", "What this screen measures, its columns, and all keys.", footer=True),
    _key("palette", "ctrl+p", "palette", "Commands", "Find a command by its name."),
    _key("quit", "q ctrl+q", "quit", "Quit", "Leave the monitor; the daemons are not touched.", footer=True),
    _key("seek-back", ",", "seek(-10)", "-10 s", "Ten seconds back in the recording.", _P, footer=True),
    _key("seek-forward", ".", "seek(10)", "+10 s", "Ten seconds on in the recording.", _P, footer=True),
    _key("seek-far-back", "<", "seek(-60)", "-1 min", "A minute back in the recording.", _P),
    _key("seek-far-forward", ">", "seek(60)", "+1 min", "A minute on in the recording.", _P),
    _key("slower", "[", "speed(-1)", "Slower", "Play the recording half as fast.", _P, footer=True),
    _key("faster", "]", "speed(1)", "Faster", "Play the recording twice as fast.", _P, footer=True),
    _key("dead", "d", "dead", "Dead letters", "List the dead letters of this queue or site.", _C, footer=True),
    _key("pause", "p", "act('pause')", "Pause", "Pause this queue or site, or let it go on.", _C, footer=True),
    _key("retry", "R", "act('retry')", "Retry", "Put dead letters back into their queue.", _C, footer=True),
    _key("discard", "D", "act('discard')", "Discard", "Delete dead letters for good.", _C, footer=True),
    _key("restart", "X", "act('restart')", "Restart", "Have this worker finish and be replaced.", _C, footer=True),
    _key("stack", "T", "act('stack')", "Stack", "Show the Python stack of this worker.", _C, footer=True),
)  # fmt: skip


class Keymap:
    """The table of keys as a user has it."""

    def __init__(self, keys: Iterable[Key] = KEYS) -> None:
        self.keys = tuple(keys)
        self._by_id = {key.id: key for key in self.keys}

    def __getitem__(self, id_: str) -> Key:
        """Raises `KeyError`."""
        return self._by_id[id_]

    def at(self, *where: Where) -> list[Key]:
        """Those that work in any of these places, and everywhere."""
        return [key for key in self.keys if key.keys and (key.where is Where.ANY or key.where in where)]

    def footer(self, *where: Where) -> list[Key]:
        """What the bottom line has room for, first what belongs to the place."""
        found = [key for key in self.at(*where) if key.is_in_footer]
        return [key for key in found if key.where is not Where.ANY] + [key for key in found if key.where is Where.ANY]


def keymap(settings: Mapping[str, str | Collection[str]], *, source: str = "keys") -> Keymap:
    """The table with a user's `[keys]`: each `id = "key"`, or several in a list; an empty list takes the key away.

    Raises `ConfigError`, one line that begins with `source`, for names that nothing has and keys that two things have.
    """
    known = {key.id for key in KEYS}
    for id_ in settings:
        if id_ not in known:
            near = difflib.get_close_matches(id_, known, n=1)
            hint = f"did you mean {near[0]}?" if near else "`?` in the monitor and docs/monitor.md list them all"
            raise ConfigError(f"{source}: there is no key named {id_!r}; {hint}")
    changed = [
        replace(key, keys=_read(key.id, settings[key.id], source)) if key.id in settings else key for key in KEYS
    ]
    _refuse_conflicts(changed, set(settings), source)
    return Keymap(changed)


def _read(id_: str, given: str | Collection[str], source: str) -> tuple[str, ...]:
    found = [given] if isinstance(given, str) else list(given)
    for name in found:
        if not _is_key(name):
            raise ConfigError(
                f"{source}.{id_}: {name!r} is no key; write a single sign, a name such as enter, f5 or pagedown, or "
                "either with ctrl+, alt+ or shift+ before it"
            )
    return tuple(found)


def _is_key(name: str) -> bool:
    """
    >>> [_is_key(name) for name in ("x", "?", "ctrl+x", "f5", "shift+f5", "entr", "", "ctrl+")]
    [True, True, True, True, True, False, False, False]
    """
    modified = _MODIFIED.fullmatch(name)
    last = modified[2] if modified is not None and len(name) > 1 else name
    return last in _NAMED or (len(last) == 1 and last.isprintable() and not last.isspace())


def _refuse_conflicts(keys: Collection[Key], changed: set[str], source: str) -> None:
    for number, one in enumerate(keys):
        for other in list(keys)[number + 1 :]:
            both = set(one.keys) & set(other.keys)
            if both and _overlap(one.where, other.where):
                mine, theirs = (one, other) if one.id in changed else (other, one)
                raise ConfigError(
                    f"{source}.{mine.id}: {min(both)!r} is the key of {theirs.id} too ({theirs.help.rstrip('.')}); "
                    f"give {theirs.id} another one, or none: {theirs.id} = []"
                )


def _overlap(one: Where, other: Where) -> bool:
    """Actions and recordings have their keys on tables and details; a table is no detail."""
    return {one, other} != {Where.TABLE, Where.DETAIL}
