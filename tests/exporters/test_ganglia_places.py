"""Which metrics are told when there are more than may be."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from snqd.exporters.ganglia.catalogue import split
from snqd.exporters.ganglia.places import Places

DAEMON = ["daemon.main.host.alarms", "daemon.main.host.workers.idle"]
FIGURES = ("depth", "lag_seconds", "handled")


def names(kind: str, *subjects: str) -> list[str]:
    return [f"{kind}.{subject}.{figure}" for subject in subjects for figure in FIGURES]


def subjects(chosen: list[str]) -> set[str]:
    return {split(name).subject for name in chosen}


def numbered(stem: str, count: int) -> list[str]:
    return [f"{stem}{number:02}" for number in range(count)]


def test_names_are_taken_apart() -> None:
    assert split("queue.mail.lag_seconds") == ("queue", "queue.mail", "lag_seconds")
    assert split("daemon.main.web1_example.workers.idle") == ("daemon", "daemon.main.web1_example", "workers.idle")


def test_everything_is_told_when_there_is_room() -> None:
    everything = DAEMON + names("queue", "mail", "feed") + names("site", "a")

    chosen = Places(len(everything)).choose(everything)

    assert (sorted(chosen.names), chosen.left_out) == (sorted(everything), 0)


def test_the_daemon_comes_first_and_the_others_get_half_each() -> None:
    everything = names("queue", *numbered("q", 50)) + names("site", *numbered("s", 50)) + DAEMON

    chosen = Places(2 + 12).choose(everything)

    assert chosen.names[:2] == DAEMON
    assert subjects(chosen.names[2:]) == {"queue.q00", "queue.q01", "site.s00", "site.s01"}
    assert chosen.left_out == len(everything) - len(chosen.names)


def test_what_the_ones_do_not_need_the_others_have() -> None:
    few_sites = names("queue", *numbered("q", 50)) + names("site", "a")
    few_queues = names("site", *numbered("s", 50)) + names("queue", "mail")

    assert subjects(Places(12).choose(few_sites).names) == {"site.a", "queue.q00", "queue.q01", "queue.q02"}
    assert subjects(Places(12).choose(few_queues).names) == {"queue.mail", "site.s00", "site.s01", "site.s02"}


def test_who_has_a_place_keeps_it_until_it_is_gone() -> None:
    places = Places(6)
    places.choose(names("queue", "m", "n"))

    assert subjects(places.choose(names("queue", "a", "m", "n")).names) == {"queue.m", "queue.n"}
    assert subjects(places.choose(names("queue", "a", "n")).names) == {"queue.a", "queue.n"}


SUBJECTS = st.lists(st.tuples(st.sampled_from(["queue", "site"]), st.text("abc", min_size=1)), max_size=40)


@given(st.integers(1, 60), st.lists(SUBJECTS, min_size=1, max_size=4))
def test_there_are_never_more_than_may_be_and_none_is_told_in_part(
    limit: int, looks: list[list[tuple[str, str]]]
) -> None:
    places = Places(limit)
    for look in looks:
        everything = list(dict.fromkeys(DAEMON + [name for kind, each in look for name in names(kind, each)]))
        chosen = places.choose(everything)

        assert len(chosen.names) <= limit
        assert len(set(chosen.names)) == len(chosen.names)
        assert len(chosen.names) + chosen.left_out == len(everything)
        told = [name for name in chosen.names if not name.startswith("daemon.")]
        assert len(told) == len(FIGURES) * len(subjects(told))
