"""The application's own SQL on either driver's connection: one text for both, and its migrations.

Queries name their parameters `:name`, which is SQLite's form; for psycopg they become `%(name)s`.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from snqd.config.secrets import redact_url
from snqd.errors import SnqdError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PARAMETER = re.compile(r"(?<!:):([a-z_]+)")


class Database(NamedTuple):
    """Somebody else's connection, with whatever transaction is open on it. Never commits."""

    connection: Any
    """psycopg.Connection or sqlite3.Connection"""

    @property
    def kind(self) -> str:
        return "sqlite" if isinstance(self.connection, sqlite3.Connection) else "postgres"

    def run(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        """Execute one statement; the rows that it returns, or none."""
        if self.kind == "sqlite":
            return list(map(tuple, self.connection.execute(query, values)))
        cursor = self.connection.execute(_for_psycopg(query), values)
        return cursor.fetchall() if cursor.description else []

    def row(self, query: str, **values: Any) -> tuple[Any, ...] | None:
        """The first row, None when there is none."""
        found = self.run(query, **values)
        return found[0] if found else None

    def value(self, query: str, **values: Any) -> Any:
        """The first column of the first row, None when there is none."""
        found = self.row(query, **values)
        return found[0] if found else None


def connect(url: str) -> Any:
    """A connection to the store's database, by what `store.url` is; you commit. Raises `SnqdError`."""
    if url.startswith("sqlite:"):
        from snqd.stores.sqlite.location import path_from_url

        path = path_from_url(url)
        if not path.exists():
            raise SnqdError(f"there is no file {path}: make the store first, with snqd schema upgrade --store {url}")
        return sqlite3.connect(path, timeout=30)  # the workers of snqd write it too
    from snqd.stores.postgres.connection import connect as connect_postgres

    connection = connect_postgres(url, "URL", "notices")
    connection.autocommit = False
    return connection


@contextmanager
def transaction(url: str) -> Iterator[Database]:
    """A connection of its own, committed at the end of the block. Raises `SnqdError` for what a driver raises."""
    connection = connect(url)
    try:
        yield Database(connection)
        connection.commit()
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in ("sqlite3", "psycopg"):
            raise
        said = str(error).strip().split("\n", 1)[0]
        raise SnqdError(f"{redact_url(url)}: {said}: have the tables been made with `python -m … upgrade`?") from error
    finally:
        connection.close()


def upgrade(database: Database, package: Path) -> list[str]:
    """Apply the migrations of a package's folder that are missing, in the caller's transaction; their names."""
    database.run("CREATE TABLE IF NOT EXISTS example_migration (name varchar(63) PRIMARY KEY)")
    applied = {name for (name,) in database.run("SELECT name FROM example_migration")}
    done = []
    for path in sorted((package / "migrations" / database.kind).glob("*.sql")):
        if path.stem in applied:
            continue
        for statement in _statements(path.read_text()):
            database.connection.execute(statement)
        database.run("INSERT INTO example_migration (name) VALUES (:name)", name=path.stem)
        done.append(path.stem)
    return done


@cache
def _for_psycopg(query: str) -> str:
    return _PARAMETER.sub(r"%(\1)s", query.replace("%", "%%"))


def _statements(script: str) -> list[str]:
    """Ours hold no semicolon but at their ends. (sqlite3's `executescript` would commit what the caller began.)"""
    bare = re.sub(r"--.*", "", script)
    return [statement.strip() for statement in bare.split(";") if statement.strip()]
