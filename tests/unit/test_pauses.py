from __future__ import annotations

from snqd.items import Item, ItemId, QueueName, SiteName
from snqd.stores.pauses import LOOK_SECONDS, NO_PAUSES, Pause, PauseLook, Pauses
from snqd.stores.records import QueueFacts
from tests.support.stores import lane

MAIL, OTHER, A, B = QueueName("mail"), QueueName("other"), SiteName("a"), SiteName("b")


def item(queue: QueueName, site: SiteName) -> Item:
    return Item(ItemId(1), 1, site, queue, "json", b"", 0, 0, 0.0, 0.0, 0)


def test_what_a_store_knows_is_asked_for_again_when_it_is_old() -> None:
    look = PauseLook(again_seconds=0.25)
    assert look.is_due(0.0)
    look.saw([], 10.0)
    assert not look.is_due(10.0 + LOOK_SECONDS - 0.01)
    assert look.is_due(10.0 + LOOK_SECONDS)
    assert look.known is NO_PAUSES

    look.saw([Pause(MAIL, None)], 20.0)
    assert not look.is_due(20.2)
    assert look.is_due(20.25)
    assert look.known.queues == {MAIL}
    before = look.known
    look.saw([Pause(MAIL, None)], 20.0)
    assert look.known is before, "nothing has changed"

    look.forget()
    assert look.is_due(20.0)


def test_lanes_are_the_very_same_while_no_queue_is_paused() -> None:
    lanes = [lane("mail", "other"), lane("mail")]

    assert NO_PAUSES.open_lanes(lanes) is lanes
    assert Pauses([Pause(None, A), Pause(MAIL, B)]).open_lanes(lanes) is lanes
    assert Pauses([Pause(MAIL, None)]).open_lanes(lanes) == [lane("other")]


def test_items_are_the_very_same_while_no_site_is_paused() -> None:
    items = [item(MAIL, A), item(OTHER, B)]

    kept, aside = Pauses([Pause(MAIL, None)]).part(items)
    assert kept is items
    assert aside == []
    assert Pauses([Pause(None, A)]).part(items) == ([items[1]], [items[0]])
    assert Pauses([Pause(OTHER, A), Pause(OTHER, B)]).part(items) == ([items[0]], [items[1]])


def test_what_a_pause_covers() -> None:
    pauses = Pauses([Pause(MAIL, None), Pause(None, A), Pause(OTHER, B)])

    covered = {(queue, site) for queue in (MAIL, OTHER, "third") for site in (A, B, "c") if pauses.covers(queue, site)}

    assert covered == {(MAIL, A), (MAIL, B), (MAIL, "c"), (OTHER, A), (OTHER, B), ("third", A)}
    assert not pauses.covers_site(MAIL, "c")
    assert pauses.sites_of(OTHER) == [A, B]
    assert pauses.sites_of("third") == [A]
    assert pauses
    assert not NO_PAUSES


def test_counts_tell_what_is_paused_apart() -> None:
    counted = QueueFacts(MAIL, A, ready=5, scheduled=1, claimed=2, dead=3, lag_seconds=9.0)

    assert NO_PAUSES.judged(counted) is counted
    assert Pauses([Pause(None, A)]).judged(counted) == counted._replace(ready=0, lag_seconds=0.0, paused=5)
