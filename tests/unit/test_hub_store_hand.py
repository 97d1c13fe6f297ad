from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, cast

import pytest

from snqd.errors import SnqdError, StoreUnavailable
from snqd.hub.store_hand import StoreHand

if TYPE_CHECKING:
    from snqd.stores.base import Store


class Stand:
    """In the place of a store: notes what is done with it."""

    def __init__(self) -> None:
        self.is_lost = False
        self.is_closed = False
        self.thread: int | None = None

    def connect(self) -> None:
        self.thread = threading.get_ident()

    def pauses(self) -> list[object]:
        if self.is_lost:
            raise StoreUnavailable("gone")
        return []

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def opened() -> list[Stand]:
    return []


@pytest.fixture
def hand(opened: list[Stand]) -> StoreHand:
    def open_store() -> Store:
        opened.append(Stand())
        return cast("Store", opened[-1])

    return StoreHand(open_store)


async def test_a_store_is_opened_by_the_first_action_and_used_by_one_thread(
    hand: StoreHand, opened: list[Stand]
) -> None:
    assert opened == []

    threads = {await hand.do(lambda _store: threading.get_ident(), seconds=5) for _ in range(3)}

    assert threads == {opened[0].thread}
    assert threads != {threading.get_ident()}
    assert len(opened) == 1


async def test_a_connection_that_was_lost_meanwhile_costs_no_action(hand: StoreHand, opened: list[Stand]) -> None:
    await hand.do(lambda _store: None, seconds=5)
    opened[0].is_lost = True

    assert await hand.do(lambda store: cast("object", store) is opened[1], seconds=5)
    assert opened[0].is_closed


async def test_an_error_of_the_store_is_told_and_the_next_action_has_a_new_one(
    hand: StoreHand, opened: list[Stand]
) -> None:
    def fail(_store: Store) -> None:
        raise StoreUnavailable("the server is down")

    with pytest.raises(StoreUnavailable, match="the server is down"):
        await hand.do(fail, seconds=5)

    assert await hand.do(lambda _store: 7, seconds=5) == 7
    assert len(opened) == 2


async def test_nobody_waits_for_a_slow_action_and_it_goes_on(hand: StoreHand) -> None:
    gate, done = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(_store: Store) -> None:
        gate.wait()
        loop.call_soon_threadsafe(done.set)

    with pytest.raises(TimeoutError):
        await hand.do(slow, seconds=0.05)
    with pytest.raises(SnqdError, match="asked before still keeps the store busy: nothing was done"):
        await hand.do(lambda _store: pytest.fail("it was given up before it began"), seconds=0.05)

    gate.set()
    await asyncio.wait_for(done.wait(), 5)
    assert await hand.do(lambda _store: "next", seconds=5) == "next"
