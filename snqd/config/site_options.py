"""`[snqd]` in a site's settings: what snqd itself does differently for this site. All other keys are the application's.

```toml
[snqd]
queues = ["mail", "feed"]       # the site has these queues; without the key, all of them
in_flight_limit = 20            # over all its queues
weight = 3                      # it gets three items where others get one

[snqd.queue.mail]
handler = "shop.gold:mail"      # in place of the queue's own handler
max_attempts = 3
in_flight_limit = 5

[snqd.schedule.digest]          # beside those of the configuration, or in the place of the one with this name
queue = "mail"
cron = "0 7 * * mon-fri"
zone = "Europe/Berlin"
```
"""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from snqd.config.schedules import own_schedules
from snqd.config.settings import QUEUE, settings_in
from snqd.config.values import check, from_toml, nearest
from snqd.errors import BadItem, ConfigError
from snqd.names import check_name

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY = "snqd"
_QUEUES, _QUEUE, _SCHEDULE = "queues", "queue", "schedule"
HANDLER = "handler"
LIMITS = ("max_attempts", "time_limit_seconds", "retry_first_seconds", "retry_factor", "retry_limit_seconds")
"""The settings of `[queue.NAME]` that a site may have of its own: those that concern one item at a time."""


IN_FLIGHT, RATE = CLAIMED = ("in_flight_limit", "rate_per_second")
"""Those that concern how many are claimed, of a queue of the site and of the whole site."""
WEIGHT = "weight"
WEIGHT_LIMIT = 1000


class SiteQueue(NamedTuple):
    """What is different in one queue: `handler` is `MODULE:NAME`, `limits` some of `LIMITS`, `claimed` of `CLAIMED`."""

    handler: str | None = None
    limits: Mapping[str, Any] = MappingProxyType({})
    claimed: Mapping[str, Any] = MappingProxyType({})


class SiteOptions(NamedTuple):
    """`queues` is None when the site has all of them. `claimed` has some of `CLAIMED`, over all of them."""

    queues: tuple[str, ...] | None = None
    queue: Mapping[str, SiteQueue] = MappingProxyType({})
    schedules: Mapping[str, dict[str, Any]] = MappingProxyType({})
    """The values given in each, by name."""
    claimed: Mapping[str, Any] = MappingProxyType({})
    weight: int = 1

    @property
    def claims(self) -> str:
        """All that claims have to know before they meet the site, as JSON; empty = nothing."""
        queues = {
            name: (own.claimed.get(IN_FLIGHT), own.claimed.get(RATE)) for name, own in self.queue.items() if own.claimed
        }
        if not queues and not self.claimed and self.weight == 1:
            return ""
        return json.dumps((self.claimed.get(IN_FLIGHT), self.claimed.get(RATE), self.weight, queues))


DEFAULT = SiteOptions()


def site_options(own: Mapping[str, Any]) -> SiteOptions:
    """The options among a site's own settings. Raises `ConfigError`, in words that follow the name of the place."""
    if KEY not in own:
        return DEFAULT
    table = _table(KEY, own[KEY])
    _refuse_unknown(KEY, table, (_QUEUES, _QUEUE, _SCHEDULE, *CLAIMED, WEIGHT))
    queues = table.get(_QUEUES)
    if queues is not None:
        if not isinstance(queues, list) or not all(isinstance(name, str) for name in queues):
            raise ConfigError(f'{KEY}.{_QUEUES} is {queues!r}: must be a list of texts, as in ["mail", "feed"]')
        queues = tuple(_queue_name(name) for name in queues)
    of_queues = _table(f"{KEY}.{_QUEUE}", table.get(_QUEUE, {}))
    found = {_queue_name(name): _site_queue(name, keys) for name, keys in of_queues.items()}
    if queues is not None and (stray := found.keys() - set(queues)):
        name = min(stray)
        raise ConfigError(
            f"{KEY}.{_QUEUE}.{name} is there, but {KEY}.{_QUEUES} lacks {name!r}: add it, or remove the table"
        )
    schedules = own_schedules(f"{KEY}.{_SCHEDULE}", table.get(_SCHEDULE, {}))
    for name, values in schedules.items():
        queue = values.get("queue")
        if queues is not None and queue is not None and queue not in queues:
            raise ConfigError(f"{KEY}.{_SCHEDULE}.{name}.queue is {queue!r}, which {KEY}.{_QUEUES} lacks: add it")
    claimed, weight = _settings(KEY, table, CLAIMED), _weight(table.get(WEIGHT, 1))
    return SiteOptions(queues, found, schedules, claimed, weight)


def _site_queue(name: str, found: object) -> SiteQueue:
    prefix = f"{KEY}.{_QUEUE}.{name}"
    table = _table(prefix, found)
    _refuse_unknown(prefix, table, (HANDLER, *LIMITS, *CLAIMED))
    handler = table.get(HANDLER)
    if handler is not None and not _is_reference(handler):
        raise ConfigError(f"{prefix}.{HANDLER} is {handler!r}: must be 'MODULE:NAME', as in 'shop.gold:mail'")
    return SiteQueue(handler, _settings(prefix, table, LIMITS), _settings(prefix, table, CLAIMED))


def _settings(prefix: str, table: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    """Those of `keys` that are there, checked as they are in `[queue.NAME]`."""
    known = settings_in(QUEUE)
    found = {}
    for key in keys:
        if key in table:
            try:
                found[key] = from_toml(table[key], known[key])
                check(found[key], known[key])
            except ValueError as error:
                raise ConfigError(f"{prefix}.{key} is {table[key]!r}: {error}") from None
    return found


def _weight(found: object) -> int:
    if type(found) is not int or not 1 <= found <= WEIGHT_LIMIT:
        raise ConfigError(f"{KEY}.{WEIGHT} is {found!r}: must be a whole number from 1 to {WEIGHT_LIMIT}")
    return found


def _is_reference(handler: object) -> bool:
    if not isinstance(handler, str):
        return False
    module, colon, name = handler.partition(":")
    return bool(colon) and name.isidentifier() and all(part.isidentifier() for part in module.split("."))


def _queue_name(name: str) -> str:
    try:
        return check_name("queue", name)
    except BadItem as error:
        raise ConfigError(str(error)) from None


def _table(key: str, found: object) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise ConfigError(f"{key} is {found!r}: must be a table: write [{key}]")
    return found


def _refuse_unknown(prefix: str, table: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in table:
        if key not in known:
            guess = nearest(key, list(known))
            hint = f"did you mean {prefix}.{guess}?" if guess else f"keys of [{prefix}] are {', '.join(known)}"
            raise ConfigError(f"unknown key {prefix}.{key}: {hint}")
