from __future__ import annotations

import os
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from snqd.errors import SnqdError
from snqd.telemetry import folders
from snqd.telemetry.asking import ask_hub, local_sockets, short_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def listen(path: Path) -> socket.socket:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with short_path(path) as name:
        listener.bind(name)
    listener.listen()
    return listener


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files and a system folder of this test's own."""
    monkeypatch.setattr(folders, "SYSTEM_FOLDER", tmp_path / "system")
    return tmp_path


def test_sockets_are_found_in_the_sessions_the_users_and_the_systems_folder(shared: Path) -> None:
    paths = [
        shared / "session/snqd/mail.sock",
        shared / "session/snqd/main.sock",
        shared / f"tmp/snqd-{os.geteuid()}/main.sock",
        shared / "system/main.sock",
    ]
    listeners = [listen(path) for path in reversed(paths)]
    (shared / "session/snqd/main.pid").touch()
    (shared / "session/snqd/not-a.sock").touch()

    assert local_sockets({"XDG_RUNTIME_DIR": str(shared / "session"), "TMPDIR": str(shared / "tmp")}) == paths
    assert local_sockets({"TMPDIR": str(shared / "tmp")}) == paths[2:]
    for listener in listeners:
        listener.close()


def test_no_folder_at_all_is_no_socket(shared: Path) -> None:
    assert local_sockets({"XDG_RUNTIME_DIR": str(shared / "missing"), "TMPDIR": str(shared / "tmp")}) == []


def test_a_folder_that_somebody_else_could_have_made_is_left_out(shared: Path) -> None:
    path = shared / f"tmp/snqd-{os.geteuid()}/main.sock"
    with listen(path):
        assert local_sockets({"TMPDIR": str(shared / "tmp")}) == [path]

        path.parent.chmod(0o777)

        assert local_sockets({"TMPDIR": str(shared / "tmp")}) == []


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[tuple[Path, list[bytes]]]:
    """A socket that answers one question with what the list holds, part by part, and the question's line after it."""
    parts: list[bytes] = []
    with listen(tmp_path / "main.sock") as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                for part in parts:
                    connection.sendall(part)

        thread = threading.Thread(target=serve)
        thread.start()
        yield tmp_path / "main.sock", parts
        thread.join()


def test_an_answer_may_come_in_parts(hub: tuple[Path, list[bytes]]) -> None:
    path, parts = hub
    parts += [b'{"ok":true,', b'"daemon":"main"}\n']

    assert ask_hub(path, {"ask": "where"}, seconds=5) == {"daemon": "main"}


def test_a_refusal_is_an_error_in_the_hubs_words(hub: tuple[Path, list[bytes]]) -> None:
    path, parts = hub
    parts += [b'{"ok":false,"error":"there is no worker 9"}\n']

    with pytest.raises(SnqdError, match="there is no worker 9"):
        ask_hub(path, {"ask": "stack", "worker": "9"}, seconds=5)


@pytest.mark.parametrize("said", [b"", b'{"ok":true', b"HTTP/1.1 400 Bad Request\n"])
def test_half_an_answer_is_none(hub: tuple[Path, list[bytes]], said: bytes) -> None:
    path, parts = hub
    parts += [said]

    with pytest.raises(ConnectionResetError, match=r"main\.sock"):
        ask_hub(path, {"ask": "where"}, seconds=5)
