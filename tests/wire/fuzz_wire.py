"""A fuzzer for the decoder and the fold: `python -m tests.wire.fuzz_wire --seconds 60`.

It changes datagrams that are valid, and bytes that look like MessagePack, at random, reads them, and folds what can be
read. It stops at the first exception, answer of a wrong type, or datagram that takes long, and prints the bytes.
`test_hostile.py` runs a short and repeatable form of it.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from snqd.telemetry.fleet import Fleet
from snqd.telemetry.tables import Limits
from snqd.telemetry.wire import (
    BODY_LIMIT,
    FACT_LIMIT,
    REASONS,
    Datagram,
    Refused,
    encode_fact,
    fill,
    pack,
    seal,
    unpack,
)
from tests.support.telemetry import HEADER, KEY, ONE_OF_EACH

if TYPE_CHECKING:
    from collections.abc import Iterator

SLOW_SECONDS = 0.25
"""Processor time. Every datagram takes microseconds; this is far above what a busy machine adds."""
TELLING = (
    b"\x90", b"\x91", b"\x9f", b"\xdc\xff\xff", b"\xdd\xff\xff\xff\xff", b"\xdd\x7f\xff\xff\xff", b"\x80", b"\x81\xa0",
    b"\xde\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xc9\xff\xff\xff\xff",
    b"\xa1\xff", b"\xcb\x7f\xf8\0\0\0\0\0\0", b"\xcb\x7f\xf0\0\0\0\0\0\0", b"\xcb\xff\xef\xff\xff\xff\xff\xff\xff",
    b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", b"\xd3\x80\0\0\0\0\0\0\0", b"\xd6\xff\0\0\0\0", b"\xc1", b"\xc0", b"\xff",
    b"\x91" * 700, b"\x81\xa0" * 600, b"\xdc\0\x01" * 400,
)  # fmt: skip
"""Bytes that mean something to MessagePack: huge lengths, deep nesting, figures that are none, extensions."""


def datagrams(source: random.Random) -> Iterator[bytes]:
    """Hostile datagrams without end."""
    while True:
        key = source.choice((None, KEY))
        sequence = source.choice((source.randrange(2000), source.getrandbits(64)))
        header = msgspec.structs.replace(
            HEADER,
            daemon=source.choice(("main", "main", "other", "é" * 40)),
            boot=HEADER.boot + source.randrange(3),
            sender=HEADER.sender + source.randrange(3),
            session=source.choice((0, 0, source.getrandbits(63))),
            sequence=sequence,
            sent_at=HEADER.sent_at + sequence % 10_000,
        )
        facts = [encode_fact(fact) for fact in source.sample(ONE_OF_EACH, source.randrange(len(ONE_OF_EACH)))]
        facts = [_changed(each, source) if source.random() < 0.3 else each for each in facts]
        group = next(fill(facts), [])
        if len(b"".join(group)) > FACT_LIMIT:
            continue
        packed = pack(header, group, key)
        match source.randrange(10):
            case 0:
                yield _changed(seal(source.randrange(256), source.randbytes(source.randrange(80)), key), source)
            case 1 | 2 | 3 | 4:
                body = packed[7:-16] if key else packed[7:]
                yield seal(1, _changed(body, source)[:BODY_LIMIT], key)  # authentic, and still hostile
            case _:
                yield _changed(packed, source)


def _changed(data: bytes, source: random.Random) -> bytes:
    found = bytearray(data)
    for _ in range(source.randrange(4)):
        place = source.randrange(len(found) + 1)
        match source.randrange(5):
            case 0 if place < len(found):
                found[place] = source.randrange(256)
            case 1:
                found[place:place] = source.choice(TELLING)
            case 2:
                telling = source.choice(TELLING)
                found[place : place + len(telling)] = telling
            case 3:
                del found[place:]
            case _:
                del found[place : place + source.randrange(1, 20)]
    return bytes(found)


class Victim:
    """Reads and folds everything, and looks at the result now and then."""

    def __init__(self) -> None:
        self.fleet = Fleet(Limits(daemons=50, facts=2000))
        self.seen: Counter[str] = Counter()

    def meet(self, data: bytes) -> None:
        for key in (None, KEY):
            begun = time.thread_time()
            found = unpack(data, key)
            if isinstance(found, Datagram):
                self.seen["read"] += 1
                self.fleet.apply(found, source="192.0.2.1:1", now=self.seen["read"] / 100)
            else:
                assert isinstance(found, Refused)
                assert found.reason in REASONS
                self.seen[found.reason] += 1
            took = time.thread_time() - begun
            assert took < SLOW_SECONDS, f"one datagram took {took:.3f} s"

    def look(self) -> None:
        assert self.fleet.facts <= self.fleet.limits.facts
        assert len(self.fleet.daemons) <= self.fleet.limits.daemons
        for view in self.fleet.daemons.values():
            totals = view.totals()
            assert totals.handled == sum(fact.handled for fact in view.flows.values())
            totals.run_quantile(0.99)
            assert view.lost >= 0
            assert len(view.events) <= self.fleet.limits.events


def main() -> int:
    parser = argparse.ArgumentParser(description="feed hostile datagrams to the decoder and the fold")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=None, help="default: another one each time; it is printed")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else time.time_ns() % 2**32
    print(f"seed {seed}", flush=True)  # noqa: T201 (a program)
    victim, until = Victim(), time.monotonic() + options.seconds
    for number, data in enumerate(datagrams(random.Random(seed))):
        try:
            victim.meet(data)
            if number % 1000 == 0:
                victim.look()
        except Exception:
            print(f"datagram {number}: {data.hex()}", file=sys.stderr)  # noqa: T201 (a program)
            raise
        if time.monotonic() > until:
            break
    print(f"{number + 1} datagrams; {dict(victim.seen)}")  # noqa: T201 (a program)
    return 0


if __name__ == "__main__":
    sys.exit(main())
