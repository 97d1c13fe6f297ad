"""Giving back what a dead claimant held: who is blamed, and what becomes of the item, decided apart from the doing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from snqd.items import ItemId, QueueName, SiteName
from snqd.stores.fingerprint import fingerprint
from snqd.stores.outcomes import DeadReason
from snqd.stores.postgres.texts import error_text, number_array, told
from snqd.stores.records import HISTORY_LIMIT
from snqd.stores.repairs import Blamed, Repaired, given_back
from snqd.stores.sql import queries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snqd.stores.postgres.connection import Connection
    from snqd.stores.repairs import Blame

_SQL = queries("postgres")


class Verdict(NamedTuple):
    """What is written for one blamed item."""

    query: str
    record: dict[str, Any]
    blamed: Blamed


def decide(row: tuple[Any, ...], blame: Blame, crash_limit: int) -> Verdict:
    """`row` is one of the query `blamed`."""
    number, token, queue, site, attempts, crash_attempts = row
    attempts += 1
    crash_attempts += blame.crashed
    dead: DeadReason | None = None
    if blame.crashed and crash_attempts >= crash_limit:
        dead = DeadReason.CRASH
    elif not blame.crashed and attempts >= blame.max_attempts:
        dead = DeadReason.ATTEMPTS
    record = {
        "id": number,
        "token": token,
        "error": error_text(blame.error),
        "crashes": int(blame.crashed),
        "delay": blame.delay_seconds,
        "reason": dead,
        "traceback": "",
        "fingerprint": fingerprint(error_text(blame.error)) if dead else "",
    }
    query = "dead_letter" if dead else "crashed" if blame.crashed else "retry"
    return Verdict(
        query, record, Blamed(ItemId(number), QueueName(queue), SiteName(site), attempts, crash_attempts, dead)
    )


def repair(connection: Connection, claimant: str, blames: Sequence[Blame], crash_limit: int) -> Repaired:
    """Call inside a transaction. Rows that somebody else repairs at this moment are theirs, and are waited for."""
    verdicts: list[Verdict] = []
    if blames:
        of_item = {blame.item: blame for blame in blames}
        rows = connection.execute(_SQL["blamed"], {"ids": number_array(of_item), "claimant": claimant}).fetchall()
        verdicts = [decide(row, of_item[row[0]], crash_limit) for row in rows]
    for query in ("dead_letter", "crashed", "retry"):
        records = [verdict.record for verdict in verdicts if verdict.query == query]
        if records:
            connection.execute(_SQL[query], {"told": told(records), "history_limit": HISTORY_LIMIT})
    released, ids = given_back(connection.execute(_SQL["release_all"], {"claimant": claimant}).fetchall())
    blamed = [verdict.blamed for verdict in verdicts]
    return Repaired(blamed, released, ids.union(each.item for each in blamed))
