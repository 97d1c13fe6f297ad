"""What is on its way: counted, acknowledged, and written again in order after a lost session."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snqd.xmpp.outgoing import Outgoing, Parcel, TooManyAcknowledged


def parcels(loop: asyncio.AbstractEventLoop, count: int) -> list[Parcel]:
    return [Parcel(str(number).encode(), loop.create_future()) for number in range(count)]


async def test_the_servers_number_tells_which_stanzas_it_has() -> None:
    outgoing = Outgoing()
    made = parcels(asyncio.get_running_loop(), 4)
    for parcel in made:
        outgoing.add(parcel)
    outgoing.begin_count()

    outgoing.wrote_another()
    assert outgoing.take(3) == [b"0", b"1", b"2"]
    outgoing.acknowledge(1)
    assert not any(parcel.taken.done() for parcel in made), "that was the one of the library"
    outgoing.acknowledge(3)
    outgoing.acknowledge(3)

    assert [parcel.taken.done() for parcel in made] == [True, True, False, False]
    assert (outgoing.sent, outgoing.acknowledged, len(outgoing), outgoing.written) == (3, 2, 2, 4)


async def test_what_was_not_acknowledged_is_written_again_once_and_first() -> None:
    outgoing = Outgoing()
    made = parcels(asyncio.get_running_loop(), 4)
    for parcel in made:
        outgoing.add(parcel)
    outgoing.begin_count()
    outgoing.take(3)
    outgoing.acknowledge(1)

    outgoing.begin_again()

    assert outgoing.take(10) == [b"1", b"2", b"3"]
    assert outgoing.take(10) == []
    outgoing.acknowledge(3)
    assert all(parcel.taken.done() for parcel in made)


async def test_what_nobody_waits_for_any_more_is_not_written() -> None:
    outgoing = Outgoing()
    first, second = parcels(asyncio.get_running_loop(), 2)
    outgoing.add(first)
    outgoing.add(second)

    first.taken.cancel()

    assert outgoing.take(10) == [b"1"]


async def test_a_server_cannot_have_more_than_it_was_sent() -> None:
    outgoing = Outgoing()
    outgoing.wrote_another()

    with pytest.raises(TooManyAcknowledged):
        outgoing.acknowledge(2)


async def test_all_is_let_go_with_its_reason() -> None:
    outgoing = Outgoing()
    made = parcels(asyncio.get_running_loop(), 3)
    for parcel in made:
        outgoing.add(parcel)
    outgoing.take(1)

    assert outgoing.let_go(OSError("gone")) == 3
    for parcel in made:
        with pytest.raises(OSError, match="gone"):
            await parcel.taken
    assert len(outgoing) == 0


@given(st.lists(st.sampled_from(["add", "take", "ack", "lose", "own"]), max_size=60))
def test_whatever_happens_each_stanza_is_written_in_order_until_it_is_acknowledged(steps: list[str]) -> None:
    loop = asyncio.new_event_loop()
    outgoing = Outgoing()
    made: list[Parcel] = []
    session: list[int | None] = []
    acknowledged = 0
    for step in steps:
        match step:
            case "add":
                made.append(Parcel(str(len(made)).encode(), loop.create_future()))
                outgoing.add(made[-1])
            case "take":
                session += [int(data) for data in outgoing.take(3)]
            case "own":
                outgoing.wrote_another()
                session.append(None)
            case "ack":
                acknowledged = (acknowledged + len(session) + 1) // 2
                outgoing.acknowledge(acknowledged)
            case _:
                outgoing.begin_again()
                session, acknowledged = [], 0
        written = [number for number in session if number is not None]
        assert written == sorted(set(written)), "within a session each once, in order"
    session += [int(data) for data in outgoing.take(1000)]
    outgoing.acknowledge(outgoing.written)
    assert all(parcel.taken.done() for parcel in made)
    assert outgoing.acknowledged == len(made)
    loop.close()
