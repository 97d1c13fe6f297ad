"""What workers tell of the items that a broker has handed to them, and what a probe makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from snqd.items import CANARY
from snqd.stores.stomp.deliveries import Delivery
from snqd.stores.stomp.envelope import envelope_of
from snqd.stores.stomp.figures import HEARD_SECONDS, Figures, Flow, Heard, encode, flows_of
from tests.support.stores import new

if TYPE_CHECKING:
    from snqd.stores.stomp.session import Session

CLOCK = 1_000_000.0


def delivery(queue: str, *, at: float, site: str = "default", **more: Any) -> Delivery:
    session: Session = None  # type: ignore[assignment]  # nothing is sent here
    return Delivery(session, "", "", envelope_of(new(queue, site=site, available_at=at, **more), CLOCK))


def test_a_worker_tells_what_it_has_by_queue_and_site_without_canaries() -> None:
    ready = [delivery("a", at=5.0), delivery("a", at=3.0), delivery("b", at=9.0), delivery("a", at=1.0, codec=CANARY)]
    held = [delivery("a", at=1.0), delivery("c", at=1.0, site="s")]

    assert set(flows_of(ready, held)) == {
        Flow(new("a").queue, new().site, 2, 1, 3.0),
        Flow(new("b").queue, new().site, 1, 0, 9.0),
        Flow(new("c").queue, new(site="s").site, 0, 1, 0.0),
    }


def test_a_probe_adds_up_what_it_has_heard_and_calls_it_an_estimate() -> None:
    heard = Heard()
    one = Flow(new("a").queue, new().site, 2, 1, CLOCK - 30.0)
    heard.take(encode(Figures("one", (one,))), 10.0)
    heard.take(encode(Figures("two", (one._replace(ready=1, oldest=CLOCK - 50.0),))), 12.0)
    heard.take(b"what is this", 12.0)

    assert [tuple(depth) for depth in heard.depths(12.5, CLOCK)] == [("a", "default", 3, 0, 2, 50.0, 0, True, 0)]
    assert heard.lags(12.5, CLOCK) == [("a", 50.0)]

    later = 10.0 + HEARD_SECONDS + 0.1
    assert [depth.ready for depth in heard.depths(later, CLOCK)] == [1], "the first one has gone"


def test_what_is_only_held_has_no_lag() -> None:
    heard = Heard()
    heard.take(encode(Figures("one", (Flow(new("a").queue, new().site, 0, 4, 0.0),))), 10.0)

    assert heard.lags(10.0, CLOCK) == []
    assert [(depth.in_flight, depth.lag_seconds) for depth in heard.depths(10.0, CLOCK)] == [(4, 0.0)]
