"""A queue system under measurement: its interpreter, its programs, its store; snqd is one of them.

snqd is driven as a person drives it: a TOML file, `snqd schema upgrade`, `snqd run`.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import psutil

from bench.lab import processes, record
from bench.lab.machine import ROOT
from bench.lab.venvs import python_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bench.lab.session import Session


class Contestant:
    """A peer. `store`: `postgres` (a database of the session's cluster) or `sqlite` (a file)."""

    app = ""
    pending_sql: str | None = None
    """Counts what is not acked yet; None where a claim is the end of an item."""

    def __init__(
        self, session: Session, name: str, store: str, programs: Sequence[Sequence[str]], python: Path | None = None
    ) -> None:
        self.session, self.name, self.store = session, name, store
        self.home = session.folder / re.sub(r"\W+", "_", name)
        self.home.mkdir(exist_ok=True)
        self.python = python or Path(sys.executable)
        self.record = self.home / "record"
        self.database = self.home.name
        self.file = self.home / "store.db"
        self.log = self.home / "log"
        self._programs = programs
        self._make_tables: Callable[[], object] = lambda: self.call("reset")
        self._running: list[psutil.Popen] = []

    @property
    def url(self) -> str:
        """Where the items are, as snqd and libpq say it."""
        if self.store == "sqlite":
            return f"sqlite:///{self.file}"
        assert self.session.cluster is not None, "the benchmark starts the cluster first"
        return self.session.cluster.url(self.database)

    def environment(self) -> dict[str, str]:
        where = {"SNQD_BENCH_URL": self.url}
        if self.store == "sqlite":
            where["SNQD_BENCH_FILE"] = str(self.file)
        path = f"{self.python.parent}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, **where, "PATH": path, "PYTHONPATH": str(ROOT), record.FILE_VARIABLE: str(self.record)}

    def call(self, verb: str, *arguments: Any) -> Any:
        """Have the contestant's app do something (see `bench.peers.verbs`). Raises `SystemExit` with its words."""
        done = self._run([str(self.python), "-m", "bench.peers.verbs", self.app, verb, json.dumps(arguments)])
        return json.loads(done.splitlines()[-1])

    def begin_call(self, verb: str, *arguments: Any) -> subprocess.Popen[bytes]:
        """The same, beside us: the caller waits for it."""
        command = [str(self.python), "-m", "bench.peers.verbs", self.app, verb, json.dumps(arguments)]
        return subprocess.Popen(command, env=self.environment(), cwd=self.home, stdout=subprocess.DEVNULL)

    def prepare(self, count: int = 0, seconds: float = 0.0) -> None:
        """A fresh store that holds `count` items whose handlers work for `seconds`."""
        self.record.unlink(missing_ok=True)
        if self.store == "postgres":
            assert self.session.cluster is not None
            self.session.cluster.recreate(self.database)
        else:
            for path in self.file.parent.glob(self.file.name + "*"):
                path.unlink()
        self._make_tables()
        if count:
            self.call("load", count, seconds)
        if self.store == "postgres":
            assert self.session.cluster is not None
            self.session.cluster.settle(self.database)

    def start(self) -> list[psutil.Popen]:
        """Start the worker programs."""
        with self.log.open("ab") as log:
            self._running = [self._open(program, log) for program in self._programs]
        return self._running

    def restart_dead(self) -> None:
        """Start again the programs that have ended, as a service manager would."""
        alive = [program.poll() is None for program in self._running]
        with self.log.open("ab") as log:
            for position, program in enumerate(self._programs):
                if not alive[position]:
                    self._running[position] = self._open(program, log)

    def _open(self, program: Sequence[str], log: IO[bytes]) -> psutil.Popen:
        return psutil.Popen(
            program, env=self.environment(), cwd=self.home, stdout=log, stderr=log, start_new_session=True
        )

    @property
    def roots(self) -> list[psutil.Popen]:
        """The programs that were started."""
        return self._running

    def stop(self) -> None:
        processes.stop(self._running)
        self._running = []

    def remove(self) -> None:
        """Give back the disk space of the last run."""
        self.record.unlink(missing_ok=True)
        if self.store == "postgres" and self.session.cluster is not None:
            self.session.cluster.drop(self.database)

    def servers(self) -> list[psutil.Process]:
        """The processes of the database server."""
        return [self.session.cluster.postmaster] if self.store == "postgres" and self.session.cluster else []

    def wait_for_records(self, count: int, stall_seconds: float = 30.0) -> bool:
        """Wait until the handlers have written that many records. False: none came for `stall_seconds`."""
        last, since = -1, time.monotonic()
        while True:
            found = record.count(self.record)
            if found >= count:
                return True
            if found > last:
                last, since = found, time.monotonic()
            elif time.monotonic() - since > stall_seconds:
                self.session.say(
                    f"  {self.name} stalls at {found} of {count} records; its log ends:\n{self.last_words()}"
                )
                return False
            time.sleep(0.005)

    def last_words(self) -> str:
        """The end of the workers' log."""
        return self.log.read_text(errors="replace")[-1000:] if self.log.exists() else "(no log)"

    def wait_until_acked(self, seconds: float = 10.0) -> float | None:
        """The time (epoch seconds) at which nothing was pending any more; None if it cannot be seen or never was."""
        if self.pending_sql is None:
            return None
        with self.connect() as connection:
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                if connection.execute(self.pending_sql).fetchone()[0] == 0:
                    return time.time()
                time.sleep(0.01)
        return None

    def connect(self) -> Any:
        """A connection of our own to look into the store."""
        if self.store == "postgres":
            assert self.session.cluster is not None
            return self.session.cluster.connect(self.database)
        return sqlite3.connect(f"file:{self.file}?mode=ro", uri=True, timeout=30)

    def _run(self, command: list[str]) -> str:
        done = subprocess.run(
            command, env=self.environment(), cwd=self.home, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"{self.name}: {' '.join(command)} failed:\n{done.stderr.strip()[-2000:]}")
        return done.stdout


class Pgqueuer(Contestant):
    """pgqueuer: `programs` worker programs, with the default batch size or a given one."""

    app = "bench.peers.pgqueuer_app"
    pending_sql = "select count(*) from pgqueuer where entrypoint = 'job'"

    def __init__(self, session: Session, name: str, programs: int = 1, batch: int | None = None) -> None:
        python = python_of("pgqueuer")
        program = [str(python.parent / "pgq"), "run", f"{self.app}:main"]
        program += ["--batch-size", str(batch)] if batch else []
        super().__init__(session, name, "postgres", [program] * programs, python)


class Huey(Contestant):
    """huey: its consumer with default options (one thread) or others. Taking an item is deleting it: at most once."""

    app = "bench.peers.huey_app"
    BEST = ("-w", "1", "-q", "-d", "0.001", "-m", "0.01")

    def __init__(self, session: Session, name: str, store: str, programs: int = 1, options: Sequence[str] = ()) -> None:
        python = python_of("huey")
        program = [str(python.parent / "huey_consumer"), f"{self.app}.huey", *options]
        super().__init__(session, name, store, [program] * programs, python)


class Snqd(Contestant):
    """snqd with settings of its TOML file: `{"store": {"batch_limit": 1000}}`."""

    app = "bench.peers.snqd_app"
    pending_sql = "select count(*) from queue_item"

    def __init__(
        self, session: Session, name: str, store: str, settings: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        super().__init__(session, name, store, [])
        self.config = self.home / "snqd.toml"
        sections: dict[str, dict[str, Any]] = {
            "daemon": {"threads": 2, "runtime_dir": str(self.home)},
            "store": {"url": self.url},
            "handlers": {"modules": [self.app]},
        }
        for section, values in (settings or {}).items():
            sections.setdefault(section, {}).update(values)
        self.config.write_text(to_toml(sections))
        snqd = str(self.python.parent / "snqd")
        self._programs = [[snqd, "run", "--config", str(self.config)]]
        self.enqueue_command = [snqd, "enqueue", "--config", str(self.config), "-"]
        self._make_tables = lambda: self._run([snqd, "schema", "upgrade", "--config", str(self.config)])

    def count(self) -> int:
        """Items in the store."""
        with self.connect() as connection:
            return int(connection.execute("select count(*) from queue_item").fetchone()[0])

    def hubs(self) -> list[psutil.Process]:
        """The process that tells how the daemon is, where there is one."""
        children = self._running[0].children() if self._running else []
        return [child for child in children if child.name().endswith(".hub")]

    def workers(self) -> list[psutil.Process]:
        """The forked workers of the running daemon, without its hub."""
        children = self._running[0].children() if self._running else []
        return [child for child in children if not child.name().endswith(".hub")]


def to_toml(sections: Mapping[str, Mapping[str, Any]]) -> str:
    """A TOML file of plain values: JSON's spelling of strings, numbers, booleans and lists is TOML's."""
    lines = []
    for section, values in sections.items():
        lines += [f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items()), ""]
    return "\n".join(lines)
