"""Dead letters that a store has before it in memory: whether a filter means one, where it stands, and groups."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Protocol

from snqd.items import CANARY
from snqd.stores.corrections import Place
from snqd.stores.records import GROUP_NAMES, DeadGroup

if TYPE_CHECKING:
    from collections.abc import Iterable

    from snqd.items import ItemId, QueueName, SiteName
    from snqd.stores.records import ItemFilter


class Subject(Protocol):
    """What filters go by."""

    @property
    def id(self) -> ItemId: ...
    @property
    def queue(self) -> QueueName: ...
    @property
    def site(self) -> SiteName: ...
    @property
    def attempts(self) -> int: ...
    @property
    def last_error(self) -> str | None: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def fingerprint(self) -> str | None: ...


class Letter(Subject, Protocol):
    """A dead letter."""

    @property
    def codec(self) -> str: ...
    @property
    def died(self) -> float | None: ...


def matches(subject: Subject, wanted: ItemFilter, *, state: str, at: float) -> bool:
    """Whether an item is meant. `at`: when it was created, or died, in epoch seconds."""
    error = subject.last_error or ""
    return (
        (not wanted.ids or subject.id in wanted.ids)
        and wanted.queue in (None, subject.queue)
        and wanted.site in (None, subject.site)
        and wanted.state in (None, state)
        and wanted.reason in (None, subject.reason)
        and (wanted.error is None or wanted.error in error)
        and (wanted.error_class is None or error == wanted.error_class or error.startswith(f"{wanted.error_class}:"))
        and wanted.fingerprint in (None, subject.fingerprint)
        and (wanted.since is None or at >= wanted.since)
        and (wanted.until is None or at <= wanted.until)
        and (wanted.min_attempts is None or subject.attempts >= wanted.min_attempts)
        and (wanted.max_attempts is None or subject.attempts <= wanted.max_attempts)
    )


def place_of(letter: Letter) -> Place:
    return Place(letter.died or 0.0, letter.id)


def groups(letters: Iterable[Letter], most: int | None) -> list[DeadGroup]:
    """By fingerprint, the most numerous first; canaries left out."""
    by_name: defaultdict[str, list[Letter]] = defaultdict(list)
    for letter in letters:
        if letter.fingerprint is not None and letter.codec != CANARY:
            by_name[letter.fingerprint].append(letter)
    found = [_group(name, sorted(members, key=place_of)) for name, members in by_name.items()]
    found.sort(key=lambda group: (-group.count, -group.last, group.fingerprint))
    return found[:most]


def _group(name: str, letters: list[Letter]) -> DeadGroup:
    """`letters` are by death."""
    queues: Counter[str] = Counter(letter.queue for letter in letters)
    sites: Counter[str] = Counter(letter.site for letter in letters)
    return DeadGroup(
        fingerprint=name,
        count=len(letters),
        first=letters[0].died or 0.0,
        last=letters[-1].died or 0.0,
        queues=len(queues),
        top_queues=_most(queues),
        sites=len(sites),
        top_sites=_most(sites),
        error=letters[-1].last_error or "",
        newest=letters[-1].id,
    )


def _most(counts: Counter[str]) -> tuple[str, ...]:
    return tuple(sorted(counts, key=lambda name: (-counts[name], name))[:GROUP_NAMES])
