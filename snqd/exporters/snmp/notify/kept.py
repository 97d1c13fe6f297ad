"""What outlives the agent's process: what has been notified, counters, and informs that wait for an answer.

In a file that is replaced as a whole. It is not forced to disk: a host that falls over may tell something twice, with
the same sequence number, and that is the worst.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import msgspec

from snqd.exporters.snmp.notify.occasions import Memory
from snqd.exporters.snmp.notify.target import Counts, Notification  # noqa: TC001 - msgspec looks them up

if TYPE_CHECKING:
    from pathlib import Path


class State(msgspec.Struct):
    """`boot`: the life of the daemon that everything is counted in."""

    boot: int = 0
    configuration: str = ""
    sequence: int = 0
    """Of the latest notification."""
    suppressed: int = 0
    memory: Memory = msgspec.field(default_factory=Memory)
    counts: dict[str, Counts] = msgspec.field(default_factory=dict)
    """By the names of targets."""
    waiting: dict[str, list[Notification]] = msgspec.field(default_factory=dict)


_decoder = msgspec.json.Decoder(State)


def load(path: Path, boot: int) -> State:
    """Of another life remain the alarms that are believed to be raised, and what waits. What cannot be read is lost."""
    try:
        state = _decoder.decode(path.read_bytes())
    except (OSError, msgspec.MsgspecError, ValueError):
        state = State()
    if state.boot != boot:
        state = State(memory=Memory(raised=state.memory.raised), waiting=state.waiting)
    return state


def save(path: Path, state: State) -> None:
    """Raises `OSError`."""
    fresh = path.with_name(f"{path.name}.new")
    with contextlib.suppress(FileNotFoundError):
        fresh.unlink()
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(state))
    fresh.replace(path)
