"""What waits in a StatusNet database, carried over into ours by `db/rc3to09.sql`, which does all the judging.

Where that database is another one, its table is first mirrored into a temporary table of ours, bytes passed on as they
come; so memory is bounded, and one transaction of ours decides whether all of it was carried over, or nothing.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
from psycopg import errors as pg
from psycopg import sql

from snqd.errors import SnqdError
from snqd.stores.postgres import schema
from snqd.stores.postgres.connection import Session, connect, guarded, one_line, parse_address, place
from snqd.stores.sql import data_folder, queries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psycopg.abc import Buffer

    from snqd.config.schema import StoreConfig
    from snqd.stores.postgres.connection import Connection

UPDATER = "rc3to09.sql"
_FROM = "--from"
_NAME = "snqd import-statusnet"
_TOLD_ROWS = 10_000
_MIRROR = sql.Identifier("pg_temp", "statusnet_mirror")
_SQL = queries("postgres")


class Flow(NamedTuple):
    """What was found of one queue and codec. `items` is new, `were_claimed` of them; `carried_before` is not."""

    queue: str
    codec: str
    items: int
    were_claimed: int
    carried_before: int


def carry_over(
    config: StoreConfig,
    *,
    source_url: str | None,
    table: str,
    site: str,
    is_dry_run: bool = False,
    on_read: Callable[[int], None] = lambda _rows: None,
) -> list[Flow]:
    """Carry over what waits in `table` and was not carried before; what was found, by queue and codec.

    `source_url` None: the table is in the store's database. `on_read` is told how many rows were read from another one.
    Raises `SnqdError` with nothing carried over.
    """
    target = Session(config.url, "store.url", _NAME, is_worker=False)
    try:
        with guarded(target.where), _refusals(target.where):
            schema.check(target.connection, target.where)
            with target.connection.transaction(force_rollback=is_dry_run):
                named = f"{table} of {target.where}"
                if source_url is None:
                    source, origin = _resolve(target.connection, table, named), target.connection.info.dbname
                else:
                    source, origin, named = _mirror(target.connection, source_url, table, on_read)
                return _carry(target.connection, source, origin, named, site, config.frame_limit_bytes, is_dry_run)
    finally:
        target.close()


def _carry(
    connection: Connection, source: int, origin: str, named: str, site: str, frame_limit: int, is_dry_run: bool
) -> list[Flow]:
    connection.execute((data_folder() / "db" / UPDATER).read_bytes(), prepare=False)  # several statements at once
    rows = connection.execute(
        _SQL["carry_from_statusnet"],
        {
            "source": source,
            "site": site,
            "origin": origin,
            "frame_limit": frame_limit,
            "is_dry_run": is_dry_run,
            "named": named,
        },
    )
    return [Flow(*row) for row in rows]


def _mirror(target: Connection, source_url: str, table: str, on_read: Callable[[int], None]) -> tuple[int, str, str]:
    """Give `target` a temporary table with the other database's rows.

    Its oid, the name of that database, and what the table is called in messages.
    """
    where = f"PostgreSQL {place(parse_address(source_url, _FROM))}"
    named = f"{table} of {where}"
    source = connect(source_url, _FROM, _NAME)
    try:
        with _reading(where):
            found = _resolve(source, table, named)
            columns = source.execute(_SQL["columns_of_statusnet"], {"source": found}).fetchall()
            # quoted by the server where it has to be
            qualified = _text(source.execute("SELECT %s::oid::regclass::text", [found]).fetchone())
        declared = sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind)) for name, kind in columns
        )
        target.execute(sql.SQL("CREATE TEMPORARY TABLE {} ({}) ON COMMIT DROP").format(_MIRROR, declared))
        if columns:
            names = sql.SQL(", ").join(sql.Identifier(name) for name, _kind in columns)
            # binary, for it is the same whatever the two servers' settings of dates and encodings are
            out = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT (FORMAT binary)").format(names, sql.SQL(qualified))
            into = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(_MIRROR, names)
            with target.cursor().copy(into) as writer:
                for number, block in enumerate(_blocks(source, out, where)):
                    writer.write(block)
                    if number % _TOLD_ROWS == 0:
                        on_read(number)
        return _resolve(target, "pg_temp.statusnet_mirror", named), source.info.dbname, named
    finally:
        source.close()


def _blocks(source: Connection, query: sql.Composed, where: str) -> Iterator[Buffer]:
    with _reading(where), source.cursor().copy(query) as reader:
        yield from reader


def _resolve(connection: Connection, table: str, named: str) -> int:
    """The oid of a table. Raises `SnqdError` when there is none."""
    try:
        row = connection.execute("SELECT to_regclass(%s)::oid", [table]).fetchone()
    except psycopg.ProgrammingError as error:
        raise SnqdError(f"--table {table!r} is no name of a table: {one_line(error)}") from error
    if row is None or row[0] is None:
        raise SnqdError(f"there is no table {named}: name StatusNet's with --table, and its database with --from")
    oid: int = row[0]
    return oid


def _text(row: tuple[Any, ...] | None) -> str:
    assert row is not None
    return str(row[0])


@contextmanager
def _refusals(where: str) -> Iterator[None]:
    """What the updater refuses is said in its own words."""
    try:
        yield
    except pg.RaiseException as error:
        raise SnqdError(one_line(error)) from error
    except pg.InsufficientPrivilege as error:
        raise SnqdError(f"{where}: {one_line(error)}: run this as the owner of the tables of snqd") from error


@contextmanager
def _reading(where: str) -> Iterator[None]:
    """Say of which of the two databases an error is."""
    try:
        yield
    except pg.InsufficientPrivilege as error:
        raise SnqdError(f"{where}: {one_line(error)}: this role needs SELECT on StatusNet's table") from error
    except psycopg.Error as error:
        raise SnqdError(f"cannot read {where}: {one_line(error)}") from error
