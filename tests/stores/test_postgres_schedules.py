"""Schedules on PostgreSQL: another daemon that is in the middle of it is not waited for, and may die."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from snqd.stores.schedules import Due, Fate, Wanted
from snqd.stores.sql import migrations
from tests.support.stores import Recipe, new, waiting

if TYPE_CHECKING:
    from snqd.stores.base import Store
    from tests.support.postgres import Database

pytestmark = pytest.mark.pg

NIGHTLY, OTHER = (Wanted("a", name, "mail", "0 3 * * * UTC") for name in ("nightly", "other"))


@pytest.fixture
def recipe(pg_database: Database) -> Recipe:
    return Recipe("tests.support.postgres:make_postgres", pg_database.url)


def test_a_daemon_that_hangs_in_the_middle_holds_up_nobody(store: Store, pg_database: Database) -> None:
    since = {row.name: row.last_due for row in store.keep_schedules([NIGHTLY, OTHER], "main@here").rows}
    dues = [Due("a", name, last, last + 1, (new(),)) for name, last in since.items()]
    with pg_database.connect() as other:
        other.autocommit = False
        other.execute("UPDATE queue_schedule SET last_due = now() + interval '1 day' WHERE name = 'nightly'")

        results = store.run_schedules(dues, "main@here").results

        assert [(each.fate, each.last_due) for each in results] == [
            (Fate.BUSY, None),
            (Fate.TAKEN, since["other"] + 1),
        ]
        other.rollback()  # what the server does when its client has died
    again = store.run_schedules(dues, "main@here").results
    assert [each.fate for each in again] == [Fate.TAKEN, Fate.BEHIND]
    assert len(waiting(store)) == 2


def test_roles_that_work_on_items_may_work_on_schedules(store: Store, pg_database: Database) -> None:
    (migration,) = (step for step in migrations("postgres") if step.name == "0005_schedules")
    with pg_database.connect() as connection, connection.transaction(force_rollback=True):
        connection.execute("DROP TABLE queue_schedule")
        connection.execute("CREATE ROLE snqd_scheduling")
        connection.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON queue_item, dead_letter TO snqd_scheduling")

        connection.execute(migration.sql.encode())

        rights = connection.execute(
            "SELECT count(*) FROM information_schema.role_table_grants"
            " WHERE grantee = 'snqd_scheduling' AND table_name = 'queue_schedule'"
        ).fetchone()
    assert rights == (4,)
