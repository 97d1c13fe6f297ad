"""Which worker of all hosts serves a group that may have one only: a row with an end, by the database's clock.

A row and not an advisory lock: that one ends with its connection, so a blink of the network would let a second worker
begin while the first still works, and behind a transaction pooler it belongs to whoever is given that connection next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqd.stores.repairs import Duty
from snqd.stores.sql import queries

if TYPE_CHECKING:
    from snqd.stores.postgres.connection import Connection

_SQL = queries("postgres")


def take(connection: Connection, group: str, claimant: str, *, seconds: float, instead_of: str) -> Duty:
    """See `snqd.stores.base.Store.take_duty`. The connection is in autocommit mode."""
    seen, is_over = _who(connection, group)
    if seen not in ("", claimant, instead_of) and not is_over:
        return Duty(seen)
    parameters = {
        "group": group,
        "claimant": claimant,
        "seconds": seconds,
        "seen": seen,
        "instead_of": instead_of,
    }
    if connection.execute(_SQL["take_duty"], parameters).fetchone() is None:
        return Duty(_who(connection, group)[0])  # somebody was faster
    return Duty(claimant, before=seen if seen != claimant else "")


def leave(connection: Connection, group: str, claimant: str) -> None:
    connection.execute(_SQL["leave_duty"], {"group": group, "claimant": claimant})


def _who(connection: Connection, group: str) -> tuple[str, bool]:
    return connection.execute(_SQL["duty"], {"group": group}).fetchone() or ("", True)
