"""A fuzzer for the agent: `python -m tests.exporters.snmp.fuzz_snmp --seconds 60`.

It changes requests of every version and kind at random, and puts hostile ones among them. It stops at the first message
that makes the agent raise, is answered with more than may be, or takes long; and it fails when the agent keeps more
memory, or pysnmp more state, than before. `test_hostile.py` runs a short and repeatable form of it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import sys
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

from snqd.exporters.snmp import ber
from snqd.exporters.snmp.answering import GET, GET_BULK, GET_NEXT, MESSAGE_LIMIT
from snqd.exporters.snmp.pdus import read_request
from tests.exporters.snmp.conftest import Asked
from tests.support.snmp_messages import message, message_v3, pdu, random_pdu

if TYPE_CHECKING:
    from collections.abc import Iterator

SLOW_SECONDS = 1.0
"""Of processor time; the dearest message that may be as long as 4,096 octets takes a tenth."""
SYS_NAME = (1, 3, 6, 1, 2, 1, 1, 5, 0)
_TELLING = (b"\x80", b"\x84\xff\xff\xff\xff", b"\x82\x7f\xff", b"\xff", b"\0")
_ROUND = 2000
_KEPT_BYTES = 50_000
_NAMES = 260
"""pysnmp remembers the last 256 names of each table that somebody asked for, and has a stock of as many ids."""


def hostile() -> list[bytes]:
    """What must be refused whatever the rest of the world does."""
    good = message(pdu(GET, [SYS_NAME]))
    inner = pdu(GET, [SYS_NAME])
    return [
        b"", b"\x30", b"\x30\x80", b"\x30\x84\xff\xff\xff\xff", b"\x30\x82\x10\x00" * 900, b"\xff" * 2000, b"\0" * 4096,
        b"\x30\x82\x0f\xf0" + b"\x30\x80" * 2000,
        good[:20], good + good, good[:2] + b"\x80" + good[3:],
        message(pdu(GET, [(1, 3, *([2**32 - 1] * 126))])),
        message(pdu(GET, [(1, 3, *([1] * 500))])),
        message(pdu(GET_BULK, [SYS_NAME] * 80, 2**31 - 1, 2**31 - 1)),
        message(pdu(GET_BULK, [SYS_NAME] * 80, -(2**31), -(2**31))),
        message(pdu(GET_BULK, [], 0, 10)),
        message(pdu(GET_BULK, [SYS_NAME], 0, 0)),
        message(pdu(GET_NEXT, [(0, 0)] * 200)),
        message(pdu(GET, [SYS_NAME]), version=0, community="x" * 3000),
        message(pdu(0xA4, [SYS_NAME]), version=0), message(pdu(0xA6, [SYS_NAME])), message(pdu(0xA7, [SYS_NAME])),
        message(pdu(0xA2, [SYS_NAME])), message(pdu(0xA8, [SYS_NAME])), message(pdu(0xA9, [SYS_NAME])),
        message(pdu(0xA3, [SYS_NAME], value=ber.tlv(ber.COUNTER64, b"\xff" * 9))),
        message(pdu(0xA5, [SYS_NAME]), version=0),
        message_v3(inner, spoil=True), message_v3(inner, time=1000), message_v3(inner, boots=2),
        message_v3(inner, boots=9), message_v3(inner, name=b"stranger"), message_v3(inner, engine_id=b"\x80\0\0\0\5"),
        message_v3(inner, flags=4), message_v3(inner, flags=0), message_v3(inner, flags=1), message_v3(inner, flags=5),
        message_v3(inner, flags=3), message_v3(inner, context=b"ctx"), message_v3(inner, most=484),
        message_v3(inner, most=1), message_v3(inner, salt=b""),
        message_v3(inner, engine_id=b"", name=b"", flags=4), message_v3(inner, engine_id=b"", name=b"", flags=0),
        message_v3(pdu(0xA6, [SYS_NAME])), message_v3(pdu(0xA2, [SYS_NAME])), message_v3(pdu(0xA8, [SYS_NAME])),
        message_v3(pdu(0xA7, [SYS_NAME])), message_v3(b""), message_v3(b"\xa0\x80"), message_v3(pdu(GET_BULK, [])),
    ]  # fmt: skip


def messages(source: random.Random, known: list[ber.Oid]) -> Iterator[bytes]:
    """Requests without end, most of them changed."""
    fixed = hostile()
    while True:
        inner = random_pdu(source, known[::7])
        match source.randrange(6):
            case 0:
                yield source.choice(fixed)
                continue
            case 1:
                data = message(inner, version=source.choice((0, 0, 2, 9)))
            case 2:
                data = message_v3(inner, flags=source.choice((4, 5, 7, 0)), time=source.choice((0, 0, 400)))
            case 3:
                data = message_v3(inner, spoil=source.random() < 0.5)
            case _:
                data = message(inner)
        if source.random() < 0.8:
            data = changed(source, data)
        yield data[: MESSAGE_LIMIT + 50]


def changed(source: random.Random, data: bytes) -> bytes:
    raw = bytearray(data)
    for _ in range(source.randint(1, 4)):
        place = source.randrange(len(raw)) if raw else 0
        match source.randrange(5):
            case 0 if raw:
                raw[place] = source.getrandbits(8)
            case 1 if raw:
                raw[place] ^= 1 << source.randrange(8)
            case 2:
                del raw[place : place + source.randint(1, 9)]
            case 3:
                raw[place:place] = source.randbytes(source.randint(1, 9))
            case _:
                raw[place : place + 1] = source.choice(
                    (b"\x80", b"\x84\xff\xff\xff\xff", b"\x82\x7f\xff", b"\xff", b"\0")
                )
    return bytes(raw)


def kept_by_pysnmp(asked: Asked) -> int:
    """How many requests pysnmp remembers, in all of its caches. (One entry in each is a timer.)"""
    engine: Any = asked.agent.engine._engine
    count = 0
    for part in (*engine.message_processing_subsystems.values(), *engine.security_models.values()):
        for name, cache in vars(part).items():
            if name.endswith("_cache"):
                kept = [found for what, found in vars(cache).items() if not what.endswith("expirationQueue")]
                count += sum(len(found) for found in kept if isinstance(found, dict))
    return count


def attack(asked: Asked, source: random.Random, known: list[ber.Oid], count: int) -> int:
    """Send `count` messages; how many were answered."""
    answered = 0
    for data, _ in zip(messages(source, known), range(count), strict=False):
        began = time.process_time()
        answer = asked.ask(data)
        assert time.process_time() - began < SLOW_SECONDS, data.hex()
        if answer is not None:
            answered += 1
            assert len(answer) <= MESSAGE_LIMIT, data.hex()
    return answered


def fill(asked: Asked) -> None:
    """Have what is limited be at its limit: what it grows by until then is no leak."""
    inner = pdu(GET, [SYS_NAME])
    for number in range(_NAMES):
        asked.by_pysnmp(message_v3(inner, name=b"stranger %d" % number))
        asked.by_pysnmp(message(inner, version=0))


def settle(asked: Asked) -> None:
    """Have pysnmp let go what it keeps for a while: 300 seconds of version 3, and the last message of each version."""
    inner = pdu(GET, [SYS_NAME])
    for small in (message(inner, version=0), message(inner), message_v3(inner), message_v3(inner, spoil=True)):
        asked.by_pysnmp(small)
    engine: Any = asked.agent.engine._engine
    for _ in range(400):
        for model in engine.security_models.values():
            model.receive_timer_tick(engine, 0)


def forget() -> None:
    """What is remembered of requests has its limit, and is not full yet."""
    ber.read_oid.cache_clear()
    read_request.cache_clear()


def memory_kept(asked: Asked, source: random.Random, known: list[ber.Oid], count: int) -> int:
    """Bytes that are more after another `count` messages: what was kept for the first ones is there before."""
    tracemalloc.start()
    fill(asked)
    settle(asked)
    forget()
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    attack(asked, source, known, count)
    settle(asked)
    forget()
    gc.collect()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return after - before


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    options = parser.parse_args()
    source, asked = random.Random(options.seed), Asked()
    known, until = asked.known(), time.monotonic() + options.seconds
    attack(asked, source, known, _ROUND)
    before, sent, answered = kept_by_pysnmp(asked), _ROUND, 0
    while time.monotonic() < until:
        answered += attack(asked, source, known, _ROUND)
        sent += _ROUND
    assert kept_by_pysnmp(asked) <= before, "pysnmp keeps what it has answered"
    kept = memory_kept(asked, source, known, _ROUND)
    assert kept < _KEPT_BYTES, f"{kept} bytes more after {_ROUND} messages"
    assert asked.agent.counters.defects == 0
    asked.close()
    sys.stdout.write(
        f"seed {options.seed}: {sent} messages, {answered} answered, {kept} bytes kept after the last round\n"
    )


if __name__ == "__main__":
    asyncio.run(main())
