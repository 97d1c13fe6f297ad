"""`[snqd]` in a site's settings: what snqd itself does differently for this site. All other keys are the application's.

```toml
[snqd]
queues = ["mail", "feed"]       # the site has these queues; without the key, all of them

[snqd.queue.mail]
handler = "shop.gold:mail"      # in place of the queue's own handler
max_attempts = 3

[snqd.schedule.digest]          # beside those of the configuration, or in the place of the one with this name
queue = "mail"
cron = "0 7 * * mon-fri"
zone = "Europe/Berlin"
```
"""

from __future__ import annotations

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


class SiteQueue(NamedTuple):
    """What is different in one queue. `handler` is `MODULE:NAME`; `limits` has some of `LIMITS`."""

    handler: str | None = None
    limits: Mapping[str, Any] = MappingProxyType({})


class SiteOptions(NamedTuple):
    """`queues` is None when the site has all of them."""

    queues: tuple[str, ...] | None = None
    queue: Mapping[str, SiteQueue] = MappingProxyType({})
    schedules: Mapping[str, dict[str, Any]] = MappingProxyType({})
    """The values given in each, by name."""


DEFAULT = SiteOptions()


def site_options(own: Mapping[str, Any]) -> SiteOptions:
    """The options among a site's own settings. Raises `ConfigError`, in words that follow the name of the place."""
    if KEY not in own:
        return DEFAULT
    table = _table(KEY, own[KEY])
    _refuse_unknown(KEY, table, (_QUEUES, _QUEUE, _SCHEDULE))
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
    return SiteOptions(queues, found, schedules)


def _site_queue(name: str, found: object) -> SiteQueue:
    prefix = f"{KEY}.{_QUEUE}.{name}"
    table = _table(prefix, found)
    _refuse_unknown(prefix, table, (HANDLER, *LIMITS))
    handler = table.get(HANDLER)
    if handler is not None and not _is_reference(handler):
        raise ConfigError(f"{prefix}.{HANDLER} is {handler!r}: must be 'MODULE:NAME', as in 'shop.gold:mail'")
    known = settings_in(QUEUE)
    limits = {}
    for key in LIMITS:
        if key in table:
            try:
                limits[key] = from_toml(table[key], known[key])
                check(limits[key], known[key])
            except ValueError as error:
                raise ConfigError(f"{prefix}.{key} is {table[key]!r}: {error}") from None
    return SiteQueue(handler, limits)


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
