"""The SQLite store's probe: it reads only, disturbs nobody, and goes by index."""

from __future__ import annotations

import os
import re
import sqlite3
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from snqd.config.schema import StoreConfig
from snqd.errors import StoreUnavailable
from snqd.items import ItemId
from snqd.stores.outcomes import Done
from snqd.stores.sql import queries
from snqd.stores.sqlite import probe as subject
from snqd.stores.sqlite.store import SqliteStore
from tests.support.racing import Racer
from tests.support.stopwatch import Stopwatch
from tests.support.stores import Recipe, claim, new, waiting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snqd.stores.base import Store
    from snqd.stores.probe import Probe

SQL = queries("sqlite_probe")


@pytest.fixture
def recipe(sqlite_recipe: Recipe) -> Recipe:
    return sqlite_recipe


@pytest.fixture
def probe(store: Store) -> Iterator[Probe]:
    probe = store.probe()
    yield probe
    probe.close()


def ask_everything(probe: Probe) -> None:
    probe.lags()
    probe.depths()
    probe.health()
    probe.has_item(ItemId(1))


def test_a_probe_answers_while_another_program_holds_the_write_lock(recipe: Recipe, store: Store, probe: Probe) -> None:
    store.enqueue([new()])
    with closing(sqlite3.connect(recipe.location, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("INSERT INTO queue_item (queue, frame) VALUES ('mail', '{}')")

        watch = Stopwatch()
        ask_everything(probe)
        assert [depth.ready for depth in probe.depths()] == [1]
        assert watch.seconds < 1.5

        other.execute("COMMIT")
    assert [depth.ready for depth in probe.depths()] == [2]


def test_a_probe_leaves_no_transaction_open_and_no_writer_waits_for_it(
    recipe: Recipe, store: Store, probe: Probe
) -> None:
    store.enqueue([new()])
    ask_everything(probe)

    with closing(sqlite3.connect(recipe.location, isolation_level=None, timeout=0)) as other:
        other.execute("BEGIN EXCLUSIVE")
        other.execute("INSERT INTO queue_item (queue, frame) VALUES ('mail', '{}')")
        other.execute("COMMIT")
        busy, _pages, _done = other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert busy == 0


def test_probing_without_pause_neither_locks_nor_loses_anything(recipe: Recipe, store: Store, probe: Probe) -> None:
    with ExitStack() as started:
        workers = [_started(started, Racer("drain", recipe, 10, f"w{number}")) for number in range(2)]
        enqueuers = [_started(started, Racer("enqueue", recipe, 200, f"e{number}")) for number in range(2)]
        for racer in workers + enqueuers:
            racer.go()
        while any(racer.process.poll() is None for racer in enqueuers):
            ask_everything(probe)
        stored = [racer.findings() for racer in enqueuers]
        for racer in workers:
            racer.go()
        while any(racer.process.poll() is None for racer in workers):
            ask_everything(probe)
        done = [item for racer in workers for item in racer.findings()["done"]]

    assert sorted(done) == sorted(item for each in stored for item in each["ids"])
    assert waiting(store) == []
    assert probe.depths() == []


def test_nothing_can_be_written_on_a_probes_connection(store: Store, probe: Probe) -> None:
    ask_everything(probe)
    raw = probe._raw  # type: ignore[attr-defined]

    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        raw.execute("DELETE FROM queue_item")


def test_a_file_that_nobody_has_open_can_be_probed_and_is_left_as_it_was(recipe: Recipe, tmp_path: Path) -> None:
    store = recipe.make()
    store.connect()
    store.enqueue([new()])
    store.close()
    before = Path(recipe.location).read_bytes()

    probe = recipe.make().probe()
    assert [queue for queue, _lag in probe.lags()] == ["mail"]
    probe.close()

    assert Path(recipe.location).read_bytes() == before


def test_a_missing_file_is_unavailable_and_is_not_created(tmp_path: Path) -> None:
    path = tmp_path / "no such folder" / "queue.db"
    probe = SqliteStore(StoreConfig(url=f"sqlite:///{path}")).probe()

    for question in (probe.lags, probe.depths, probe.health, lambda: probe.has_item(ItemId(1))):
        with pytest.raises(StoreUnavailable, match="cannot open"):
            question()
    assert not path.exists()


@pytest.mark.parametrize("content", [b"", b"this is not a database, but a text of some length" * 100])
def test_a_file_without_our_tables_is_unavailable_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.db"
    path.write_bytes(content)
    probe = SqliteStore(StoreConfig(url=f"sqlite:///{path}")).probe()

    with pytest.raises(StoreUnavailable) as caught:
        probe.lags()

    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    probe.close()


def test_a_file_that_was_replaced_is_opened_anew(recipe: Recipe, tmp_path: Path, store: Store, probe: Probe) -> None:
    store.enqueue([new("old")])
    assert [queue for queue, _lag in probe.lags()] == ["old"]
    store.close()
    other = SqliteStore(StoreConfig(url=f"sqlite:///{tmp_path / 'other.db'}"))
    other.connect()
    other.enqueue([new("new")])
    other.close()
    for beside in tmp_path.glob(Path(recipe.location).name + "-*"):
        beside.unlink()

    os.replace(tmp_path / "other.db", recipe.location)  # noqa: PTH105 - the shortest way to say it

    assert [queue for queue, _lag in probe.lags()] == ["new"]


def test_a_question_that_takes_too_long_is_given_up_and_the_next_one_works(
    store: Store, probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "TIMEOUT_SECONDS", 0.1)
    endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*), 1, 1, 1 FROM n"
    heads = SQL["heads"]
    monkeypatch.setitem(SQL, "heads", endless)

    with pytest.raises(StoreUnavailable, match=r"a probe was not answered within 0\.1 s"):
        probe.lags()

    monkeypatch.setitem(SQL, "heads", heads)
    assert probe.lags() == []


def test_health_tells_the_file_with_its_log(recipe: Recipe, store: Store, probe: Probe) -> None:
    store.enqueue_many(new(frame=b"x" * 10_000) for _ in range(100))

    found = probe.health()

    log = Path(recipe.location + "-wal").stat().st_size
    assert log > 1_000_000
    assert found.table_bytes > log + 1_000_000
    assert (found.index_bytes, found.dead_rows, found.live_rows) == (-1, -1, -1)
    assert found.free_bytes == 0
    store.exchange([Done(item) for item in claim(store, limit=100)], [])
    assert probe.health().free_bytes > 900_000


def test_a_name_that_is_not_utf8_does_not_blind_the_probe(recipe: Recipe, store: Store, probe: Probe) -> None:
    with closing(sqlite3.connect(recipe.location, isolation_level=None)) as other:
        other.execute("INSERT INTO queue_item (queue, frame) VALUES (CAST(x'66ff' AS TEXT), '{}')")

    assert [queue for queue, _lag in probe.lags()] == ["f\ufffd"]


OF_SMALL_TABLES = ("round_trip", "pages", "pauses", "schedules")


@pytest.mark.parametrize("query", [name for name in SQL if name not in OF_SMALL_TABLES])
def test_every_question_goes_by_index(store: Store, recipe: Recipe, query: str) -> None:
    values = {"priorities": 100, "queue": "a", "priority": 0, "limit": 9, "edge": 3, "at": 5.0, "id": 7}
    values |= {"site": "s", "sites": "[]"}
    parameters = {name: values[name] for name in re.findall(r":(\w+)", SQL[query])}
    with closing(sqlite3.connect(recipe.location)) as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {SQL[query]}", parameters)]

    on_tables = [step for step in plan if "queue_item" in step or "dead_letter" in step or " item " in step]
    assert on_tables
    assert all("USING" in step or step == "SCAN dead_letter" for step in on_tables)  # which is in order of its ids
    assert not any("ORDER BY" in step for step in plan)


def test_a_long_queue_costs_a_question_no_more_than_a_short_one(store: Store, probe: Probe) -> None:
    """Steps of SQLite's machine, since a plan does not tell how far a scan walks."""
    few = steps(probe)
    moment = time.time() - 50.0
    store.enqueue_many(new("long", available_at=moment) for _ in range(20_000))
    store.enqueue_many(new("long", priority=1, available_at=moment) for _ in range(20_000))
    claim(store, "long", limit=3)

    assert steps(probe) < few + 60


def steps(probe: Probe) -> int:
    """Progress calls, one in ten instructions, that `lags` takes."""
    probe.lags()
    raw: sqlite3.Connection = probe._raw  # type: ignore[attr-defined]
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    raw.set_progress_handler(step, 10)
    probe.lags()
    return count


def _started(started: ExitStack, racer: Racer) -> Racer:
    started.callback(racer.kill)
    return racer
