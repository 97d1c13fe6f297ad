"""The daemon's own vacuum: when it is due, that it runs beside the work, and that nothing of it can hurt the work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from snqd.stores.outcomes import Done
from snqd.stores.postgres.vacuum import VacuumPace
from tests.support.postgres import wait_for
from tests.support.stores import claim, new, waiting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snqd.stores.postgres.store import PostgresStore
    from tests.support.postgres import Database

BOUND = 1000


# ---- when


def test_a_vacuum_is_due_when_so_many_rows_are_dead() -> None:
    pace = VacuumPace(BOUND)

    assert not pace.is_due(BOUND - 1, now=0.0)
    assert pace.is_due(BOUND, now=0.0)


def test_zero_leaves_it_to_autovacuum() -> None:
    assert not VacuumPace(0).is_due(10_000_000, now=0.0)


def test_after_a_vacuum_there_is_a_rest_four_times_as_long_as_it_was_seen_to_run() -> None:
    pace = VacuumPace(BOUND)
    pace.began(100.0)
    pace.still_runs(103.0)
    pace.ended(0, now=105.0)

    assert not pace.is_due(5 * BOUND, now=116.9)
    assert pace.is_due(5 * BOUND, now=117.0)


def test_a_vacuum_that_was_over_at_the_first_look_needs_no_rest() -> None:
    """Looks are seconds apart, a vacuum takes a quarter of one."""
    pace = VacuumPace(BOUND)
    pace.began(100.0)
    pace.ended(0, now=102.0)

    assert pace.is_due(BOUND, now=102.0)


def test_rows_that_a_vacuum_could_not_remove_do_not_set_off_the_next_one() -> None:
    pace = VacuumPace(BOUND)
    pace.began(0.0)
    pace.ended(700 * BOUND, now=0.0)  # a transaction of someone else has been open for an hour

    assert not pace.is_due(701 * BOUND - 1, now=10.0)
    assert pace.is_due(701 * BOUND, now=10.0)


def test_rows_that_died_since_it_ended_count_for_the_next_one() -> None:
    pace = VacuumPace(BOUND)
    pace.ended(BOUND - 1, now=0.0)

    assert pace.is_due(BOUND, now=1.0)


def test_when_they_have_been_removed_after_all_the_bound_counts_from_nothing_again() -> None:
    pace = VacuumPace(BOUND)
    pace.ended(700 * BOUND, now=0.0)
    assert not pace.is_due(10, now=1.0)

    assert pace.is_due(BOUND + 10, now=2.0)


def test_after_a_failure_it_waits_a_minute() -> None:
    pace = VacuumPace(BOUND)
    pace.failed(now=0.0)

    assert not pace.is_due(BOUND, now=59.0)
    assert pace.is_due(BOUND, now=60.0)


# ---- how


@pytest.fixture
def store(pg_database: Database) -> Iterator[PostgresStore]:
    store = pg_database.store(vacuum_dead_rows=BOUND)
    store.connect()
    with pg_database.connect() as owner:
        owner.execute("alter table queue_item set (autovacuum_enabled = off)")
    yield store
    store.close()


def leave_dead_rows(store: PostgresStore, items: int = BOUND) -> None:
    store.enqueue_many(new() for _ in range(items))
    store.exchange([Done(item) for item in claim(store, limit=items)], [])
    store._connection.execute("select pg_stat_force_next_flush()")
    wait_for(lambda: store._dead_rows() >= BOUND, "the dead rows to be counted")


def vacuums(pg_database: Database) -> int:
    with pg_database.connect() as eyes:
        row = eyes.execute("select vacuum_count from pg_stat_user_tables where relname = 'queue_item'").fetchone()
    assert row is not None
    assert isinstance(row[0], int)
    return row[0]


@pytest.mark.pg
def test_dead_rows_are_vacuumed_while_the_work_goes_on(store: PostgresStore, pg_database: Database) -> None:
    leave_dead_rows(store)

    store.reclaim()
    assert store.enqueue_many([new()]) == 1

    wait_for(lambda: vacuums(pg_database) == 1, "the vacuum")
    wait_for(lambda: store._dead_rows() < 10, "its result")
    store.reclaim()
    store.reclaim()
    assert vacuums(pg_database) == 1
    assert len(waiting(store)) == 1


@pytest.mark.pg
def test_few_dead_rows_cost_no_connection(store: PostgresStore, pg_database: Database) -> None:
    store.enqueue([new()])
    store.reclaim()

    with pg_database.connect() as eyes:
        found = eyes.execute("select count(*) from pg_stat_activity where application_name like 'snqd vacuum%'")
        assert found.fetchone() == (0,)


@pytest.mark.pg
def test_while_someone_else_vacuums_it_waits_but_no_longer(store: PostgresStore, pg_database: Database) -> None:
    leave_dead_rows(store)
    with pg_database.connect() as other:
        other.execute("begin")
        other.execute("lock table queue_item in share update exclusive mode")  # as vacuum does
        store.reclaim()
        assert not store._vacuum._is_running
        other.execute("rollback")

    store.reclaim()
    wait_for(lambda: vacuums(pg_database) == 1, "the vacuum")


@pytest.mark.pg
def test_a_role_that_may_not_vacuum_does_not_try(store: PostgresStore, pg_database: Database) -> None:
    """The server would log a warning each time."""
    leave_dead_rows(store)
    with pg_database.connect() as owner:
        owner.execute("drop role if exists clerk; create role clerk login")
        owner.execute("grant select, insert, update, delete on queue_item to clerk")
        owner.execute("grant select on snqd_migration to clerk")
    clerk = pg_database.store(url=f"{pg_database.url}&options=-crole%3Dclerk", vacuum_dead_rows=BOUND)
    clerk.connect()
    try:
        clerk.reclaim()
        assert clerk._vacuum._connection is None
        store.reclaim()
        assert store._vacuum._connection is not None
    finally:
        clerk.close()
        with pg_database.connect() as owner:
            owner.execute("drop owned by clerk; drop role clerk")


@pytest.mark.pg
def test_a_lost_connection_costs_the_work_nothing(store: PostgresStore, pg_database: Database) -> None:
    leave_dead_rows(store)
    store.reclaim()
    wait_for(lambda: store.reclaim() == [] and not store._vacuum._is_running, "its end")
    with pg_database.connect() as eyes:
        shoot = "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name like %s"
        assert eyes.execute(shoot, ("snqd vacuum%",)).fetchone() == (True,)
    leave_dead_rows(store)

    wait_for(lambda: store.reclaim() == [] and store._vacuum._connection is None, "the loss to be noticed")
    assert store.enqueue_many([new()]) == 1
