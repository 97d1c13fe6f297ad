"""The configuration as a whole: defaults < file < environment < flags, checked, with the origin of every value."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snqd.config.contradictions import contradictions
from snqd.config.schema import Config, QueueConfig
from snqd.config.secrets import URL_KEYS
from snqd.config.settings import QUEUE, SECTIONS
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


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration, the file it came from (None: no file), and the origin of every value that was given."""

    config: Config
    path: Path | None
    origins: Mapping[str, Origin] = field(default_factory=dict)

    def origin(self, key: str) -> Origin:
        return self.origins.get(key, DEFAULT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loader:
    """Remembers what the command was started with, so that a reload means the same file, variables and flags.

    `cwd` is the working directory at start: a detached daemon leaves it.
    """

    file: str | None = None
    """Value of `--config`."""
    flags: Mapping[str, tuple[str, object]] = field(default_factory=dict)
    """Key → (flag, value): `{"daemon.threads": ("--threads", 4)}`. Text is parsed as from the environment."""
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    cwd: Path = field(default_factory=Path.cwd)

    def load(self) -> Loaded:
        """Read and check everything. Blocks on files only. Raises `ConfigError`."""
        path = find_file(self.file, self.environ, self.cwd)
        sources = [] if path is None else [read_file(path)]
        sources += [read_environment(self.environ, self.cwd), read_flags(self.flags, self.cwd)]
        given = {entry.key: entry for source in sources for entry in source.given}
        problems = [problem for source in sources for problem in source.problems]
        problems += contradictions(given)
        if problems:
            raise ConfigProblems(problems)
        config = _build(given.values(), sources, self.cwd)
        return Loaded(config, path, {entry.key: entry.origin for entry in given.values()})


def _build(given: Iterable[Given], sources: list[Source], cwd: Path) -> Config:
    by_table: dict[str, dict[str, Any]] = {}
    for entry in given:
        table, _dot, name = entry.key.rpartition(".")
        by_table.setdefault(table, {})[name] = entry.value
    store = by_table.setdefault("store", {})
    store.setdefault("url", Config().store.url)
    store.update({key: anchored_url(url, cwd) for key, url in store.items() if f"store.{key}" in URL_KEYS})
    queues = {
        table.removeprefix(f"{QUEUE}."): QueueConfig(**values)
        for table, values in by_table.items()
        if table.startswith(f"{QUEUE}.")
    }
    free: dict[str, Any] = {}
    for source in sources:
        free.update(source.free)
    sections = {name: owner(**by_table.get(name, {})) for name, owner in SECTIONS.items()}
    return Config(**sections, queue=queues, **free)
