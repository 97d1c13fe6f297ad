"""XMPP: from the queue to a client on the other side of a real Prosody, with acknowledgements and a durable store.

Server, client, daemon and this program share the machine's processors.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import threading
import time
from typing import TYPE_CHECKING

import snqd
from bench.lab.contestant import Snqd
from bench.lab.processes import memory
from bench.lab.session import Session, percentile
from snqd import xmpp
from tests.support.prosody import COMPONENT, HOST, OTHER_HOST, PASSWORD, SECRET, running_prosody
from tests.support.xmpp_client import XmppClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snqd.items import NewItem
    from tests.support.prosody import Prosody

PURPOSE = "XMPP: stanzas from the queue to a client, acknowledged by the server, SQLite"
JID, BOB = f"update@{HOST}", f"bob@{OTHER_HOST}"
COLUMNS = [("stanzas/s", "rate"), ("p50 ms", "p50"), ("p99 ms", "p99"), ("max ms", "worst"), ("grown MiB", "grown")]
PACE_SECONDS = 0.01
PATIENCE_SECONDS = 60.0
BATCH = 10_000
TEXT = (
    "a notice of usual length, as people wrote them when a hundred and forty characters were all that there was".ljust(
        140, "."
    )
)
_END = b"</message>"
_SENT = re.compile(rb"<body>(\d+) ")


class Bob(XmppClient):
    """Reads without parsing, so that it is not what is measured. `arrived`: when messages came, and their numbers."""

    def __init__(self, server: Prosody) -> None:
        self.count = 0
        self.arrived: list[tuple[int, int]] = []
        self.keeps = False
        super().__init__(server, BOB, PASSWORD)

    def _read(self) -> None:
        rest = b""
        with contextlib.suppress(OSError):
            while data := self._socket.recv(1 << 18):
                now = time.monotonic_ns()
                rest += data
                self.count += rest.count(_END)
                if self.keeps:
                    self.arrived += [(now, int(sent)) for sent in _SENT.findall(rest)]
                rest = rest[rest.rfind(_END) + len(_END) :] if _END in rest else rest

    def wait_for(self, count: int) -> None:
        known, until = -1, time.monotonic() + PATIENCE_SECONDS
        while self.count < count:
            if self.count != known:
                known, until = self.count, time.monotonic() + PATIENCE_SECONDS
            if time.monotonic() > until:
                raise SystemExit(f"only {self.count} of {count} stanzas came")
            time.sleep(0.002)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--stanzas", type=int, default=1_000_000, help="for the memory (default %(default)s); 0: none")
    with Session("xmpp", PURPOSE, parser) as session:
        for kind in ("client", "component"):
            name = f"snqd, {kind}"
            if session.wants(name):
                for _ in session.rounds():
                    session.wait_for_quiet()
                    measure(session, name, kind)
        report(session)


def measure(session: Session, name: str, kind: str) -> None:
    with running_prosody(start=False) as server:
        for jid in (JID, BOB):
            server.add_account(jid)
        server.start()
        daemon = make_daemon(session, name, kind, server)
        daemon.prepare()
        bob = Bob(server)
        rate = drain(daemon, bob, 3_000 if session.quick else 40_000)
        waited = latencies(daemon, bob, 200 if session.quick else 1_000)
        grown = memory_growth(session, daemon, bob)
        daemon.stop()
        bob.close()
        daemon.remove()
    p50, p99 = percentile(waited, 0.5), percentile(waited, 0.99)
    session.add(name, rate=rate, p50=p50, p99=p99, worst=max(waited), **({} if grown is None else {"grown": grown}))


def make_daemon(session: Session, name: str, kind: str, server: Prosody) -> Snqd:
    settings = {"enabled": True, "host": "127.0.0.1"}
    if kind == "client":
        settings |= {"jid": JID, "password": PASSWORD, "port": server.port, "ca_file": str(server.ca_file)}
    else:
        settings |= {"jid": COMPONENT, "password": SECRET, "component": True, "port": server.component_port}
    return Snqd(session, name, "sqlite", {"daemon": {"serve": ["xmpp"]}, "xmpp": settings})


def stanzas(count: int) -> Iterator[NewItem]:
    frame = xmpp.message(BOB, TEXT)
    return (snqd.new_item(xmpp.QUEUE_OUT, frame, codec=xmpp.CODEC) for _ in range(count))


def drain(daemon: Snqd, bob: Bob, count: int) -> float:
    """Stanzas a second, from the first to the last that arrives of a queue that was full before the daemon began."""
    with snqd.Client(daemon.url) as client:
        client.enqueue_many(stanzas(count))
    daemon.start()
    bob.wait_for(1)
    began, first = time.monotonic(), bob.count
    bob.wait_for(count)
    return (count - first) / (time.monotonic() - began)


def latencies(daemon: Snqd, bob: Bob, count: int) -> list[float]:
    """Milliseconds from the enqueue call to the client, one stanza every 10 ms."""
    bob.keeps = True
    known = bob.count
    with snqd.Client(daemon.url) as client:
        client.enqueue("nothing", None, delay_seconds=3600)  # opens the store
        begun = time.monotonic()
        for number in range(count):
            time.sleep(max(0.0, begun + number * PACE_SECONDS - time.monotonic()))
            xmpp.send_message(client, BOB, f"{time.monotonic_ns()} {TEXT}")
    bob.wait_for(known + count)
    bob.keeps = False
    return [(came - sent) / 1e6 for came, sent in bob.arrived]


def memory_growth(session: Session, daemon: Snqd, bob: Bob) -> float | None:
    """MiB by which the worker with the connection grows over the stanzas, the first 50,000 apart."""
    total = 20_000 if session.quick else session.options.stanzas
    if session._round or not total:
        return None  # once is enough: it is long
    (worker,) = daemon.workers()
    warm = min(50_000, total // 4)
    pump(daemon, bob, warm)
    before = memory(worker).resident
    pump(daemon, bob, total - warm)
    return memory(worker).resident - before


def pump(daemon: Snqd, bob: Bob, count: int) -> None:
    """Send so many, with some thousands waiting at any time."""
    goal = bob.count + count

    def feed() -> None:
        with snqd.Client(daemon.url) as client:
            for at in range(0, count, BATCH):
                client.enqueue_many(stanzas(min(BATCH, count - at)))
                while goal - count + at - bob.count > BATCH:
                    time.sleep(0.05)

    feeder = threading.Thread(target=feed, daemon=True)  # it must not outlive a run that is broken off
    feeder.start()
    bob.wait_for(goal)
    feeder.join()


def report(session: Session) -> None:
    session.title(
        note="Rate: a full queue, from the first stanza that arrives to the last. Times: one stanza every 10 ms, from "
        "the enqueue call to the client. Memory: of the worker with the connection."
    )
    session.table(COLUMNS)
    for kind in ("client", "component"):
        name = f"snqd, {kind}"
        session.target(f"{kind}, stanzas/s", session.median(name, "rate"), "≥", 5_000.0)
        session.target(f"{kind}, p99", session.median(name, "p99"), "≤", 50.0, " ms")
        session.target(f"{kind}, growth", session.median(name, "grown"), "≤", 10.0, " MiB")


if __name__ == "__main__":
    main()
