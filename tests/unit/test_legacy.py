"""The pings of StatusNet 0.9 and GNU social: how they are read, and what facts become of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from snqd.telemetry import legacy
from snqd.telemetry.facts import AnyFact, CounterFact, DaemonFact, FlowFact, WorkerFact
from snqd.telemetry.legacy import Changed, Counted, LegacyFold, LegacySenders, parse
from snqd.telemetry.wire import Datagram, encode_fact, pack, unpack

if TYPE_CHECKING:
    from collections.abc import Iterable

F = TypeVar("F", bound=AnyFact)

HANDLED = (
    b"counter=handled&owners%5B0%5D=queue%3Adistrib&owners%5B1%5D=site%3Aexample.net&owners%5B2%5D=thread%3Ageneric.1"
)
POLL = b"thread_id=generic.1&state=poll&substate=&ts=1290512345.1234"


def of(kind: type[F], datagram: Datagram) -> list[F]:
    return [fact for fact in datagram.facts if isinstance(fact, kind)]


def counter(name: str, *owners: str) -> bytes:
    """As PHP's `http_build_query` writes it."""
    parts = [f"counter={quote_plus(name)}"]
    parts += [f"owners%5B{number}%5D={quote_plus(owner)}" for number, owner in enumerate(owners)]
    return "&".join(parts).encode()


def state(thread: str, word: str, ts: float = 0.0) -> bytes:
    return f"thread_id={quote_plus(thread)}&state={quote_plus(word)}&substate=&ts={ts or ''}".encode()


def folded(*bodies: bytes, now: float = 100.0) -> LegacyFold:
    fold = LegacyFold("192.0.2.7", now)
    for body in bodies:
        ping = parse(body)
        assert ping is not None, body
        fold.take(ping, now)
    return fold


def test_the_pings_of_the_original_are_read() -> None:
    assert parse(HANDLED) == Counted("handled", "distrib", "example.net", "generic.1")
    assert parse(POLL) == Changed("generic.1", "poll", "", 1290512345.1234)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"counter=enqueued", Counted("enqueued")),
        (b"counter=switch&owners%5B0%5D=thread%3Ax.1", Counted("switch", thread="x.1")),
        (b"counter=handled&owners[0]=queue:a&owners[]=site:b&owners=thread:c", Counted("handled", "a", "b", "c")),
        (b"counter=handled&owners%5B0%5D=queue%3Aa+b%26c%3Dd", Counted("handled", "a b&c=d")),
        (b"counter=handled&owners%5B0%5D=queue%3Aa%3Ab", Counted("handled", "a:b")),
        (b"counter=handled&owners%5B0%5D=queue%3Aa&owners%5B1%5D=queue%3Ab", Counted("handled", "a")),
        (b"counter=handled&owners%5B0%5D%5Bx%5D=queue%3Aa&owners%5Bx%5D=site%3Ab", Counted("handled")),
        (b"counter=handled&owners%5B0%5D=moon%3Aa&owners%5B1%5D=queue", Counted("handled")),
        (b"counter=%ff%zz%e2%82&owners%5B0%5D=queue%3A%1b%5B31m", Counted("\ufffd%zz\ufffd", "?[31m")),
        (b"thread_id=a&state=queue&substate=mail&ts=1290512345,1234", Changed("a", "queue", "mail", 1290512345.1234)),
        (b"thread_id=a&state=queue&ts=NaN", Changed("a", "queue")),
        (b"thread_id=a&state=queue&ts=-Infinity", Changed("a", "queue")),
        (b"thread_id=a&state=queue&ts=1e400", Changed("a", "queue")),
        (b"thread_id=a&state=queue&ts=-5", Changed("a", "queue")),
        (b"thread_id=a&state=queue&ts=" + b"9" * 5000, Changed("a", "queue")),
        (b"state=poll&thread_id=" + b"x" * 200, Changed("x" * legacy.NAME_LIMIT, "poll")),
    ],
)
def test_what_other_senders_may_write_is_read_too(body: bytes, expected: legacy.Ping) -> None:
    assert parse(body) == expected


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"&&&===",
        b"counter=",
        b"thread_id=a",
        b"state=poll",
        b"owners%5B0%5D=queue%3Aa",
        b"snqd\x01\x01\x00",
        HANDLED + b"&padding=" + b"a" * 1_000_000,
        HANDLED + b"&a" * 40,
        b"counter=handled&" + b"&".join(b"owners%%5B%d%%5D=queue%%3A%d" % (n, n) for n in range(5000)),
    ],
)
def test_what_is_no_ping_is_none(body: bytes) -> None:
    assert parse(body) is None


@given(st.lists(st.one_of(st.binary(max_size=80), st.sampled_from([HANDLED, POLL, POLL[:30], b"counter=x&"]))))
@example([b"\xff" * 100, b"counter=%F0%9F&owners%5B0%5D=thread%3A%00"])
def test_any_bytes_are_taken_and_what_is_told_can_be_sent_and_read(bodies: list[bytes]) -> None:
    senders = LegacySenders()
    senders.take(HANDLED, "::1", 1.0)

    for body in bodies:
        senders.take(body, "::1", 1.0)

    (datagram,) = senders.datagrams(2.0)
    for fact in datagram.facts:
        assert unpack(pack(datagram.header, [encode_fact(fact)], None), None) == Datagram(datagram.header, (fact,))


def test_a_counter_adds_to_the_flow_and_to_the_thread() -> None:
    error = counter("error", "queue:distrib", "site:example.net", "thread:generic.1")

    datagram = folded(HANDLED, HANDLED, error).datagram(100.0)

    (flow,) = of(FlowFact, datagram)
    assert (flow.queue, flow.site, flow.handled, flow.failed) == ("distrib", "example.net", 2, 1)
    (worker,) = of(WorkerFact, datagram)
    assert (worker.worker, worker.handled, worker.failed, worker.beat) == ("generic.1", 2, 1, 100.0)


def test_each_counter_of_theirs_has_its_field() -> None:
    names = ("handled", "error", "requeued", "deadletter", "baditem")

    datagram = folded(*(counter(name, "queue:q", "site:s") for name in names for _ in range(names.index(name) + 1)))

    (flow,) = of(FlowFact, datagram.datagram(100.0))
    assert (flow.handled, flow.failed, flow.retried, flow.dead_lettered, flow.bad_items) == (1, 2, 3, 4, 5)


def test_a_queue_or_a_site_that_is_not_named_is_empty_and_not_guessed() -> None:
    bodies = (counter("handled", "queue:q"), counter("handled", "site:s"), counter("handled"), counter("handled"))

    flows = of(FlowFact, folded(*bodies).datagram(100.0))

    assert {(flow.queue, flow.site): flow.handled for flow in flows} == {("q", ""): 1, ("", "s"): 1, ("", ""): 2}


def test_a_counter_of_another_name_is_kept_under_its_own_for_each_owner() -> None:
    bodies = (counter("enqueued", "queue:q", "site:s"), counter("xmpp_process", "thread:xmpp.1"), counter("reboot"))

    datagram = folded(*bodies, bodies[0]).datagram(100.0)

    assert {(each.counter, each.owner): each.count for each in of(CounterFact, datagram)} == {
        ("enqueued", "queue:q"): 2,
        ("enqueued", "site:s"): 2,
        ("xmpp_process", "thread:xmpp.1"): 1,
        ("reboot", ""): 1,
    }
    assert of(FlowFact, datagram) == []


@pytest.mark.parametrize(
    ("word", "phase", "slot"),
    [
        ("init", "starting", "running"),
        ("listening", "idle", "running"),
        ("sleep", "idle", "running"),
        ("idle", "idle", "running"),
        ("poll", "claiming", "running"),
        ("queue", "handling", "running"),
        ("shutdown", "stopped", "closed"),
        ("dreaming", "dreaming", "running"),
    ],
)
def test_states_are_told_in_our_words_where_there_is_one(word: str, phase: str, slot: str) -> None:
    (worker,) = of(WorkerFact, folded(state("generic.1", word)).datagram(100.0))

    assert (worker.phase, worker.state) == (phase, slot)


def test_a_state_that_was_overtaken_does_not_count_unless_the_clock_was_set_back() -> None:
    fold = folded(state("a", "idle", 1000.0), state("a", "poll", 999.9))
    assert of(WorkerFact, fold.datagram(100.0))[0].phase == "idle"
    assert fold.overtaken == 1

    fold.take(Changed("a", "poll", at=100.0), 101.0)

    assert of(WorkerFact, fold.datagram(101.0))[0].phase == "claiming"


def test_a_thread_that_begins_again_was_respawned() -> None:
    fold = folded(state("a", "init"), state("a", "idle"))
    fold.take(Changed("a", "init"), 130.0)

    (worker,) = of(WorkerFact, fold.datagram(130.0))

    assert (worker.respawns, worker.spawned) == (1, 130.0)


def test_a_thread_that_stopped_is_shown_for_a_minute_and_a_silent_one_for_ten() -> None:
    fold = folded(state("gone", "shutdown"), state("stuck", "queue"))

    def workers(now: float) -> list[str]:
        return sorted(fact.worker for fact in of(WorkerFact, fold.datagram(now)))

    assert workers(100.0) == ["gone", "stuck"]
    assert workers(161.0) == ["stuck"]
    assert workers(701.0) == []


def test_the_daemon_says_that_it_speaks_the_old_dialect_and_how_much_there_is() -> None:
    fold = folded(HANDLED, POLL)
    fold.reject(100.0)

    datagram = fold.datagram(100.0)

    (daemon,) = of(DaemonFact, datagram)
    assert (daemon.dialect, daemon.workers, daemon.flows, daemon.bad_datagrams) == ("legacy", 1, 1, 1)
    assert (datagram.header.daemon, datagram.header.host) == ("legacy", "192.0.2.7")


def test_between_whole_tellings_only_what_changed_is_told() -> None:
    fold = folded(HANDLED, counter("handled", "queue:other"))
    assert len(of(FlowFact, fold.datagram(100.0))) == 2

    fold.take(Counted("handled", "other"), 101.0)

    (flow,) = of(FlowFact, fold.datagram(101.0))
    assert (flow.queue, flow.handled) == ("other", 2)
    assert len(of(FlowFact, fold.datagram(105.0))) == 2
    assert len(of(FlowFact, fold.datagram(50.0))) == 2, "the clock was set back"


def flood(fold: LegacyFold, pings: Iterable[legacy.Ping]) -> None:
    for ping in pings:
        fold.take(ping, 100.0)


def test_names_are_bounded_and_what_has_no_room_is_counted() -> None:
    fold = folded()
    flood(fold, (Counted("handled", f"q{n}") for n in range(legacy.FLOW_LIMIT + 3)))
    flood(fold, (Counted(f"c{n}") for n in range(legacy.COUNTER_LIMIT + 4)))
    flood(fold, (Changed(f"t{n}", "idle") for n in range(legacy.THREAD_LIMIT + 5)))

    datagram = fold.datagram(100.0)

    flows = of(FlowFact, datagram)
    assert len(flows) == legacy.FLOW_LIMIT + 1
    assert sum(flow.handled for flow in flows) == legacy.FLOW_LIMIT + 3, "nothing that was handled is lost"
    assert next(flow.handled for flow in flows if not flow.queue) == 3
    assert len(of(CounterFact, datagram)) == legacy.COUNTER_LIMIT
    assert len(of(WorkerFact, datagram)) == legacy.THREAD_LIMIT
    assert fold.overflowed == 12


def test_a_new_thread_takes_the_place_of_one_that_was_silent_for_long() -> None:
    fold = folded()
    flood(fold, (Changed(f"t{n}", "idle") for n in range(legacy.THREAD_LIMIT)))

    fold.take(Changed("new", "init"), 100.0 + legacy.SILENCE_SECONDS)

    assert "new" in {fact.worker for fact in of(WorkerFact, fold.datagram(100.0 + legacy.SILENCE_SECONDS))}
    assert fold.overflowed == 0


def test_each_address_is_a_daemon_of_its_own_and_a_silent_one_is_not_told() -> None:
    senders = LegacySenders()
    senders.take(HANDLED, "192.0.2.7", 1.0)
    senders.take(HANDLED, "192.0.2.8", 1.0)

    assert {each.header.host for each in senders.datagrams(1.0)} == {"192.0.2.7", "192.0.2.8"}

    senders.take(POLL, "192.0.2.8", 2.0)
    (datagram,) = senders.datagrams(2.0)
    assert (datagram.header.host, datagram.header.sequence) == ("192.0.2.8", 2)
    assert senders.datagrams(3.0) == []


def test_addresses_are_bounded_and_noise_makes_none() -> None:
    senders = LegacySenders()

    assert not senders.take(b"noise", "192.0.2.1", 1.0)
    for number in range(legacy.SENDER_LIMIT + 2):
        assert senders.take(HANDLED, f"10.0.0.{number}", 1.0)

    assert len(senders.datagrams(1.0)) == legacy.SENDER_LIMIT
    assert senders.overflowed == 2
    senders.take(HANDLED, "192.0.2.9", 1.0 + legacy.SILENCE_SECONDS)
    assert "192.0.2.9" in senders.folds
    assert len(senders.folds) == legacy.SENDER_LIMIT
