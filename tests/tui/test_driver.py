"""What comes from a terminal, and the end of it."""

from __future__ import annotations

import os
import select
import threading
from typing import TYPE_CHECKING

import pytest
from textual.events import Key

from snqmon.driver import PromptDriver
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.message import Message


class Wired(PromptDriver):
    """Reads from a pipe, and keeps the names of keys."""

    def __init__(self) -> None:
        self.fileno, self.typing = os.pipe()
        self._debug = False
        self.exit_event = threading.Event()
        self.keys: list[str] = []
        self.thread = threading.Thread(target=self.run_input_thread)
        self.thread.start()

    def process_message(self, message: Message) -> None:
        if isinstance(message, Key):
            self.keys.append(message.character or "" if message.is_printable else message.key)

    def close(self) -> None:
        self.exit_event.set()
        self.thread.join(10)
        os.close(self.fileno)


@pytest.fixture
def driver() -> Iterator[Wired]:
    found = Wired()
    yield found
    found.close()
    os.close(found.typing)


@pytest.mark.parametrize(
    ("parts", "keys"),
    [
        ([b"q"], ["q"]),
        ([b"\x1b"], ["escape"]),
        ([b"\x1b[A"], ["up"]),
        ([b"\x1b", b"[A"], ["up"]),
        ([b"jj\x1b"], ["j", "j", "escape"]),
    ],
)
def test_keys_come_whole_however_they_are_torn(driver: Wired, parts: list[bytes], keys: list[str]) -> None:
    for part in parts:
        os.write(driver.typing, part)

    eventually(lambda: len(driver.keys) >= len(keys))
    assert driver.keys == keys


def test_a_character_may_come_in_two_reads(driver: Wired) -> None:
    os.write(driver.typing, b"\xc3")
    eventually(lambda: select.select([driver.fileno], [], [], 0)[0] == [])
    os.write(driver.typing, b"\xa9q")

    eventually(lambda: len(driver.keys) >= 2)
    assert driver.keys == ["é", "q"]


def test_a_terminal_that_is_gone_does_not_keep_the_processor_busy() -> None:
    driver = Wired()
    reads = 0
    read = os.read

    def counted(descriptor: int, size: int) -> bytes:
        nonlocal reads
        reads += 1
        return read(descriptor, size)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("snqmon.driver.os.read", counted)
        os.close(driver.typing)
        eventually(lambda: reads >= 2)
        driver.close()

    assert reads < 20
    assert not driver.thread.is_alive()
