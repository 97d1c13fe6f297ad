"""What a pause holds: counted, told in sentences, and seen at a queue and at a site."""

from __future__ import annotations

from snqmon.actions import Reach, offer_of
from snqmon.model.cells import Grade
from snqmon.model.tables import QUEUES, SITES
from tests.support.views import depth, flow, pause, queue, worker
from tests.support.worlds import world_of

WORDS = "by anna since noon"
QUEUE = world_of(worker(1), queue("mail", paused=WORDS), pause("mail"), depth("mail", paused=1204), flow("mail"))
SITE = world_of(
    worker(1), queue("mail"), queue("push"), pause(site="b.example"), depth("mail", "a.example", ready=3),
    depth("mail", "b.example", paused=40), depth("push", "b.example", paused=2), flow("mail", "b.example"),
)  # fmt: skip


def test_a_paused_queue_says_how_many_items_wait_for_its_end() -> None:
    (row,) = QUEUE.queues()

    assert QUEUES.column("state").cell(row).text == "paused 1,204"
    assert QUEUES.column("state").value(row) == "paused"
    assert QUEUES.column("paused_items").value(row) == 1204
    assert QUEUE.glance().pace.words.startswith("0 ready, 1,204 paused")
    assert QUEUE.glance().worst.words == f"queue mail is paused {WORDS}; 1,204 items wait"
    assert QUEUE.glance().worst.grade is Grade.LOOK


def test_a_paused_site_has_a_sign_and_a_word() -> None:
    other, paused = SITE.sites()

    assert SITES.column("site").cell(paused).grade is Grade.LOOK
    assert SITES.column("state").cell(paused).text == "paused 42"
    assert paused.paused.startswith("by anna since 2027-01-15 06:00 UTC")
    assert SITES.column("site").cell(other).grade is Grade.GOOD
    assert SITES.column("state").cell(other).text == ""


def test_a_pause_that_is_over_is_none() -> None:
    world = world_of(worker(1), pause(site="b.example", ended=1.0), depth("mail", "b.example", ready=1))

    (row,) = world.sites()
    assert (row.paused, row.state) == ("", "")


def test_the_resume_names_what_it_sets_free() -> None:
    (row,) = QUEUE.queues()
    offer = offer_of("pause", row, Reach(True, frozenset({"main@host"})), author="ben")

    assert offer is not None
    assert offer.question == f"Resume queue mail of main@host: 1,204 items wait. It is paused {WORDS}."
