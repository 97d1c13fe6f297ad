"""The decisions about turns: where a claim begins, how much it takes of each flow, and when a flow is alone."""

from __future__ import annotations

from collections import Counter

import pytest

from snqd.items import Item, ItemId, QueueName, SiteName, lines_of
from snqd.stores.turns import AGED_CLAIM, Alone, Flow, Part, Turn, Turns, in_turns
from tests.support.stores import lane


def item(number: int, site: str = "a", *, queue: str = "mail", priority: int = 0) -> Item:
    return Item(ItemId(number), 1, SiteName(site), QueueName(queue), "json", b"", 0, 0, 0.0, 0.0, priority)


def batch(*sites: str, priority: int = 0) -> list[Item]:
    return [item(number, site, priority=priority) for number, site in enumerate(sites)]


def nothing_aged(_lane: object, _priority: int) -> None:
    return None


def test_claims_that_get_all_there_is_are_in_plain_order() -> None:
    turns = Turns()
    for found in (batch(), batch("a", "b", "a")):
        turns.claimed(lane(limit=4), None, lines_of(found))

        assert turns.next(lane(limit=4), nothing_aged) is None


def test_after_a_full_claim_there_are_turns_and_who_had_most_comes_last() -> None:
    turns = Turns()
    turns.claimed(lane(limit=4), None, lines_of(batch("b", "b", "b", "a")))

    how = turns.next(lane(limit=4), nothing_aged)

    assert how == Turn(0, Flow("mail", "b"), 1)
    assert turns.next(lane("other", limit=4), nothing_aged) is None


def test_a_flow_that_nobody_waits_beside_is_alone_until_somebody_does() -> None:
    turns = Turns()
    alone = Alone(0, Flow("mail", "a"))
    turns.claimed(lane(limit=2), None, lines_of(batch("a", "a")), has_others=False)
    assert turns.next(lane(limit=2), nothing_aged) == alone
    turns.claimed(lane(limit=2), alone, lines_of(batch("a", "a")), has_others=False)
    assert turns.next(lane(limit=2), nothing_aged) == alone

    turns.claimed(lane(limit=2), alone, lines_of(batch("a", "a")), has_others=True)

    assert isinstance(turns.next(lane(limit=2), nothing_aged), Turn)


def test_a_claim_in_turns_that_found_one_flow_ends_them() -> None:
    turns = Turns()
    turns.claimed(lane(limit=4), None, lines_of(batch("a", "b", "b", "b")))
    how = turns.next(lane(limit=4), nothing_aged)
    turns.claimed(lane(limit=4), how, lines_of(batch("a", "a", "a", "a")))

    assert turns.next(lane(limit=4), nothing_aged) == Alone(0, Flow("mail", "a"))


def test_one_item_at_a_time_shows_one_flow_and_proves_nothing() -> None:
    turns = Turns()
    turns.claimed(lane(limit=1), None, lines_of(batch("a")))
    for site in "aba":
        how = turns.next(lane(limit=1), nothing_aged)
        assert isinstance(how, Turn)
        turns.claimed(lane(limit=1), how, lines_of(batch(site)))

        assert turns.next(lane(limit=1), nothing_aged) == Turn(0, Flow("mail", site), 1)


def test_the_quota_halves_while_not_all_had_their_turn_and_becomes_the_share_when_they_had() -> None:
    turns = Turns()
    turns.claimed(lane(limit=100), None, lines_of(batch(*"a" * 100)))
    quotas = []
    for found in (
        "b" * 13 + "c" * 13 + "d" * 13 + "e" * 13 + "f" * 13 + "g" * 13 + "h" * 13 + "i" * 9,
        "a" * 95 + "bcdef",
    ):
        how = turns.next(lane(limit=100), nothing_aged)
        assert isinstance(how, Turn)
        quotas.append(how.quota)
        turns.claimed(lane(limit=100), how, lines_of(batch(*found)))
    how = turns.next(lane(limit=100), nothing_aged)
    assert isinstance(how, Turn)

    assert [*quotas, how.quota] == [13, 6, 95]
    assert how.after == Flow("mail", "a")


@pytest.mark.parametrize(("after", "last"), [("c", "d"), ("b", "b"), ("a", "a"), ("z", "a"), ("", "a")])
def test_the_last_flow_is_the_one_before_the_beginning_downwards_and_around(after: str, last: str) -> None:
    turn = Turn(0, Flow("mail", after), 1)

    assert turn.last([Flow("mail", site) for site in "abd"]) == Flow("mail", last)


def test_a_turn_begins_within_a_queue_and_ends_there() -> None:
    queues = [QueueName(name) for name in ("b", "d", "a", "c")]

    assert Turn(0, Flow("c", "s"), 1).parts(queues) == [
        Part("c", below="s"), Part("b"), Part("a"), Part("d"), Part("c", lowest="s"),
    ]  # fmt: skip
    assert Turn(0, Flow("", ""), 1).parts(queues) == [Part("d"), Part("c"), Part("b"), Part("a")]


@pytest.mark.parametrize(("quota", "limit"), [(1, 1), (1, 2), (4, 256), (255, 256), (3, 1000), (256, 256)])
def test_the_passes_cover_a_whole_claim_without_gaps(quota: int, limit: int) -> None:
    passes = Turn(0, Flow("mail", "a"), quota).passes(limit)

    assert [skipped for skipped, _quota in passes] == [sum(q for _s, q in passes[:n]) for n in range(len(passes))]
    assert sum(taken for _skipped, taken in passes) >= limit


def test_the_order_of_handling_is_by_priority_then_item_by_item() -> None:
    found = [*batch("a", "a", "a", "b", "b"), item(9, "c", priority=-1)]
    found.sort(key=lambda each: each.priority)

    assert [each.site for each in in_turns(found)] == ["c", "a", "b", "a", "b", "a"]


def test_one_full_claim_in_eight_is_for_what_has_aged() -> None:
    turns = Turns()
    asked: list[int] = []

    def five(_lane: object, priority: int) -> int:
        asked.append(priority)
        return 5

    aged = []
    for number in range(4 * AGED_CLAIM):
        how = turns.next(lane(limit=2), five)
        is_aged = isinstance(how, Turn) and how.is_aged
        if is_aged:
            aged.append(number)
        turns.claimed(lane(limit=2), how, lines_of(batch("a", "a", priority=5 if is_aged else 0)), has_others=False)

    assert Counter(asked) == {0: len(aged)}
    assert aged == [AGED_CLAIM - 1, 2 * AGED_CLAIM - 1, 3 * AGED_CLAIM - 1, 4 * AGED_CLAIM - 1]
    assert turns.next(lane(limit=2), nothing_aged) == Alone(0, Flow("mail", "a"))


def test_the_flows_that_a_claim_found_on_its_way_around_are_known_in_the_order_of_the_next_turn() -> None:
    turns, wish = Turns(), lane(limit=12)
    turns.claimed(wish, None, lines_of(batch(*"b" * 12)))
    how = turns.next(wish, nothing_aged)
    assert isinstance(how, Turn)
    turns.claimed(wish, how, lines_of(batch(*"aabbccdddddd")))
    how = turns.next(wish, nothing_aged)
    assert isinstance(how, Turn)
    assert how.after == Flow("mail", "d")

    assert turns.known(wish, how) == tuple(Flow("mail", site) for site in "cbad")
    assert turns.known(wish, how._replace(is_aged=True)) == ()

    turns.claimed(wish, how, lines_of(batch(*"aaabbbcccddd")), has_looked=False)
    assert len(turns.known(wish, how)) == 4
    turns.claimed(wish, how._replace(quota=3), lines_of(batch(*"aaabbbcccee")), has_looked=True)
    assert turns.known(wish, how) == (), "that claim was not full: nothing is left"


def test_what_is_known_at_one_priority_is_not_known_at_another() -> None:
    turns, wish = Turns(), lane(limit=4)
    turns.claimed(wish, None, lines_of(batch(*"bbbb")))
    how = turns.next(wish, nothing_aged)
    assert isinstance(how, Turn)
    turns.claimed(wish, how, lines_of(batch(*"aabb")))
    assert turns.known(wish, how)

    turns.claimed(wish, turns.next(wish, nothing_aged), lines_of(batch(*"aabb", priority=3)))

    assert turns.known(wish, how) == ()


def test_a_flow_stays_alone_when_nobody_looked() -> None:
    turns, alone = Turns(), Alone(0, Flow("mail", "a"))
    turns.claimed(lane(limit=2), None, lines_of(batch("a", "a")), has_others=False)

    turns.claimed(lane(limit=2), alone, lines_of(batch("a", "a")))
    assert turns.next(lane(limit=2), nothing_aged) == alone

    turns.claimed(lane(limit=2), alone, lines_of(batch("a", "a", priority=1)))
    assert isinstance(turns.next(lane(limit=2), nothing_aged), Turn)
