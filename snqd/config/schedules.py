"""Schedules as they are declared: `[schedule.NAME]` for one site or all, `[snqd.schedule.NAME]` in a site's settings.

A schedule is known by its site and its name, and a site's own one goes before that for all sites.
"""

from __future__ import annotations

from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from snqd.config.schema import ScheduleConfig
from snqd.config.settings import SCHEDULE, settings_in
from snqd.config.values import ADDED_TO_PAYLOAD, check, from_toml, nearest
from snqd.errors import BadItem, ConfigError
from snqd.items import NewItem, new_item
from snqd.names import check_name

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping

    from snqd.config.catalogue import Declared
    from snqd.config.schema import Config

EVERY_SITE = "*"
_SITE = "site"
_NEEDED = ("queue", "cron")


class Key(NamedTuple):
    """What a schedule is known by."""

    site: str
    name: str


class Schedule(NamedTuple):
    """One schedule of one site."""

    key: Key
    queue: str
    cron: str
    zone: str
    payload: Mapping[str, Any] = MappingProxyType({})
    priority: int = 0
    missed: str = "once"
    missed_after_seconds: float = 60.0
    overlap: str = "allow"

    @property
    def definition(self) -> str:
        """When it is due: another definition begins anew, and has missed nothing."""
        return f"{self.cron} {self.zone}"

    def item(self, due: float, *, is_late: bool, frame_limit_bytes: int) -> NewItem:
        """The item for the time `due` (epoch seconds). A late one waits since now, and not since it was due."""
        from snqd.config.cron import cron_of

        local = cron_of(self.cron, self.zone).local(due).isoformat()
        name, due_key = ADDED_TO_PAYLOAD
        return new_item(
            self.queue,
            {**self.payload, name: self.key.name, due_key: local},
            site=self.key.site,
            priority=self.priority,
            at=None if is_late else datetime.fromtimestamp(due, UTC),
            unique_key=f"schedule {self.key.name}" if self.overlap == "skip" else None,
            frame_limit_bytes=frame_limit_bytes,
        )


def own_schedules(prefix: str, found: object) -> dict[str, dict[str, Any]]:
    """The values given in a site's own schedules, by name. Raises `ConfigError`, in words that follow the place."""
    if not isinstance(found, dict):
        raise ConfigError(f"{prefix} is {found!r}: must be a table: write [{prefix}.NAME]")
    return {name: _own(f"{prefix}.{name}", name, table) for name, table in found.items()}


def declared_schedules(config: Config, sites: Iterable[tuple[str, Declared]]) -> dict[Key, Schedule]:
    """Every schedule that is in force. `sites`: all that are declared."""
    shared = {name: table for name, table in config.schedule.items() if table.enabled}
    found: dict[Key, Schedule] = {}
    for site, declared in sites:
        if declared.problem:
            continue
        for name, table in shared.items():
            if table.site in (site, EVERY_SITE) and (declared.queues is None or table.queue in declared.queues):
                found[Key(site, name)] = _schedule(site, name, table)
        for name, values in declared.schedules.items():
            table = ScheduleConfig(**values)
            found.pop(Key(site, name), None)
            if table.enabled:
                found[Key(site, name)] = _schedule(site, name, table)
    return found


def of_no_site(config: Config, sites: Container[str]) -> Iterator[str]:
    """What is wrong with schedules whose site is not declared, one line each."""
    for name, table in config.schedule.items():
        if table.enabled and table.site != EVERY_SITE and table.site not in sites:
            yield (
                f"schedule.{name} is never due: there is no site {table.site!r}: correct {SCHEDULE}.{name}.site "
                f"({EVERY_SITE!r} = every site)"
            )


def _schedule(site: str, name: str, table: ScheduleConfig) -> Schedule:
    assert table.queue is not None, "what is needed has been looked for"
    assert table.cron is not None, "what is needed has been looked for"
    return Schedule(
        Key(site, name),
        table.queue,
        table.cron,
        table.zone,
        table.payload,
        table.priority,
        table.missed,
        table.missed_after_seconds,
        table.overlap,
    )


def _own(prefix: str, name: str, table: object) -> dict[str, Any]:
    try:
        check_name("schedule", name)
    except BadItem as error:
        raise ConfigError(str(error)) from None
    if not isinstance(table, dict):
        raise ConfigError(f"{prefix} is {table!r}: must be a table: write [{prefix}]")
    known = {key: setting for key, setting in settings_in(SCHEDULE).items() if key != _SITE}
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in known:
            guess = nearest(key, list(known))
            hint = f"did you mean {prefix}.{guess}?" if guess else f"keys of [{prefix}] are {', '.join(known)}"
            raise ConfigError(f"unknown key {prefix}.{key}: {hint}")
        try:
            values[key] = from_toml(value, known[key])
            check(values[key], known[key])
        except ValueError as error:
            raise ConfigError(f"{prefix}.{key} is {value!r}: {error}") from None
    for key in _NEEDED:
        if key not in values and values.get("enabled", True):
            raise ConfigError(f"{prefix} has no {key}: set {prefix}.{key}")
    return values
