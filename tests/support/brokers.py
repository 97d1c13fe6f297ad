"""Real STOMP brokers of the tests' own: RabbitMQ and ActiveMQ on loopback, free ports, data in a folder of their own.

One broker serves many tests: each has destinations of its own, by the name in the address. A test that kills its broker
takes one of its own. RabbitMQ needs about three seconds to start, ActiveMQ two; each has one scheduler or a small heap.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.postgres import free_port, missing_server
from tests.support.processes import wait_until
from tests.support.prosody import is_port_open

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 90.0
_numbers = count(1)
_RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_ACTIVEMQ = Path("/usr/share/activemq/bin/activemq.jar")


class Broker:
    """One server. `start` it; `kill` is SIGKILL, after which `start` works again with what it had on disk."""

    kind = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, name: str = "") -> str:
        """An address, with destinations that nobody else uses when no `name` is given."""
        name = name or f"t{os.getpid()}-{next(_numbers)}"
        return f"stomp://guest:guest@127.0.0.1:{self.port}/{name}"

    def start(self) -> None:
        """Start it, and wait until its port is open."""
        command, environment = self._command()
        with (self.folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                command,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.folder,
                start_new_session=True,
            )
        wait_until(self._is_open, f"{self.kind} answers; it said: {self.said()[-2000:]}", seconds=SECONDS)

    def said(self) -> str:
        return (self.folder / "output").read_text(errors="replace")

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it with all that it has started."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            process.wait(SECONDS)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # the virtual machine of Erlang is a child of its script
            wait_until(lambda: not is_port_open(self.port), f"{self.kind} is gone", seconds=SECONDS)

    def kill(self) -> None:
        self.end(signal.SIGKILL)

    def restart(self) -> None:
        """As after a crash."""
        self.kill()
        self.start()

    def close(self) -> None:
        self.kill()

    def _command(self) -> tuple[list[str], dict[str, str]]:
        """The command, and what it wants in its environment."""
        raise NotImplementedError

    def _is_open(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"{self.kind} has ended: {self.said()[-2000:]}"
        return is_port_open(self.port)


class RabbitMQ(Broker):
    """With its plugin for STOMP and nothing else: no AMQP, no management. `epmd` is ours too, so that none is left."""

    kind = "rabbitmq"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (folder / "enabled_plugins").write_text("[rabbitmq_stomp].\n")
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp = none\nstomp.listeners.tcp.1 = 127.0.0.1:{self.port}\nlog.file.level = warning\n"
        )
        self._epmd_port, self._own_port = free_port(), free_port()
        self._epmd = subprocess.Popen(
            ["epmd", "-address", "127.0.0.1", "-port", str(self._epmd_port)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def close(self) -> None:
        super().close()
        self._epmd.kill()
        self._epmd.wait(SECONDS)

    def _command(self) -> tuple[list[str], dict[str, str]]:
        folder = self.folder
        return [str(_RABBITMQ)], {
            "HOME": str(folder),  # its cookie
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"snqd{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(self._own_port),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none +A 8 -kernel inet_dist_use_interface {127,0,0,1}",
        }


_ACTIVEMQ_CONFIG = """
<beans xmlns="http://www.springframework.org/schema/beans" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
  xsi:schemaLocation="http://www.springframework.org/schema/beans
  http://www.springframework.org/schema/beans/spring-beans.xsd
  http://activemq.apache.org/schema/core http://activemq.apache.org/schema/core/activemq-core.xsd">
  <broker xmlns="http://activemq.apache.org/schema/core" brokerName="snqd" dataDirectory="{folder}/data"
    useJmx="false" schedulerSupport="{scheduler}" advisorySupport="false">
    <persistenceAdapter><kahaDB directory="{folder}/data/kahadb" journalMaxFileLength="4mb"/></persistenceAdapter>
    <transportConnectors>
      <transportConnector name="stomp" uri="stomp://127.0.0.1:{port}"/>
    </transportConnectors>
  </broker>
</beans>
"""


class ActiveMQ(Broker):
    """With its scheduler, which is off in its own example, unless a test wants it off."""

    kind = "activemq"

    def __init__(self, folder: Path, *, has_scheduler: bool = True) -> None:
        super().__init__(folder)
        (folder / "tmp").mkdir()
        (folder / "activemq.xml").write_text(
            _ACTIVEMQ_CONFIG.format(folder=folder, port=self.port, scheduler=str(has_scheduler).lower())
        )

    def _command(self) -> tuple[list[str], dict[str, str]]:
        folder = self.folder
        return [
            "java", "-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
            f"-Djava.io.tmpdir={folder}/tmp",
            "-Dactivemq.home=/usr/share/activemq",
            f"-Dactivemq.base={folder}",
            f"-Dactivemq.conf={folder}",
            f"-Dactivemq.data={folder}/data",
            "-jar", str(_ACTIVEMQ), "start", f"xbean:file:{folder}/activemq.xml",
        ], {}  # fmt: skip


@contextlib.contextmanager
def running_broker(kind: str, *, start: bool = True, has_scheduler: bool = True) -> Iterator[Broker]:
    """A broker in a folder of its own, until the end of the block."""
    program, package = (_RABBITMQ, "rabbitmq-server") if kind == "rabbitmq" else (_ACTIVEMQ, "activemq")
    if not program.exists():
        missing_server(package)
    folder = Path(tempfile.mkdtemp(prefix=f"snqd-{kind}-"))
    broker = RabbitMQ(folder) if kind == "rabbitmq" else ActiveMQ(folder, has_scheduler=has_scheduler)
    try:
        if start:
            broker.start()
        yield broker
    finally:
        broker.close()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[Broker]:
    """The RabbitMQ that tests share. A test that stops it takes `own_rabbitmq`."""
    with running_broker("rabbitmq") as broker:
        yield broker


@pytest.fixture(scope="session")
def activemq() -> Iterator[Broker]:
    """The ActiveMQ that tests share. A test that stops it takes `own_activemq`."""
    with running_broker("activemq") as broker:
        yield broker


@pytest.fixture
def own_rabbitmq() -> Iterator[Broker]:
    """A RabbitMQ for a test that stops it."""
    with running_broker("rabbitmq") as broker:
        yield broker


@pytest.fixture
def own_activemq() -> Iterator[Broker]:
    """An ActiveMQ for a test that stops it."""
    with running_broker("activemq") as broker:
        yield broker
