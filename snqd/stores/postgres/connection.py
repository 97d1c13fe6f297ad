"""Connections to PostgreSQL: addresses without secrets, errors in one line, and what a pooler forbids.

Behind a transaction pooler (PgBouncer and its kind) a connection is a different server session at every transaction:
prepared statements, session settings and LISTEN do not work there. The pooler gives itself away by the backend's
pid: the one it tells at the start of the connection is not the one that answers.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import errors as pg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from snqd.errors import BadItem, SchemaMismatch, StoreError, StoreUnavailable
from snqd.stores.sql import queries

if TYPE_CHECKING:
    from collections.abc import Iterator

Connection = psycopg.Connection[tuple[Any, ...]]

OLDEST_SERVER = 140000
_SQL = queries("postgres")
_DEFAULTS: dict[str, str | int] = {
    "connect_timeout": 5,
    "client_encoding": "utf8",  # whatever PGCLIENTENCODING says: COPY and the single insert send raw texts
    # a peer that vanished without a word (a host lost, a firewall that forgot us) is noticed within half a minute
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20000,
}
_SECRETS = re.compile(r"((?:password|passwd|sslpassword|pwd)\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s&]*)", re.IGNORECASE)
_REFUSED = (
    "password authentication failed",
    "authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
    "is not permitted to log in",
    "role ",
    "database ",
    "permission denied for database",
    "no such database",  # PgBouncer's word
    "no such user",
)


def redacted(address: str) -> str:
    """The address as people may see it: without passwords."""
    shown = _SECRETS.sub(r"\1***", address)
    try:
        parts = urlsplit(shown)
    except ValueError:
        return "postgresql://…" if "://" in shown else "…"
    if parts.scheme and "@" in parts.netloc:
        user, _, host = parts.netloc.rpartition("@")
        name, colon, _secret = user.partition(":")
        shown = urlunsplit(parts._replace(netloc=f"{name}{':***' if colon else ''}@{host}"))
    return shown


def parse_address(address: str, setting: str) -> dict[str, Any]:
    """The parts of a libpq address. Raises `StoreError`, which never repeats the address's secrets."""
    try:
        parts = dict(conninfo_to_dict(address))
    except psycopg.ProgrammingError as error:
        unknown = re.search(r'invalid (?:URI query parameter|connection option)[: ]*"?(\w+)"?', str(error))
        what = f"unknown parameter {unknown[1]!r}" if unknown else "expected postgresql://user@host:port/database"
        raise StoreError(f"{setting} = {redacted(address)!r} is not a PostgreSQL address: {what}") from None
    port = str(parts.get("port") or "5432")
    if not all(number.isdigit() for number in port.split(",")):
        raise StoreError(f"{setting} = {redacted(address)!r} is not a PostgreSQL address: {port!r} is no port number")
    return parts


def connect(address: str, setting: str, application_name: str) -> Connection:
    """A new connection in autocommit mode. Raises `StoreUnavailable` (try again) or `StoreError` (fix the setting)."""
    parts = parse_address(address, setting)
    given = {key: value for key, value in _DEFAULTS.items() if key not in parts}
    try:
        return psycopg.connect(
            make_conninfo(**{**given, **parts, "application_name": application_name[:63]}), autocommit=True
        )
    except psycopg.Error as error:
        reason = one_line(error)
        kind = StoreError if any(word in reason for word in _REFUSED) and "starting up" not in reason else None
        raise (kind or StoreUnavailable)(f"cannot connect to PostgreSQL {place(parts)}: {reason}") from error


def place(parts: dict[str, Any]) -> str:
    """Where the server is, in words: host, port, database and user."""
    host = parts.get("host") or parts.get("hostaddr") or "the local socket"
    port = f":{parts['port']}" if parts.get("port") else ""
    user = f" as {parts['user']}" if parts.get("user") else ""
    return f"at {host}{port}, database {parts.get('dbname') or parts.get('user') or 'of the user'}{user}"


def one_line(error: BaseException) -> str:
    """What the server or libpq said, as one line."""
    diag = getattr(error, "diag", None)
    primary = getattr(diag, "message_primary", None)
    if primary:
        hint = getattr(diag, "message_hint", None)
        return f"{primary} ({hint})" if hint else str(primary)
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and "Multiple connection" not in line]
    text = " ".join(dict.fromkeys(lines)) or type(error).__name__
    return re.sub(r"^(connection failed: )?(connection to server (at|on) .*? failed: )", "", text)


def translate(error: psycopg.Error, where: str) -> Exception:
    """The error of our own tree for a driver's error: retry (`StoreUnavailable`), bad input, or a person's work."""
    reason = one_line(error)
    match error:
        case pg.UndefinedTable() | pg.UndefinedColumn() | pg.UndefinedFunction() | pg.InvalidSchemaName():
            return SchemaMismatch(f"the tables of snqd in {where} are not as expected: {reason}: `snqd schema upgrade`")
        case pg.DuplicateTable():
            return SchemaMismatch(
                f"{where} has a table that is not snqd's where snqd's would go: {reason}: "
                "give snqd a schema or a database of its own (StatusNet's queue_item: see docs/statusnet.md)"
            )
        case pg.InsufficientPrivilege():
            return StoreError(f"{where}: {reason}: grant the rights listed at the top of `snqd schema sql`")
        case pg.CheckViolation() | pg.CharacterNotInRepertoire() | pg.UntranslatableCharacter() | psycopg.DataError():
            return BadItem(f"PostgreSQL refuses the item: {reason}")
        case pg.DiskFull() | pg.OutOfMemory() | pg.ReadOnlySqlTransaction() | pg.IdleInTransactionSessionTimeout():
            return StoreUnavailable(f"{where}: {reason}")
        case psycopg.OperationalError() | psycopg.InterfaceError() | pg.InFailedSqlTransaction():
            return StoreUnavailable(f"{where}: {reason}")
        case _:
            return StoreError(f"{where}: {type(error).__name__}: {reason}")


@contextmanager
def guarded(where: str) -> Iterator[None]:
    """Translate the driver's errors at the store's border."""
    try:
        yield
    except psycopg.Error as error:
        raise translate(error, where) from error
    except UnicodeEncodeError as error:
        raise BadItem(f"a text of the item is not valid Unicode: {error.reason}") from error


class Session:
    """One connection and what is known of it. `pooled`: it goes through a pooler.

    `is_worker`: it runs the store's own statements, and only them, so that plans are pinned.
    """

    def __init__(self, address: str, setting: str, application_name: str, *, is_worker: bool) -> None:
        self._is_worker = is_worker
        self.connection = connect(address, setting, application_name)
        self.where = f"PostgreSQL {place(parse_address(address, setting))}"
        try:
            with guarded(self.where):
                self._look_around()
        except BaseException:
            self.connection.close()
            raise

    def _look_around(self) -> None:
        self.connection.prepare_threshold = None
        row = self.connection.execute(_SQL["whoami"]).fetchone()
        assert row is not None
        backend, version = row
        if version < OLDEST_SERVER:
            raise StoreError(
                f"{self.where} has version {version // 10000}: snqd needs {OLDEST_SERVER // 10000} or newer"
            )
        self.pooled = backend != self.connection.info.backend_pid
        if not self.pooled:
            self.connection.prepare_threshold = 0 if self._is_worker else 5
            if self._is_worker:
                self.connection.execute(_SQL["pin_plans"])

    def close(self) -> None:
        self.connection.close()
