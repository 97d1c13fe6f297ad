"""The schema of the file: which migrations it has, and applying those that are pending."""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import TYPE_CHECKING

from snqd.errors import SchemaMismatch
from snqd.stores.base import Migration, SchemaStatus
from snqd.stores.sql import migrations, queries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snqd.stores.sqlite.connection import Connection


def status(connection: Connection) -> SchemaStatus:
    """Which migrations the file has, and which this program knows."""
    applied = connection.read(_applied)
    known = tuple(step.name for step in migrations("sqlite"))
    return SchemaStatus(
        applied=applied,
        known=known,
        pending=tuple(name for name in known if name not in applied),
        unknown=tuple(name for name in applied if name not in known),
    )


def check(connection: Connection) -> None:
    """Install the tables in a new file. Raises `SchemaMismatch` when those of another are older or newer."""
    found = status(connection)
    if not found.applied and not connection.read(_has_tables):
        upgrade(connection)
        found = status(connection)
    if found.unknown:
        raise SchemaMismatch(
            f"{connection.path} was made by a newer snqd (it has migration {found.unknown[-1]}): upgrade snqd"
        )
    if found.pending and not found.applied:
        raise SchemaMismatch(
            f"{connection.path} has tables, but not snqd's: run `snqd schema upgrade` to add them, or check store.url"
        )
    if found.pending:
        raise SchemaMismatch(
            f"{connection.path} lacks migration {', '.join(found.pending)}: stop the daemon, save the file "
            "and run `snqd schema upgrade`"
        )


def upgrade(connection: Connection) -> list[str]:
    """Apply pending migrations, each in a transaction, and return their names."""
    return [step.name for step in migrations("sqlite") if connection.write(partial(_apply, step))]


def _apply(step: Migration, raw: sqlite3.Connection) -> bool:
    """Apply `step` unless the file has it, asked under the write lock: another program may be upgrading too."""
    if step.name in _applied(raw):
        return False
    for statement in statements(step.sql):
        raw.execute(statement)
    raw.execute(queries("sqlite")["record_migration"], (step.name,))
    return True


def statements(script: str) -> Iterator[str]:
    """The statements of a script, one by one. (`executescript` would commit the open transaction first.)"""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _applied(raw: sqlite3.Connection) -> tuple[str, ...]:
    if raw.execute(queries("sqlite")["has_migrations"]).fetchone() is None:
        return ()
    return tuple(name for (name,) in raw.execute(queries("sqlite")["migrations_applied"]))


def _has_tables(raw: sqlite3.Connection) -> bool:
    return raw.execute(queries("sqlite")["has_tables"]).fetchone() is not None
