"""A real PgBouncer in front of the tests' PostgreSQL, on a free port, thrown away at the end."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.support.postgres import free_port, missing_server, server_user, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.postgres import Database


@dataclass(frozen=True)
class Pooler:
    port: int
    database: str

    @property
    def url(self) -> str:
        return f"postgresql://snqd@127.0.0.1:{self.port}/{self.database}"


@contextlib.contextmanager
def running_pooler(database: Database, *, mode: str = "transaction") -> Iterator[Pooler]:
    """`mode`: transaction or session."""
    program = shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")
    if program is None:
        missing_server("pgbouncer")
        raise AssertionError  # not reached: the line above skips or fails
    folder = Path(tempfile.mkdtemp(prefix="snqd-pooler-"))
    folder.chmod(0o755)
    pooler = Pooler(free_port(), database.name)
    settings = folder / "pgbouncer.ini"
    settings.write_text(
        f"""[databases]
{database.name} = host={database.cluster.folder} port={database.cluster.port} user=snqd
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {pooler.port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = 4
"""
    )
    user = server_user()
    log = (folder / "log").open("w")
    process = subprocess.Popen(
        [program, str(settings)], stdout=log, stderr=log, cwd="/", user=user.user, group=user.group
    )
    try:
        wait_for(lambda: _answers(pooler.url), "PgBouncer to answer")
        yield pooler
    finally:
        process.terminate()
        process.wait(timeout=10)
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def pooler(pg_database: Database) -> Iterator[Pooler]:
    """In transaction mode."""
    with running_pooler(pg_database) as found:
        yield found


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
