"""Where a duty ends by the clock: PostgreSQL, also behind a transaction pooler, and in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from snqd.config.schema import StoreConfig
from snqd.stores import memory
from snqd.stores.postgres.store import PostgresStore
from snqd.stores.repairs import Duty
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from snqd.stores.base import Store

GROUP = "xmpp"
LONG, SHORT = 600.0, 0.3


@pytest.fixture(
    params=[
        "memory",
        pytest.param("postgres", marks=pytest.mark.pg),
        pytest.param("pooler", marks=[pytest.mark.pg, pytest.mark.pooler]),
    ]
)
def store_of(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Store]]:
    made: list[Store] = []
    if request.param != "memory":
        url: Any = request.getfixturevalue("pg_database" if request.param == "postgres" else "pooler").url

    def make(claimant: str) -> Store:
        store: Store
        if request.param == "memory":
            store = memory.MemoryStore(StoreConfig(url="memory://duty"))
        else:
            store = PostgresStore(StoreConfig(url=url))
        store.claimant = claimant
        store.connect()
        made.append(store)
        return store

    yield make
    for store in made:
        store.close()
    memory.forget("duty")


def test_a_duty_that_nobody_renews_is_free_when_its_time_is_over(store_of: Callable[[str], Store]) -> None:
    first, second = store_of("first"), store_of("second")
    assert first.take_duty(GROUP, seconds=SHORT) == Duty("first")

    eventually(lambda: second.take_duty(GROUP, seconds=LONG) == Duty("second", before="first"))

    assert first.take_duty(GROUP, seconds=LONG) == Duty("second"), "who comes back is told"
    first.leave_duty(GROUP)
    assert first.take_duty(GROUP, seconds=LONG, instead_of="first") == Duty("second")


def test_a_duty_that_is_renewed_is_not_free(store_of: Callable[[str], Store]) -> None:
    first, second = store_of("first"), store_of("second")
    for group in (GROUP, "not renewed"):
        first.take_duty(group, seconds=SHORT)

    assert first.take_duty(GROUP, seconds=LONG) == Duty("first")

    eventually(lambda: second.take_duty("not renewed", seconds=LONG) == Duty("second", before="first"))
    assert second.take_duty(GROUP, seconds=LONG) == Duty("first")


def test_a_connection_that_comes_back_still_has_its_duty(store_of: Callable[[str], Store]) -> None:
    first, second = store_of("first"), store_of("second")
    first.take_duty(GROUP, seconds=LONG)
    first.reconnect([])

    assert second.take_duty(GROUP, seconds=LONG) == Duty("first"), "a lock of the session would be free now"
    assert first.take_duty(GROUP, seconds=LONG) == Duty("first")
