"""`snqd pause` and `snqd resume`, with no daemon in sight."""

from __future__ import annotations

import getpass
import json
import socket
from typing import TYPE_CHECKING

import pytest

from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.daemons import Daemon, Ended, Place

    MakeDaemon = Callable[..., Daemon]

ME = f"{getpass.getuser()}@{socket.gethostname()}"


@pytest.fixture
def snqd(make_daemon: MakeDaemon, place: Place) -> Callable[..., Ended]:
    return make_daemon(place, start=False).command


def test_a_queue_is_paused_listed_and_resumed(snqd: Callable[..., Ended], place: Place) -> None:
    place.enqueue("mail", 1)
    place.enqueue("other", 1)
    assert snqd("pause").out == "nothing is paused\n"

    done = snqd("pause", "--queue", "mail", "--reason", "the relay is down", "--for", "2h")

    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"queue mail is paused by {ME} since ")
    assert done.out.endswith(" UTC: the relay is down\n")
    header, row = snqd("pause", "--list").out.splitlines()
    assert header.split() == ["QUEUE", "SITE", "SINCE", "UNTIL", "BY", "REASON"]
    assert row.split()[:2] == ["mail", "*"]
    assert row.endswith(f"{ME}  the relay is down")
    (listed,) = map(json.loads, snqd("pause", "--json").out.splitlines())
    assert (listed["queue"], listed["site"], listed["author"]) == ("mail", None, ME)
    assert round(listed["expires_at"] - listed["since"]) == 7200

    resumed = snqd("resume", "--queue", "mail")

    assert resumed.code == 0
    assert resumed.out.startswith("queue mail goes on after ")
    assert snqd("pause").out == "nothing is paused\n"


def test_status_shows_what_is_paused_and_how_many_wait(snqd: Callable[..., Ended], place: Place) -> None:
    for site in ("a", "b", "b"):
        place.enqueue("mail", 1, site=site)
    assert "PAUSED" not in snqd("status").out
    snqd("pause", "--site", "b", "--reason", "it floods us")

    lines = snqd("status").out.splitlines()

    headers, a, b, total, paused = lines[1:6]
    assert headers.split() == ["QUEUE", "SITE", "READY", "PAUSED", "SCHEDULED", "CLAIMED", "DEAD", "LAG"]
    assert a.split()[:7] == ["mail", "a", "1", "0", "0", "0", "0"]
    assert b.split() == ["mail", "b", "0", "2", "0", "0", "0", "-"]
    assert total.split()[:3] == ["total", "1", "2"]
    assert paused.startswith(f"site b is paused by {ME} since ")
    assert paused.endswith("it floods us")
    told = json.loads(snqd("status", "--json").out)
    assert [(facts["site"], facts["ready"], facts["paused"]) for facts in told["queues"]] == [("a", 1, 0), ("b", 0, 2)]
    assert [pause["site"] for pause in told["pauses"]] == ["b"]
    assert snqd("items", "list", "--state", "paused").out.count("\n") == 3


def test_a_pair_and_everything_are_resumed(snqd: Callable[..., Ended], place: Place) -> None:
    place.enqueue("mail", 1)
    snqd("pause", "--queue", "mail", "--site", "a")
    snqd("pause", "--site", "a")
    refused = snqd("resume", "--queue", "mail")
    assert refused.code == 1
    assert refused.err == "snqd: error: queue mail is not paused: paused are site a, queue mail of site a\n"
    assert snqd("resume", "--queue", "mail", "--site", "a").out.startswith("queue mail of site a goes on after ")

    assert snqd("resume", "--all").out.startswith("site a goes on after ")
    assert snqd("resume", "--all").out == "nothing was paused\n"
    assert snqd("resume", "--site", "a").err == "snqd: error: site a is not paused: nothing is\n"


def test_a_pause_ends_by_itself(snqd: Callable[..., Ended], place: Place) -> None:
    place.enqueue("mail", 1)
    snqd("pause", "--queue", "mail", "--for", "300ms")

    with place.open() as store:
        eventually(lambda: store.pauses() == [])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("pause", "--reason", "x"), "say what to pause: --queue, --site or both"),
        (("pause", "--for", "2h"), "say what to pause: --queue, --site or both"),
        (("pause", "--queue", "mail", "--json"), "--list and --json show all pauses: leave out the others"),
        (("pause", "--queue", "mail", "--for", "0"), "--for 0 would end at once: 'snqd resume' ends a pause"),
        (("pause", "--queue", "mail", "--for", "soon"), "'soon' is not a duration"),
        (("pause", "--queue", ""), "queue name '' is not valid: use 1 to 63 printable characters"),
        (("resume",), "say what to resume: --queue, --site or both; or --all"),
        (("resume", "--all", "--queue", "mail"), "say what to resume: --queue, --site or both; or --all"),
    ],
)
def test_a_mistake_is_one_line(snqd: Callable[..., Ended], place: Place, words: tuple[str, ...], says: str) -> None:
    place.enqueue("mail", 1)

    refused = snqd(*words)

    assert refused.code == 2
    assert says in refused.err
    assert "Traceback" not in refused.err
    with place.open() as store:
        assert store.pauses() == []


def test_there_is_nothing_to_pause_in_a_store_that_is_not_there(make_daemon: MakeDaemon, sqlite_place: Place) -> None:
    daemon = make_daemon(sqlite_place, start=False, store={"url": "sqlite:///nowhere.db"})

    refused = daemon.command("pause", "--queue", "mail")

    assert refused.code == 3
    assert "there is no store yet" in refused.err
