"""How fast two workers empty a RabbitMQ queue of no-op items, beside a bare consumer with the same client library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.bare import stomp as bare
from bench.lab.contestant import Snqd, to_toml
from bench.lab.drain import COLUMNS, drain
from bench.lab.session import Session
from tests.support.brokers import running_broker

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.lab.session import Session as Sessions
    from tests.support.brokers import Broker

PURPOSE = "Drain, RabbitMQ by STOMP: 2 workers, no-op handlers, payloads of about 200 bytes, persistent messages"
PREFETCHES = (10, 200)


class SnqdOnBroker(Snqd):
    """A destination of its own for each repetition; nothing tells from outside when the last ack was."""

    pending_sql = None

    def __init__(self, session: Sessions, name: str, broker: Broker, settings: Mapping[str, Any]) -> None:
        self._broker = broker
        self._settings = settings
        self._address = broker.url()
        super().__init__(session, name, "stomp", settings)

    @property
    def url(self) -> str:
        return self._address

    def prepare(self, count: int = 0, seconds: float = 0.0) -> None:
        self._address = self._broker.url()
        self.config.write_text(
            to_toml(
                {
                    "daemon": {"threads": 2, "runtime_dir": str(self.home)},
                    "store": {"url": self.url, **self._settings.get("store", {})},
                    "handlers": {"modules": [self.app]},
                }
            )
        )
        self.record.unlink(missing_ok=True)
        self.call("load", count, seconds)


def main() -> None:
    with Session("drain_stomp", PURPOSE, reps=5) as session, running_broker("rabbitmq") as broker:
        items = 2_000 if session.quick else 20_000
        contestants = {
            prefetch: SnqdOnBroker(
                session, f"snqd, prefetch {prefetch}", broker, {"store": {"prefetch_items": prefetch}}
            )
            for prefetch in PREFETCHES
        }
        for turn in session.rounds():
            for prefetch, contestant in contestants.items():
                if session.wants(contestant.name):
                    drain(contestant, items)
                if session.wants(f"bare, prefetch {prefetch}"):
                    session.wait_for_quiet()
                    figures = bare.drain(broker.port, f"bare{turn}-{prefetch}", items, prefetch)
                    session.add(f"bare, prefetch {prefetch}", **figures)
        report(session)


def report(session: Session) -> None:
    session.title(
        note="bare = stompman's connection, each message acked as it comes, no receipt, 2 processes, no handler; snqd "
        "waits for the receipt of each batch of acks."
    )
    session.table(COLUMNS)
    for prefetch in PREFETCHES:
        ratio = session.ratio(f"snqd, prefetch {prefetch}", f"bare, prefetch {prefetch}", "rate")
        session.print(f"- snqd / bare at prefetch {prefetch}: {'not measured' if ratio is None else f'{ratio:.2f}'}")


if __name__ == "__main__":
    main()
