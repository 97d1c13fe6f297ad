"""What limits hold back, as the facts of queues say it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqd.config.catalogue import Declared
from snqd.config.schema import Config, QueueConfig, SitesConfig
from snqd.config.site_image import publish
from snqd.hub.limits import LimitBook
from tests.support.views import depth, queue

if TYPE_CHECKING:
    from pathlib import Path

    from snqd.telemetry.facts import DepthFact, QueueFact

LATE, FRESH = 90.0, 1.0


def book(folder: Path, *depths: DepthFact, each_site: int = 0, mail: QueueConfig | None = None) -> LimitBook:
    publish(folder / "sites", {"a.example": Declared("toml", "here")})
    made = LimitBook(
        Config(queue={"mail": mail} if mail else {}, sites=SitesConfig(in_flight_limit=each_site)), folder / "sites"
    )
    made.facts()
    made.saw({(fact.queue, fact.site): fact for fact in depths})
    return made


def told(book: LimitBook, *, lag: float = LATE, has_idle: bool = True, out_per_second: float = 0.0) -> QueueFact:
    return book.of_queue(queue(lag_seconds=lag, out_per_second=out_per_second), has_idle=has_idle)


def test_without_limits_a_queue_says_nothing_of_them(tmp_path: Path) -> None:
    fact = queue(lag_seconds=LATE)

    assert book(tmp_path, depth(ready=5, in_flight=5)).of_queue(fact, has_idle=True) is fact


def test_a_queue_says_its_own_limits(tmp_path: Path) -> None:
    fact = told(book(tmp_path, mail=QueueConfig(in_flight_limit=20, rate_per_second=0.5)))

    assert (fact.in_flight_limit, fact.rate_limit, fact.held_back) == (20, 0.5, "")


def test_a_limit_of_what_is_in_flight_holds_back_what_is_ready(tmp_path: Path) -> None:
    limited = QueueConfig(in_flight_limit=2)
    full = depth(in_flight=1, ready=7), depth(site="b.example", in_flight=1)

    words = "queue mail is at its limit of 2 items in flight, over all daemons"
    assert told(book(tmp_path, *full, mail=limited)).held_back == words
    assert told(book(tmp_path, *full, mail=limited), lag=FRESH, has_idle=False).held_back == words
    assert told(book(tmp_path, full[0], mail=limited)).held_back == "", "one more may be in flight"
    assert told(book(tmp_path, depth(in_flight=2), mail=limited), lag=0.0).held_back == "", "nothing waits"


def test_a_rate_holds_back_what_is_left_beside_an_idle_worker_or_at_full_rate(tmp_path: Path) -> None:
    limited = book(tmp_path, depth(ready=7), mail=QueueConfig(rate_per_second=10.0))

    words = "queue mail is at its limit of 10/s, over all daemons"
    assert told(limited, out_per_second=5.0).held_back == words
    assert told(limited, has_idle=False, out_per_second=9.5).held_back == words
    assert told(limited).held_back == "", "it lets 600 items through in a minute, and none has come"
    assert told(limited, has_idle=False, out_per_second=5.0).held_back == "", "the workers are too few"
    assert told(limited, lag=FRESH).held_back == "", "it has just come"


def test_limits_of_sites_hold_a_queue_back_when_all_that_have_ready_items_are_at_theirs(tmp_path: Path) -> None:
    one = depth(in_flight=1, ready=7), depth("other", site="a.example", in_flight=2)

    held = told(book(tmp_path, *one, each_site=3))
    assert held.held_back == "site a.example is at its limit of 3 items in flight, over all daemons"
    assert held.in_flight_limit == 0, "the queue as a whole has none"
    assert told(book(tmp_path, *one, depth(site="b.example", ready=1), each_site=3)).held_back == ""


def test_what_the_store_says_anew_counts(tmp_path: Path) -> None:
    limited = book(tmp_path, depth(in_flight=2, ready=7), mail=QueueConfig(in_flight_limit=2))
    assert told(limited).held_back

    limited.saw({("mail", "a.example"): depth(in_flight=1, ready=7)})

    assert told(limited).held_back == ""


def test_a_paused_queue_is_not_held_back_by_its_limit(tmp_path: Path) -> None:
    limited = book(tmp_path, depth(in_flight=2, ready=7), mail=QueueConfig(in_flight_limit=2))

    assert limited.of_queue(queue(lag_seconds=LATE, paused="by anna"), has_idle=True).held_back == ""
