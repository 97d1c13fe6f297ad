"""The decisions about limits and weights: what is taken of each flow, in which order, and when to look again."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snqd.items import Item, ItemId, QueueName, SiteName
from snqd.stores.limits import NO_LIMITS, Limit, Limits, SiteLimits
from snqd.stores.shares import LOCKED_SECONDS, LOOK_FLOWS, LOOK_ITEMS, Share, Shares, Used, Waiting
from snqd.stores.turns import AGED_CLAIM, AGEING_SECONDS
from tests.support.stores import lane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snqd.stores.limits import Target
    from snqd.stores.outcomes import Lane

PLENTY = LOOK_ITEMS


def waiting(*sites: str, items: int = PLENTY, queue: str = "mail", priority: int = 0) -> list[Waiting]:
    return [Waiting(queue, priority, site, items) for site in sites]


def decide(
    shares: Shares,
    found: Sequence[Waiting],
    *,
    limit: int = 100,
    in_flight: dict[Target, int] | None = None,
    buckets: dict[Target, float] | None = None,
    is_locked: bool = True,
) -> Share:
    queues = sorted({each.queue for each in found} | {"mail"})
    return shares.decide(lane(*queues, limit=limit), found, Used(in_flight or {}, buckets or {}), is_locked=is_locked)


def taken(share: Share) -> dict[str, int]:
    return {take.site: take.items for take in share.takes}


def with_limits(limits: Limits) -> Shares:
    shares = Shares()
    shares.limits = limits
    return shares


# ---- limits


def test_of_several_limits_the_tightest_holds() -> None:
    limits = Limits({"mail": Limit(10)}, {"mail": Limit(4)}, Limit(3), {"b": SiteLimits(in_flight=0)})

    share = decide(with_limits(limits), waiting("a", "b", "c"), in_flight={("news", "a"): 1, ("mail", "c"): 1})

    assert taken(share) == {"a": 2, "b": 4, "c": 2}


def test_a_queues_room_is_shared_by_its_sites() -> None:
    share = decide(with_limits(Limits({"mail": Limit(5)})), waiting("a", "b"), in_flight={("mail", "z"): 1})

    assert taken(share) == {"a": 2, "b": 2}
    assert share.again_seconds is None


def test_what_is_limited_is_left_alone_while_somebody_else_claims_it() -> None:
    shares = with_limits(Limits({"mail": Limit(5)}))
    found = waiting("a") + waiting("b", queue="news")

    share = decide(shares, found, is_locked=False)

    assert taken(share) == {"b": 100}
    assert share.again_seconds == LOCKED_SECONDS


def test_looks_that_find_no_room_become_rare() -> None:
    shares = with_limits(Limits(each_site={"mail": Limit(1)}))
    found = waiting(*(f"s{number:03}" for number in range(LOOK_FLOWS)))
    in_flight = {(each.queue, each.site): 1 for each in found}
    again = [decide(shares, found, in_flight=in_flight).again_seconds or 0.0 for _ in range(20)]
    locked = [decide(shares, found[:9], is_locked=False).again_seconds or 0.0 for _ in range(20)]

    assert all(before <= after for before, after in pairwise(again))
    assert again[0] < 0.02
    assert 1.0 < again[-1] < 2.0
    assert max(locked) < 0.05


def test_a_bucket_is_full_until_somebody_takes_of_it() -> None:
    shares = with_limits(Limits({"mail": Limit(rate=4.0)}))

    assert taken(decide(shares, waiting("a"))) == {"a": 4}
    share = decide(shares, waiting("a"), buckets={("mail", ""): 0.6})
    assert taken(share) == {"a": 1}
    assert share.again_seconds == pytest.approx(0.1, abs=1e-3)
    share = decide(shares, waiting("a"), buckets={("mail", ""): 1.5})
    assert taken(share) == {}
    assert share.again_seconds == pytest.approx(0.75, abs=1e-3)


def test_a_rate_below_one_a_second_gives_one_item_at_a_time() -> None:
    shares = with_limits(Limits({"mail": Limit(rate=0.1)}))

    assert taken(decide(shares, waiting("a"))) == {"a": 1}
    assert decide(shares, waiting("a"), buckets={("mail", ""): 9.0}).again_seconds == pytest.approx(9.0, abs=1e-3)


def test_a_bucket_that_is_not_used_up_asks_for_no_look() -> None:
    shares = with_limits(Limits({"mail": Limit(rate=50.0)}))

    assert decide(shares, waiting("a", items=3)).again_seconds is None


def test_what_was_taken_is_spent_from_every_bucket_that_it_counts_for() -> None:
    limits = Limits({"mail": Limit(rate=10.0)}, every_site=Limit(rate=2.0), sites={"b": SiteLimits(rate=0.0)})
    items = [
        Item(ItemId(number), 1, SiteName(site), QueueName("mail"), "json", b"", 0, 0, 0.0, 0.0, 0)
        for number, site in enumerate("aab")
    ]

    assert with_limits(limits).spent(items) == pytest.approx({("mail", ""): 0.3, ("", "a"): 1.0})


@given(
    st.integers(0, 6), st.integers(0, 6), st.integers(0, 6), st.integers(1, 30), st.booleans(),
    st.dictionaries(st.tuples(st.sampled_from("pq"), st.sampled_from("abc")), st.integers(1, 5)),
    st.lists(st.tuples(st.sampled_from("pq"), st.sampled_from("abc"), st.integers(1, 9)), max_size=8),
)  # fmt: skip
def test_no_limit_is_passed_whatever_waits_and_runs(
    queue: int, each: int, every: int, limit: int, has_own: bool, in_flight: dict[Target, int],
    found: list[tuple[str, str, int]],
) -> None:  # fmt: skip
    own = {"a": SiteLimits(in_flight=2, weight=3)} if has_own else {}
    limits = Limits({"p": Limit(queue)}, {"p": Limit(each)}, Limit(every), own)
    shares = with_limits(limits)
    rows = [Waiting(name, 0, site, items) for (name, site), items in {(q, s): n for q, s, n in found}.items()]

    share = decide(shares, rows, limit=limit, in_flight=in_flight)

    after = Counter(in_flight)
    for take in share.takes:
        after[take.queue, take.site] += take.items
    assert sum(take.items for take in share.takes) <= limit
    for name, site in {(take.queue, take.site) for take in share.takes}:
        for (of_queue, of_site), bound in limits.of(name, site):
            total = sum(n for (q, s), n in after.items() if of_queue in ("", q) and of_site in ("", s))
            assert total <= bound.in_flight


# ---- turns


def order(shares: Shares, found: Sequence[Waiting], claims: int, *, limit: int = 1) -> str:
    return "".join(site for _ in range(claims) for site in taken(decide(shares, found, limit=limit)))


def test_sites_take_turns_downwards_and_one_that_comes_gets_its_turn() -> None:
    shares = with_limits(Limits({"mail": Limit(1000)}))

    assert order(shares, waiting("a", "b", "c"), 4) == "cbac"
    assert order(shares, waiting("a", "bb", "c"), 3) == "bba" + "c"


def test_lanes_have_turns_of_their_own() -> None:
    shares = with_limits(Limits({"mail": Limit(1000), "zines": Limit(1000)}))
    zines = waiting("a", "b", "c", queue="zines")
    served = ""
    for _ in range(3):
        served += order(shares, waiting("a", "b", "c"), 1)
        shares.decide(lane("zines", limit=1), zines, Used({}, {}), is_locked=True)

    assert served == "cba"


def test_a_site_has_as_many_in_its_turn_as_it_has_weight_however_small_the_claims() -> None:
    limits = Limits(sites={"a": SiteLimits(weight=3)})

    assert order(with_limits(limits), waiting("a", "b"), 9) == "baaabaaab"
    assert taken(decide(with_limits(limits), waiting("a", "b"), limit=8)) == {"a": 6, "b": 2}


def test_a_turn_that_a_limit_cuts_short_is_over() -> None:
    limits = Limits(sites={"b": SiteLimits(in_flight=1, weight=3)})
    shares = with_limits(limits)

    assert taken(decide(shares, waiting("a", "b"), limit=1)) == {"b": 1}
    assert taken(decide(shares, waiting("a", "b"), limit=1, in_flight={("mail", "b"): 1})) == {"a": 1}
    assert taken(decide(shares, waiting("a", "b"), limit=1)) == {"b": 1}


def test_more_urgent_flows_come_first_and_what_has_aged_now_and_then() -> None:
    shares = with_limits(Limits({"mail": Limit(1000)}))
    old = [Waiting("mail", 5, "z", PLENTY, AGEING_SECONDS + 1)]
    young = [Waiting("mail", 5, "z", PLENTY, AGEING_SECONDS - 1)]

    assert order(shares, waiting("a") + old, 2 * AGED_CLAIM) == ("a" * (AGED_CLAIM - 1) + "z") * 2
    assert order(shares, waiting("a") + young, 2 * AGED_CLAIM) == "a" * 2 * AGED_CLAIM


def test_a_look_that_did_not_see_all_flows_is_followed_by_one_behind_it() -> None:
    shares = with_limits(Limits(each_site={"mail": Limit(1)}))
    names = [f"s{number:03}" for number in reversed(range(LOOK_FLOWS))]

    share = decide(shares, waiting(*names), in_flight={("mail", name): 1 for name in names})
    assert share.takes == []
    assert share.again_seconds is not None
    assert shares.below("mail") == names[-1]

    assert taken(decide(shares, waiting(*names), limit=2)) == {names[0]: 1, names[1]: 1}
    assert shares.below("mail") == names[1]


# ---- both parts of a lane


def parts(shares: Shares, *queues: str, limit: int = 4, plain: int = 9) -> list[tuple[str, ...]]:
    """Which queues are claimed how, in order; `plain`: how many items the queues without limits have."""
    seen: list[tuple[str, ...]] = []
    item = Item(ItemId(1), 1, SiteName("a"), QueueName("mail"), "json", b"", 0, 0, 0.0, 0.0, 0)

    def claim(word: str, items: int, wish: Lane) -> list[Item]:
        seen.append((word, *wish.queues, str(wish.limit)))
        return [item] * min(items, wish.limit)

    shares.claim(lane(*queues, limit=limit), lambda it: claim("plain", plain, it), lambda it: claim("shared", 1, it))
    return seen


def test_without_limits_nothing_is_parted() -> None:
    assert parts(with_limits(NO_LIMITS), "mail", "news") == [("plain", "mail", "news", "4")]


def test_queues_with_limits_and_those_without_take_turns_to_come_first() -> None:
    shares = with_limits(Limits({"mail": Limit(1)}))

    assert parts(shares, "mail", "news") == [("shared", "mail", "4"), ("plain", "news", "3")]
    assert parts(shares, "mail", "news") == [("plain", "news", "4")]
    assert parts(shares, "news") == [("plain", "news", "4")]


def test_weights_matter_only_while_claims_are_full() -> None:
    shares = with_limits(Limits(sites={"a": SiteLimits(weight=2)}))

    assert parts(shares, "mail", plain=3) == [("plain", "mail", "4")]
    assert parts(shares, "mail", plain=4) == [("plain", "mail", "4")]
    assert parts(shares, "mail") == [("shared", "mail", "4")]
    assert parts(shares, "mail") == [("plain", "mail", "4")]


def test_limits_that_say_nothing_are_none() -> None:
    assert not Limits({"mail": Limit()}, {"mail": Limit()}, Limit(), {"a": SiteLimits(in_flight=0)})
    assert Limits(sites={"a": SiteLimits(queues={"mail": (1, None)})}).concern("mail")
    assert not Limits(sites={"a": SiteLimits(queues={"mail": (1, None)})}).concern("news")


def test_people_are_told_what_holds_for_whom() -> None:
    limits = Limits(
        {"mail": Limit(9)}, {"mail": Limit(2)}, Limit(5), {"a": SiteLimits(rate=0.5, queues={"mail": (0, None)})}
    )

    assert dict(limits.all()) == {
        ("mail", ""): Limit(9), ("mail", "*"): Limit(2), ("", "*"): Limit(5), ("", "a"): Limit(5, 0.5),
        ("mail", "a"): Limit(),
    }  # fmt: skip
