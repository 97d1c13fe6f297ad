"""What the STOMP store does with items, on real brokers: sending, waiting, failing, burying."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from snqd.config.schema import StoreConfig
from snqd.errors import BadItem, ConfigError, LeaseLost, StoreError, StoreUnavailable
from snqd.stores.outcomes import DeadLettered, DeadReason, Done, Released, Retried
from snqd.stores.records import ItemFilter
from snqd.stores.stomp.store import StompStore
from snqd.stores.stomp.transaction import enqueue
from tests.support.brokers import running_broker
from tests.support.stomp_peer import Peer
from tests.support.stores import claim, lane, new
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from snqd.items import Item
    from tests.support.brokers import Broker

    OpenStore = Callable[..., StompStore]

pytestmark = pytest.mark.stomp

SECONDS = 60.0
EVERYTHING = ItemFilter()


@pytest.fixture(params=["rabbitmq", "activemq"])
def broker(request: pytest.FixtureRequest) -> Broker:
    found: Broker = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def url(broker: Broker) -> str:
    return broker.url()


@pytest.fixture
def open_stomp() -> Iterator[OpenStore]:
    """Opens connected stores by address; closed at the end of the test."""
    opened: list[StompStore] = []

    def open_one(url: str, *, groups: dict[str, str] | None = None, **settings: object) -> StompStore:
        store = StompStore(StoreConfig(**{"url": url, **settings}), groups or {})  # type: ignore[arg-type]
        store.connect()
        opened.append(store)
        return store

    yield open_one
    for store in opened:
        store.close()


def take(store: StompStore, count: int = 1, *, queue: str = "mail") -> list[Item]:
    """Claim until that many are there."""
    found: list[Item] = []

    def look() -> bool:
        found.extend(store.exchange([], [lane(queue, limit=count - len(found))]).claimed)
        return len(found) == count

    eventually(look, within_seconds=SECONDS)
    return found


def take_one(store: StompStore, *, queue: str = "mail") -> Item:
    (item,) = take(store, queue=queue)
    return item


def test_a_retried_item_comes_back_after_its_delay_with_its_attempts(url: str, open_stomp: OpenStore) -> None:
    store = open_stomp(url)
    (number,) = store.enqueue([new(frame=b"x", site="s", priority=3, codec="raw")])
    item = take_one(store)
    began = time.time()

    assert store.exchange([Retried(item, 1.5, "no luck")], []).lost == []
    again = take_one(store)

    assert time.time() - began >= 1.4
    assert (again.id, again.attempts, again.crash_attempts) == (number, 1, 0)
    assert (again.frame, again.site, again.priority, again.codec) == (b"x", "s", 3, "raw")
    assert again.token > item.token
    assert store.exchange([Done(item)], []).lost == [item]
    assert store.exchange([Done(again)], []).lost == []


def test_a_delayed_item_does_not_come_before_its_time(url: str, open_stomp: OpenStore) -> None:
    store = open_stomp(url)
    due = time.time() + 1.2
    store.enqueue([new(frame=b"later", available_at=due), new(frame=b"now")])

    assert take_one(store).frame == b"now"
    assert take_one(store).frame == b"later"
    assert time.time() >= due


def test_a_delayed_item_does_not_come_before_its_time_from_a_broker_that_delays_nothing(open_stomp: OpenStore) -> None:
    """ActiveMQ without its scheduler; more items than are delivered at a time, and one that is due behind them."""
    with running_broker("activemq", has_scheduler=False) as broker:
        store = open_stomp(broker.url(), prefetch_items=3)
        due = time.time() + 4.0
        store.enqueue([new(frame=b"later", available_at=due) for _ in range(8)])
        store.enqueue([new(frame=b"now")])

        assert take_one(store).frame == b"now"
        assert time.time() < due, "it was not kept behind what waits"
        for _ in range(8):
            later = take_one(store)
            assert time.time() >= due
            assert later.frame == b"later"
            store.exchange([Done(later)], [])
        store.close()


def test_a_dead_letter_keeps_everything_and_can_be_replayed(url: str, open_stomp: OpenStore) -> None:
    store = open_stomp(url)
    store.enqueue([new(frame=b"\0frame", codec="raw", site="s", priority=4)])
    store.exchange([Retried(take_one(store), 0.0, "first")], [])
    item = take_one(store)
    store.exchange([DeadLettered(item, DeadReason.ATTEMPTS, "second", "Traceback: second")], [])

    (letter,) = store.find_dead(EVERYTHING)

    assert (letter.id, letter.site, letter.queue, letter.state) == (item.id, "s", "mail", "dead")
    assert (letter.frame, letter.codec, letter.priority) == (b"\0frame", "raw", 4)
    assert (letter.reason, letter.last_error, letter.traceback) == ("attempts", "second", "Traceback: second")
    assert (letter.attempts, letter.crash_attempts) == (2, 0)
    assert [(entry.attempt, entry.error) for entry in letter.history] == [(1, "first"), (2, "second")]
    assert letter.died is not None
    assert abs(letter.died - time.time()) < 60.0
    assert store.replay(EVERYTHING) == 1
    again = take_one(store)
    assert (again.id, again.attempts, again.frame) == (item.id, 0, b"\0frame")
    assert list(store.find_dead(EVERYTHING)) == []


@pytest.mark.parametrize(
    "text",
    ["", "nul \0 inside", "umlaut ü, emoji 🦣, colon: \\ and\r\nline", "lone surrogate \udc80 here", ":\n" * 20_000],
    ids=["empty", "nul", "unicode", "surrogate", "huge"],
)
def test_error_texts_of_any_kind_are_kept_as_far_as_they_go(url: str, open_stomp: OpenStore, text: str) -> None:
    store = open_stomp(url)
    store.enqueue([new()])
    store.exchange([Retried(take_one(store), 0.0, "B" + text, text + "E")], [])
    store.exchange([DeadLettered(take_one(store), DeadReason.ATTEMPTS, "B" + text, text + "E")], [])

    (letter,) = store.find_dead(EVERYTHING)

    kept = "B" + text.partition("\0")[0].partition("\udc80")[0].replace("\r", "")[:400]
    assert letter.last_error is not None
    assert letter.last_error.startswith(kept)
    assert [entry.error.replace("\r", "")[:100] for entry in letter.history] == [letter.last_error[:100]] * 2
    assert letter.traceback is not None
    assert letter.traceback.endswith("E")


def test_more_dead_letters_than_a_broker_hands_out_at_once_are_looked_through(url: str, open_stomp: OpenStore) -> None:
    store = open_stomp(url, prefetch_items=200)
    store.enqueue_many([new("a" if number % 2 else "b", b"%d" % number) for number in range(900)])
    for queue in ("a", "b"):
        left = 450
        while left:
            items = take(store, min(left, 150), queue=queue)
            store.exchange([DeadLettered(item, DeadReason.ATTEMPTS, "x") for item in items], [])
            left -= len(items)

    assert len(list(store.find_dead(EVERYTHING))) == 900
    assert store.discard_dead(ItemFilter(queue="a")) == 450
    assert {letter.queue for letter in store.find_dead(EVERYTHING)} == {"b"}
    assert store.discard_dead(ItemFilter(limit=3)) == 3
    assert len(list(store.find_dead(EVERYTHING))) == 447


def test_one_send_of_another_program_is_an_item(broker: Broker, url: str, open_stomp: OpenStore) -> None:
    store = open_stomp(url)
    name = url.rpartition("/")[2]
    with Peer(broker) as peer:
        peer.send(f"/queue/{name}.main", b'{"account": 7}', persistent="true", snqd_queue="mail", snqd_site="a.example")
        peer.send(f"/queue/{name}.main.mail", b"soon", snqd_queue="mail", snqd_codec="text", snqd_delay="1")

    first, second = take(store, 2)

    assert (first.queue, first.site, first.codec, first.frame) == ("mail", "a.example", "json", b'{"account": 7}')
    assert (second.site, second.codec, second.frame) == ("default", "text", b"soon")
    assert 0 < first.id != second.id
    assert second.available_at == pytest.approx(second.created + 1.0)
    assert time.time() >= second.available_at
    store.exchange([Retried(first, 0.0, "x")], [])
    assert take_one(store).id == first.id


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({}, "has no header snqd-queue"),
        ({"snqd_queue": " "}, "queue name"),
        ({"snqd_queue": "mail", "snqd_attempts": "many"}, "snqd-attempts: 'many', which is no number"),
        ({"snqd_queue": "mail", "snqd_at": "nan"}, "snqd-at: 'nan'"),
    ],
)
def test_a_message_that_is_no_item_is_a_dead_letter(
    broker: Broker, url: str, open_stomp: OpenStore, headers: dict[str, str], why: str
) -> None:
    store = open_stomp(url)
    store.serve([new().queue])
    with Peer(broker) as peer:
        peer.send(f"/queue/{url.rpartition('/')[2]}.main", b"what is this", **headers)

    (letter,) = eventually(lambda: list(store.find_dead(EVERYTHING)), within_seconds=SECONDS)

    assert (letter.queue, letter.reason, letter.frame) == ("unreadable", "bad_item", b"what is this")
    assert why in (letter.last_error or "")


def test_an_item_of_a_queue_without_a_handler_waits_for_one(url: str, open_stomp: OpenStore) -> None:
    without, writer = open_stomp(url), open_stomp(url)
    writer.enqueue([new("later", b"1"), new("mail", b"2")])

    assert take_one(without).frame == b"2", "it is not held up"
    assert eventually(lambda: without.unhandled_queues([new().queue]), within_seconds=SECONDS) == ["later"]
    assert without.unhandled_queues([new("later").queue]) == []

    assert take_one(open_stomp(url), queue="later").frame == b"1"


def test_queues_of_other_groups_and_breakouts_have_destinations_of_their_own(
    broker: Broker, url: str, open_stomp: OpenStore
) -> None:
    name = url.rpartition("/")[2]
    store = open_stomp(url, groups={"xmppout": "xmpp"}, breakouts=("main/mail", "main/sms/a.example", "other/odd.é"))
    paths = {
        "xmpp": new("xmppout"),
        "main.mail": new("mail"),
        "main.sms.a.example": new("sms", site="a.example"),
        "main": new("sms"),
        "other.odd~2e~c3~a9": new("odd.é"),
    }
    for path, item in paths.items():
        store.enqueue([item])
        with Peer(broker) as peer:
            peer.subscribe(f"/queue/{name}.{path}")
            headers, _body = peer.read("MESSAGE")
        assert headers["snqd-queue"].encode() == item.queue.encode()

    store.enqueue(list(paths.values()))
    for item in paths.values():
        assert take_one(store, queue=item.queue).site in ("default", "a.example")


def test_a_transaction_sends_and_acks_or_neither(url: str, open_stomp: OpenStore) -> None:
    store = open_stomp(url)
    store.enqueue([new(frame=b"1")])
    item = take_one(store)

    def handle() -> None:
        with store.transaction(item) as work:
            enqueue(work, [new("out", b"never")])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        handle()
    with store.transaction(item) as work:
        enqueue(work, [new("out", b"once")])

    assert take_one(store, queue="out").frame == b"once"
    assert store.exchange([Done(item)], []).lost == [item]
    with pytest.raises(LeaseLost, match="no longer ours"), store.transaction(item):
        pass
    store.close()
    assert claim(open_stomp(url), "mail", "out") == []


def test_a_transaction_that_fails_half_way_is_aborted(url: str, open_stomp: OpenStore) -> None:
    """The first item is on its way when the second one turns out to be none that can be written."""
    store = open_stomp(url)
    store.enqueue([new(frame=b"kept")])
    item = take_one(store)

    def commit() -> None:
        with store.transaction(item) as work:
            enqueue(work, [new("out", b"never"), new("out", codec="no text: \udc80")])

    with pytest.raises(UnicodeEncodeError):
        commit()
    store.exchange([Retried(item, 0.0, "it failed")], [])

    assert take_one(store).attempts == 1
    store.enqueue([new("out", b"after")])
    assert take_one(store, queue="out").frame == b"after"


def test_a_released_item_is_delivered_again_with_no_attempt_used(url: str, open_stomp: OpenStore) -> None:
    store = open_stomp(url)
    store.enqueue([new(frame=b"1")])
    store.exchange([Released(take_one(store), 0.5, "unknown site 'x'")], [])

    item = take_one(store)

    assert (item.frame, item.attempts) == (b"1", 0)
    store.exchange([DeadLettered(item, DeadReason.BAD_ITEM, "late")], [])
    (letter,) = store.find_dead(EVERYTHING)
    assert [entry.error for entry in letter.history] == ["late"]


def test_what_a_broker_cannot_keep_is_refused_in_one_line(rabbitmq: Broker, open_stomp: OpenStore) -> None:
    store = open_stomp(rabbitmq.url())

    with pytest.raises(BadItem, match="unique key, which a STOMP broker does not keep"):
        store.enqueue([new(unique_key="k")])
    with pytest.raises(StoreError, match="a pause cannot be kept in a STOMP broker"):
        store.pause(new().queue, None, author="me")
    for ask in (store.counts, lambda: store.find(EVERYTHING), lambda: store.retry_now(EVERYTHING)):
        with pytest.raises(StoreError, match="does not show the items that wait"):
            ask()
    assert store.pauses() == []
    assert store.probe().has_item(store.enqueue([new()])[0])  # type: ignore[arg-type]


def test_a_probe_reckons_lag_and_depth_from_what_workers_were_handed(url: str, open_stomp: OpenStore) -> None:
    probe = open_stomp(url).probe()
    assert (probe.lags(), probe.depths()) == ([], [])
    worker = open_stomp(url, prefetch_items=4)
    long_ago = time.time() - 1000.0
    worker.enqueue([new(site="s", available_at=long_ago) for _ in range(6)])
    item = take_one(worker)

    (depth,) = eventually(lambda: [each for each in probe.depths() if each.ready == 3], within_seconds=SECONDS)
    ((queue, lag),) = probe.lags()

    assert (queue, depth.site, depth.in_flight, depth.is_estimate) == ("mail", "s", 1, True)
    assert 1000.0 <= min(lag, depth.lag_seconds) <= max(lag, depth.lag_seconds) < 2000.0
    assert probe.health().round_trip_seconds > 0.0
    worker.exchange([Done(each) for each in [item, *take(worker, 3)]], [])
    worker.exchange([Done(each) for each in take(worker, 2)], [])
    eventually(lambda: not probe.depths(), within_seconds=SECONDS)
    probe.close()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("stomp://:61613", "is no broker"),
        ("stomp://host:99999", "port 99999 does not exist"),
        ("stomp://host/a b", "its name 'a b'"),
        ("stomp://host/x?vhosts=a", "no option 'vhosts'"),
        ("stomp://u:secret@host,b ad:1x/x", "is no broker"),
    ],
)
def test_an_address_that_is_none_is_told_in_one_line(url: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as caught:
        StompStore(StoreConfig(url=url), {})

    assert "secret" not in str(caught.value)
    assert "use stomp://" in str(caught.value)


def test_a_breakout_that_is_none_is_told() -> None:
    with pytest.raises(ConfigError, match=r"store\.breakouts has 'mail': write group/queue"):
        StompStore(StoreConfig(url="stomp://host", breakouts=("mail",)), {})


def test_nobody_there_and_nobody_let_in_are_told_apart(rabbitmq: Broker) -> None:
    with pytest.raises(StoreUnavailable, match=r"cannot connect to the STOMP broker 127\.0\.0\.1:1: "):
        StompStore(StoreConfig(url="stomp://127.0.0.1:1"), {}).connect()
    url = rabbitmq.url().replace("guest:guest", "guest:wrong")
    with pytest.raises(StoreError, match="does not let user 'guest' into '/'") as caught:
        StompStore(StoreConfig(url=url), {}).connect()
    assert not isinstance(caught.value, StoreUnavailable)
