"""Real daemons on real stores: `snqd run` in a folder of its own, and facts to wait for.

A test has two eyes: the daemon's JSON log (`events`) and what its handlers note (`facts`, see `tests.support.facts`).
Every daemon leads a process group, which is killed at the end of the test.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from snqd.config.schema import Config, StoreConfig
from snqd.items import new_item
from snqd.stores.records import ItemFilter
from snqd.wiring.stores import open_store
from tests.support.processes import is_gone, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from snqd.items import NewItem
    from snqd.stores.base import Store
    from snqd.stores.records import ItemRecord, QueueFacts
    from tests.support.explaining import OnFailure
    from tests.support.postgres import Database

PROJECT = Path(__file__).resolve().parents[2]
SECONDS = 20.0
PRELUDE = "from tests.support.facts import *\n"


class Place:
    """Where a test's items are. Every call opens the store for itself, as another program would."""

    def __init__(self, url: str, database: Database | None = None) -> None:
        self.url = url
        self.database = database

    @property
    def kind(self) -> str:
        return "sqlite" if self.url.startswith("sqlite:") else "postgres"

    @contextlib.contextmanager
    def open(self) -> Iterator[Store]:
        store = open_store(Config(store=StoreConfig(url=self.url)))
        store.connect()
        try:
            yield store
        finally:
            store.close()

    def enqueue(self, queue: str, payload: Any = None, **options: Any) -> int:
        """Store one item; its id."""
        with self.open() as store:
            (item,) = store.enqueue([new_item(queue, payload, **options)])
        assert item is not None
        return item

    def enqueue_all(self, items: list[NewItem]) -> list[int]:
        """Store items in one transaction; their ids."""
        with self.open() as store:
            return [item for item in store.enqueue(items) if item is not None]

    def waiting(self, **wanted: Any) -> list[ItemRecord]:
        """Items in the store: ready, scheduled or claimed."""
        with self.open() as store:
            return list(store.find(ItemFilter(**wanted)))

    def item(self, number: int) -> ItemRecord | None:
        found = self.waiting(ids=(number,))
        return found[0] if found else None

    def dead(self, **wanted: Any) -> list[ItemRecord]:
        with self.open() as store:
            return list(store.find_dead(ItemFilter(**wanted)))

    def counts(self) -> dict[str, QueueFacts]:
        """By queue; a queue with several sites is refused."""
        with self.open() as store:
            found = store.counts()
        assert len({each.queue for each in found}) == len(found), found
        return {each.queue: each for each in found}

    def wait_empty(self, *, seconds: float = SECONDS, **wanted: Any) -> None:
        """Until no item (that is `wanted`) waits or is claimed."""
        with self.open() as store:
            found = ItemFilter(limit=1, **wanted)
            wait_until(lambda: not list(store.find(found)), f"no item {wanted} is left", seconds=seconds)

    def wait_item(self, number: int, fact: Callable[[ItemRecord], object], *, seconds: float = SECONDS) -> ItemRecord:
        """The item as soon as `fact` is true of it."""
        last: list[ItemRecord] = []

        def look() -> bool:
            last[:] = store.find(ItemFilter(ids=(number,)))
            return bool(last) and bool(fact(last[0]))

        with self.open() as store:
            try:
                wait_until(look, f"the fact about item {number}", seconds=seconds)
            except AssertionError as error:
                raise AssertionError(f"{error}; last seen: {last}") from None
        return last[0]

    def sql(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run SQL as another program would, committed at once. Parameters are `?`."""
        if self.database is not None:
            with self.database.connect() as connection:
                cursor = connection.execute(statement.replace("?", "%s").encode(), parameters)
                return cursor.fetchall() if cursor.description else []
        import sqlite3

        with contextlib.closing(sqlite3.connect(self.url.removeprefix("sqlite:///"), timeout=10)) as connection:
            rows = connection.execute(statement, parameters).fetchall()
            connection.commit()
            return rows


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Worker:
    """A worker process as an event told of it."""

    name: str
    pid: int

    def kill(self, number: signal.Signals = signal.SIGKILL) -> float:
        """Send a signal; the monotonic time of it."""
        now = time.monotonic()
        os.kill(self.pid, number)
        return now


@dataclass(frozen=True)
class Hub:
    """A hub's process, and the address at which monitors subscribe."""

    pid: int
    address: str


class Daemon:
    """One `snqd run`. `configure` and `handle` may be called again before a HUP."""

    def __init__(self, folder: Path, place: Place) -> None:
        self.folder = folder
        self.place = place
        folder.mkdir(exist_ok=True)
        self._log = folder / "log"
        self._facts = folder / "facts"
        self._read: dict[Path, tuple[int, list[dict[str, Any]]]] = {}
        self._process: subprocess.Popen[bytes] | None = None

    # ---- before the start

    def handle(self, source: str) -> None:
        """Write the handlers' module."""
        (self.folder / "app.py").write_text(PRELUDE + source)

    def configure(self, **sections: Mapping[str, Any]) -> None:
        """Write the file. `store.url`, the runtime folder and the handlers' module are given."""
        known: dict[str, dict[str, Any]] = {
            "daemon": {"runtime_dir": str(self.folder), "log_format": "json", "threads": 1},
            "store": {"url": self.place.url},
            "handlers": {"modules": ["app"]},
            "telemetry": {"listen": "127.0.0.1:0"},  # daemons of other tests have theirs
        }
        for name, section in sections.items():
            known[name] = {**known.get(name, {}), **section}
        lines: list[str] = []
        for name, section in known.items():
            _write_table(lines, name, section)
        fresh = self.folder / "snqd.toml.new"
        fresh.write_text("\n".join(lines))
        fresh.replace(self.folder / "snqd.toml")

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SNQD_")}
        return {
            **kept,
            "PYTHONPATH": str(PROJECT),
            "PYTHONDONTWRITEBYTECODE": "1",  # a module written twice in a second looks unchanged to the cache
            "SNQD_TEST_FACTS": str(self.folder),
        }

    def start(self, *flags: str) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "snqd", "run", "-c", "snqd.toml", *flags],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=self.environment,
                start_new_session=True,
            )

    def command(self, *words: str, seconds: float = 60.0) -> Ended:
        """Another `snqd` command with the same configuration, to its end."""
        done = subprocess.run(
            [sys.executable, "-m", "snqd", *words, "-c", "snqd.toml"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=self.environment,
            timeout=seconds,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    # ---- while it runs

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def open_gate(self, name: str) -> None:
        (self.folder / f"gate.{name}").touch()

    def wait_exit(self, *, seconds: float = SECONDS) -> int:
        """Its exit code, negative for a signal."""
        assert self._process is not None
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end within {seconds} s") from None

    def stop(self, number: signal.Signals = signal.SIGTERM, *, seconds: float = SECONDS) -> int:
        self.send(number)
        return self.wait_exit(seconds=seconds)

    def kill_group(self) -> None:
        """SIGKILL to the supervisor and every worker at once: what the loss of a machine looks like."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        pids = [event["pid"] for event in self.events("WorkerSpawned")]
        wait_until(lambda: all(map(is_gone, pids)), "every worker is gone")

    def workers(self) -> list[Worker]:
        """The living workers, by name."""
        ready = {event["worker"]: event["pid"] for event in self.events("WorkerReady")}
        return [Worker(name, pid) for name, pid in sorted(ready.items()) if not is_gone(pid)]

    def wait_ready(self, workers: int = 1, *, seconds: float = SECONDS) -> list[Worker]:
        """The workers, when `workers` have said that they are ready."""
        process = self._process

        def are_ready() -> bool:
            if process is not None and process.poll() is not None:
                raise AssertionError(f"the daemon ended with code {process.returncode}")
            return len(self.events("WorkerReady")) >= workers

        wait_until(are_ready, f"{workers} workers are ready", seconds=seconds)
        return self.workers()

    def wait_hub(self, number: int = 1) -> Hub:
        """The daemon's hub, the `number`-th that it has had, when monitors can subscribe."""
        event = self.wait_events("HubStarted", number)[number - 1]
        return Hub(event["pid"], event["listen"])

    def watch_holder(self) -> Worker:
        """The worker that listens for new items: who holds the record lock on the bell's file, by the kernel's list."""
        found: list[Worker] = []

        def look() -> bool:
            lines = Path("/proc/locks").read_text().splitlines()
            locks = [line.split() for line in lines if "->" not in line]  # that is who waits for a lock
            holders = {int(words[4]) for words in locks if int(words[5].split(":")[2]) in _deleted_files(self.pid)}
            found[:] = [worker for worker in self.workers() if worker.pid in holders]
            return len(found) == 1

        wait_until(look, "one worker has the watch")
        return found[0]

    # ---- what it says

    def log_text(self) -> str:
        return _text(self._log)

    def facts_text(self) -> str:
        return _text(self._facts)

    def events(self, name: str | None = None, **fields: Any) -> list[dict[str, Any]]:
        """Events so far with this name and these fields, in order."""
        found = self._lines(self._log)
        return [each for each in found if (name is None or each.get("event") == name) and _has(each, fields)]

    def wait_event(self, name: str, *, seconds: float = SECONDS, **fields: Any) -> dict[str, Any]:
        return self.wait_events(name, 1, seconds=seconds, **fields)[0]

    def wait_events(self, name: str, count: int, *, seconds: float = SECONDS, **fields: Any) -> list[dict[str, Any]]:
        """At least `count` events."""
        wait_until(
            lambda: len(self.events(name, **fields)) >= count, f"{count} events {name} {fields}", seconds=seconds
        )
        return self.events(name, **fields)

    def facts(self, fact: str | None = None, **fields: Any) -> list[dict[str, Any]]:
        """What handlers noted so far, in order."""
        found = self._lines(self._facts)
        return [each for each in found if (fact is None or each["fact"] == fact) and _has(each, fields)]

    def wait_fact(self, fact: str, *, seconds: float = SECONDS, **fields: Any) -> dict[str, Any]:
        return self.wait_facts(fact, 1, seconds=seconds, **fields)[0]

    def wait_facts(self, fact: str, count: int, *, seconds: float = SECONDS, **fields: Any) -> list[dict[str, Any]]:
        """At least `count` notes."""
        wait_until(lambda: len(self.facts(fact, **fields)) >= count, f"{count} facts {fact} {fields}", seconds=seconds)
        return self.facts(fact, **fields)

    def _lines(self, path: Path) -> list[dict[str, Any]]:
        """The JSON lines of a file that grows; only what is new is read. Other lines (Python stacks) are left out."""
        at, found = self._read.get(path, (0, []))
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            file.seek(at)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                at += len(line)
                with contextlib.suppress(ValueError):
                    each = json.loads(line)
                    if isinstance(each, dict):
                        found.append(each)
        self._read[path] = (at, found)
        return found

    def close(self) -> None:
        """At the end of the test: nothing of it may be left."""
        if self._process is not None:
            self.kill_group()


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""


def _deleted_files(pid: int) -> set[int]:
    """Inodes of the files that a process has open and nobody can see."""
    links = Path(f"/proc/{pid}/fd").iterdir()
    return {link.stat().st_ino for link in links if str(link.readlink()).endswith("(deleted)")}


def _has(each: dict[str, Any], fields: dict[str, Any]) -> bool:
    return all(each.get(key) == value for key, value in fields.items())


def _write_table(lines: list[str], name: str, table: Mapping[str, Any]) -> None:
    lines.append(f"[{name}]")
    inner = {}
    for key, value in table.items():
        if isinstance(value, dict):
            inner[key] = value
        elif value is not None:
            lines.append(f"{json.dumps(key)} = {json.dumps(value)}")  # JSON's strings, numbers and lists are TOML's
    for key, value in inner.items():
        _write_table(lines, f"{name}.{json.dumps(key)}", value)


@pytest.fixture
def sqlite_place(tmp_path: Path) -> Place:
    """A SQLite file with snqd's tables."""
    place = Place(f"sqlite:///{tmp_path / 'queue.db'}")
    with place.open():
        pass
    return place


@pytest.fixture
def postgres_place(pg_database: Database) -> Place:
    """A PostgreSQL database with snqd's tables."""
    return Place(pg_database.url, pg_database)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.pg)])
def place(request: pytest.FixtureRequest) -> Place:
    """Each test with this runs on both stores."""
    found: Place = request.getfixturevalue(f"{request.param}_place")
    return found


@pytest.fixture
def make_daemon(tmp_path: Path, on_failure: OnFailure) -> Iterator[Callable[..., Daemon]]:
    """Makes daemons: `make_daemon(place, source, daemon={…}, store={…})` starts one and waits until it is ready.

    `start=False` leaves it at the files; `ready=False` does not wait. `folder` names a second one. When the test fails,
    what they said is told.
    """
    made: list[Daemon] = []

    def make(
        place: Place, source: str = "", *, folder: str = "main", start: bool = True, ready: bool = True, **sections: Any
    ) -> Daemon:
        daemon = Daemon(tmp_path / folder, place)
        made.append(daemon)
        on_failure(f"what handlers noted in {folder}", daemon.facts_text)
        on_failure(f"log of {folder}", daemon.log_text)
        daemon.handle(source)
        daemon.configure(**sections)
        if start:
            daemon.start()
            if ready:
                threads = sections.get("daemon", {}).get("threads", 1)
                daemon.wait_ready(max(1, threads))
        return daemon

    yield make
    for daemon in made:
        daemon.close()
