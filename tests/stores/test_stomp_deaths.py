"""What becomes of items whose worker, connection or broker dies."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from snqd.errors import StoreUnavailable
from snqd.items import ItemId
from snqd.stores.outcomes import DeadReason, Done, Released, Retried
from snqd.stores.records import ItemFilter
from snqd.stores.repairs import Blame, Blamed, Repaired
from snqd.stores.stomp import deliveries
from tests.stores.test_stomp_work import EVERYTHING, SECONDS, broker, open_stomp, take, take_one, url
from tests.support.racing import Racer
from tests.support.stores import Recipe, claim, new
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from snqd.items import Item
    from snqd.stores.stomp.store import StompStore
    from tests.support.brokers import Broker

    OpenStore = Callable[..., StompStore]

__all__ = ["broker", "open_stomp", "url"]
pytestmark = pytest.mark.stomp
CRASH_LIMIT = 3
NOTHING = Repaired([], [], frozenset())


def crash(item: Item, error: str = "killed by signal 11") -> Blame:
    return Blame(item.id, error, crashed=True, max_attempts=10)


def drop(store: StompStore) -> None:
    """End its connections as the death of its process does: no farewell."""
    assert store._loop is not None
    assert store._line is not None

    async def cut() -> None:
        assert store._line is not None
        for session in store._line.brokers.alive():
            assert session._connection is not None
            session._connection.writer.transport.abort()

    store._line.brokers._is_closing = True
    store._loop.do(cut())


def test_what_a_dead_worker_held_is_delivered_again_and_what_it_was_running_pays(
    url: str, open_stomp: OpenStore
) -> None:
    dead, living = open_stomp(url), open_stomp(url)
    dead.enqueue([new(frame=b"1"), new(frame=b"2"), new(frame=b"3")])
    running, *_others = take(dead, 3)
    living.serve([running.queue])
    drop(dead)

    repaired = living.repair("dead", [crash(running)], crash_limit=CRASH_LIMIT)

    verdict = Blamed(running.id, running.queue, running.site, 1, 1, None)
    assert repaired == Repaired([verdict], [], frozenset([running.id]))
    assert living.repair("dead", [crash(running)], crash_limit=CRASH_LIMIT) == NOTHING
    found = {item.frame: (item.attempts, item.crash_attempts) for item in take(living, 3)}
    assert found == {b"1": (1, 1), b"2": (0, 0), b"3": (0, 0)}


def test_a_blame_finds_its_item_in_whoever_has_it(url: str, open_stomp: OpenStore) -> None:
    """The worker that repairs does not get the item: another one, which serves its queue, does."""
    dead, other, repairer = open_stomp(url), open_stomp(url), open_stomp(url)
    dead.enqueue([new(frame=b"1")])
    item = take_one(dead)
    other.serve([item.queue])
    drop(dead)

    repaired = repairer.repair("dead", [crash(item)], crash_limit=CRASH_LIMIT)

    assert repaired.blamed == [Blamed(item.id, item.queue, item.site, 1, 1, None)]
    again = take_one(other)
    assert (again.attempts, again.crash_attempts) == (1, 1)
    other.exchange([Released(again)], [])
    drop(other)
    last = take_one(open_stomp(url))
    assert (last.attempts, last.crash_attempts) == (1, 1), "the blame counts once"


def test_an_item_that_crashes_workers_too_often_is_a_dead_letter(url: str, open_stomp: OpenStore) -> None:
    living = open_stomp(url)
    living.enqueue([new(site="s", frame=b"poison")])
    verdicts = []
    for number in range(CRASH_LIMIT):
        dead = open_stomp(url)
        item = take_one(dead)
        drop(dead)
        living.serve([item.queue])
        repairer = open_stomp(url)
        repaired = repairer.repair(f"dead{number}", [crash(item, f"crash {number}")], crash_limit=CRASH_LIMIT)
        repairer.close()
        verdicts += [(blamed.crash_attempts, blamed.dead) for blamed in repaired.blamed]
        if number < CRASH_LIMIT - 1:  # what is left of it goes to the next victim
            living.close()
            living = open_stomp(url)

    assert verdicts == [(1, None), (2, None), (3, DeadReason.CRASH)]
    (letter,) = living.find_dead(EVERYTHING)
    assert (letter.reason, letter.attempts, letter.crash_attempts, letter.frame) == ("crash", 3, 3, b"poison")
    assert [entry.error for entry in letter.history] == ["crash 0", "crash 1", "crash 2"]
    assert claim(living) == []


def test_an_item_past_its_time_limit_waits_or_dies_of_its_last_attempt(url: str, open_stomp: OpenStore) -> None:
    for number, limit in enumerate((10, 1)):
        dead, living = open_stomp(url), open_stomp(url)
        dead.enqueue([new(frame=b"%d" % limit)])
        item = take_one(dead)
        living.serve([item.queue])
        drop(dead)

        blame = Blame(item.id, "past its time limit", crashed=False, max_attempts=limit, delay_seconds=0.6)
        (blamed,) = living.repair(f"dead{number}", [blame], crash_limit=CRASH_LIMIT).blamed

        assert (blamed.attempts, blamed.crash_attempts) == (1, 0)
        assert blamed.dead == (DeadReason.ATTEMPTS if limit == 1 else None)
        if blamed.dead is None:
            living.exchange([Done(take_one(living))], [])
        living.close()
    assert [letter.frame for letter in open_stomp(url).find_dead(EVERYTHING)] == [b"1"]


def test_a_blame_for_what_is_nowhere_does_not_hold_up_a_repair_for_long(url: str, open_stomp: OpenStore) -> None:
    store = open_stomp(url)
    began = time.monotonic()

    assert store.repair("dead", [Blame(ItemId(123456), "?", True, 1)], crash_limit=CRASH_LIMIT) == NOTHING

    assert time.monotonic() - began < 30.0


def test_what_a_worker_gives_back_in_peace_is_not_suspected(
    url: str, open_stomp: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "SUSPECT_SECONDS", 600.0)
    first, second = open_stomp(url), open_stomp(url)
    first.enqueue([new(frame=b"%d" % number) for number in range(6)])
    first.serve([new().queue])
    eventually(lambda: first._line is not None and first._line.deliveries.count_ready("mail") == 6)
    second.serve([new().queue])

    first.close()

    assert {item.frame for item in take(second, 6)} == {b"%d" % number for number in range(6)}


def test_a_process_killed_with_its_claims_leaves_them_to_others(url: str, open_stomp: OpenStore) -> None:
    living = open_stomp(url)
    living.enqueue([new(frame=b"%d" % number) for number in range(5)])
    racer = Racer("hold", Recipe("tests.support.stomp_stores:make_hungry", url), 3, "doomed")
    try:
        racer.go()
        assert len(racer.hear()) == 3
    finally:
        racer.kill()

    items = take(living, 5)

    assert {item.frame for item in items} == {b"%d" % number for number in range(5)}
    assert living.exchange([Done(item) for item in items], []).lost == []


@pytest.mark.parametrize("kind", ["rabbitmq", "activemq"])
def test_a_broker_that_is_killed_and_started_again_has_lost_nothing(
    kind: str, request: pytest.FixtureRequest, open_stomp: OpenStore
) -> None:
    own: Broker = request.getfixturevalue(f"own_{kind}")
    address = own.url()
    store = open_stomp(address)
    store.enqueue([new(frame=b"waits"), new(frame=b"done"), new(frame=b"held"), new(frame=b"retried")])
    items = {item.frame: item for item in take(store, 4)}
    store.enqueue([new(frame=b"delayed", delay_seconds=8.0)])
    store.exchange([Done(items[b"done"]), Released(items[b"waits"]), Retried(items[b"retried"], 4.0, "x")], [])

    own.kill()
    with pytest.raises(StoreUnavailable):
        eventually(lambda: store.exchange([Done(items[b"held"])], []).claimed, within_seconds=SECONDS)
    with pytest.raises(StoreUnavailable, match=r"no STOMP broker is there|cannot connect"):
        store.enqueue([new(frame=b"never")])
    with pytest.raises(StoreUnavailable):
        store.reconnect([items[b"held"]])
    own.start()
    eventually(lambda: _reconnected(store, items[b"held"]), within_seconds=SECONDS)

    assert store.renew([items[b"held"]]) == [items[b"held"]]
    assert store.exchange([Done(items[b"held"])], []).lost == [items[b"held"]], "it is delivered again"
    again: dict[bytes, int] = {}
    while len(again.keys() - {b"done"}) < 4:  # RabbitMQ has an ack on disk a moment after it has confirmed it
        item = take_one(store)
        again[item.frame] = item.attempts
    again.pop(b"done", None)
    assert again == {b"waits": 0, b"held": 0, b"retried": 1, b"delayed": 0}
    assert list(store.find_dead(ItemFilter())) == []
    store.close()


def _reconnected(store: StompStore, *held: Item) -> bool:
    try:
        store.reconnect(held)
    except StoreUnavailable:
        return False
    return True
