"""A TOML file: read with errors that name file, line and column, and asked where a key stands."""

from __future__ import annotations

import re
import tomllib
from functools import cached_property
from typing import TYPE_CHECKING, Any

from snqd.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_POSITION = r"\s*\((?:at (?:line (\d+), column (\d+)|end of document))\)$"

KeyPath = tuple[str, ...]


class Document:
    """A parsed file. Raises `ConfigError` when it cannot be read or is not TOML."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = _read(path)
        try:
            self.values: dict[str, Any] = tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(_syntax_message(path, str(error), self.text)) from error
        except RecursionError:
            raise ConfigError(f"{path}: not valid TOML: nested too deeply") from None

    def place(self, key: KeyPath) -> str:
        """`file:line` of a key, or of the table that holds it; just `file` when the key is not there."""
        while key and key not in self._lines:
            key = key[:-1]
        return f"{self.path}:{self._lines[key]}" if key else str(self.path)

    @cached_property
    def _lines(self) -> dict[KeyPath, int]:
        """Line of each table and key. Found only when someone asks: for errors and `config show`."""
        lines: dict[KeyPath, int] = {}
        table: KeyPath = ()
        for number, statement in _statements(self.text):
            paths = list(_paths(tomllib.loads(statement)))
            if statement.lstrip().startswith("["):
                table = paths[0]
                paths = [()]
            for path in paths:
                for depth in range(1, len(table + path) + 1):
                    lines.setdefault((table + path)[:depth], number)
        return lines


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: not valid TOML: the text is not UTF-8") from None


def _syntax_message(path: Path, message: str, text: str) -> str:
    position = re.search(_POSITION, message)
    if position is None:
        return f"{path}: not valid TOML: {message}"
    line, column = position[1] or str(text.count("\n") + 1), position[2]
    words = message[: position.start()]
    where = f"{path}:{line}" + (f":{column}" if column else "")
    return f"{where}: not valid TOML: {words[:1].lower()}{words[1:]}"


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each header or assignment with the number of its first line; one that spans lines comes in one piece."""
    pending: list[str] = []
    first = 0
    for number, line in enumerate(text.splitlines(), start=1):
        if not pending:
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            first = number
        pending.append(line)
        statement = "\n".join(pending)
        try:
            tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue  # the text as a whole is valid, so the statement goes on in the next line
        yield first, statement
        pending = []


def _paths(value: dict[str, Any]) -> Iterator[KeyPath]:
    for key, inner in value.items():
        if isinstance(inner, dict) and inner:
            yield from ((key, *path) for path in _paths(inner))
        else:
            yield (key,)
