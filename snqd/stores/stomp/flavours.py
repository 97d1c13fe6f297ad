"""What brokers do differently, as data. Pure.

The broker says in its CONNECTED frame what it is. What this module does not know is treated by the letter of STOMP 1.2.
"""

from __future__ import annotations

from typing import NamedTuple

SHORTEST_WAIT_SECONDS = 0.25
_LONGEST_WAIT_STEPS = 20
"""The longest waiting queue has 2^20 quarters of a second: three days."""


class Flavour(NamedTuple):
    """One kind of broker."""

    name: str
    prefetch_header: str | None
    """Header of SUBSCRIBE that bounds how many messages are on their way or unacked."""
    is_atomic: bool
    """Whether a transaction of sends and acks happens as a whole, whatever dies."""
    hands_out_all: bool = False
    """Whether it hands out as much as the prefetch says. ActiveMQ stops at some hundreds that are not acked."""
    has_scheduler: bool = False
    """Whether it delays what says so in a header; if its operator lets it."""
    has_dead_lettering: bool = False
    """Whether a queue can be told to hand on what has waited long enough."""

    def subscribing(self, prefetch: int) -> dict[str, str]:
        """Headers of SUBSCRIBE."""
        return {self.prefetch_header: str(prefetch)} if self.prefetch_header else {}

    def waiting(self, destination: str, seconds: float) -> tuple[str, dict[str, str], float]:
        """Where to send what is to arrive in `destination` in `seconds`, with which headers, and how long it will wait
        there: less than `seconds` when it has to be sent again then, or when the broker does not delay anything.
        """
        if self.has_scheduler:
            return destination, {"AMQ_SCHEDULED_DELAY": str(int(seconds * 1000))}, seconds
        if self.has_dead_lettering:
            step = wait_step(seconds)
            milliseconds = str(int(step * 1000))
            headers = {
                "x-message-ttl": milliseconds,
                "x-dead-letter-exchange": "",
                "x-dead-letter-routing-key": destination.removeprefix("/queue/"),
            }
            return f"{destination}-wait-{milliseconds}", headers, step
        return destination, {}, seconds


def wait_step(seconds: float) -> float:
    """The longest step of the ladder that is not longer than `seconds`: a quarter of a second, doubled and doubled.

    RabbitMQ deletes what has waited too long from the front of a queue only, so that all messages of a queue must wait
    equally long: there is one queue for each step and destination, and a long wait climbs down the ladder.
    """
    step = SHORTEST_WAIT_SECONDS
    for _ in range(_LONGEST_WAIT_STEPS):
        if step * 2 > seconds:
            break
        step *= 2
    return step


RABBITMQ = Flavour("RabbitMQ", "prefetch-count", is_atomic=False, hands_out_all=True, has_dead_lettering=True)
ACTIVEMQ = Flavour("ActiveMQ", "activemq.prefetchSize", is_atomic=True, has_scheduler=True)
PLAIN = Flavour("STOMP", None, is_atomic=True)


def flavour_of(server: str) -> Flavour:
    """By the `server` header of CONNECTED."""
    name = server.partition("/")[0].lower()
    return {"rabbitmq": RABBITMQ, "activemq": ACTIVEMQ}.get(name, PLAIN)
