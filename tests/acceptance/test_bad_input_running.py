"""Bad input that only shows beside something that runs: a second daemon, and a disk that fills up."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.command import Command

IN_A_SMALL_FILE_SYSTEM = """
set -e
mkdir small
mount -t tmpfs -o size=1200k none small
code=0
"$@" || code=$?
cp small/snqd.db* .
exit $code
"""


@contextmanager
def daemon(snqd: Command, *flags: str) -> Iterator[int]:
    """A daemon that is ready; the process id of its supervisor."""
    process = snqd.start("run", "--threads", "1", *flags)
    try:

        def pid() -> int | None:
            assert process.poll() is None, process.communicate()
            done = snqd("status", "--json")
            found: int | None = json.loads(done.out)["daemon"]["pid"] if done.out else None
            return found

        wait_until(pid, "the daemon shows on the board")
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


@pytest.mark.fork
def test_a_second_daemon_on_the_same_sqlite_file_is_refused(snqd_with_handlers: Command) -> None:
    snqd = snqd_with_handlers
    with daemon(snqd) as pid:
        second = snqd("run", "--name", "other")

        assert second.code == 5
        assert f"a daemon (pid {pid}) already serves {snqd.folder}/snqd.db: stop it first" in second.error
        assert snqd("enqueue", "mail", "1").code == 0


@pytest.mark.fork
def test_a_second_daemon_on_the_same_pidfile_is_refused(snqd_with_handlers: Command) -> None:
    snqd = snqd_with_handlers
    with daemon(snqd) as pid:
        second = snqd("run", "--store", "sqlite:///other.db")

        assert second.code == 5
        assert str(pid) in second.error
        assert f"{snqd.folder}/runtime/main.pid" in second.error
        assert json.loads(snqd("status", "--json").out)["daemon"]["pid"] == pid


def test_a_disk_that_fills_up_loses_nothing_and_says_what_is_stored(snqd: Command) -> None:
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rm", "true"], capture_output=True, check=False).returncode != 0:
        reason = "needs user namespaces (unshare of the Debian package util-linux)"
        (pytest.fail if os.environ.get("SNQD_REQUIRE_SERVERS") else pytest.skip)(reason)
    lines = "".join(f'{{"queue": "q", "payload": "{number} {"x" * 80}"}}\n' for number in range(20_000))
    command = snqd.line("enqueue", "-", "--no-check", "--store", "sqlite:///small/snqd.db")

    done = subprocess.run(
        [unshare, "-rm", "sh", "-c", IN_A_SMALL_FILE_SYSTEM, "sh", *command],
        input=lines.encode(),
        capture_output=True,
        cwd=snqd.folder,
        env={**snqd.environment(), "PATH": os.environ["PATH"]},
        check=False,
    )

    *_said, error = done.stderr.decode().splitlines()
    assert done.returncode == 3
    assert error.startswith("snqd: error: ")
    assert "full" in error
    with sqlite3.connect(snqd.folder / "snqd.db") as connection:
        (stored,) = connection.execute("SELECT count(*) FROM queue_item").fetchone()
        (whole,) = connection.execute("PRAGMA integrity_check").fetchone()
    assert whole == "ok"
    assert 0 < stored < 20_000
    assert f"lines 1 to {stored:,} done: {stored:,} items stored; go on with 'tail -n +{stored + 1}'" in error
