"""Asking a daemon over its control socket: the loop goes on meanwhile, and every failure has words."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from snqd.errors import SnqdError
from snqd.telemetry.asking import short_path
from snqmon.control import Control
from snqmon.feeds.finding import look

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class FakeHub:
    """Answers one line of JSON at a Unix socket; an answer of None is none at all."""

    def __init__(self, path: Path, name: str = "main") -> None:
        self.asked: list[dict[str, Any]] = []
        self.path, self.name = path, name
        self.says: dict[str, Any] | None = {"ok": True, "said": "done"}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with short_path(path) as short:
            self._listener.bind(short)
        self._listener.listen()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                request = json.loads(connection.makefile().readline())
                self.asked.append(request)
                where = {"ok": True, "daemon": self.name, "host": "host1", "listen": "127.0.0.1:1"}
                says = where if request["ask"] == "where" else self.says
                if says is None:
                    self._is_over.wait(20)
                else:
                    connection.sendall(json.dumps(says).encode() + b"\n")

    def close(self) -> None:
        """May be called again."""
        self._is_over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes whoever accepts
        self._thread.join()
        self._listener.close()


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Callable[..., FakeHub]]:
    made: list[FakeHub] = []

    def begin(name: str = "main", folder: str = "one") -> FakeHub:
        made.append(FakeHub(tmp_path / folder / f"{name}.sock", name))
        return made[-1]

    yield begin
    for each in made:
        each.close()


@pytest.fixture
def control(tmp_path: Path) -> Control:
    return Control(lambda: look(lambda: sorted(tmp_path.glob("*/*.sock"))), seconds=1.0)


if TYPE_CHECKING:
    MakeHub = Callable[..., FakeHub]


async def test_the_daemons_of_this_host_can_be_asked_by_name(hub: MakeHub, control: Control) -> None:
    one, two = hub("one"), hub("two")

    assert await control.refresh() == {"one@host1", "two@host1"} == control.daemons
    assert await control.ask("two@host1", {"ask": "pause", "queue": "mail"}) == {"said": "done"}
    assert two.asked[-1] == {"ask": "pause", "queue": "mail"}
    assert all(request == {"ask": "where"} for request in one.asked)


async def test_what_a_daemon_refuses_is_raised_in_its_words(hub: MakeHub, control: Control) -> None:
    hub().says = {"ok": False, "error": "there is no worker 'x': the workers are main.1"}

    with pytest.raises(SnqdError, match=r"there is no worker 'x': the workers are main\.1"):
        await control.ask("main@host1", {"ask": "stack", "worker": "x"})


async def test_one_that_is_not_here_is_named_with_those_that_are(hub: MakeHub, control: Control) -> None:
    hub("main")

    with pytest.raises(SnqdError, match="daemon far@host9 has no control socket on this host that may be asked"):
        await control.ask("far@host9", {"ask": "stack"})
    with pytest.raises(SnqdError, match="those that have: main@host1"):
        await control.ask("far@host9", {"ask": "stack"})


async def test_a_hub_that_does_not_answer_holds_up_nobody_and_is_said(hub: MakeHub, control: Control) -> None:
    stuck = hub("main")
    await control.refresh()
    stuck.says = None
    asking = asyncio.create_task(control.ask("main@host1", {"ask": "retry"}))
    longest, last = 0.0, time.monotonic()
    while not asking.done():
        await asyncio.sleep(0.01)
        now = time.monotonic()
        longest, last = max(longest, now - last), now

    with pytest.raises(SnqdError, match=r"has not answered within 1 s: was it done\? Look again"):
        await asking
    assert longest < 0.5
    assert [request["ask"] for request in stuck.asked].count("retry") == 1, "what may have been done is not asked twice"


async def test_a_daemon_that_was_started_again_elsewhere_is_asked_there(
    hub: MakeHub, control: Control, tmp_path: Path
) -> None:
    first = hub("main", "one")
    await control.refresh()
    first.close()
    first.path.unlink()
    second = hub("main", "two")

    assert await control.ask("main@host1", {"ask": "restart", "worker": "main.1"}) == {"said": "done"}
    assert second.asked[-1]["ask"] == "restart"


async def test_it_looks_again_at_most_every_few_seconds(hub: MakeHub, control: Control) -> None:
    one = hub("one")
    for _ in range(5):
        await control.refresh()

    assert len(one.asked) == 1


def test_a_look_says_whom_it_could_not_ask_and_passes_over_what_is_left_of_the_dead(
    tmp_path: Path, hub: MakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("snqmon.feeds.finding.ASK_SECONDS", 0.2)
    alive, stuck = hub("alive"), FakeStuck(tmp_path / "one/stuck.sock")
    left = tmp_path / "one/left.sock"
    dead = socket.socket(socket.AF_UNIX)
    with short_path(left) as short:
        dead.bind(short)
    dead.close()

    found = look(lambda: sorted(tmp_path.glob("*/*.sock")))
    stuck.close()

    assert [(place.key, place.listen, place.socket) for place in found.places] == [
        ("alive@host1", "127.0.0.1:1", alive.path)
    ]
    assert found.problems == (f"{tmp_path}/one/stuck.sock: its hub has not answered within 0.2 s",)


class FakeStuck:
    """Listens and never accepts."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._socket = socket.socket(socket.AF_UNIX)
        with short_path(path) as short:
            self._socket.bind(short)
        self._socket.listen()

    def close(self) -> None:
        self._socket.close()
