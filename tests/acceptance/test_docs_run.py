"""The code of the README and `docs/`, run: handlers are registered, items are stored, shell commands succeed."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from snqd.config.schema import HandlersConfig, StoreConfig
from snqd.registry import load_registry
from snqd.stores.sqlite.store import SqliteStore
from tests.support.documents import Block, blocks
from tests.support.nagios import check_snmp
from tests.support.postgres import missing_server
from tests.support.processes import wait_until
from tests.support.relays import free_ports
from tests.support.snmp import SNQD, tool

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.daemons import Daemon, Place
    from tests.support.postgres import Database

SHOP = """\
from snqd import handler


@handler("mail")
def mail(payload, context): ...
"""
CONFIGURATION = """\
[handlers]
modules = ["shop"]
entry_points = false
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of somebody who follows the pages: handlers, a configuration, a store with tables."""
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "snqd.toml").write_text(CONFIGURATION)
    monkeypatch.chdir(tmp_path)
    store = SqliteStore(StoreConfig(url=f"sqlite:///{tmp_path / 'snqd.db'}"))
    store.connect()
    store.close()
    return tmp_path


def environment(folder: Path, **more: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SNQD_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{inherited['PATH']}"
    return {**inherited, "PATH": path, "XDG_RUNTIME_DIR": str(folder), **more}


def run(command: list[str], folder: Path, **more: str) -> None:
    done = subprocess.run(
        command, cwd=folder, env=environment(folder, **more), capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}{done.stderr}"


def items_in(file: Path) -> int:
    connection = sqlite3.connect(file)
    count: int = connection.execute("SELECT count(*) FROM queue_item").fetchone()[0]
    connection.close()
    return count


@pytest.mark.parametrize("block", blocks("python handlers"), ids=str)
def test_handlers_of_the_pages_are_registered(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = re.sub(r"\W", "_", f"page_{block.page}_{block.line}")
    (tmp_path / f"{name}.py").write_text(block.text)
    monkeypatch.syspath_prepend(tmp_path)

    registry = load_registry(HandlersConfig(modules=(name,), entry_points=False), {})

    assert registry.queues()


@pytest.mark.parametrize("block", blocks("sh run"), ids=str)
def test_shell_commands_of_the_pages_succeed(block: Block, folder: Path) -> None:
    run(["bash", "-euo", "pipefail", "-c", block.text], folder)


@pytest.mark.fork
@pytest.mark.parametrize("block", blocks("sh snmp"), ids=str)
def test_polling_commands_of_the_pages_are_answered(
    block: Block, make_daemon: Callable[..., Daemon], sqlite_place: Place
) -> None:
    """As they stand there, but for the port, since other tests have agents too."""
    (port,) = free_ports(1)
    source = '@handler("mail")\ndef mail(payload, context): ...\n'
    daemon = make_daemon(sqlite_place, source, snmp={"listen": f"127.0.0.1:{port}", "community": "word"})
    daemon.wait_ready(1)
    health = ("snmpget", "-v2c", "-c", "word", "-Oqv", f"127.0.0.1:{port}", f".{SNQD}.1.1.6.0")
    wait_until(lambda: tool(*health, code=None, patience="1").strip() == "0", "the agent knows that all is well")
    path = f"{Path(check_snmp()).parent}{os.pathsep}{environment(daemon.folder)['PATH']}"

    commands = block.text.replace("1161", str(port)).splitlines()
    assert {command.split()[0] for command in commands} == {"snmpbulkwalk", "check_snqd", "check_snmp"}
    for command in commands:
        run(["bash", "-euo", "pipefail", "-c", command], daemon.folder, PATH=path)


@pytest.mark.parametrize("block", blocks("python sqlite"), ids=str)
def test_python_of_the_pages_stores_items_in_sqlite(block: Block, folder: Path) -> None:
    run([sys.executable, "-c", block.text], folder)

    assert items_in(folder / "snqd.db") > 0


@pytest.mark.parametrize("block", blocks("python inline"), ids=str)
def test_python_of_the_pages_handles_items_inline(block: Block, folder: Path) -> None:
    (folder / "shop.py").write_text(f"{SHOP}    print('handled', file=open('handled', 'a'))\n".replace("...\n", "\n"))

    run([sys.executable, "-c", block.text], folder)

    assert (folder / "handled").read_text() == "handled\n"


@pytest.mark.parametrize("block", blocks("sql sqlite"), ids=str)
def test_sql_of_the_pages_stores_items_in_sqlite(block: Block, folder: Path) -> None:
    connection = sqlite3.connect(folder / "snqd.db")
    connection.executescript(block.text)
    connection.close()

    assert items_in(folder / "snqd.db") == block.text.count("INSERT")


@pytest.mark.parametrize("block", blocks("sql sqlite control"), ids=str)
def test_sql_of_the_pages_declares_sites_in_sqlite(block: Block, folder: Path) -> None:
    with contextlib.closing(sqlite3.connect(folder / "snqd.db")) as connection:
        connection.executescript(block.text)

        assert connection.execute("SELECT count(*) FROM site").fetchone() == (block.text.count("INSERT"),)


@pytest.mark.pg
@pytest.mark.parametrize("block", blocks("sql postgres control"), ids=str)
def test_sql_of_the_pages_declares_sites_and_asks_what_was_asked(block: Block, pg_database: Database) -> None:
    with pg_database.connect() as connection:
        connection.execute(block.text.encode())

        assert connection.execute("SELECT count(*) FROM site").fetchone() == (block.text.count("INSERT"),)


@pytest.mark.pg
@pytest.mark.parametrize("block", blocks("python postgres", "python postgres async"), ids=str)
def test_python_of_the_pages_stores_items_in_postgres(block: Block, tmp_path: Path, pg_database: Database) -> None:
    assert "postgresql:///app" in block.text

    run([sys.executable, "-c", block.text.replace("postgresql:///app", pg_database.url)], tmp_path)

    assert count_in(pg_database) > 0


@pytest.mark.pg
@pytest.mark.parametrize("block", blocks("sql postgres"), ids=str)
def test_sql_of_the_pages_stores_items_in_postgres(block: Block, pg_database: Database) -> None:
    with pg_database.connect() as connection:
        connection.execute(block.text.encode())

    assert count_in(pg_database) >= block.text.count("INSERT") + block.text.count("SELECT snqd_enqueue")


@pytest.mark.pg
@pytest.mark.parametrize("block", blocks("sql postgres grants"), ids=str)
def test_the_grants_of_the_pages_name_what_there_is(block: Block, pg_database: Database) -> None:
    roles = sorted(set(re.findall(r"TO (\w+);", block.text)))
    assert roles

    with pg_database.connect() as connection:
        connection.execute("".join(f"CREATE ROLE {role};" for role in roles).encode())
        try:
            connection.execute(block.text.encode())
        finally:
            connection.execute("".join(f"DROP OWNED BY {role}; DROP ROLE {role};" for role in roles).encode())


@pytest.mark.pg
@pytest.mark.parametrize("block", blocks("sh psql"), ids=str)
def test_psql_commands_of_the_pages_store_items(block: Block, tmp_path: Path, pg_database: Database) -> None:
    if shutil.which("psql") is None:
        missing_server("postgresql-client")

    run(["bash", "-euo", "pipefail", "-c", block.text], tmp_path, DSN=pg_database.url)

    assert count_in(pg_database) > 0


@pytest.mark.pg
@pytest.mark.parametrize("block", blocks("php", "ruby"), ids=str)
def test_statements_of_other_languages_are_valid(block: Block, pg_database: Database) -> None:
    statements = re.findall(r"'((?:INSERT INTO queue_item|SELECT snqd_enqueue)[^']*)'", block.text)
    assert statements

    with pg_database.connect() as connection:
        for statement in statements:
            numbered = statement
            while "?" in numbered:
                numbered = numbered.replace("?", f"${numbered.count('$') + 1}", 1)
            connection.execute(f"PREPARE spoken AS {numbered}; DEALLOCATE spoken".encode())


def count_in(database: Database) -> int:
    with psycopg.connect(database.url) as connection:
        row = connection.execute("SELECT count(*) FROM queue_item").fetchone()
    assert row is not None
    return int(row[0])
