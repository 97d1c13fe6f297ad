"""The schema: which migrations the database has, and applying the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqd.errors import SchemaMismatch
from snqd.stores.base import SchemaStatus
from snqd.stores.sql import migrations, queries

if TYPE_CHECKING:
    from snqd.stores.postgres.connection import Connection

_SQL = queries("postgres")


def status(connection: Connection) -> SchemaStatus:
    applied = _applied(connection)
    known = tuple(migration.name for migration in migrations("postgres"))
    return SchemaStatus(
        applied=applied,
        known=known,
        pending=tuple(name for name in known if name not in applied),
        unknown=tuple(name for name in applied if name not in known),
    )


def check(connection: Connection, where: str) -> None:
    """Raise `SchemaMismatch` unless the tables are those that this program knows."""
    found = status(connection)
    if found.unknown:
        raise SchemaMismatch(
            f"{where} was upgraded by a newer snqd (it has {found.unknown[-1]}, this one knows up to "
            f"{found.known[-1]}): upgrade snqd"
        )
    if not found.applied:
        raise SchemaMismatch(f"{where} has no tables of snqd: run `snqd schema upgrade`")
    if found.pending:
        raise SchemaMismatch(f"{where} lacks the migration {', '.join(found.pending)}: run `snqd schema upgrade`")


def upgrade(connection: Connection, where: str) -> list[str]:
    """Apply what is pending, each in a transaction of its own; their names. Two upgrades at once take turns."""
    done: list[str] = []
    for migration in migrations("postgres"):
        with connection.transaction():
            connection.execute(_SQL["lock_migrations"])
            connection.execute(_SQL["create_migrations"])
            applied = _applied(connection)
            if migration.name in applied:
                continue
            newest = max(applied, default="")
            if newest > migration.name:
                raise SchemaMismatch(f"{where} has {newest} but not {migration.name}: it was upgraded by another snqd")
            connection.execute(migration.sql.encode(), prepare=False)  # several statements at once
            connection.execute(_SQL["add_migration"], {"name": migration.name})
            done.append(migration.name)
    return done


def _applied(connection: Connection) -> tuple[str, ...]:
    exists = connection.execute(_SQL["has_migrations"]).fetchone()
    if not exists or not exists[0]:
        return ()
    return tuple(row[0] for row in connection.execute(_SQL["applied"]))
