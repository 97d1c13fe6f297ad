"""A private PostgreSQL with stock settings, so with `fsync` and `synchronous_commit` on, on a Unix socket.

The folder has mode 0700 and the server listens nowhere else, so `trust` lets in nobody but us. The server refuses to
run as root: then it runs as the system user `postgres`.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running server. `version` as the server says it."""

    folder: Path
    version: str
    postmaster: psutil.Process

    def url(self, database: str) -> str:
        """For snqd and libpq."""
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        """A connection in autocommit."""
        return psycopg.connect(self.url(database), autocommit=True)

    def recreate(self, database: str) -> str:
        """Drop the database if it is there and make it empty; its URL."""
        with self.connect() as connection:
            connection.execute(f'drop database if exists "{database}" with (force)')
            connection.execute(f'create database "{database}"')
        return self.url(database)

    def drop(self, database: str) -> None:
        with self.connect() as connection:
            connection.execute(f'drop database if exists "{database}" with (force)')

    def settle(self, database: str) -> None:
        """Vacuum, analyse and checkpoint, so that a fresh load does not decide the run that follows."""
        with self.connect(database) as connection:
            connection.execute("vacuum analyze")
            connection.execute("checkpoint")


@contextmanager
def private_cluster(folder: Path) -> Iterator[Cluster]:
    """Make a cluster inside `folder`, run it, and stop it at the end. Raises `SystemExit` with what to install."""
    programs = _server_programs()
    home = folder / "pg"
    home.mkdir(mode=0o700)
    become: dict[str, Any] = {}
    if os.geteuid() == 0:
        try:
            owner = pwd.getpwnam("postgres")
        except KeyError:
            raise SystemExit("PostgreSQL does not run as root and there is no user postgres: install it") from None
        os.chown(home, owner.pw_uid, owner.pw_gid)
        folder.chmod(0o711)  # the server's user must pass through
        become = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
    data = home / "data"
    _run([programs / "initdb", "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-instructions"], become)
    with (data / "postgresql.conf").open("a") as settings:
        settings.write(f"listen_addresses = ''\nunix_socket_directories = '{home}'\nunix_socket_permissions = 0700\n")
    with (folder / "postgres.log").open("wb") as log:
        server = psutil.Popen(
            [programs / "postgres", "-D", data], cwd="/", stdout=log, stderr=log, start_new_session=True, **become
        )
    try:
        yield Cluster(home, _wait_for(home, server), server)
    finally:
        if server.poll() is None:
            server.send_signal(signal.SIGQUIT)  # at once: the data is thrown away
        server.wait()


def _server_programs() -> Path:
    """The folder of `initdb` and `postgres`, the newest version found."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    if on_path is None:
        raise SystemExit("no PostgreSQL server found: install the package postgresql")
    return Path(on_path).resolve().parent


def _run(command: list[Any], become: dict[str, Any]) -> None:
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False, **become)
    if done.returncode:
        raise SystemExit(f"{Path(command[0]).name} failed: {done.stderr.strip()}")


def _wait_for(home: Path, server: psutil.Popen) -> str:
    """Wait until the server answers; its version."""
    until = time.monotonic() + 30
    while True:
        try:
            with psycopg.connect(f"host={home} user=postgres dbname=postgres") as connection:
                return str(connection.info.parameter_status("server_version")).split()[0]
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > until:
                log = (home.parent / "postgres.log").read_text()[-500:]
                raise SystemExit(f"PostgreSQL did not start: {log}") from None
            time.sleep(0.05)
