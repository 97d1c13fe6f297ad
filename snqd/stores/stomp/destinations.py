"""Which destination an item goes to, and which ones a worker listens to. Pure.

All queues of a group share one destination, `/queue/NAME.GROUP`, unless `store.breakouts` gives a queue, or one site of
a queue, a destination of its own: `/queue/NAME.GROUP.QUEUE` and `/queue/NAME.GROUP.QUEUE.SITE`. Workers listen to those
of their groups and queues whether or not somebody is told to send there, so that a breakout can be added while items
wait.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from snqd.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MAIN = "main"
_ODD = re.compile(rb"[^A-Za-z0-9_-]")
_ODD_AT_END = re.compile(rb"[^A-Za-z0-9_.-]")


def part_text(name: str, *, is_site: bool = False) -> str:
    """A name as a part of a destination: bytes that a broker might read otherwise become `~` and two digits.

    So do dots, which part the parts; but not in a site, which is the last one.
    """
    odd = _ODD_AT_END if is_site else _ODD
    return odd.sub(lambda found: b"~%02x" % found[0][0], name.encode()).decode()


class Routes:
    """Destinations by queue and site. `groups`: of queues that are not in `main`."""

    def __init__(self, name: str, groups: Mapping[str, str], breakouts: Sequence[str]) -> None:
        """Raises `ConfigError` for a breakout that is neither `group/queue` nor `group/queue/site`."""
        self._name = name
        self._groups = dict(groups)
        self._queues: dict[str, str] = {}
        self._sites: dict[tuple[str, str], str] = {}
        for breakout in breakouts:
            parts = breakout.split("/")
            if not 2 <= len(parts) <= 3 or not all(parts):
                raise ConfigError(f"store.breakouts has {breakout!r}: write group/queue or group/queue/site")
            self._groups.setdefault(parts[1], parts[0])
            if len(parts) == 2:
                self._queues[parts[1]] = self._path(*parts)
            else:
                self._sites[parts[1], parts[2]] = self._path(*parts)
        self.dead = f"/queue/{name}-dead"
        """Where dead letters are."""
        self.control = f"/topic/{name}-control"
        """What all daemons hear."""
        self.figures = f"/topic/{name}-figures"
        """What workers tell of the items that they were handed; hubs hear it."""

    def group(self, queue: str) -> str:
        return self._groups.get(queue, MAIN)

    def of(self, queue: str, site: str) -> str:
        """Where an item is sent."""
        found = self._sites.get((queue, site)) or self._queues.get(queue)
        return found or self._path(self.group(queue))

    def own(self, queue: str) -> str:
        """The destination of that queue alone, whether or not items are sent there."""
        return self._path(self.group(queue), queue)

    def of_queues(self, queues: Iterable[str]) -> list[str]:
        """All that a worker which handles `queues` listens to."""
        found: dict[str, None] = {}
        for queue in queues:
            found[self._path(self.group(queue))] = None
            found[self.own(queue)] = None
            for (of_queue, _site), path in self._sites.items():
                if of_queue == queue:
                    found[path] = None
        return list(found)

    def _path(self, *parts: str) -> str:
        texts = (part_text(part, is_site=place == 2) for place, part in enumerate(parts))
        return "/queue/" + ".".join((self._name, *texts))
