"""How PostgreSQL is told to clean the tables up (`db/postgres/0006_table_care.sql`), and dead letters that expire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from snqd.stores.outcomes import DeadLettered, DeadReason, Done
from tests.support.stores import Recipe, claim, claim_one, new

if TYPE_CHECKING:
    from psycopg import Connection

    from snqd.stores.base import Store
    from tests.support.postgres import Database

pytestmark = pytest.mark.pg

WAITING, GONE = 200_000, 1_500


@pytest.fixture
def recipe(pg_database: Database) -> Recipe:
    return Recipe("tests.support.postgres:make_postgres", pg_database.url)


def pages_to_the_first(connection: Connection[Any]) -> int:
    """Pages that are read to find what would be claimed first."""
    look = (
        "explain (analyze, buffers, format json) select id from queue_item where state = 'ready' and queue = 'mail' "
        "order by priority, available_at, id limit 1"
    )
    connection.execute(look)  # the first one marks what it finds dead
    ((found,),) = connection.execute(look).fetchall()
    plan = found[0]["Plan"]
    return int(plan["Shared Hit Blocks"]) + int(plan["Shared Read Blocks"])


def test_a_vacuum_cleans_the_indexes_however_few_of_the_rows_are_dead(store: Store, pg_database: Database) -> None:
    """Less than 2 % of the pages have dead rows here, and then a vacuum leaves the indexes alone unless it is told."""
    with pg_database.connect() as connection:
        connection.execute("alter table queue_item set (autovacuum_enabled = off)")
        connection.execute(
            "insert into queue_item (queue, frame, token) select 'mail', decode(repeat('ab', 100), 'hex'), -1"
            f" from generate_series(1, {WAITING})".encode()
        )
        held = claim(store, limit=GONE)
        assert len(held) == GONE
        store.exchange([Done(item) for item in held], [])
        before = pages_to_the_first(connection)

        connection.execute("vacuum (truncate off) queue_item")

        assert before > 8
        assert pages_to_the_first(connection) <= 5


def test_the_table_of_dead_letters_is_vacuumed_by_numbers_that_fit_a_large_one(pg_database: Database) -> None:
    with pg_database.connect() as connection:
        found = connection.execute("select reloptions from pg_class where oid = 'dead_letter'::regclass").fetchone()

    assert "autovacuum_vacuum_scale_factor=0.02" in str(found)


def test_a_dead_letter_that_somebody_is_at_is_left_for_the_next_time(store: Store, pg_database: Database) -> None:
    for _ in range(2):
        store.enqueue([new()])
        store.exchange([DeadLettered(claim_one(store), DeadReason.ATTEMPTS, "x")], [])
    with pg_database.connect() as other:
        other.execute("begin")
        other.execute("select from dead_letter order by died, id limit 1 for update")

        assert [each.letters for each in store.expire_dead(0.0, limit=10)] == [1]
        other.execute("rollback")
    assert [each.letters for each in store.expire_dead(0.0, limit=10)] == [1]
