"""How a broker is made to wait: the ladder of RabbitMQ's waiting queues."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from snqd.stores.stomp.destinations import part_text
from snqd.stores.stomp.flavours import ACTIVEMQ, PLAIN, RABBITMQ, SHORTEST_WAIT_SECONDS, flavour_of, wait_step

waits = st.floats(min_value=SHORTEST_WAIT_SECONDS, max_value=86400.0 * 400)


@given(waits)
def test_a_wait_climbs_down_the_ladder_and_is_never_too_long(seconds: float) -> None:
    left, hops = seconds, 0
    while left >= SHORTEST_WAIT_SECONDS:
        step = wait_step(left)
        assert SHORTEST_WAIT_SECONDS <= step <= left
        left -= step
        hops += 1

    days = seconds // (2**20 * SHORTEST_WAIT_SECONDS)
    assert hops <= 21 + days


def test_there_are_few_waiting_queues_whatever_the_waits() -> None:
    steps = {wait_step(seconds / 10) for seconds in range(3, 1_000_000, 7)}

    assert len(steps) <= 21


def test_each_broker_waits_in_its_own_way() -> None:
    assert RABBITMQ.waiting("/queue/x.main", 60.0) == (
        "/queue/x.main-wait-32000",
        {"x-message-ttl": "32000", "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "x.main"},
        32.0,
    )
    assert ACTIVEMQ.waiting("/queue/x.main", 60.0) == ("/queue/x.main", {"AMQ_SCHEDULED_DELAY": "60000"}, 60.0)
    assert PLAIN.waiting("/queue/x.main", 60.0) == ("/queue/x.main", {}, 60.0)
    servers = ("RabbitMQ/3.10.8", "ActiveMQ/5.17.2", "apache-activemq-artemis/2.28")
    assert [flavour_of(server) for server in servers] == [RABBITMQ, ACTIVEMQ, PLAIN]


@given(st.text(min_size=1), st.text(min_size=1))
def test_names_that_differ_have_destinations_that_differ(one: str, other: str) -> None:
    try:
        texts = [part_text(name) for name in (one, other)]
    except UnicodeEncodeError:  # no name has lone surrogates
        return
    assert (texts[0] == texts[1]) == (one == other)
    assert all(text.isascii() and "." not in text and "/" not in text for text in texts)
