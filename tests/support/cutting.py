"""A relay in front of a server that loses answers: what was asked is done, and nobody is told."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

_PIECE = 65536


class CuttingRelay:
    """Listens on a port of loopback. After `cut()` each connection is closed in the place of its next answer.

    After `cut(b"COMMIT")` it is in the place of the answer to that.
    """

    def __init__(self, port: int) -> None:
        self._server = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: set[tuple[socket.socket, socket.socket]] = set()
        self._to_cut: set[tuple[socket.socket, socket.socket]] = set()
        self._words = b""
        self.lost_answers = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for pair in list(self._open):
            self._close(pair)

    def cut(self, words: bytes = b"") -> None:
        self._words = words
        self._to_cut |= self._open

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _address = self._listener.accept()
                pair = (client, socket.create_connection(("127.0.0.1", self._server)))
                self._open.add(pair)
                threading.Thread(target=self._pump, args=(pair,), daemon=True).start()

    def _pump(self, pair: tuple[socket.socket, socket.socket]) -> None:
        client, server = pair
        has_asked = False
        with contextlib.suppress(OSError, ValueError):
            while True:
                ready, _, _ = select.select(pair, [], [])
                if client in ready:
                    asked = client.recv(_PIECE)
                    if not asked:
                        break
                    server.sendall(asked)
                    has_asked = pair in self._to_cut and self._words in asked
                if server in ready:
                    answer = server.recv(_PIECE)
                    if not answer:
                        break
                    if has_asked:
                        self.lost_answers += 1
                        break
                    client.sendall(answer)
        self._close(pair)

    def _close(self, pair: tuple[socket.socket, socket.socket]) -> None:
        self._open.discard(pair)
        self._to_cut.discard(pair)
        for end in pair:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
