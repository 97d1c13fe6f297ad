"""The transaction that a handler works in, and that acks its item.

The handler gets a plain `sqlite3.Connection` with an open transaction that only the store may end: one early commit in
the handler would ack an item whose handling may yet fail.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, NoReturn

from snqd.errors import StoreError

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

_REFUSAL = (
    "the transaction of a handler belongs to the worker, which commits it together with the ack: return to commit, "
    "raise to roll back (`with connection:` makes a savepoint)"
)


class HandlerConnection(sqlite3.Connection):
    """A connection whose transaction the handler cannot end. `with connection:` is a savepoint."""

    _depth = 0

    def commit(self) -> NoReturn:
        raise StoreError(_REFUSAL)

    def rollback(self) -> NoReturn:
        raise StoreError(_REFUSAL)

    def executescript(self, sql_script: str, /) -> NoReturn:  # noqa: ARG002
        raise StoreError(f"executescript would commit: {_REFUSAL}")

    def __enter__(self) -> Self:
        self._depth += 1
        self.execute(f"SAVEPOINT handler_{self._depth}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None, /
    ) -> Any:
        if kind is not None:
            self.execute(f"ROLLBACK TO handler_{self._depth}")
        self.execute(f"RELEASE handler_{self._depth}")
        self._depth -= 1
        return False


def guard(raw: sqlite3.Connection) -> None:
    """Refuse COMMIT, ROLLBACK, BEGIN and END as SQL too, until `unguard`."""
    raw.set_authorizer(_refuse_transaction_ends)


def unguard(raw: sqlite3.Connection) -> None:
    raw.set_authorizer(None)


def _refuse_transaction_ends(action: int, *_rest: str | None) -> int:
    return sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_TRANSACTION else sqlite3.SQLITE_OK
