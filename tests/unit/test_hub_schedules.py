"""Schedules as facts: from what the store says, and from what nobody keeps although it is declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snqd.config.catalogue import Declared
from snqd.config.schema import Config, ScheduleConfig
from snqd.config.site_image import publish
from snqd.hub.prober import Seen
from snqd.hub.schedules import ScheduleBook
from snqd.stores.probe import ScheduleState

if TYPE_CHECKING:
    from pathlib import Path

NOON = 1_800_000_000.0
HOURLY = "0 * * * * UTC"


def state(name: str = "n", *, behind: float, now: float = NOON, **changes: object) -> ScheduleState:
    given: dict[str, object] = {"queue": "q", "definition": HOURLY, "declared_by": "main@x", "sites": 1, "site": "a"}
    return ScheduleState(name=name, last_due=now - behind, now=now, **(given | changes))  # type: ignore[arg-type]


def seen(*states: ScheduleState, at: float = NOON) -> Seen:
    return Seen(schedules=states, schedules_at=at)


def site(problem: str = "", queues: tuple[str, ...] | None = None) -> Declared:
    return Declared("toml", "here", problem=problem, queues=queues)


def book(folder: Path, sites: dict[str, Declared], **schedules: ScheduleConfig) -> ScheduleBook:
    publish(folder / "sites", sites)
    return ScheduleBook(Config(schedule=schedules), folder / "sites")


def test_nothing_is_said_before_the_store_was_asked(tmp_path: Path) -> None:
    kept = book(tmp_path, {"a": site()}, n=ScheduleConfig(queue="q", cron="@hourly"))

    assert kept.facts(Seen(), NOON) == []


def test_how_late_one_is_goes_by_the_clock_of_the_store(tmp_path: Path) -> None:
    kept = book(tmp_path, {})

    late, early = kept.facts(seen(state("late", behind=7000.0, now=NOON - 50), state("early", behind=0.0)), NOON + 900)

    assert (late.name, late.due, late.overdue_seconds) == ("late", NOON - 3600, 3550.0)
    assert (early.due, early.overdue_seconds) == (NOON + 3600, 0.0)


def test_of_a_name_the_one_that_is_furthest_behind_is_told(tmp_path: Path) -> None:
    states = state(behind=5000.0, site="a"), state(behind=9000.0, site="b", sites=3), state(behind=0.0, site="c")

    (fact,) = book(tmp_path, {}).facts(seen(*states), NOON)

    assert (fact.site, fact.sites, fact.declared_by, fact.problem) == ("b", 3, "main@x", "")


def test_one_with_a_zone_that_is_not_known_here_is_left_out(tmp_path: Path) -> None:
    assert book(tmp_path, {}).facts(seen(state(behind=9000.0, definition="@daily Mars/Olympus")), NOON) == []


def test_what_is_declared_and_kept_nowhere_becomes_overdue_with_its_reason(tmp_path: Path) -> None:
    hourly = {
        "every": ScheduleConfig(queue="q", cron="@hourly", site="*"),
        "lost": ScheduleConfig(queue="q", cron="@hourly", site="nowhere"),
        "bad": ScheduleConfig(queue="q", cron="@hourly", site="b"),
        "lacks": ScheduleConfig(queue="q", cron="@hourly", site="c"),
        "none": ScheduleConfig(queue="other", cron="@hourly", site="*"),
        "off": ScheduleConfig(queue="q", cron="@hourly", site="nowhere", enabled=False),
    }
    sites = {"a": site(queues=("q",)), "b": site(problem="no name"), "c": site(queues=("r",))}
    kept = book(tmp_path, sites, **hourly)

    assert {fact.overdue_seconds for fact in kept.facts(seen(), NOON)} == {0.0}
    late = {fact.name: fact for fact in kept.facts(seen(at=NOON + 3700), NOON + 3700)}

    assert {name: fact.problem for name, fact in late.items()} == {
        "every": "no daemon has begun to keep it",
        "lost": "there is no site 'nowhere'",
        "bad": "site b is set aside (no name)",
        "lacks": "site c does not have queue q",
    }
    assert {fact.overdue_seconds for fact in late.values()} == {100.0}

    publish(tmp_path / "sites", sites | {"nowhere": site()})
    again = kept.facts(seen(state("every", behind=0.0), at=NOON + 3701), NOON + 3701)
    assert {fact.name: fact.problem for fact in again if fact.name in ("every", "lost")} == {
        "every": "",
        "lost": "no daemon has begun to keep it",
    }
