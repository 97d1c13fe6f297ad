"""Hubs that are found without arguments: the control sockets of this host say where each hub listens.

Asking a socket may take a while (its hub may be stopped), so it is done in a thread; nobody waits for it.
"""

from __future__ import annotations

import threading
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from snqd.errors import SnqdError
from snqd.telemetry.asking import ask_hub, local_sockets
from snqmon.feeds.advice import near

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

FALLBACK: Final = "127.0.0.1:5480"
"""Where a hub listens unless told otherwise. Its socket may be another user's, or in another container."""
ASK_SECONDS: Final = 2.0
_AGAIN_SECONDS: Final = 1.0
"""While no hub is heard."""
_CALM_SECONDS: Final = 10.0
"""While those that were found are heard: another daemon may be started."""
_POLL_SECONDS: Final = 0.05


class Place(NamedTuple):
    """A daemon of this host, and where its hub listens."""

    daemon: str
    host: str
    listen: str
    """`HOST:PORT`; empty = nowhere."""
    socket: Path

    @property
    def key(self) -> str:
        """As a `Fleet` names it."""
        return f"{self.daemon}@{self.host}"


class Found(NamedTuple):
    """What one look found."""

    places: tuple[Place, ...] = ()
    problems: tuple[str, ...] = ()
    """One line for each socket whose hub could not be asked."""


def look(sockets: Callable[[], Sequence[Path]] = local_sockets, *, are_named: bool = False) -> Found:
    """Ask the hub behind every control socket of this host. Blocks for up to `ASK_SECONDS` for each.

    `are_named`: a person named them, so one where nobody answers is a problem, and not left over from a daemon that
    was killed.
    """
    places: list[Place] = []
    problems: list[str] = []
    for path in sockets():
        try:
            places.append(_place(path, ask_hub(path, {"ask": "where"}, seconds=ASK_SECONDS)))
        except (ConnectionRefusedError, FileNotFoundError):
            if are_named:
                problems.append(f"{path}: no daemon answers there: does it run, and is that its daemon.runtime_dir?")
        except PermissionError:
            problems.append(
                f"{path} belongs to another user: run snqmon as that user, or name the hub: snqmon HOST:PORT"
            )
        except TimeoutError:
            problems.append(f"{path}: its hub has not answered within {ASK_SECONDS:g} s")
        except (SnqdError, OSError) as error:
            problems.append(f"{path}: {getattr(error, 'strerror', None) or error}")
    return Found(tuple(places), tuple(problems))


def looking_at(named: Sequence[Path]) -> Callable[[], Found]:
    """`look` at the control sockets that a person named, or where they usually are if none are."""
    return partial(look, lambda: named, are_named=True) if named else look


def _place(path: Path, answer: dict[str, Any]) -> Place:
    listen = str(answer.get("listen", ""))
    return Place(str(answer.get("daemon", "")), str(answer.get("host", "")), near(listen) if listen else "", path)


class Finder:
    """Looks again and again. Times are seconds of one clock that does not go back."""

    def __init__(self, looking: Callable[[], Found] = look, *, fallback: str = FALLBACK) -> None:
        """`fallback`: where a hub may listen of which there is no control socket; empty = there is no such place."""
        self.fallback = fallback
        self.found: Found | None = None
        """None until the first look is over."""
        self._look = looking
        self._answer: Found | None = None
        self._is_looking = False
        self._looked_at = -inf

    def turn(self, now: float, *, is_calm: bool) -> bool:
        """Begin to look if it is time; whether there is a new answer. `is_calm`: all that was found is heard."""
        if self._is_looking:
            if self._answer is None:
                return False
            self.found, self._answer, self._is_looking = self._answer, None, False
            return True
        if now >= self._looked_at + (_CALM_SECONDS if is_calm else _AGAIN_SECONDS):
            self._is_looking, self._looked_at = True, now
            threading.Thread(target=self._run, name="finding hubs", daemon=True).start()
        return False

    def next_in(self, now: float, *, is_calm: bool) -> float:
        """In how many seconds `turn` wants to be called."""
        if self._is_looking:
            return _POLL_SECONDS
        return max(0.0, self._looked_at + (_CALM_SECONDS if is_calm else _AGAIN_SECONDS) - now)

    def _run(self) -> None:
        try:
            self._answer = self._look()
        except Exception as error:  # a look that fails must not be the last one
            self._answer = Found(problems=(f"looking for hubs on this host failed: {type(error).__name__}: {error}",))
