"""The ledger of real daemons: its totals are the store's truth and what handlers noted, whatever happened."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from snqd.items import canary_item, new_item
from tests.support.cutting import CuttingRelay
from tests.support.ledgers import OpenLedger, Totals
from tests.support.processes import is_gone, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.daemons import Daemon, Place

    MakeDaemon = Callable[..., Daemon]

pytestmark = pytest.mark.fork

SOURCE = """
@handler("plain")
def plain(payload, context):
    note("ran", context)

@handler("pausing", concurrency=4)
async def pausing(payload, context):
    await asyncio.sleep(0.001)
    note("ran", context)

@handler("threaded", concurrency=4)
def threaded(payload, context):
    time.sleep(0.001)
    note("ran", context)

@handler("acked", transactional=True)
def acked(payload, context):
    note("ran", context)
    if payload == "fails" and context.attempt == 1:
        raise ValueError(payload)

@handler("failing", max_attempts=3, backoff=AT_ONCE)
def failing(payload, context):
    note("ran", context)
    if payload == "always" or context.attempt == 1:
        raise ValueError(payload)

@handler("later", max_attempts=2)
def later(payload, context):
    note("ran", context)
    if payload == "always" or context.attempt == 1:
        raise Retry("not yet", after=0.01)

@handler("pointless")
def pointless(payload, context):
    raise Discard("nobody wants it")

@handler("deadly")
def deadly(payload, context):
    note("ran", context)
    die()

@handler("slow", time_limit_seconds=0.1, max_attempts=1)
def slow(payload, context):
    hold_gil()
"""


def at_rest(ledger: OpenLedger) -> Totals:
    """The sums over everything, which must balance."""
    totals = ledger.all()
    assert totals.claimed == totals.ended, totals
    assert totals.runs == totals.waits
    return totals


def test_every_kind_of_end_is_counted_exactly(make_daemon: MakeDaemon, place: Place) -> None:
    sites = ("a.example", "b.example")
    queues = ("plain", "pausing", "threaded", "acked")
    items = [new_item(queue, "x", site=site) for queue in queues for site in sites for _ in range(40)]
    items += [new_item("acked", "fails", site="a.example"), new_item("plain", "x", site="unknown.example")]
    items += [new_item(queue, what, site="a.example") for queue in ("failing", "later") for what in ("always", "once")]
    items += [new_item("pointless", "x", site="b.example")]
    place.enqueue_all(items)
    place.sql("INSERT INTO queue_item (queue, site, frame) VALUES ('plain', 'a.example', ?)", b'{"not": json')
    daemon = make_daemon(place, SOURCE, daemon={"threads": 2}, site={site: {"x": 1} for site in sites})
    ledger = OpenLedger(daemon.pid)

    place.wait_empty(site="a.example")
    place.wait_empty(site="b.example")
    assert daemon.stop() == 0

    flows = ledger.flows()
    at_rest(ledger)
    for queue in ("pausing", "threaded"):
        for site in sites:
            assert flows[queue, site].handled == 40
            assert flows[queue, site].runs == 40
    assert flows["plain", "a.example"].handled == flows["plain", "b.example"].handled == 40
    assert (flows["plain", "a.example"].bad_items, flows["plain", "a.example"].dead_lettered) == (1, 1)
    assert flows["plain", "unknown.example"].released >= 1
    assert (flows["acked", "a.example"].handled, flows["acked", "a.example"].failed) == (41, 1)
    failing, later = flows["failing", "a.example"], flows["later", "a.example"]
    assert (failing.handled, failing.failed, failing.dead_lettered, failing.retried) == (1, 4, 1, 0)
    assert (later.handled, later.retried, later.dead_lettered, later.failed) == (1, 3, 1, 0)
    assert flows["pointless", "b.example"].discarded == 1
    assert flows["pointless", "b.example"].runs == 1
    assert sum(flow.dead_lettered for flow in flows.values()) == len(place.dead())
    assert sum(flow.leases_lost for flow in flows.values()) == 0


def test_crashes_and_time_limits_that_end_the_worker_are_failures(make_daemon: MakeDaemon, place: Place) -> None:
    daemon = make_daemon(place, SOURCE, daemon={"crash_limit": 2, "respawn_delay_seconds": 0.01})
    ledger = OpenLedger(daemon.pid)

    for queue in ("deadly", "slow"):
        place.enqueue(queue)
        place.wait_empty()
    assert daemon.stop() == 0

    at_rest(ledger)
    deadly, slow = ledger.of("deadly"), ledger.of("slow")
    assert (deadly.claimed, deadly.failed, deadly.dead_lettered, deadly.runs) == (2, 2, 1, 0)
    assert (slow.claimed, slow.failed, slow.dead_lettered, slow.runs) == (1, 1, 1, 0)


def test_with_telemetry_off_nothing_is_counted_and_everything_is_handled(make_daemon: MakeDaemon, place: Place) -> None:
    limits = {"crash_limit": 2, "respawn_delay_seconds": 0.01, "threads": 2}
    daemon = make_daemon(place, SOURCE, daemon=limits, telemetry={"enabled": False})
    ledger = OpenLedger(daemon.pid)
    harmless = ("plain", "pausing", "threaded", "acked", "failing", "later", "pointless")

    place.enqueue_all([new_item(queue, "once") for queue in harmless for _ in range(3)])
    place.wait_empty()
    for queue in ("deadly", "slow"):  # one at a time: what runs beside them would be blamed too
        place.enqueue(queue)
        place.wait_empty()
    assert daemon.stop() == 0

    ran = {(fact["queue"], fact["item"]) for fact in daemon.facts("ran")}
    assert Counter(queue for queue, _item in ran) == {**dict.fromkeys(harmless[:-1], 3), "deadly": 1}
    assert Counter(dead.queue for dead in place.dead()) == {"deadly": 1, "slow": 1}
    assert ledger.memory_bytes == 0  # asked first: looking into it takes a page
    assert ledger.slots() == {}


def test_telemetry_that_a_reload_turns_on_counts_from_then_on(make_daemon: MakeDaemon, sqlite_place: Place) -> None:
    daemon = make_daemon(sqlite_place, SOURCE, telemetry={"enabled": False})
    ledger = OpenLedger(daemon.pid)
    sqlite_place.enqueue("plain")
    sqlite_place.wait_empty()

    daemon.configure(telemetry={"enabled": True})
    daemon.send(signal.SIGHUP)
    daemon.wait_event("ReloadFinished")
    daemon.wait_hub()
    for queue in ("plain", "deadly"):
        sqlite_place.enqueue(queue)
        sqlite_place.wait_empty()
    assert daemon.stop() == 0

    assert (at_rest(ledger).claimed, ledger.of("plain").handled) == (4, 1)


CHAOS = """
@handler("inline")
def inline(payload, context):
    note("ran", context)

@handler("acked", transactional=True)
def acked(payload, context):
    note("ran", context)
"""


def test_totals_are_exact_although_workers_are_killed_at_any_moment(make_daemon: MakeDaemon, place: Place) -> None:
    """Between a commit and its counting too: this failed within seconds without redo log and closed accounts."""
    count, sites = 6000, ("a", "b", "c")
    daemon = make_daemon(
        place, CHAOS, site={site: {"x": 1} for site in sites},
        daemon={"threads": 3, "crash_limit": 1000, "respawn_limit": 10_000, "respawn_delay_seconds": 0.01},
    )  # fmt: skip
    ledger = OpenLedger(daemon.pid)
    kills, until = 0, time.monotonic() + 6.0
    rounds = 0
    while time.monotonic() < until or kills <= 10:
        rounds += 1
        place.enqueue_all([new_item("inline", n, site=sites[n % 3]) for n in range(count // 6)])
        for _ in range(8):
            time.sleep(random.expovariate(20.0))
            living = [worker for worker in daemon.workers() if not is_gone(worker.pid)]
            if living:
                random.choice(living).kill()
                kills += 1
    place.wait_empty(seconds=60)
    assert daemon.stop() == 0

    totals = at_rest(ledger)
    by_site = Counter(sites[n % 3] for n in range(count // 6))
    assert {site: ledger.of("inline", site).handled for site in sites} == {
        site: number * rounds for site, number in by_site.items()
    }
    assert totals.leases_lost == 0


def test_acks_in_handlers_own_transactions_are_counted_although_the_worker_is_killed(
    make_daemon: MakeDaemon, place: Place
) -> None:
    """Between a commit and noting it too, while the other thread is between a claim and counting it."""
    count = 1000
    place.enqueue_all([new_item("acked", n) for n in range(count)])
    limits = {"crash_limit": 1000, "respawn_limit": 1000, "respawn_delay_seconds": 0.01}
    daemon = make_daemon(place, CHAOS, daemon=limits)
    ledger = OpenLedger(daemon.pid)
    for kills in range(1, 13):
        time.sleep(random.uniform(0.01, 0.06))
        daemon.workers()[0].kill()
        daemon.wait_events("WorkerReady", kills + 1)
    place.wait_empty()
    assert daemon.stop() == 0

    totals = at_rest(ledger)
    assert totals.handled == count
    assert totals.leases_lost == 0


HELD = """
@handler("held", concurrency=2)
async def held(payload, context):
    note("began", context)
    await hold_async("held")

@handler("quick")
async def quick(payload, context):
    note("ran", context)
"""


def test_items_that_a_stopping_daemon_gives_back_are_released(make_daemon: MakeDaemon, place: Place) -> None:
    place.enqueue_all([new_item("held", n) for n in range(2)])
    daemon = make_daemon(place, HELD, daemon={"grace_seconds": 0.1})
    ledger = OpenLedger(daemon.pid)
    daemon.wait_facts("began", 2)

    assert daemon.stop() == 0

    totals = at_rest(ledger)
    assert (totals.claimed, totals.released, totals.runs) == (2, 2, 0)
    assert len(place.waiting()) == 2


def test_a_worker_that_is_respawned_continues_the_rows_of_its_slot(make_daemon: MakeDaemon, place: Place) -> None:
    daemon = make_daemon(place, HELD, daemon={"respawn_delay_seconds": 0.01})
    ledger = OpenLedger(daemon.pid)
    place.enqueue("quick")
    wait_until(lambda: ledger.of("quick").handled == 1, "it is counted")
    daemon.workers()[0].kill()
    daemon.wait_events("WorkerReady", 2)

    place.enqueue("quick")

    wait_until(lambda: ledger.of("quick").handled == 2, "it is counted on top")
    assert list(ledger.slots()) == [1]
    assert sorted(ledger.served(1)) == ["held", "quick"]


def test_a_lease_that_ran_out_is_lost_by_its_holder_and_reclaimed_by_who_gave_it_back(
    make_daemon: MakeDaemon, place: Place
) -> None:
    daemon = make_daemon(place, HELD, store={"lease_seconds": 1.0, "sweep_seconds": 0.1})
    ledger = OpenLedger(daemon.pid)
    item = place.enqueue("held")
    daemon.wait_facts("began", 1)
    place.sql("UPDATE queue_item SET token = token + 1000000 WHERE id = ?", item)  # as another's claim would

    daemon.wait_event("ItemLeaseLost")
    daemon.open_gate("held")

    wait_until(lambda: ledger.of("held").handled == 1, "the next claim of it is handled")
    totals = ledger.of("held")
    assert (totals.claimed, totals.leases_lost, totals.reclaimed, totals.failed) == (2, 1, 1, 0)


def test_canaries_come_back_and_are_in_no_figure(make_daemon: MakeDaemon, place: Place) -> None:
    place.enqueue_all([canary_item("quick", 1), canary_item("held", 5), canary_item("quick", 2, site="nowhere")])
    place.enqueue_all([new_item("quick", 1)])
    daemon = make_daemon(place, HELD)
    ledger = OpenLedger(daemon.pid)
    place.wait_empty()

    wait_until(lambda: len(ledger.canaries()) == 2, "they are back")
    assert daemon.stop() == 0

    back = {queue: found[0] for queue, found in ledger.canaries().items()}
    assert (back["quick"].count, back["held"].number, back["held"].count) == (2, 5, 1)
    assert abs(back["held"].at - time.time()) < 60
    totals = at_rest(ledger)
    assert (totals.claimed, totals.handled) == (1, 1)
    assert len(daemon.facts("ran")) == 1
    assert [event["handled"] for event in daemon.events("WorkerExited")] == [1]
    assert not daemon.events("UnknownSite")


GREEDY = """
kept = []

@handler("greedy")
def greedy(payload, context):
    kept.append(bytearray(2_000_000))
    kept[-1][::4096] = b"x" * len(kept[-1][::4096])
    time.sleep(0.01)
    note("ran", context)

@handler("modest")
def modest(payload, context):
    note("ran", context)
"""


def test_memory_that_a_queue_keeps_is_its_growth(make_daemon: MakeDaemon, sqlite_place: Place) -> None:
    daemon = make_daemon(sqlite_place, GREEDY)
    ledger = OpenLedger(daemon.pid)
    wait_until(lambda: ledger.served(1), "the worker is there")
    sqlite_place.enqueue_all([new_item("modest", n) for n in range(50)])
    daemon.wait_facts("ran", 50)
    wait_until(lambda: "modest" in ledger.growth(1), "the modest ones are seen")

    sqlite_place.enqueue_all([new_item("greedy", n) for n in range(60)])
    daemon.wait_facts("ran", 110)

    wait_until(lambda: ledger.growth(1).get("greedy", (0, 0))[1] == 60, "all are seen")
    growth = ledger.growth(1)
    assert growth["greedy"][0] > 60_000_000
    assert growth["modest"][1] == 50
    assert growth["modest"][0] < growth["greedy"][0] / 4


@pytest.mark.pg
def test_acks_whose_answer_was_lost_are_counted_once(make_daemon: MakeDaemon, postgres_place: Place) -> None:
    """The connections are cut again and again in the place of an answer: what was committed is told to nobody."""
    count, acked = 6000, 300
    postgres_place.enqueue_all([new_item("inline", n) for n in range(count)])
    postgres_place.enqueue_all([new_item("acked", n) for n in range(acked)])
    database = postgres_place.database
    assert database is not None
    with CuttingRelay(database.cluster.port) as relay:
        address = database.cluster.tcp_url(database.name).replace(str(database.cluster.port), str(relay.port))
        daemon = make_daemon(postgres_place, CHAOS, daemon={"threads": 2}, store={"url": address, "lease_seconds": 600})
        ledger = OpenLedger(daemon.pid)
        while postgres_place.sql("SELECT 1 FROM queue_item LIMIT 1") and relay.lost_answers < 30:
            relay.cut()
            time.sleep(random.uniform(0.05, 0.3))
        postgres_place.wait_empty(seconds=60)
        assert daemon.stop() == 0

    totals = at_rest(ledger)
    assert relay.lost_answers > 5
    assert ledger.of("inline").handled == count
    assert ledger.of("acked").handled == acked
    assert totals.leases_lost == 0
    assert not daemon.events("ItemLeaseLost")


DOUBTFUL = """
from snqd.errors import StoreUnavailable

@handler("acked", transactional=True, backoff=AT_ONCE)
def acked(payload, context):
    note("began", context)
    if context.attempt == 1:
        hold("first")
        raise StoreUnavailable("as if the answer to the commit had been lost")
"""


@pytest.mark.pg
def test_a_retry_whose_answer_was_lost_is_no_ack(make_daemon: MakeDaemon, postgres_place: Place) -> None:
    """Nor when the handler's own transaction might have acked the item: that is gone in both cases."""
    item = postgres_place.enqueue("acked")
    database = postgres_place.database
    assert database is not None
    with CuttingRelay(database.cluster.port) as relay:
        address = database.cluster.tcp_url(database.name).replace(str(database.cluster.port), str(relay.port))
        daemon = make_daemon(postgres_place, DOUBTFUL, store={"url": address, "lease_seconds": 600})
        ledger = OpenLedger(daemon.pid)
        daemon.wait_fact("began", item=item)
        relay.cut(b"COMMIT")
        daemon.open_gate("first")
        daemon.wait_event("StoreBack")
        postgres_place.wait_empty()
        assert daemon.stop() == 0

    assert relay.lost_answers == 1
    totals = at_rest(ledger)
    assert (totals.claimed, totals.failed, totals.handled) == (2, 1, 1)
    assert not daemon.events("ItemLeaseLost")
