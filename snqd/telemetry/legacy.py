"""The monitor pings of StatusNet 0.9 and GNU social: read, added up, and told as the facts that everything else tells.

A ping is a form (`application/x-www-form-urlencoded`), one for each event. Either one thing was counted, for a queue, a
site and a thread, as far as it has to do with them::

    counter=handled&owners%5B0%5D=queue%3Adistrib&owners%5B1%5D=site%3Aexample.net&owners%5B2%5D=thread%3Ageneric.1

or a thread (a worker process) does something else now::

    thread_id=generic.1&state=poll&substate=&ts=1290512345.1234

There is neither a number nor a host in it, so daemons are told apart by the address that a ping came from, and how many
pings were lost is not known. Nor is anything that they do not say: depth, lag, times, memory and process ids are 0, and
`DaemonFact.dialect` says that this is no measurement. Their counters begin when the first ping is heard.

| their counter | our field of a flow | |
|---|---|---|
| `handled` | `handled` | discarded ones too |
| `error` | `failed` | the handler failed, database queues |
| `requeued` | `retried` | the handler failed, STOMP queues |
| `deadletter` | `dead_lettered` | |
| `baditem` | `bad_items` | dropped there, so not in `dead_lettered` |
| any other | none | a `CounterFact` for each owner |

| their state | our phase |
|---|---|
| init | starting |
| listening, sleep, idle | idle |
| poll | claiming |
| queue | handling |
| shutdown | stopped |
| any other | its own word |

Pure: nothing here opens a socket or reads a clock, and no ping, whatever its bytes, raises or takes unbounded memory.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote_plus

from snqd.telemetry.facts import CounterFact, DaemonFact, FlowFact, WorkerFact
from snqd.telemetry.wire import Datagram, Header

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from snqd.telemetry.facts import AnyFact

BODY_LIMIT: Final = 8192
"""Bytes of the longest ping: real ones have 100 to 300."""
FIELD_LIMIT: Final = 32
NAME_LIMIT: Final = 128
"""Characters of a name; what is longer is cut."""
THREAD_LIMIT: Final = 500
FLOW_LIMIT: Final = 5_000
COUNTER_LIMIT: Final = 1_000
SENDER_LIMIT: Final = 16
"""With the limits above, all senders together stay below half of what a `Fleet` keeps: pings can be forged, and must
not take the room of daemons that cannot.
"""
SILENCE_SECONDS: Final = 600.0
"""A thread that was silent for this long is gone: their loop turns at least once a minute. A sender that was silent for
this long makes room for a new one."""
STOPPED_SECONDS: Final = 60.0
"""A thread that said shutdown is shown for this long."""
WHOLE_SECONDS: Final = 2.0
"""How often everything is told again, if anything is: what is not repeated counts as gone."""
REORDERED_SECONDS: Final = 60.0
"""A state that is older than the last one by less than this was overtaken; by more, a clock was set back."""

NAME: Final = "legacy"
"""The daemon's name in what is told: pings have none."""

_REMEMBERED_BYTES: Final = 200
_OWNERS = re.compile(r"owners(\[[0-9]{0,4}\])?")
_FIELDS: Final = {
    "handled": "handled",
    "error": "failed",
    "requeued": "retried",
    "deadletter": "dead_lettered",
    "baditem": "bad_items",
}
_PHASES: Final = {
    "init": "starting",
    "listening": "idle",
    "sleep": "idle",
    "idle": "idle",
    "poll": "claiming",
    "queue": "handling",
    "shutdown": "stopped",
}
_STOPPED: Final = "stopped"


class Counted(NamedTuple):
    """One more of `counter`. Owners that the ping does not name are empty."""

    counter: str
    queue: str = ""
    site: str = ""
    thread: str = ""


class Changed(NamedTuple):
    """A thread's new state. `at`: epoch seconds by the sender's clock, 0 = not said."""

    thread: str
    state: str
    substate: str = ""
    at: float = 0.0


Ping = Counted | Changed


def parse(body: bytes) -> Ping | None:
    """What a ping says; None when it is none. Never raises."""
    if len(body) > BODY_LIMIT or body.count(b"&") >= FIELD_LIMIT:
        return None
    fields: dict[str, str] = {}
    owners: dict[str, str] = {}
    for part in body.split(b"&"):
        name, value = _decoded_before(part) if len(part) <= _REMEMBERED_BYTES else _decoded(part)
        if _OWNERS.fullmatch(name):
            kind, _, owner = value.partition(":")
            owners.setdefault(kind, _clean(owner))
        else:
            fields[name] = value
    counter, thread, state = (_clean(fields.get(name, "")) for name in ("counter", "thread_id", "state"))
    if counter:
        return Counted(counter, owners.get("queue", ""), owners.get("site", ""), owners.get("thread", ""))
    if thread and state:
        return Changed(thread, state, _clean(fields.get("substate", "")), _time(fields.get("ts", "")))
    return None


def _decoded(part: bytes) -> tuple[str, str]:
    name, _, value = part.decode("utf-8", "replace").partition("=")
    return unquote_plus(name), unquote_plus(value)


_decoded_before = lru_cache(maxsize=4096)(_decoded)
"""Pings repeat themselves, and taking them apart is most of what they cost."""


def _clean(text: str) -> str:
    """A name that may be shown on a terminal, and is not too long."""
    text = text[:NAME_LIMIT]
    return text if text.isprintable() else "".join(each if each.isprintable() else "?" for each in text)


def _time(text: str) -> float:
    """PHP writes a comma where the locale does."""
    try:
        at = float(text[:32].replace(",", "."))
    except ValueError:
        return 0.0
    return at if 0 < at < 1e11 else 0.0


class _Thread:
    """What is known of one thread. `beat` and `spawned` by our clock, `said_at` by its own."""

    __slots__ = ("beat", "counts", "phase", "queue", "respawns", "said_at", "spawned")

    def __init__(self) -> None:
        self.phase = ""
        self.queue = ""
        self.beat = self.spawned = self.said_at = 0.0
        self.respawns = 0
        self.counts = {"handled": 0, "failed": 0, "retried": 0, "dead_lettered": 0}

    def change(self, ping: Changed, now: float) -> bool:
        """Whether the state counts: not when a newer one overtook it."""
        if ping.at and 0 < self.said_at - ping.at < REORDERED_SECONDS:
            return False
        self.said_at = ping.at
        self.phase = _PHASES.get(ping.state, ping.state)
        self.queue = ping.substate
        if ping.state == "init":
            self.respawns += self.spawned > 0  # the same thread began anew
            self.spawned = now
        return True

    def fact(self, name: str) -> WorkerFact:
        state = "closed" if self.phase == _STOPPED else "running"
        return WorkerFact(
            worker=name, pid=0, state=state, phase=self.phase, spawned=self.spawned, beat=self.beat, item=0,
            queue=self.queue, site="", item_started=0.0, running=0, claimed=0, **self.counts, discarded=0, released=0,
            rss_bytes=0, memory_limit_bytes=0, cpu_seconds=0.0, respawns=self.respawns, exit_reason="", exit_at=0.0
        )  # fmt: skip


class LegacyFold:
    """Adds up the pings of one sender. Times are epoch seconds by the clock of whoever listens."""

    def __init__(self, address: str, now: float) -> None:
        self.address = address
        self.heard_at = self.began = now
        self.received = 0
        """Pings that were understood."""
        self.overtaken = 0
        """States that came after a newer one."""
        self.not_understood = 0
        self.overflowed = 0
        """Times that something was counted in a common place, or not at all, because there was no room for its name."""
        self._threads: dict[str, _Thread] = {}  # the one heard longest ago first
        self._flows: dict[tuple[str, str], dict[str, int]] = {}
        self._counters: dict[tuple[str, str], int] = {}
        self._changed: tuple[set[str], set[tuple[str, str]], set[tuple[str, str]]] = (set(), set(), set())
        self._sequence = 0
        self._whole_at = -math.inf

    def take(self, ping: Ping, now: float) -> None:
        self.received += 1
        self.heard_at = now
        if isinstance(ping, Changed):
            thread = self._thread(ping.thread, now)
            self.overtaken += thread is not None and not thread.change(ping, now)
        else:
            self._count(ping, now)

    def reject(self, now: float) -> None:
        """Something came from this address that is no ping."""
        self.not_understood += 1
        self.heard_at = now

    def datagram(self, now: float) -> Datagram:
        """What changed since the last one; every `WHOLE_SECONDS` everything. For `Fleet.apply`."""
        self._forget_stopped(now)
        is_whole = now - self._whole_at >= WHOLE_SECONDS or now < self._whole_at
        if is_whole:
            self._whole_at = now
        threads, flows, counters = self._changed
        facts: list[AnyFact] = [self._daemon_fact()]
        facts += self._worker_facts(self._threads if is_whole else threads)
        facts += self._flow_facts(self._flows if is_whole else flows)
        facts += self._counter_facts(self._counters if is_whole else counters)
        self._changed = (set(), set(), set())
        self._sequence += 1
        began = round(self.began * 1e6)
        header = Header(NAME, self.address, began, began, self._sequence, now)
        return Datagram(header, tuple(facts))

    def _count(self, ping: Counted, now: float) -> None:
        thread = self._thread(ping.thread, now) if ping.thread else None
        field = _FIELDS.get(ping.counter)
        if field is None:
            self._count_unknown(ping)
            return
        if thread is not None and field in thread.counts:
            thread.counts[field] += 1
        pair = (ping.queue, ping.site)
        if pair not in self._flows and len(self._flows) >= FLOW_LIMIT:
            self.overflowed += 1
            pair = ("", "")
        counts = self._flows.setdefault(pair, dict.fromkeys(_FIELDS.values(), 0))
        counts[field] += 1
        self._changed[1].add(pair)

    def _count_unknown(self, ping: Counted) -> None:
        named = (("queue", ping.queue), ("site", ping.site), ("thread", ping.thread))
        for owner in [f"{kind}:{name}" for kind, name in named if name] or [""]:
            key = (ping.counter, owner)
            if key not in self._counters and len(self._counters) >= COUNTER_LIMIT:
                self.overflowed += 1
                continue
            self._counters[key] = self._counters.get(key, 0) + 1
            self._changed[2].add(key)

    def _thread(self, name: str, now: float) -> _Thread | None:
        """The thread of that name, moved to the end of those that were heard; None when there is no room for it."""
        thread = self._threads.pop(name, None)
        if thread is None:
            if len(self._threads) >= THREAD_LIMIT and not _forget_silent(self._threads, now):
                self.overflowed += 1
                return None
            thread = _Thread()
        self._threads[name] = thread
        thread.beat = now
        self._changed[0].add(name)
        return thread

    def _forget_stopped(self, now: float) -> None:
        gone = [
            name
            for name, thread in self._threads.items()
            if now - thread.beat > (STOPPED_SECONDS if thread.phase == _STOPPED else SILENCE_SECONDS)
        ]
        for name in gone:
            del self._threads[name]

    def _daemon_fact(self) -> DaemonFact:
        return DaemonFact(
            version="", pid=0, started=self.began, config_hash="", store="", workers_wanted=0, hub_pid=0,
            hub_started=self.began, hub_cpu_seconds=0.0, hub_rss_bytes=0, probe_seconds=0.0,
            events_dropped=self.overflowed, datagrams_sent=0, bad_datagrams=self.not_understood,
            workers=len(self._threads), flows=len(self._flows), depths=0, queues=0, dialect=NAME
        )  # fmt: skip

    def _worker_facts(self, names: Iterable[str]) -> Iterator[WorkerFact]:
        return (self._threads[name].fact(name) for name in names if name in self._threads)

    def _flow_facts(self, pairs: Iterable[tuple[str, str]]) -> Iterator[FlowFact]:
        for queue, site in pairs:
            yield FlowFact(
                queue=queue, site=site, claimed=0, **self._flows[queue, site], released=0, discarded=0,
                leases_lost=0, reclaimed=0, run=(), run_seconds=0.0, wait=(), wait_seconds=0.0
            )  # fmt: skip

    def _counter_facts(self, keys: Iterable[tuple[str, str]]) -> Iterator[CounterFact]:
        return (CounterFact(*key, count=self._counters[key]) for key in keys)


class LegacySenders:
    """One fold for each address that pings come from."""

    def __init__(self) -> None:
        self.folds: dict[str, LegacyFold] = {}  # the one heard longest ago first
        self.overflowed = 0
        """Pings of senders for which there was no room."""
        self._heard: set[str] = set()

    def take(self, body: bytes, address: str, now: float) -> bool:
        """Whether `body` is a ping. `address`: the sender's, without the port: each of its processes has its own."""
        ping = parse(body)
        fold = self.folds.pop(address, None)
        if fold is None:
            if ping is None:  # whoever never said a right word is no daemon
                return False
            if len(self.folds) >= SENDER_LIMIT and not _forget_silent(self.folds, now):
                self.overflowed += 1
                return True
            fold = LegacyFold(address, now)
        self.folds[address] = fold
        self._heard.add(address)
        if ping is None:
            fold.reject(now)
            return False
        fold.take(ping, now)
        return True

    def datagrams(self, now: float) -> list[Datagram]:
        """One for each sender that was heard since the last call: who is silent looks silent. Call once a second."""
        heard, self._heard = self._heard, set()
        return [self.folds[address].datagram(now) for address in heard if address in self.folds]


def _forget_silent(heard: dict[str, _Thread] | dict[str, LegacyFold], now: float) -> bool:
    """Make room: drop the one that was heard longest ago, if that is long enough."""
    oldest = next(iter(heard))
    last = heard[oldest]
    at = last.beat if isinstance(last, _Thread) else last.heard_at
    if now - at < SILENCE_SECONDS:
        return False
    del heard[oldest]
    return True
