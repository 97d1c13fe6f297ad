"""Which figures are told when there are more than may be. Pure, but for what it remembers."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from snqd.exporters.ganglia.catalogue import subject_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_KINDS: Final = ("site", "queue")


class Chosen(NamedTuple):
    """`names` are told, so many others are not."""

    names: list[str]
    left_out: int


class Places:
    """At most `limit` metrics: all of the daemon, then those of sites and queues, each with all of its own or none.

    Half of the places belong to sites and half to queues; what the ones do not need the others may have. Who has a
    place keeps it before those who come later, so that graphs do not begin and end with every look.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: dict[str, None] = {}

    def choose(self, names: Iterable[str]) -> Chosen:
        groups: defaultdict[str, list[str]] = defaultdict(list)
        own = []
        for name in names:  # of ten thousand sites there are a hundred thousand names
            if name.startswith("daemon."):
                own.append(name)
            else:
                groups[subject_of(name)].append(name)
        chosen = own[: self._limit]
        count = len(own) + sum(map(len, groups.values()))
        room = self._limit - len(chosen)
        waiting = {kind: self._in_order(groups, kind) for kind in _KINDS}
        taken: list[str] = []
        for kind in _KINDS:
            taken += _fitting(waiting[kind], groups, room // len(_KINDS))
        room -= sum(len(groups[subject]) for subject in taken)
        has_place = set(taken)
        others = [subject for kind in _KINDS for subject in waiting[kind] if subject not in has_place]
        taken += _fitting(others, groups, room)
        self._held = dict.fromkeys(taken)
        chosen += [name for subject in taken for name in groups[subject]]
        return Chosen(chosen, count - len(chosen))

    def _in_order(self, groups: dict[str, list[str]], kind: str) -> list[str]:
        """Those who have a place, in the order in which they got it, then the new ones by name."""
        found = {subject for subject in groups if subject.startswith(f"{kind}.")}
        return [subject for subject in self._held if subject in found] + sorted(found - self._held.keys())


def _fitting(subjects: Sequence[str], groups: dict[str, list[str]], room: int) -> list[str]:
    taken = []
    for subject in subjects:
        if len(groups[subject]) <= room:
            room -= len(groups[subject])
            taken.append(subject)
    return taken
