"""The configuration as a whole: defaults < file < environment < flags, checked, with the origin of every value."""

from __future__ import annotations

import os
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from snqd.config.contradictions import contradictions
from snqd.config.schema import Config
from snqd.config.secrets import URL_KEYS
from snqd.config.settings import NAMED, SECTIONS
from snqd.config.sources import (
    DEFAULT,
    Given,
    Origin,
    Source,
    anchored_url,
    find_file,
    read_environment,
    read_file,
    read_flags,
)
from snqd.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class ConfigProblems(ConfigError):
    """Everything that is wrong with a configuration. The message is the first problem and how many follow."""

    def __init__(self, problems: list[str]) -> None:
        more = f" (and {len(problems) - 1} more: see 'snqd config check')" if len(problems) > 1 else ""
        super().__init__(f"{problems[0]}{more}")
        self.problems = problems


class Loaded(NamedTuple):
    """A configuration, the file it came from (None: no file), and the origin of every value that was given."""

    config: Config
    path: Path | None
    origins: Mapping[str, Origin] = MappingProxyType({})

    def origin(self, key: str) -> Origin:
        return self.origins.get(key, DEFAULT)


class Loader:
    """Remembers what the command was started with, so that a reload means the same file, variables and flags.

    `file` is the value of `--config`. `flags`: key → (flag, value), as in `{"daemon.threads": ("--threads", 4)}`; text
    is parsed as from the environment. `environ` and `cwd` are the process's own unless given: a detached daemon leaves
    its working directory.
    """

    def __init__(
        self,
        *,
        file: str | None = None,
        flags: Mapping[str, tuple[str, object]] | None = None,
        environ: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self._file = file
        self._flags = flags or {}
        self._environ = dict(os.environ if environ is None else environ)
        self._cwd = cwd or Path.cwd()

    def load(self) -> Loaded:
        """Read and check everything. Blocks on files only. Raises `ConfigError`."""
        path = find_file(self._file, self._environ, self._cwd)
        sources = [] if path is None else [read_file(path)]
        tables = {name: origin for source in sources for name, origin in source.tables.items()}
        sources += [read_environment(self._environ, self._cwd, tables), read_flags(self._flags, self._cwd)]
        given = {entry.key: entry for source in sources for entry in source.given}
        problems = [problem for source in sources for problem in source.problems]
        problems += contradictions(given, {key for source in sources for key in source.refused}, tables)
        if problems:
            raise ConfigProblems(problems)
        config = _build(given.values(), sources, self._cwd)
        return Loaded(config, path, {entry.key: entry.origin for entry in given.values()})


def _build(given: Iterable[Given], sources: list[Source], cwd: Path) -> Config:
    by_table: dict[str, dict[str, Any]] = {}
    for entry in given:
        table, _dot, name = entry.key.rpartition(".")
        by_table.setdefault(table, {})[name] = entry.value
    store = by_table.setdefault("store", {})
    store.setdefault("url", Config().store.url)
    store.update({key: anchored_url(url, cwd) for key, url in store.items() if f"store.{key}" in URL_KEYS})
    named: dict[str, Any] = {
        table.field: {
            name.removeprefix(f"{prefix}."): table.owner(**values)
            for name, values in by_table.items()
            if name.startswith(f"{prefix}.")
        }
        for prefix, table in NAMED.items()
    }
    free: dict[str, Any] = {}
    for source in sources:
        free.update(source.free)
    sections: dict[str, Any] = {name: owner(**by_table.get(name, {})) for name, owner in SECTIONS.items()}
    return Config(**sections, **named, **free)
