"""What can be done on a row: the question, the request, and why not."""

from __future__ import annotations

import pytest

from snqmon.actions import NOWHERE, Reach, offer_of, offers, said
from snqmon.model.dead import DeadLetter, DeadRow
from tests.support.views import alarm, busy, depth, flow, queue, worker
from tests.support.worlds import world_of

HERE = Reach(True, frozenset({"main@host"}))
WORLD = world_of(
    queue("mail"), queue("push", paused="by bob since noon: repair"), depth("mail", ready=1204, dead=12), flow("mail"),
    depth("push", paused=1), busy(1), worker(2, state="fatal", pid=0), alarm("lag"),
)  # fmt: skip
MAIL, PUSH = WORLD.queues()
BUSY, FATAL = WORLD.workers()
(SITE,) = WORLD.sites()
LETTER = DeadRow("main@host", DeadLetter(id=7, queue="mail", site="a", reason="attempts"), 0.0)


@pytest.mark.parametrize(
    ("key", "row", "question", "request_"),
    [
        ("pause", MAIL, "Pause queue mail of main@host: 1,204 items wait. In flight items finish.",
         {"ask": "pause", "queue": "mail", "site": None, "seconds": None, "author": "ann"}),
        ("pause", PUSH, "Resume queue push of main@host: 1 item waits. It is paused by bob since noon: repair.",
         {"ask": "resume", "queue": "push", "site": None, "author": "ann"}),
        ("pause", SITE, "Pause site a.example of main@host: 1,204 items wait. In flight items finish.",
         {"ask": "pause", "queue": None, "site": "a.example", "seconds": None, "author": "ann"}),
        ("dead", MAIL, "", {"ask": "dead", "queue": "mail", "site": None, "limit": 200, "after": None}),
        ("retry", MAIL, "Retry 12 dead letters of queue mail of main@host: back into the queue, to be tried "
         "anew.", {"ask": "retry", "ids": None, "queue": "mail", "site": None, "author": "ann"}),
        ("retry", LETTER, "Retry 1 dead letter, #7 of queue mail (a) of main@host: it is tried anew.",
         {"ask": "retry", "ids": [7], "queue": "mail", "site": "a", "author": "ann"}),
        ("discard", MAIL, "Discard 12 dead letters of queue mail of main@host: what is deleted cannot be had "
         "back.", {"ask": "discard", "ids": None, "queue": "mail", "site": None, "author": "ann"}),
        ("restart", BUSY, "Restart 1 worker, main.1 of main@host (pid 4001): its 1 item in flight finishes, then a new "
         "process takes its place.", {"ask": "restart", "worker": "main.1", "author": "ann"}),
        ("stack", BUSY, "", {"ask": "stack", "worker": "main.1"}),
    ],
)  # fmt: skip
def test_an_action_names_its_target_and_its_count(
    key: str, row: object, question: str, request_: dict[str, object]
) -> None:
    offer = offer_of(key, row, HERE, author="ann")

    assert offer is not None
    assert offer.unavailable == ""
    assert offer.question == question
    assert offer.request == request_
    assert offer.daemon == "main@host"
    assert offer.is_dangerous is (key == "discard")


@pytest.mark.parametrize(
    ("key", "row", "reach", "reason"),
    [
        ("pause", MAIL, NOWHERE, "start snqmon with --control to act"),
        ("pause", MAIL, Reach(True, frozenset({"other@host"})), "main@host has no control socket here"),
        ("retry", PUSH, HERE, "there are no dead letters"),
        ("restart", FATAL, HERE, "main.2 has no process now"),
        ("stack", FATAL, HERE, "main.2 has no process now"),
    ],
)
def test_what_cannot_be_done_says_why(key: str, row: object, reach: Reach, reason: str) -> None:
    offer = offer_of(key, row, reach, author="ann")

    assert offer is not None
    assert offer.unavailable.startswith(reason)


def test_rows_that_nothing_can_be_done_with() -> None:
    (row,) = WORLD.alarms()

    assert offers(row, HERE, author="ann") == []


def test_a_reason_goes_with_a_pause_only() -> None:
    pause, restart = (offer_of(key, row, HERE, author="ann") for key, row in (("pause", MAIL), ("restart", BUSY)))
    assert pause is not None
    assert restart is not None

    assert pause.with_reason("repair")["reason"] == "repair"
    assert "reason" not in restart.with_reason("repair")


def test_what_happened_is_said_in_one_line() -> None:
    assert said({"ok": True, "said": "paused queue mail\n"}) == "paused queue mail"
    assert said({"ok": False, "error": "no such queue"}) == "refused: no such queue"
