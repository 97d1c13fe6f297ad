"""The desk: what operators ask of daemons through the store, who has obeyed, and the sites that the store declares.

A request is a row that every daemon on the store reads and answers, each once. Daemons say that they are there, so that
who asks knows whose answer is missing. All times are the store's clock, so hosts need not agree on theirs.

A desk belongs to one thread. It connects when it is first used, and again after `StoreUnavailable`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

SEEN_SECONDS = 30.0
"""How often a daemon says that it is there."""
GONE_SECONDS = 75.0
"""A daemon that has not said so for this long is not waited for."""
KEPT_SECONDS = 7 * 86400.0
"""How long requests and answers are kept, to be looked up."""


class Seat(NamedTuple):
    """A daemon, as told from all others: two of one name on one host have two runtime folders."""

    daemon: str
    host: str
    folder: str

    def __str__(self) -> str:
        return f"{self.daemon}@{self.host}"


class Present(NamedTuple):
    """A daemon that has said that it is there, and how long ago."""

    seat: Seat
    version: str
    up_seconds: float
    seen_seconds: float


class Asking(NamedTuple):
    """A request. `arguments` is an object in JSON."""

    id: int
    ask: str
    arguments: str
    author: str


class Answered(NamedTuple):
    """What a daemon answered."""

    seat: Seat
    obeyed: bool
    said: str


class SiteRow(NamedTuple):
    """A site of the table. `settings` is JSON, or should be."""

    name: str
    settings: str


class Desk(Protocol):
    """Methods block. Each may raise `StoreUnavailable`: call it again later."""

    def close(self) -> None: ...

    # daemons
    def be_seen(self, seat: Seat, *, boot: int, version: str) -> None:
        """Say that the daemon is there. `boot`: microseconds since 1970; a new one begins a new life."""

    def leave(self, seat: Seat) -> None:
        """The daemon ends."""

    def present(self) -> list[Present]:
        """Those that are there, by name."""

    # requests
    def ask(self, ask: str, arguments: str, *, author: str, seconds: float) -> int:
        """Ask all daemons; the request's id. Who has not begun after `seconds` does not obey any more."""

    def requests(self, seat: Seat) -> list[Asking]:
        """What this daemon has not answered, of what was asked since it booted and has not expired."""

    def answer(self, request: int, seat: Seat, *, obeyed: bool, said: str) -> None:
        """Answer once; a second answer changes nothing."""

    def answers(self, request: int) -> list[Answered]:
        """By daemon."""

    # sites
    def site_number(self) -> int:
        """Grows with each change of a site. Read it before the sites: then none that it stands for is missed."""

    def sites(self) -> Sequence[SiteRow]:
        """All sites of the table, by name."""

    # waking
    def open_wakeups(self) -> list[int]:
        """Descriptors that become readable when something may have changed. Empty: only polling is possible."""

    def read_wakeups(self) -> bool:
        """Take what has come, without blocking; whether anything has."""
