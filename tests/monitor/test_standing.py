"""From sources to one word of trust, one line, and advice: every case, without a socket."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest

from snqd.telemetry.feed import Source
from snqd.telemetry.subscription import Trouble
from snqmon.feeds.advice import advice_on, near
from snqmon.feeds.base import Trust
from snqmon.feeds.standing import Recording, Standing, status_of

NOW = 1000.0


def source(address: str = "db7:5480", **given: Any) -> Source:
    """One that is heard, unless something else is given."""
    known: dict[str, Any] = {
        "words": "receiving", "is_receiving": True, "since": NOW - 60, "last_heard": NOW - 0.4, "datagrams": 5, "bad": 0
    }  # fmt: skip
    return Source(address, **(known | given))


def unheard(trouble: Trouble = Trouble.ASKING, **given: Any) -> Source:
    silent: dict[str, Any] = {
        "is_receiving": False, "last_heard": -inf, "datagrams": 0, "words": "…", "trouble": trouble
    }  # fmt: skip
    return source(**(silent | given))


def trust_of(*sources: Source) -> tuple[Trust, str]:
    status = status_of([Standing(each) for each in sources], NOW, began=NOW - 12)
    return status.trust, status.words


PUSHED: dict[str, Any] = {"is_pushing": True}


@pytest.mark.parametrize(
    ("sources", "wanted"),
    [
        ([], (Trust.WAITING, "WAITING 12s")),
        ([unheard()], (Trust.WAITING, "WAITING 12s")),
        ([source()], (Trust.LIVE, "LIVE 0.4s")),
        ([source(datagrams=0)], (Trust.WAITING, "WAITING 12s")),
        ([source(), unheard()], (Trust.PARTLY, "PARTLY LIVE 1 of 2")),
        ([unheard(last_heard=NOW - 47, datagrams=9), unheard()], (Trust.STALE, "STALE 47s")),
        ([source(), unheard(**PUSHED)], (Trust.LIVE, "LIVE 0.4s")),
        ([unheard(**PUSHED)], (Trust.WAITING, "WAITING 12s")),
        ([source("h:1", **PUSHED), unheard(Trouble.SILENT, address="h:2", **PUSHED)], (Trust.LIVE, "LIVE 0.4s")),
        (
            [source("h:1", **PUSHED), unheard(Trouble.SILENT, address="g:2", **PUSHED)],
            (Trust.PARTLY, "PARTLY LIVE 1 of 2"),
        ),
    ],
)
def test_trust(sources: list[Source], wanted: tuple[Trust, str]) -> None:
    assert trust_of(*sources) == wanted


def test_advice_of_those_who_are_heard_is_not_told_and_no_line_is_told_twice() -> None:
    standings = [
        Standing(source(), ["all is well"]),
        Standing(unheard(), ["do this"]),
        Standing(unheard(), ["do this"]),
    ]
    status = status_of(standings, NOW, began=NOW, also=["or that"])
    assert status.advice == ("do this",)
    assert status_of(standings[1:], NOW, began=NOW, also=["or that"]).advice == ("do this", "or that")


def test_a_recording_that_fails_is_said_while_all_else_is_well() -> None:
    recording = Recording("kept.rec", 5, 1200, "No space left on device")
    status = status_of([Standing(source())], NOW, began=NOW, recording=recording)

    assert (status.trust, status.words) == (Trust.LIVE, "LIVE 0.4s, not recorded")
    assert status.advice[0].startswith("1,200 datagrams could not be written to kept.rec: No space left on device")
    assert status_of([Standing(source())], NOW, began=NOW, recording=recording._replace(problem="")).advice == ()


@pytest.mark.parametrize("is_pushing", [False, True])
@pytest.mark.parametrize("trouble", [each for each in Trouble if each is not Trouble.NONE])
def test_every_trouble_has_a_sentence_that_names_where(trouble: Trouble, is_pushing: bool) -> None:
    lines = advice_on(unheard(trouble, words="said so", is_pushing=is_pushing, last_heard=NOW - 9), NOW, has_key=False)

    assert lines
    assert any("db7:5480" in line for line in lines)
    assert all(line and "inf" not in line.split() for line in lines)


@pytest.mark.parametrize("trouble", [Trouble.ASKING, Trouble.LOOKING_UP])
def test_in_the_first_seconds_nothing_is_wrong_yet(trouble: Trouble) -> None:
    assert advice_on(unheard(trouble, since=NOW - 1), NOW, has_key=False) == []


def test_the_line_for_the_daemons_configuration_fits_the_address() -> None:
    def line(address: str, *, has_key: bool = False) -> str:
        return "\n".join(advice_on(unheard(Trouble.NOBODY_THERE, address=address), NOW, has_key=has_key))

    assert '[telemetry] listen = "127.0.0.1:5480"' in line("127.0.0.1")
    assert '[telemetry] listen = "[::1]:5481"' in line("[::1]:5481")
    assert '[telemetry] listen = "0.0.0.0:5480" and key_file = "FILE", since others can reach it' in line("db7")
    assert 'listen = "0.0.0.0:5480"\n' in line("db7", has_key=True) + "\n"
    ear = advice_on(unheard(address="0.0.0.0:5481", is_pushing=True), NOW, has_key=True)
    assert ear[1:] == [
        'In the daemon\'s configuration: [telemetry] monitors = ["udp://THIS-HOST:5481"]',
        'and the same key as here: key_file = "FILE"',
    ]


def test_a_hub_at_every_interface_is_reached_over_loopback_from_its_own_host() -> None:
    assert near("0.0.0.0:5480") == "127.0.0.1:5480"
    assert near("[::]:5480") == "[::1]:5480"
    assert near("192.0.2.7:5480") == "192.0.2.7:5480"
