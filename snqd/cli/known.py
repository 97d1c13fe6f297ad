"""Whether a site and a queue are known here, asked before an item is stored that nobody would handle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqd.config.values import nearest
from snqd.errors import BadItem, HandlerError
from snqd.names import check_name

if TYPE_CHECKING:
    from snqd.config.schema import Config

_REMEMBERED = 10_000


class Known:
    """Remembers the answers: a stream of a million lines names few sites and queues."""

    def __init__(self, config: Config, *, is_checked: bool) -> None:
        self._config = config
        self._is_checked = is_checked
        self._sites: list[str] = []
        self._queues: list[str] = []
        self._fine: set[tuple[str, str]] = set()
        if is_checked:
            self._sites = _sites(config)
            self._queues = _queues(config)

    def check(self, queue: str, site: str) -> None:
        """Raise `BadItem` if an item for `queue` and `site` should not be stored."""
        if (queue, site) in self._fine:
            return
        check_name("queue", queue)
        check_name("site", site)
        if self._is_checked:
            self._check_site(site)
            self._check_queue(queue)
        if len(self._fine) >= _REMEMBERED:
            self._fine.clear()
        self._fine.add((queue, site))

    def _check_site(self, site: str) -> None:
        _refuse_unless_known(site, self._sites)

    def _check_queue(self, queue: str) -> None:
        if not self._queues:
            raise BadItem(
                f"no handler for queue {queue!r}: no handlers are registered here; "
                "name their module in handlers.modules (--no-check stores it anyway)"
            )
        if queue not in self._queues:
            raise BadItem(
                f"no handler for queue {queue!r}: {_hint(queue, self._queues, 'queues')} (--no-check stores it anyway)"
            )


def check_site(config: Config, site: str, *, is_checked: bool) -> None:
    """Raise `BadItem` if items for `site` should not be stored."""
    check_name("site", site)
    if is_checked:
        _refuse_unless_known(site, _sites(config))


def _refuse_unless_known(site: str, known: list[str]) -> None:
    if site not in known:
        raise BadItem(f"unknown site {site!r}: {_hint(site, known, 'sites')} (--no-check stores it anyway)")


def _sites(config: Config) -> list[str]:
    from snqd.wiring.sites import declared_names

    return declared_names(config)


def _queues(config: Config) -> list[str]:
    from snqd.wiring.handlers import load_registry

    try:
        return list(load_registry(config).queues())
    except HandlerError as error:
        raise HandlerError(f"{error} (--no-check stores items without asking the handlers)") from error


def _hint(name: str, known: list[str], noun: str) -> str:
    guess = nearest(name, known)
    if guess:
        return f"did you mean {guess!r}?"
    listed = ", ".join(sorted(known)[:8]) + (", …" if len(known) > 8 else "")
    return f"{noun} here are {listed or 'none'}"
