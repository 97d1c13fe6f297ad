"""Workers wake when an item is there to be claimed, and a notification is sent far less often than an item."""

from __future__ import annotations

import multiprocessing
import select
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from snqd.errors import StoreUnavailable
from snqd.stores.outcomes import DeadLettered, DeadReason, Retried
from snqd.stores.postgres import listen
from snqd.stores.postgres.enqueue import enqueue, enqueue_many
from snqd.stores.postgres.listen import CHANNEL, LINGER_SECONDS, WAKE_DEBOUNCE_SECONDS
from snqd.stores.records import ItemFilter
from tests.support.postgres import wait_for
from tests.support.stores import claim, claim_one, new

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.synchronize import Barrier

    from snqd.stores.postgres.store import PostgresStore
    from tests.support.postgres import Database

pytestmark = pytest.mark.pg
PLAIN = "insert into queue_item (site, queue, frame) values ('default', 'mail', '{}')"


@pytest.fixture
def store(pg_database: Database) -> Iterator[PostgresStore]:
    """A store that watches."""
    store = pg_database.store()
    store.connect()
    assert len(store.open_wakeups()) == 1
    yield store
    store.close()


@pytest.fixture
def application(pg_database: Database) -> Iterator[psycopg.Connection[Any]]:
    with pg_database.connect() as connection:
        yield connection


def is_woken(store: PostgresStore, seconds: float = 5.0) -> bool:
    assert store._listener is not None
    return bool(select.select([store._listener.fd], [], [], seconds)[0]) and store.read_wakeups()


def rest() -> None:
    """Let the debounce pass, so that the next wake-up is not swallowed."""
    time.sleep(2 * WAKE_DEBOUNCE_SECONDS)


def notifications(connection: psycopg.Connection[Any], seconds: float) -> int:
    return len([each for each in connection.notifies(timeout=seconds) if each.channel == CHANNEL])


# ---- who wakes


@pytest.mark.parametrize(
    "statement",
    [
        PLAIN,
        """select snqd_enqueue('mail', '{"to": 7}')""",
        """select snqd_enqueue('mail', '{"to": 7}', delay => '1 hour')""",
        "select snqd_enqueue_raw('mail', '\\x00ff')",
    ],
)
def test_sql_of_any_program_wakes_and_its_item_is_claimable(
    store: PostgresStore, application: psycopg.Connection[Any], statement: str
) -> None:
    application.execute(statement.encode())

    assert is_woken(store)
    assert len(claim(store)) == (0 if "1 hour" in statement else 1)


def test_a_plain_insert_from_psql_wakes(store: PostgresStore, pg_database: Database) -> None:
    psql = shutil.which("psql")
    assert psql is not None, "install the Debian package postgresql-client"

    subprocess.run([psql, "-q", pg_database.url, "-c", PLAIN], check=True)

    assert is_woken(store)
    assert claim_one(store).frame == b"{}"


@pytest.mark.parametrize("many", [False, True], ids=["insert", "copy"])
def test_our_own_enqueue_wakes(store: PostgresStore, application: psycopg.Connection[Any], many: bool) -> None:
    if many:
        enqueue_many(application, [new() for _ in range(10)])
    else:
        enqueue(application, [new()])

    assert is_woken(store)


def test_people_wake_workers_too(store: PostgresStore, pg_database: Database) -> None:
    store.enqueue([new(), new()])
    first, second = claim(store)
    store.exchange([Retried(first, 3600.0, "later"), DeadLettered(second, DeadReason.ATTEMPTS, "no")], [])
    person = pg_database.store()
    person.connect()
    is_woken(store, 0.05)

    rest()
    assert person.retry_now(ItemFilter()) == 1
    assert is_woken(store)
    rest()
    assert person.replay(ItemFilter()) == 1
    assert is_woken(store)
    person.close()


def test_an_insert_with_a_future_time_is_scheduled_and_one_with_a_past_time_is_ready(
    store: PostgresStore, application: psycopg.Connection[Any]
) -> None:
    application.execute(
        "insert into queue_item (queue, frame, available_at) values ('mail', 'past', now() - interval '1 hour'), "
        "('mail', 'now', now()), ('mail', 'later', now() + interval '1 hour')"
    )

    assert [item.frame for item in claim(store)] == [b"past", b"now"]
    found = store.promote()
    assert found.items == 0
    assert found.next_due_seconds == pytest.approx(3600, abs=10)


# ---- transactions


def test_a_rolled_back_transaction_neither_stores_nor_wakes(
    store: PostgresStore, application: psycopg.Connection[Any]
) -> None:
    with application.transaction(force_rollback=True):
        application.execute(PLAIN)
        enqueue_many(application, [new()])

    assert not is_woken(store, 0.2)
    assert claim(store) == []


def test_a_long_transaction_wakes_when_it_commits_however_many_others_woke_before(
    store: PostgresStore, application: psycopg.Connection[Any], pg_database: Database
) -> None:
    with pg_database.connect() as slow, slow.transaction():
        slow.execute(PLAIN)
        application.execute(PLAIN)
        assert is_woken(store)
        assert len(claim(store)) == 1
        rest()
        assert not is_woken(store, 0.1)

    assert is_woken(store)
    assert len(claim(store)) == 1


def test_an_insert_after_a_rolled_back_savepoint_still_wakes(
    store: PostgresStore, application: psycopg.Connection[Any]
) -> None:
    with application.transaction():
        with application.transaction(force_rollback=True):
            application.execute(PLAIN)
        application.execute(PLAIN)

    assert is_woken(store)
    assert len(claim(store)) == 1


def test_every_transaction_of_a_session_wakes_anew(store: PostgresStore, application: psycopg.Connection[Any]) -> None:
    for _ in range(3):
        application.execute(PLAIN)
        assert is_woken(store)
        rest()


# ---- how seldom


def test_however_many_rows_of_a_transaction_there_is_one_decision_to_wake(application: psycopg.Connection[Any]) -> None:
    application.execute("set track_functions = 'all'")
    with application.transaction():
        for _ in range(3):
            application.execute(
                "insert into queue_item (queue, frame) select 'mail', '{}' from generate_series(1, 500)"
            )
            enqueue_many(application, [new() for _ in range(500)])

    application.execute("select pg_stat_force_next_flush()")
    calls = application.execute(
        "select calls from pg_stat_user_functions where funcname = 'snqd_wake_workers'"
    ).fetchone()
    assert calls == (1,)


def _enqueue_for(url: str, seconds: float, start: Barrier, answers: Any) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        start.wait()
        until = time.monotonic() + seconds
        count = 0
        while time.monotonic() < until:
            enqueue(connection, [new()])
            count += 1
        answers.put(count)


def test_four_enqueuers_at_full_speed_send_a_few_notifications_per_debounce_and_not_one_per_item(
    store: PostgresStore, application: psycopg.Connection[Any], pg_database: Database
) -> None:
    seconds = 1.5
    application.execute(f"listen {CHANNEL}")
    start = multiprocessing.Barrier(4)
    answers: Any = multiprocessing.Queue()
    enqueuers = [
        multiprocessing.Process(target=_enqueue_for, args=(pg_database.url, seconds, start, answers)) for _ in range(4)
    ]
    for enqueuer in enqueuers:
        enqueuer.start()
    items = sum(answers.get(timeout=60) for _ in enqueuers)
    for enqueuer in enqueuers:
        enqueuer.join()
    sent = notifications(application, 0.2)

    assert sent >= 1
    # two committers may look at the clock at the same moment: a little more than one per debounce
    assert sent <= 1.25 * seconds / WAKE_DEBOUNCE_SECONDS
    assert sent < items / 2


def test_a_wake_up_that_was_debounced_is_covered_by_the_lingering_look() -> None:
    assert LINGER_SECONDS > 2 * WAKE_DEBOUNCE_SECONDS


def test_a_clock_set_back_does_not_silence_wake_ups(store: PostgresStore, application: psycopg.Connection[Any]) -> None:
    application.execute("select setval('snqd_wake_clock', (date_part('epoch', now()) * 1000)::bigint + 3600000)")

    application.execute(PLAIN)

    assert is_woken(store)


# ---- is anybody listening


def test_a_listener_that_hears_nothing_any_more_is_found_out_by_a_probe(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listen, "_PROBE_SECONDS", 0.0)
    monkeypatch.setattr(listen, "_PATIENCE_SECONDS", 0.05)
    assert store._listener is not None
    store._listener._connection.pgconn.exec_(b"UNLISTEN *")  # as silent as a connection that a firewall forgot

    store.reclaim()  # sends the probe
    with pytest.raises(StoreUnavailable, match="no notification arrives"):
        wait_for(lambda: store.reclaim() and False, "the probe to be missed")


def test_a_listener_that_hears_its_probes_is_left_alone_and_does_not_wake_by_them(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listen, "_PROBE_SECONDS", 0.0)
    monkeypatch.setattr(listen, "_PATIENCE_SECONDS", 0.05)
    for _ in range(3):
        store.reclaim()
        assert not is_woken(store, 0.2)


def test_listening_can_be_switched_off(pg_database: Database) -> None:
    store = pg_database.store(listen=False)
    store.connect()

    assert store.open_wakeups() == []
    assert store.wakeup_problem == "store.listen = false"
    store.close()


def test_a_listen_url_that_cannot_be_reached_is_a_reason_to_poll_and_no_more(pg_database: Database) -> None:
    store = pg_database.store(listen_url="postgresql://snqd@127.0.0.1:1/x")
    store.connect()

    assert store.open_wakeups() == []
    assert store.wakeup_problem is not None
    assert "127.0.0.1:1" in store.wakeup_problem
    store.close()


def test_a_listen_url_of_another_database_is_found_out(pg_database: Database) -> None:
    store = pg_database.store(listen_url=pg_database.cluster.url("postgres"))
    store.connect()

    assert store.open_wakeups() == []
    assert store.wakeup_problem is not None
    assert "store.listen_url" in store.wakeup_problem
    store.close()
