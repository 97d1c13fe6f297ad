"""Dead letters in real daemons: kept for ever, unless the configuration says for how long."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from snqd.items import new_item
from snqd.stores.outcomes import DeadLettered, DeadReason, Lane
from snqd.worker import housekeeping

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.daemons import Daemon, Place

    MakeDaemon = Callable[..., Daemon]

pytestmark = pytest.mark.fork

SOURCE = """
@handler("q")
def q(payload, context):
    note("ran", context)
"""


def leave_dead_letters(place: Place, queue: str, count: int) -> None:
    with place.open() as store:
        store.claimant = "host/main.1/1.1/test"
        store.enqueue_many(new_item(queue, number) for number in range(count))
        claimed = store.exchange([], [Lane((new_item(queue, 0).queue,), count)]).claimed
        store.exchange([DeadLettered(item, DeadReason.ATTEMPTS, "x") for item in claimed], [])


def make_nine_years_old(place: Place) -> None:
    nine_years = "interval '9 years'" if place.kind == "postgres" else "3e8"
    place.sql(f"UPDATE dead_letter SET died = died - {nine_years}")


def test_old_dead_letters_are_deleted_in_batches_and_told_with_their_number(
    make_daemon: MakeDaemon, place: Place
) -> None:
    letters = 2 * housekeeping.BATCH + 100
    leave_dead_letters(place, "many", letters)
    leave_dead_letters(place, "q", 3)
    make_nine_years_old(place)
    leave_dead_letters(place, "young", 3)

    daemon = make_daemon(place, SOURCE, store={"dead_letter_days": 365})

    told = daemon.wait_events("DeadLettersExpired", 2)
    daemon.stop()
    assert [(event["queue"], event["count"], event["days"]) for event in told] == [
        ("many", letters, 365),
        ("q", 3, 365),
    ]
    assert max(event["oldest"] for event in told) < time.time() - 8 * 365 * 86400
    assert [letter.queue for letter in place.dead()] == ["young"] * 3


def test_without_the_setting_they_are_kept(make_daemon: MakeDaemon, place: Place) -> None:
    leave_dead_letters(place, "q", 3)
    make_nine_years_old(place)
    daemon = make_daemon(place, SOURCE)
    place.enqueue("q")

    daemon.wait_fact("ran")
    daemon.stop()

    assert len(place.dead()) == 3
    assert not daemon.events("DeadLettersExpired")
