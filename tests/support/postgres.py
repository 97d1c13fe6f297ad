"""A private PostgreSQL cluster for the tests: made once, thrown away at the end, one database per test.

`initdb` takes half a second, a database from a template 14 ms. The server runs with `fsync=off`, on a socket in a
temporary folder and on a free TCP port of the loopback, and as the user `postgres` when the tests run as root, which it
refuses.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psycopg
import pytest

from snqd.config.schema import StoreConfig
from snqd.stores.postgres.store import PostgresStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PASSWORD = "s3cret-of-the-tests"
_numbers = count(1)


def find_server_program(name: str) -> str | None:
    """A program of the server: on the PATH, or where Debian puts it (newest version first)."""
    found = shutil.which(name)
    if found:
        return found
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    return str(places[-1]) if places else None


def missing_server(package: str) -> None:
    """Skip on a person's laptop; fail where `make test` runs, which installs the servers."""
    reason = f"needs a real server: install the Debian package {package}"
    if os.environ.get("SNQD_REQUIRE_SERVERS"):
        pytest.fail(reason)
    pytest.skip(reason)


def wait_for(fact: Callable[[], object], what: str, *, seconds: float = 10.0) -> None:
    """Return as soon as `fact()` is true; fail when it is not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds} s for {what}")
        time.sleep(0.01)


def free_port() -> int:
    """A port of loopback that nobody has, neither of TCP nor of UDP. Linux gives ports of its own choice from 32768 on,
    so no other test is given it before the server that it is for has begun.
    """
    chance = random.SystemRandom()  # the other generator is seeded alike in every process of a run
    while True:
        port = chance.randrange(10_000, 32_000)
        with (
            contextlib.suppress(OSError),
            socket.socket() as stream,
            socket.socket(type=socket.SOCK_DGRAM) as datagrams,
        ):
            stream.bind(("127.0.0.1", port))
            datagrams.bind(("127.0.0.1", port))
            return port


class ServerUser(NamedTuple):
    """Whom a server runs as; None: as whoever runs the tests."""

    user: int | None = None
    group: int | None = None

    def give(self, path: Path) -> None:
        if self.user is not None and self.group is not None:
            os.chown(path, self.user, self.group)


def server_user() -> ServerUser:
    """PostgreSQL and PgBouncer refuse to run as root."""
    if os.geteuid() != 0:
        return ServerUser()
    entry = pwd.getpwnam("postgres")
    return ServerUser(entry.pw_uid, entry.pw_gid)


class Cluster:
    """One server. `settings` are `postgres -c` options."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self.folder = folder
        self.port = free_port()
        self._settings = settings
        self._user = server_user()
        self._process: subprocess.Popen[bytes] | None = None

    def create(self) -> None:
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        self._user.give(self.folder)
        self._user.give(secret)
        initdb = find_server_program("initdb")
        assert initdb is not None
        self._run(
            [initdb, "-D", str(self.data), "-U", "snqd", "-E", "UTF8", "--no-locale", "--no-sync",
             "--auth-local=trust", "--auth-host=scram-sha-256", "--pwfile", str(secret)]
        )  # fmt: skip

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def start(self) -> None:
        """Start, and return when it answers."""
        postgres = find_server_program("postgres")
        assert postgres is not None
        options = {
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "listen_addresses": "127.0.0.1",
            **self._settings,
        }
        command = [postgres, "-D", str(self.data)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd="/", user=self._user.user, group=self._user.group
            )
        wait_for(self._answers, "PostgreSQL to answer", seconds=30)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: fast; SIGQUIT: as after a crash. Returns when the server is gone."""
        assert self._process is not None
        self._process.send_signal(how)
        self._process.wait(timeout=30)
        self._process = None

    def restart(self, how: signal.Signals = signal.SIGINT) -> None:
        self.stop(how)
        self.start()

    def url(self, database: str) -> str:
        """By the socket, without a password."""
        return f"postgresql://snqd@/{database}?host={self.folder}&port={self.port}"

    def tcp_url(self, database: str, *, password: str = PASSWORD, user: str = "snqd") -> str:
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"PostgreSQL did not start:\n{self.log.read_text(errors='replace')[-2000:]}")
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _run(self, command: list[str]) -> None:
        done = subprocess.run(
            command, capture_output=True, text=True, cwd="/", check=False, user=self._user.user, group=self._user.group
        )
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} failed: {done.stdout}{done.stderr}")


@contextlib.contextmanager
def running_cluster(settings: dict[str, str] | None = None) -> Iterator[Cluster]:
    """A cluster in a folder of its own, until the end of the block."""
    folder = Path(tempfile.mkdtemp(prefix="snqd-pg-"))
    folder.chmod(0o755)
    cluster = Cluster(folder, {"fsync": "off", "max_connections": "60"} if settings is None else settings)
    try:
        cluster.create()
        cluster.start()
        yield cluster
    finally:
        if cluster._process is not None:
            cluster.stop(signal.SIGQUIT)
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Database:
    """An own database with snqd's tables."""

    cluster: Cluster
    name: str

    @property
    def url(self) -> str:
        return self.cluster.url(self.name)

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        """An application's connection, in autocommit mode."""
        return psycopg.connect(self.url, autocommit=True)

    def config(self, **changes: object) -> StoreConfig:
        return StoreConfig(**{"url": self.url, **changes})  # type: ignore[arg-type]

    def store(self, claimant: str = "host/test/1.1/a", **changes: object) -> PostgresStore:
        """A store that is not connected yet."""
        store = PostgresStore(self.config(**changes))
        store.claimant = claimant
        return store


@contextlib.contextmanager
def fresh_database(cluster: Cluster, template: str = "snqd_template") -> Iterator[Database]:
    name = f"test_{os.getpid()}_{next(_numbers)}"
    cluster.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    try:
        yield Database(cluster, name)
    finally:
        cluster.execute(f"DROP DATABASE {name} WITH (FORCE)")


def make_postgres(location: str, lease_seconds: float) -> PostgresStore:
    """A store by its address: what a `tests.support.stores.Recipe` names."""
    return PostgresStore(StoreConfig(url=location, lease_seconds=lease_seconds))


def make_template(cluster: Cluster) -> None:
    cluster.execute("CREATE DATABASE snqd_template")
    store = PostgresStore(StoreConfig(url=cluster.url("snqd_template")))
    store.schema_upgrade()
    store.close()


@pytest.fixture(scope="session")
def pg_cluster() -> Iterator[Cluster]:
    """The cluster that tests share. A test that stops it takes `own_cluster`."""
    if find_server_program("postgres") is None:
        missing_server("postgresql")
    with running_cluster() as cluster:
        make_template(cluster)
        yield cluster


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    """A cluster for a test that stops or breaks it."""
    if find_server_program("postgres") is None:
        missing_server("postgresql")
    with running_cluster() as cluster:
        make_template(cluster)
        yield cluster


@pytest.fixture
def pg_database(pg_cluster: Cluster) -> Iterator[Database]:
    with fresh_database(pg_cluster) as database:
        yield database
