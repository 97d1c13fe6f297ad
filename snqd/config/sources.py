"""Where values come from: the file, the environment and the flags, each as a list of given settings.

A source only says what was given and where; `snqd.config.load` decides between sources. Mistakes are collected as
one-line problems instead of raised one at a time, so that `snqd config check` shows all of them at once.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from snqd.config.document import Document
from snqd.config.secrets import redacted
from snqd.config.settings import (
    FREE_FORM,
    NAMED,
    QUEUE,
    SCHEDULE,
    SECTIONS,
    SNMP_TARGET,
    SNMP_USER,
    TOP_LEVEL,
    WITH_VARIABLES,
    Setting,
    setting_of,
    settings,
    settings_in,
    table_of,
    variable_of,
)
from snqd.config.values import check, from_text, from_toml, nearest
from snqd.errors import BadItem, ConfigError
from snqd.names import check_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

FILE_VARIABLE = "SNQD_CONFIG"
OTHER_VARIABLES = (FILE_VARIABLE, "SNQD_DEBUG", "SNQD_TEST_DSN")
"""Variables that are not settings: the file's path, tracebacks on errors, and the server of the tests."""

SEARCHED = (Path("snqd.toml"), Path("/etc/snqd/snqd.toml"))
_PATH_KEYS = (
    "daemon.runtime_dir", "daemon.pidfile", "daemon.log_file", "sites.directory", "telemetry.key_file",
    "telemetry.record_file", "snmp.community_file", "snmp.state_dir", "snmp.user.*.auth_passphrase_file",
    "snmp.user.*.privacy_passphrase_file", "snmp.target.*.community_file", "xmpp.password_file", "xmpp.ca_file",
)  # fmt: skip
_SQLITE = "sqlite:///"
# An orchestrator announces a service called "snqd" to every container with variables like these.
_SERVICE_LINK = r"_(SERVICE_(HOST|PORT)\w*|PORT(_\d+_(TCP|UDP)\w*)?)$"


class Origin(NamedTuple):
    """Where a value was given. `place()` is for people."""

    words: str
    document: Document | None = None
    path: tuple[str, ...] = ()

    def place(self) -> str:
        return self.document.place(self.path) if self.document is not None else self.words


DEFAULT = Origin("default")


class Given(NamedTuple):
    """A setting's value in its type, and where it was given."""

    key: str
    value: Any
    origin: Origin


class Source:
    """The settings of one source, and what is wrong in it."""

    def __init__(self) -> None:
        self.given: list[Given] = []
        self.problems: list[str] = []
        self.refused: set[str] = set()
        """Keys that were given a value which they cannot have."""
        self.free: dict[str, dict[str, Any]] = {}
        """The application's tables: `settings` and `site`."""
        self.tables: dict[str, Origin] = {}
        """Named tables that are looked at as a whole, as `snmp.user.monitor`: some need keys, or get them elsewhere."""

    def add(self, key: str, found: object, origin: Origin, base: Path, *, is_text: bool) -> None:
        """Take the value `found` for `key`; relative paths in it begin at `base`."""
        setting = setting_of(key)
        try:
            value = from_text(str(found), setting) if is_text else from_toml(found, setting)
            check(value, setting)
        except ValueError as error:
            self.problems.append(f"{origin.place()}: {key} is {_shown(key, found)}: {error}")
            self.refused.add(key)
        else:
            self.given.append(Given(key, _anchored(key, value, base), origin))


def find_file(flag: str | None, environ: Mapping[str, str], cwd: Path) -> Path | None:
    """The configuration file: `--config`, else `$SNQD_CONFIG`, else the first that exists of `SEARCHED`, else none."""
    named = flag or environ.get(FILE_VARIABLE)
    if named:
        return cwd / named
    return next((path for path in (cwd / searched for searched in SEARCHED) if _exists(path)), None)


def read_file(path: Path) -> Source:
    """The settings of a TOML file. Raises `ConfigError` if it is no TOML at all."""
    try:
        document = Document(path)
    except ConfigError as error:
        if not _exists(path):
            raise ConfigError(f"{error}: name the configuration with --config or ${FILE_VARIABLE}") from None
        raise
    source = Source()
    for name, table in document.values.items():
        if name not in (*SECTIONS, *TOP_LEVEL, *FREE_FORM):
            source.problems.append(_unknown_section(document, name))
        elif not isinstance(table, dict):
            source.problems.append(f"{document.place((name,))}: {name} must be a table: write [{name}]")
        elif name in FREE_FORM:
            source.free[name] = table
        elif name in TOP_LEVEL:
            _add_named(source, document, (name,), table)
        else:
            _add_table(source, document, (name,), table)
    return source


def read_environment(environ: Mapping[str, str], cwd: Path, tables: Iterable[str] = ()) -> Source:
    """The settings of variables `SNQD_<SECTION>_<KEY>`. An empty variable counts as not set.

    `tables`: named tables of the file, for variables such as `SNQD_SNMP_USER_MONITOR_AUTH_PASSPHRASE`.
    """
    source = Source()
    ours = {name: text for name, text in environ.items() if name.startswith("SNQD_") and name not in OTHER_VARIABLES}
    by_variable = {setting.variable: key for key, setting in settings().items() if setting.variable} if ours else {}
    of_tables = _variables_of(tables) if ours else {}
    for variable, text in ours.items():
        if not text:
            continue
        if variable in of_tables:
            first, *others = of_tables[variable]
            if others:
                source.problems.append(f"environment {variable}: it could be {' or '.join((first, *others))}")
            else:
                source.add(first, text, Origin(f"environment {variable}"), cwd, is_text=True)
        elif variable in by_variable:
            source.add(by_variable[variable], text, Origin(f"environment {variable}"), cwd, is_text=True)
        elif not re.search(_SERVICE_LINK, variable):
            known = [*(str(known) for known in by_variable), *of_tables]
            source.problems.extend(_unknown_variable(variable, known))
    return source


def _variables_of(tables: Iterable[str]) -> dict[str, list[str]]:
    """The keys of named tables by their variables: of names that differ in signs only, several."""
    found: dict[str, list[str]] = {}
    for table in tables:
        if table_of(f"{table}.") not in WITH_VARIABLES:
            continue
        for name in settings_in(table_of(f"{table}.")):
            found.setdefault(variable_of(f"{table}.{name}"), []).append(f"{table}.{name}")
    return found


def read_flags(flags: Mapping[str, tuple[str, object]], cwd: Path) -> Source:
    """The settings of command-line flags: key → (flag, value as text or in its type)."""
    source = Source()
    for key, (flag, value) in flags.items():
        found = list(value) if isinstance(value, tuple) else value
        source.add(key, found, Origin(f"flag {flag}"), cwd, is_text=isinstance(value, str))
    return source


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a folder on the way that we may not enter: reading it will say so
        return True


def _add_named(source: Source, document: Document, path: tuple[str, ...], tables: object) -> None:
    """Tables whose last name is free: `[queue.NAME]`."""
    prefix = ".".join(path)
    if not isinstance(tables, dict):
        source.problems.append(f"{document.place(path)}: {prefix} must be a table: write [{prefix}.NAME]")
        return
    for name, keys in tables.items():
        place = document.place((*path, name))
        if problem := _NAME_PROBLEMS[prefix](name):
            source.problems.append(f"{place}: {problem}")
        elif not isinstance(keys, dict):
            quoted = f"{prefix}.{_quoted(name)}"
            source.problems.append(f"{place}: {prefix}.{name} must be a table: write [{quoted}]")
        else:
            if prefix in (*WITH_VARIABLES, SCHEDULE):
                source.tables[f"{prefix}.{name}"] = Origin(str(document.path), document, (*path, name))
            _add_table(source, document, (*path, name), keys)


def _queue_problem(name: str) -> str:
    try:
        check_name("queue", name)
    except BadItem as error:
        return str(error)
    return ""


def _schedule_problem(name: str) -> str:
    try:
        check_name("schedule", name)
    except BadItem as error:
        return str(error)
    return ""


def _user_problem(name: str) -> str:
    return _short_name_problem(name, f"snmp.user {name!r} is no name of a user")


def _target_problem(name: str) -> str:
    return _short_name_problem(name, f"snmp.target {name!r} is no name of a target")


def _short_name_problem(name: str, words: str) -> str:
    if 1 <= len(name.encode()) <= _USER_BYTES and name.isprintable() and name == name.strip():
        return ""
    return f"{words}: use 1 to {_USER_BYTES} bytes of printable characters, without spaces at the ends"


_USER_BYTES = 32
_NAME_PROBLEMS: dict[str, Callable[[str], str]] = {
    QUEUE: _queue_problem,
    SCHEDULE: _schedule_problem,
    SNMP_USER: _user_problem,
    SNMP_TARGET: _target_problem,
}
"""What is wrong with a name, for each kind of named table; empty = nothing is."""


def _add_table(source: Source, document: Document, path: tuple[str, ...], table: dict[str, Any]) -> None:
    section = table_of(".".join((*path, "")))
    known = settings_in(section)
    for name, found in table.items():
        origin = Origin(str(document.path), document, (*path, name))
        if f"{section}.{name}" in NAMED:
            _add_named(source, document, (*path, name), found)
        elif name in known:
            source.add(".".join((*path, name)), found, origin, document.path.parent, is_text=False)
        else:
            source.problems.append(_unknown_key(origin.place(), path, name, known))


def _unknown_section(document: Document, name: str) -> str:
    tables = [*SECTIONS, *TOP_LEVEL, *FREE_FORM]
    elsewhere = [key for key in settings() if key.endswith(f".{name}") and ".*." not in key]
    if elsewhere:
        hint = f"did you mean {elsewhere[0]}? Write it below [{elsewhere[0].partition('.')[0]}]"
    elif guess := nearest(name, tables):
        hint = f"did you mean {guess}?"
    else:
        hint = f"tables are {', '.join(f'[{table}]' for table in tables)}; your own values go into [settings]"
    return f"{document.place((name,))}: unknown key {_quoted(name)}: {hint}"


def _unknown_key(place: str, path: tuple[str, ...], name: str, known: Mapping[str, Setting]) -> str:
    table = ".".join((path[0], *map(_quoted, path[1:])))
    elsewhere = [key for key in settings() if key.endswith(f".{name}")]
    if guess := nearest(name, list(known), cutoff=0.9 if elsewhere else 0.6):
        hint = f"did you mean {table}.{guess}?"
    elif elsewhere:
        hint = f"did you mean {elsewhere[0].replace('*', 'NAME')}?"
    else:
        hint = f"keys of [{table}] are {', '.join(known)}"
    return f"{place}: unknown key {table}.{_quoted(name)}: {hint}"


def _unknown_variable(variable: str, known: list[str]) -> Iterator[str]:
    guess = nearest(variable, known, cutoff=0.8)
    if guess:
        yield f"environment {variable}: no such setting: did you mean {guess}?"
        return
    table = next((table for table in WITH_VARIABLES if variable.startswith(f"{variable_of(table)}_")), None)
    section = variable.removeprefix("SNQD_").partition("_")[0].lower()
    if table is not None:
        yield f"environment {variable}: no such setting: it is for a table [{table}.NAME] in the configuration file"
    elif section in SECTIONS:
        ours = [name for name in known if name.startswith(f"SNQD_{section.upper()}_")]
        yield f"environment {variable}: no such setting: variables of [{section}] are {', '.join(ours)}"
    elif section in (*TOP_LEVEL, *FREE_FORM):
        yield f"environment {variable}: [{section}] cannot be set from the environment: use the configuration file"


def _anchored(key: str, value: Any, base: Path) -> Any:
    """Make a path absolute: a detached daemon changes its working directory, and a reload must mean the same file."""
    if setting_of(key).key in _PATH_KEYS:
        return os.path.normpath(base / Path(value).expanduser())
    return value


def anchored_url(url: str, cwd: Path) -> str:
    """`sqlite:///relative.db` is relative to the working directory, wherever it was written."""
    name = url.removeprefix(_SQLITE)
    if name == url or not name or name.startswith(("/", ":")):
        return url
    return f"{_SQLITE}{quote(str(cwd))}/{name}"  # the store takes the address apart with unquote


def _shown(key: str, found: object) -> str:
    found = redacted(key, found)
    text = f'"{found}"' if isinstance(found, str) else str(found).lower() if isinstance(found, bool) else repr(found)
    return text if len(text) <= 60 else text[:59] + "…"


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else f'"{name}"'
