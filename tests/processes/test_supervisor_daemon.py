"""The daemon and its surroundings: pidfile, background, other user, systemd, and what it costs when idle."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.support.processes import PROJECT, FakeDaemon, halt, is_gone, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    MakeDaemon = Callable[..., FakeDaemon]

pytestmark = pytest.mark.fork


def test_threads_0_is_one_worker_with_a_supervisor(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon(threads=0)

    (pid,) = daemon.wait_ready(1)

    assert pid != daemon.pid
    assert daemon.wait_event("DaemonStarted")["workers"] == 1


def test_a_second_daemon_on_the_same_pidfile_says_who_is_first(fake_daemon: MakeDaemon, tmp_path: Path) -> None:
    first = fake_daemon(threads=1)
    first.wait_ready(1)

    second = fake_daemon(threads=1)

    assert second.wait_exit() == 5
    expected = f"snqd: a daemon with pid {first.pid} already holds {tmp_path}/main.pid: stop it (kill {first.pid})"
    assert expected in second.log_text()
    assert "Traceback" not in second.log_text()
    assert (tmp_path / "main.pid").read_text() == f"{first.pid}\n"


def test_a_pidfile_is_free_while_workers_of_a_killed_supervisor_still_leave(
    fake_daemon: MakeDaemon, tmp_path: Path
) -> None:
    first = fake_daemon(threads=1)
    (worker,) = first.wait_ready(1)
    halt(worker)  # it leaves late

    first.signal(signal.SIGKILL)
    first.wait_exit()
    second = fake_daemon(threads=1)

    second.wait_event("DaemonStarted", pid=second.pid)
    assert (tmp_path / "main.pid").read_text() == f"{second.pid}\n"
    os.kill(worker, signal.SIGKILL)


def test_the_pidfile_is_removed_at_the_end(fake_daemon: MakeDaemon, tmp_path: Path) -> None:
    daemon = fake_daemon(threads=1)
    daemon.wait_ready(1)

    daemon.signal(signal.SIGTERM)

    assert daemon.wait_exit() == 0
    assert not (tmp_path / "main.pid").exists()


# background


@pytest.fixture
def background(fake_daemon: MakeDaemon) -> Iterator[Callable[..., FakeDaemon]]:
    """A daemon in the background; its own process is ended at the end of the test."""
    made: list[FakeDaemon] = []

    def make(*args: object, **settings: object) -> FakeDaemon:
        daemon = fake_daemon(*args, flags=("--detach",), **settings)
        made.append(daemon)
        return daemon

    yield make
    for daemon in made:
        for event in daemon.events("DaemonStarted"):
            if not is_gone(event["pid"]):
                os.kill(event["pid"], signal.SIGKILL)


def test_a_detached_daemon_is_ready_when_the_command_returns(background: MakeDaemon, tmp_path: Path) -> None:
    daemon = background({"*": {}}, threads=1, log_file=str(tmp_path / "log"))

    assert daemon.wait_exit() == 0
    pid = int((tmp_path / "main.pid").read_text())
    started = daemon.events("DaemonStarted")
    assert [event["pid"] for event in started] == [pid]
    process = psutil.Process(pid)
    assert process.cwd() == "/"
    assert process.terminal() is None
    assert os.getsid(pid) not in (pid, daemon.pid), "it leads no session, and is not in the command's"
    assert Path(f"/proc/{pid}/fd/0").samefile("/dev/null")
    process.terminate()
    daemon.wait_event("DaemonStopped", code=0)


def test_a_detached_daemon_that_cannot_start_fails_the_command_with_one_line(
    background: MakeDaemon, tmp_path: Path
) -> None:
    daemon = background({"*": {"boot_failed": "wrong password"}}, threads=2)

    assert daemon.wait_exit() == 6
    expected = "snqd: no worker can be kept alive; all 2 workers: could not start: wrong password\n"
    assert daemon.log_text() == expected


def test_a_detached_second_daemon_is_refused_on_the_terminal(
    fake_daemon: MakeDaemon, background: MakeDaemon, tmp_path: Path
) -> None:
    first = fake_daemon(threads=1)
    first.wait_ready(1)

    second = background(threads=1)

    assert second.wait_exit() == 5
    assert f"a daemon with pid {first.pid} already holds" in second.log_text()


def test_a_detached_daemon_that_dies_without_a_word_fails_the_command(background: MakeDaemon, tmp_path: Path) -> None:
    daemon = background({"*": {"exit_at_start": 1}}, threads=1, respawn_delay_seconds=5.0, log_file=f"{tmp_path}/own")
    own_log = tmp_path / "own"
    wait_until(lambda: own_log.exists() and 'delay_seconds": 5.0' in own_log.read_text(), "the worker crash-loops")
    pid = int((tmp_path / "main.pid").read_text())

    os.kill(pid, signal.SIGKILL)

    assert daemon.wait_exit() == 1
    assert "the daemon ended before it was ready" in daemon.log_text()


def test_a_log_file_that_cannot_be_written_is_refused_before_anything_is_started(background: MakeDaemon) -> None:
    daemon = background(threads=1, log_file="/nonexistent/snqd.log")

    assert daemon.wait_exit() == 2
    assert daemon.log_text() == (
        "snqd: daemon.log_file /nonexistent/snqd.log: No such file or directory: name a file that can be written\n"
    )


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can reach and write; pytest's own are private."""
    folder = Path(tempfile.mkdtemp(prefix="snqd-test-", dir="/var/tmp"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user: run the tests as root")


@needs_root
def test_root_becomes_another_user_in_the_background_and_keeps_nothing(
    background: MakeDaemon, open_folder: Path
) -> None:
    daemon = background({"*": {}}, folder=open_folder, threads=1, user="nobody", log_file=str(open_folder / "log"))

    assert daemon.wait_exit() == 0, daemon.log_text()
    pid = daemon.wait_event("DaemonStarted")["pid"]
    worker = daemon.wait_event("WorkerReady")["pid"]
    account = psutil.Process(pid)
    nobody = psutil.Process(worker)
    assert set(account.uids()) == set(nobody.uids()) == {65534}
    assert set(account.gids()) == {65534}
    groups = re.search(r"^Groups:\s*(.*?)\s*$", Path(f"/proc/{worker}/status").read_text(), re.MULTILINE)
    assert groups is not None
    assert groups[1].split() == ["65534"]
    assert (open_folder / "main.pid").stat().st_uid == 65534
    account.terminate()
    daemon.wait_event("DaemonStopped", code=0)
    wait_until(lambda: not (open_folder / "main.pid").exists(), "the pidfile is removed by its owner")


@needs_root
def test_an_unknown_user_is_refused_with_one_line(background: MakeDaemon) -> None:
    daemon = background(threads=1, user="nobodyatall")

    assert daemon.wait_exit() == 2
    assert daemon.log_text() == (
        "snqd: daemon.user is 'nobodyatall', and this system has no such user: create it, or name another\n"
    )


# systemd


class NotifySocket:
    """systemd's end: a real datagram socket."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address.replace("@", "\0", 1))
        self._socket.setblocking(False)
        self.messages: list[dict[str, str]] = []

    def _read(self) -> None:
        while True:
            try:
                text = self._socket.recv(4096).decode()
            except BlockingIOError:
                return
            self.messages.append(dict(line.split("=", 1) for line in text.split("\n")))

    def wait_for(self, key: str, *, count: int = 1) -> dict[str, str]:
        def found() -> list[dict[str, str]]:
            self._read()
            having = [message for message in self.messages if key in message]
            return having if len(having) >= count else []

        return wait_until(found, f"systemd is told {count} times {key}; it was told {self.messages}")[count - 1]

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def notify(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, NotifySocket]]:
    address = str(tmp_path / "notify") if request.param == "path" else f"@snqd-test-{os.getpid()}-{id(request)}"
    systemd = NotifySocket(address)
    yield address, systemd
    systemd.close()


def test_systemd_is_told_of_every_step_of_the_daemons_life(
    fake_daemon: MakeDaemon, notify: tuple[str, NotifySocket]
) -> None:
    address, systemd = notify
    daemon = fake_daemon(threads=2, environment={"NOTIFY_SOCKET": address})

    systemd.wait_for("READY")
    assert daemon.events("WorkerReady"), "ready means that a worker works"
    wait_until(
        lambda: systemd.wait_for("STATUS") and systemd.messages[-1].get("STATUS") == "2 of 2 workers run",
        "the status names the workers",
    )
    daemon.signal(signal.SIGHUP)
    assert int(systemd.wait_for("RELOADING")["MONOTONIC_USEC"]) > 0
    systemd.wait_for("READY", count=2)
    daemon.signal(signal.SIGTERM)

    assert daemon.wait_exit() == 0
    assert systemd.wait_for("STOPPING")["STATUS"] == "stopping: SIGTERM"
    told = [next(iter(message)) for message in systemd.messages if "STATUS" not in message or len(message) > 1]
    assert told == ["READY", "RELOADING", "READY", "STOPPING"]


def test_the_watchdog_is_fed_at_twice_the_rate_that_systemd_wants(fake_daemon: MakeDaemon, tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    systemd = NotifySocket(address)
    daemon = fake_daemon(threads=1, environment={"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "400000"})

    systemd.wait_for("WATCHDOG", count=5)
    halt(daemon.pid)

    systemd.close()


def test_workers_do_not_speak_to_systemd(fake_daemon: MakeDaemon, tmp_path: Path) -> None:
    systemd = NotifySocket(str(tmp_path / "notify"))
    daemon = fake_daemon(threads=1, environment={"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "900000"})
    (worker,) = daemon.wait_ready(1)

    wait_until(lambda: systemd.wait_for("READY"), "ready")
    open_files = {str(link.readlink()) for link in Path(f"/proc/{worker}/fd").iterdir()}
    systemd.close()

    assert not any(name.startswith("socket:") for name in open_files)


def test_a_daemon_outlives_systemds_socket(fake_daemon: MakeDaemon, tmp_path: Path) -> None:
    daemon = fake_daemon(threads=1, environment={"NOTIFY_SOCKET": str(tmp_path / "nobody-listens")})
    daemon.wait_ready(1)

    daemon.signal(signal.SIGTERM)

    assert daemon.wait_exit() == 0


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs the Debian package systemd")
def test_systemd_accepts_the_unit_file(tmp_path: Path) -> None:
    unit = (PROJECT / "systemd" / "snqd.service").read_text()
    program = re.search(r"^ExecStart=(\S+) run ", unit, re.MULTILINE)
    assert program is not None
    installed = tmp_path / "snqd.service"
    installed.write_text(unit.replace(program[1], sys.executable))  # a program that exists here

    found = subprocess.run(["systemd-analyze", "verify", str(installed)], capture_output=True, text=True, check=False)

    assert (found.returncode, found.stderr) == (0, "")


# cost


def test_an_idle_supervisor_sleeps_and_is_small(fake_daemon: MakeDaemon) -> None:
    daemon = fake_daemon(threads=2)
    daemon.wait_ready(2)
    process = psutil.Process(daemon.pid)

    def switches() -> int:
        return process.num_ctx_switches().voluntary

    daemon.signal(signal.SIGUSR1)
    daemon.wait_events("WorkerDump", 2)
    before, cpu_before = switches(), process.cpu_times()
    wait_until(lambda: switches() >= before + 3, "three ticks have passed", seconds=30)
    cpu_after = process.cpu_times()

    busy = (cpu_after.user + cpu_after.system) - (cpu_before.user + cpu_before.system)
    assert busy <= 0.02, "three ticks take next to no time"
    assert process.memory_info().rss < 30 << 20


def test_the_supervisor_brings_in_no_driver_no_loop_and_no_thread() -> None:
    program = (
        "import snqd.supervisor.supervisor, sys;"
        "print({'asyncio', 'threading', 'sqlite3', 'psycopg', 'snqd.worker', 'snqd.stores'} & set(sys.modules))"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}

    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=PROJECT, env=environment
    )

    assert said.stdout == "set()\n"
