"""The image of a catalogue: a file in the runtime folder that every worker maps.

Ten thousand sites cost a worker nothing until it meets one.

It is written whole and put in place by a rename, so a reader has one catalogue or the next and never a mixture: a
change is atomic. The image that was there before is then told so in its first byte, which its readers have mapped: one
look into memory tells them that there is a newer one.

Layout: head, names, bodies, an index of one record a site in the order of names, for a search by halving, and what
claims have to know of sites before they meet them.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from bisect import bisect_left
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import msgspec

from snqd.config.catalogue import Declared
from snqd.errors import SnqdError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from snqd.config.catalogue import Catalogue

_HEAD = struct.Struct("=B7sIIIQ")  # superseded, magic, sites, set aside, with schedules, where the index begins
_MAGIC = b"snqdst3"
_RECORD = struct.Struct("=QII")  # where the name begins, its bytes, those of the body that follows
_MODE = 0o600  # settings may hold secrets


class SiteImage:
    """A mapped image. Raises `SnqdError` if the file is no image, `FileNotFoundError` if there is none."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            try:
                self._memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except ValueError:
                raise SnqdError(f"{path} is no image of sites: it is empty") from None
        if len(self._memory) < _HEAD.size or self._memory[1:8] != _MAGIC:
            raise SnqdError(f"{path} is no image of sites of this version of snqd")
        self._count: int
        self.set_aside: int
        """How many sites are set aside."""
        _flag, _magic, self._count, self.set_aside, scheduled, self._index_at = _HEAD.unpack_from(self._memory)
        self.has_schedules = scheduled > 0
        """Whether any site has schedules of its own."""

    def __len__(self) -> int:
        return self._count

    @property
    def is_superseded(self) -> bool:
        """Whether there is a newer image. A look into memory."""
        return self._memory[0] != 0

    def get(self, name: str) -> Declared | None:
        wanted = name.encode(errors="surrogatepass")
        at = bisect_left(range(self._count), wanted, key=self._name)
        return self._body(at) if at < self._count and self._name(at) == wanted else None

    def items(self) -> Iterator[tuple[str, Declared]]:
        for at in range(self._count):
            yield self._name(at).decode(errors="surrogatepass"), self._body(at)

    def problems(self) -> dict[str, str]:
        """Sites that are set aside, and why."""
        return {name: site.problem for name, site in self.items() if site.problem} if self.set_aside else {}

    def claims(self) -> dict[str, str]:
        """Sites that have limits or a weight, and which (`Declared.claims`)."""
        return msgspec.msgpack.decode(self._memory[self._index_at + self._count * _RECORD.size :], type=dict[str, str])

    def _name(self, at: int) -> bytes:
        begin, size, _body = _RECORD.unpack_from(self._memory, self._index_at + at * _RECORD.size)
        return self._memory[begin : begin + size]

    def _body(self, at: int) -> Declared:
        begin, size, body = _RECORD.unpack_from(self._memory, self._index_at + at * _RECORD.size)
        return msgspec.msgpack.decode(self._memory[begin + size : begin + size + body], type=Declared)


def read_image(path: Path) -> dict[str, Declared]:
    """The whole catalogue; empty when there is no image, or one that cannot be understood."""
    with suppress(FileNotFoundError, SnqdError, msgspec.MsgspecError):
        return dict(SiteImage(path).items())
    return {}


def publish(path: Path, catalogue: Catalogue) -> None:
    """Put `catalogue` in the place of the image that is there. Raises `SnqdError` when it cannot be written."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with _alone(path):
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _MODE)
            with os.fdopen(descriptor, "wb") as file:
                file.write(_image(catalogue))
            with suppress(FileNotFoundError), path.open("r+b") as before:
                fresh.replace(path)
                before.write(b"\1")
                return
            fresh.replace(path)
    except OSError as error:
        raise SnqdError(f"{path}: the sites cannot be written there: {error.strerror}: make room") from error


def _image(catalogue: Catalogue) -> bytes:
    at, records = _HEAD.size, []
    parts: list[bytes] = []
    named = sorted((name.encode(errors="surrogatepass"), site) for name, site in catalogue.items())
    for name, site in named:
        body = msgspec.msgpack.encode(site)
        parts += (name, body)
        records.append(_RECORD.pack(at, len(name), len(body)))
        at += len(name) + len(body)
    set_aside = sum(1 for _name, site in named if site.problem)
    scheduled = sum(1 for _name, site in named if site.schedules)
    head = _HEAD.pack(0, _MAGIC, len(named), set_aside, scheduled, at)
    claims = {name: site.claims for name, site in catalogue.items() if site.claims}
    return b"".join((head, *parts, *records, msgspec.msgpack.encode(claims)))


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One writer at a time: else an image could be replaced that nobody tells so."""
    lock = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
