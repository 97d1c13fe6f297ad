"""The schema as data: every setting with its kind, default and environment variable, read from the schema."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import Any, Literal, NamedTuple

from snqd.config.schema import (
    AlarmsConfig,
    DaemonConfig,
    HandlersConfig,
    QueueConfig,
    ScheduleConfig,
    SitesConfig,
    SnmpConfig,
    SnmpTargetConfig,
    SnmpUserConfig,
    StoreConfig,
    TelemetryConfig,
    XmppConfig,
)

SECTIONS: dict[str, Any] = {
    "daemon": DaemonConfig,
    "store": StoreConfig,
    "telemetry": TelemetryConfig,
    "alarms": AlarmsConfig,
    "snmp": SnmpConfig,
    "xmpp": XmppConfig,
    "handlers": HandlersConfig,
    "sites": SitesConfig,
}
"""Tables with fixed keys, which can also be set from the environment, and their named tuples."""

QUEUE = "queue"
SCHEDULE = "schedule"
SNMP_USER = "snmp.user"
SNMP_TARGET = "snmp.target"


class NamedTable(NamedTuple):
    """Tables whose last name is free, as `[queue.NAME]`: their type, and the field of `Config` that holds them."""

    owner: Any
    field: str


NAMED: dict[str, NamedTable] = {
    QUEUE: NamedTable(QueueConfig, "queue"),
    SCHEDULE: NamedTable(ScheduleConfig, "schedule"),
    SNMP_USER: NamedTable(SnmpUserConfig, "snmp_user"),
    SNMP_TARGET: NamedTable(SnmpTargetConfig, "snmp_target"),
}
"""By the prefix of the table."""

TOP_LEVEL = (QUEUE, SCHEDULE)
"""Those that do not lie within a section."""

WITH_VARIABLES = (SNMP_USER, SNMP_TARGET)
"""Named tables whose keys can be set from the environment too: what is secret need not be in a file."""

FREE_FORM = ("settings", "site")
"""Tables that belong to the application."""


class Kind(StrEnum):
    """What a value is, in the words of an error message."""

    TEXT = "text in quotes"
    WHOLE = "a whole number"
    NUMBER = "a number"
    TRUTH = "true or false"
    NAMES = 'a list of texts, as in ["a", "b"]'
    TABLE = "a table, as in { key = 1 }"
    CHOICE = "one of"


class Setting(NamedTuple):
    """One key. `key` is `section.name`; in a named table `queue.*.name`."""

    key: str
    kind: Kind
    choices: tuple[str, ...] = ()
    default: Any = None

    @property
    def name(self) -> str:
        return self.key.rpartition(".")[2]

    @property
    def variable(self) -> str | None:
        """The environment variable that sets it; None for keys of named tables."""
        return None if ".*." in self.key else variable_of(self.key)

    @property
    def variable_words(self) -> str:
        """The same for a person, who sees where the name of the table goes; empty = there is none."""
        if self.variable is not None:
            return self.variable
        return variable_of(self.key).replace("_*_", "_<NAME>_") if table_of(self.key) in WITH_VARIABLES else ""

    @property
    def expected(self) -> str:
        """What a right value looks like."""
        if self.kind is Kind.CHOICE:
            return f"{Kind.CHOICE} {', '.join(repr(choice) for choice in self.choices)}"
        return str(self.kind)


def variable_of(key: str) -> str:
    """The environment variable of a full key, with `_` for what no such name may hold."""
    return f"SNQD_{re.sub(r'[^A-Za-z0-9*]', '_', key).upper()}"


def settings() -> dict[str, Setting]:
    """Every setting by its key, in the order of the schema."""
    tables = map(settings_in, (*SECTIONS, *NAMED))
    return {setting.key: setting for table in tables for setting in table.values()}


@cache
def settings_in(table: str) -> dict[str, Setting]:
    """The settings of a section, or of a named table such as `queue`, by name.

    Only the tables that are asked for are looked through.
    """
    prefix, owner = (f"{table}.*", NAMED[table].owner) if table in NAMED else (table, SECTIONS[table])
    hints = typing.get_type_hints(owner)
    return {name: _setting(f"{prefix}.{name}", hints[name], owner._field_defaults[name]) for name in owner._fields}


def table_of(key: str) -> str:
    """The table of a full key, without a free name: `snmp.user` for `snmp.user.monitor.auth`."""
    return next((prefix for prefix in NAMED if key.startswith(f"{prefix}.")), key.partition(".")[0])


def setting_of(key: str) -> Setting:
    """The setting of a full key; `queue.mail.group` is found as `queue.*.group`. Raises `KeyError`."""
    return settings_in(table_of(key))[key.rpartition(".")[2]]


def _setting(key: str, hint: Any, default: Any) -> Setting:
    if isinstance(hint, types.UnionType):  # X | None
        (hint,) = (part for part in typing.get_args(hint) if part is not types.NoneType)
    if typing.get_origin(hint) is Literal:
        return Setting(key=key, kind=Kind.CHOICE, choices=typing.get_args(hint), default=default)
    kinds = {
        str: Kind.TEXT, int: Kind.WHOLE, float: Kind.NUMBER, bool: Kind.TRUTH, tuple[str, ...]: Kind.NAMES,
        Mapping[str, Any]: Kind.TABLE,
    }  # fmt: skip
    return Setting(key=key, kind=kinds[hint], default=default)
