"""What may be asked at the control socket, checked before anything is done."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from snqd.errors import SnqdError

Request = dict[str, Any]
R = TypeVar("R", bound="Asked")

Name = Annotated[str, Meta(min_length=1)]
Ids = Annotated[tuple[int, ...], Meta(min_length=1, max_length=2_000)]
LONGEST_PAUSE_SECONDS = 10 * 366 * 86400
LETTERS = 500
"""Most dead letters in one answer."""


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of all requests."""

    ask: str


class Health(Asked, frozen=True):
    kind: Literal["live", "ready", "full"] = "full"


class Why(Asked, frozen=True):
    queue: Name
    site: Name | None = None


class OfWorker(Asked, frozen=True):
    """About one worker. `author`: who asks, for the log."""

    worker: str
    author: str = ""


class Steered(Asked, frozen=True):
    """A request without arguments. `author`: who asks, for the log."""

    author: str = ""


class ShuttingDown(Steered, frozen=True):
    """`now`: without a grace period."""

    now: bool = False


class Restarting(Steered, frozen=True):
    """`worker` null = all of them, one by one."""

    worker: str | None = None


class Updating(Steered, frozen=True):
    """Read the sites again; `site` null = all that look as if they had changed."""

    site: Name | None = None


class Threads(Steered, frozen=True, kw_only=True):
    count: int


class Pausing(Asked, frozen=True):
    """Pause a queue (`site` null), a site (`queue` null), or a queue of one site; `seconds` null = until resumed."""

    queue: str | None = None
    site: str | None = None
    reason: str = ""
    author: str = ""
    seconds: Annotated[float, Meta(gt=0, le=LONGEST_PAUSE_SECONDS)] | None = None


class Resuming(Asked, frozen=True):
    queue: str | None = None
    site: str | None = None
    author: str = ""


class Letters(Asked, frozen=True):
    """A page of dead letters. `after` is the last one of the page before."""

    queue: Name | None = None
    site: Name | None = None
    limit: Annotated[int, Meta(ge=1, le=LETTERS)] = 100
    after: int | None = None


class OfLetters(Asked, frozen=True):
    """Dead letters by id, or (`ids` null) all of a queue, a site, or a queue of one site."""

    ids: Ids | None = None
    queue: Name | None = None
    site: Name | None = None
    author: str = ""


class Corrected(Asked, frozen=True, kw_only=True):
    """Somebody has corrected items in the store; for the log. See `telemetry.events.Corrected`."""

    kind: Literal["retry", "discard", "replay", "discard_dead"]
    number: int
    author: str
    wanted: str
    count: Annotated[int, Meta(ge=0)]
    stayed: Annotated[int, Meta(ge=0)]
    outcome: str


def read(request: Request, kind: type[R]) -> R:
    """Raises `SnqdError` in words that name the field."""
    try:
        return msgspec.convert(request, kind)
    except msgspec.ValidationError as error:
        raise SnqdError(f"{request.get('ask')}: {error}") from error
