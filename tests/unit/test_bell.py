"""The bell: ringing is coalesced, one hears it, and the watch passes on when its holder dies."""

from __future__ import annotations

import os
import select
import signal
import time
from typing import TYPE_CHECKING

import pytest

from snqd.worker.bell import Bell

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def bell() -> Iterator[Bell]:
    made = Bell()
    yield made
    made.close()


def rings(bell: Bell) -> bool:
    return bool(select.select([bell.fd], [], [], 0)[0])


def test_however_often_it_rings_it_is_silenced_once(bell: Bell) -> None:
    for _ in range(200_000):  # more than a pipe holds: ringing never blocks
        bell.ring()

    while bell.silence():
        pass

    assert not rings(bell)


def test_nobody_hears_a_bell_that_does_not_ring(bell: Bell) -> None:
    assert not bell.silence()


def test_only_one_process_has_the_watch_and_another_gets_it_when_that_one_is_killed(bell: Bell) -> None:
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(tell, b"1" if bell.take_watch() else b"0")
        signal.pause()
        os._exit(0)
    try:
        assert os.read(ready, 1) == b"1"
        assert not bell.take_watch()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(ready)
        os.close(tell)

    assert bell.take_watch()


def test_the_holder_of_the_watch_is_told_of_an_earlier_due_time_and_only_of_news(bell: Bell) -> None:
    def is_told() -> bool:
        return bool(select.select([bell.watch_fd], [], [], 0)[0])

    bell.due_at = 100.0
    bell.expect(200.0)
    assert not is_told(), "it looks before that anyway"

    child = os.fork()
    if child == 0:
        bell.expect(50.0)
        os._exit(0)
    os.waitpid(child, 0)
    assert is_told()
    assert bell.due_at == 50.0
    bell.hear_expected()
    assert not is_told()

    bell.due_at = float("inf")
    bell.expect(1e6)
    assert is_told()


def test_a_holder_that_does_not_move_shows_by_the_age_of_its_mark(bell: Bell) -> None:
    time.sleep(0.05)  # the age itself is what is measured
    assert bell.watch_age() >= 0.05

    began = time.monotonic()
    child = os.fork()
    if child == 0:
        bell.mark_watch()
        os._exit(0)
    os.waitpid(child, 0)

    assert bell.watch_age() <= time.monotonic() - began  # marked since then, however slow the machine is
