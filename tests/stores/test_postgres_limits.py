"""Limits on PostgreSQL: one lock that nobody waits for, and an index of those claims alone that count."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from snqd.stores.limits import NO_LIMITS, Limit, Limits
from snqd.stores.outcomes import Done
from snqd.stores.shares import FORGET_CLAIMS
from tests.support.stores import claim, lane, new

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snqd.stores.postgres.store import PostgresStore
    from tests.support.postgres import Database

pytestmark = pytest.mark.pg


@pytest.fixture
def store(pg_database: Database) -> Iterator[PostgresStore]:
    store = pg_database.store()
    store.connect()
    yield store
    store.close()


def test_while_another_claims_what_is_limited_only_the_rest_is_claimed(
    store: PostgresStore, pg_database: Database
) -> None:
    store.limits = Limits({"mail": Limit(5)})
    store.enqueue([new(queue) for queue in ("mail", "news") for _ in range(3)])
    with pg_database.connect() as other, other.transaction():
        other.execute("select pg_advisory_xact_lock(hashtext('snqd.limits'))")

        exchanged = store.exchange([], [lane("mail", "news")])

        assert Counter(item.queue for item in exchanged.claimed) == {"news": 3}
        assert exchanged.again_seconds is not None
        assert exchanged.again_seconds < 0.05

    assert len(claim(store)) == 3


def test_acks_come_through_although_another_claims_what_is_limited(store: PostgresStore, pg_database: Database) -> None:
    store.limits = Limits({"mail": Limit(1)})
    store.enqueue([new(), new()])
    (item,) = claim(store)
    with pg_database.connect() as other, other.transaction():
        other.execute("select pg_advisory_xact_lock(hashtext('snqd.limits'))")

        exchanged = store.exchange([Done(item)], [lane()])

    assert (exchanged.claimed, exchanged.lost) == ([], [])
    assert len(claim(store)) == 1


def test_only_claims_that_count_are_marked(store: PostgresStore, pg_database: Database) -> None:
    store.enqueue([new(queue) for queue in ("mail", "news") for _ in range(5)])
    store.limits = NO_LIMITS
    assert len(claim(store, limit=2)) == 2
    store.limits = Limits({"mail": Limit(3)})
    assert len(claim(store, "mail", "news")) == 8

    with pg_database.connect() as eyes:
        found = eyes.execute("select queue, count(*) from queue_item where is_limited group by queue").fetchall()
    assert found == [("mail", 3)]


def test_buckets_that_are_full_again_are_forgotten(store: PostgresStore, pg_database: Database) -> None:
    store.limits = Limits({"mail": Limit(rate=1000.0)})
    with pg_database.connect() as other:
        other.execute("insert into queue_bucket (queue, full_at) values ('old', now() - interval '1 second')")
        other.execute("insert into queue_bucket (queue, full_at) values ('young', now() + interval '1 hour')")
    store._shared.shares._spendings = FORGET_CLAIMS - 1
    store.enqueue([new()])

    assert len(claim(store)) == 1

    with pg_database.connect() as eyes:
        found = {row[0] for row in eyes.execute("select queue from queue_bucket")}
    assert found == {"mail", "young"}
