"""Many processes on one SQLite file: never "database is locked", nothing lost, nobody starves."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest

from tests.support.racing import Racer
from tests.support.stores import waiting

if TYPE_CHECKING:
    from snqd.stores.base import Store
    from tests.support.stores import Recipe

WORKERS = 8
ENQUEUERS = 4
ITEMS_EACH = 250
_STRANGER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)  # what docs tell such programs
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[2])):
    connection.execute("INSERT INTO queue_item (queue, frame) VALUES ('mail', ?)", [f"stranger.{number}"])
"""


@pytest.fixture
def recipe(sqlite_recipe: Recipe) -> Recipe:
    return sqlite_recipe


def test_eight_workers_four_enqueuers_and_a_stranger_share_one_file(recipe: Recipe, store: Store) -> None:
    with ExitStack() as started:
        workers = [_started(started, Racer("drain", recipe, 10, f"w{n}")) for n in range(WORKERS)]
        enqueuers = [_started(started, Racer("enqueue", recipe, ITEMS_EACH, f"e{n}")) for n in range(ENQUEUERS)]
        stranger = started.enter_context(_stranger(recipe.location, 100))

        for racer in workers + enqueuers:
            racer.go()
        stranger.communicate("go\n", timeout=60)
        stored = [racer.findings() for racer in enqueuers]
        for racer in workers:
            racer.go()
        done = [racer.findings() for racer in workers]

    assert stranger.returncode == 0
    ids = [item_id for each in done for item_id in each["done"]]
    assert len(ids) == len(set(ids)) == ENQUEUERS * ITEMS_EACH + 100
    assert {item_id for each in stored for item_id in each["ids"]} <= set(ids)
    assert [each["lost"] for each in done] == [0] * WORKERS
    assert waiting(store) == []
    longest = max(each["longest_seconds"] for each in [*stored, *done])
    assert longest < 5.0, f"somebody waited {longest:.1f} s for the write lock"


def test_a_long_transaction_of_another_program_is_waited_out(recipe: Recipe, store: Store) -> None:
    with ExitStack() as started, closing(sqlite3.connect(recipe.location, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        enqueuers = [_started(started, Racer("enqueue", recipe, 5, f"e{n}")) for n in range(3)]
        for racer in enqueuers:
            racer.go()
        other.execute("INSERT INTO queue_item (queue, frame) VALUES ('mail', 'mine')")
        with pytest.raises(subprocess.TimeoutExpired):
            enqueuers[0].process.wait(timeout=0.5)
        other.execute("COMMIT")
        stored = [racer.findings() for racer in enqueuers]

    assert next(record.frame for record in waiting(store)) == b"mine"
    assert len(waiting(store)) == 16
    assert min(len(each["ids"]) for each in stored) == 5


def test_a_worker_killed_while_it_has_the_turn_does_not_stop_the_others(recipe: Recipe, store: Store) -> None:
    with ExitStack() as started:
        doomed = [_started(started, Racer("enqueue", recipe, 100_000, f"d{n}")) for n in range(2)]
        for racer in doomed:
            racer.go()
        while len(waiting(store)) < 50:
            pass
        for racer in doomed:
            racer.kill()

        survivor = _started(started, Racer("enqueue", recipe, 20, "survivor"))
        survivor.go()

        assert len(survivor.findings()["ids"]) == 20
    with closing(sqlite3.connect(recipe.location)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def _started(started: ExitStack, racer: Racer) -> Racer:
    started.callback(racer.kill)
    return racer


def _stranger(location: str, items: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", _STRANGER, location, json.dumps(items)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process
