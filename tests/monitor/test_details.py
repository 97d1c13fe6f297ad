"""What stands in the details."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from snqd.errors import SnqdError
from snqd.telemetry.why import Cause
from snqmon.model.cells import Grade
from snqmon.model.course import STEPS, Span
from snqmon.model.dead import read_letters
from snqmon.model.details import detail_of
from snqmon.model.thresholds import Thresholds
from snqmon.model.world import World
from tests.support.views import (
    NOON,
    alarm,
    busy,
    canary,
    connection,
    depth,
    event,
    flow,
    limit,
    memory,
    queue,
    schedule,
    store,
    worker,
)
from tests.support.worlds import ToldFeed, world_of

if TYPE_CHECKING:
    from snqmon.model.columns import Key
    from snqmon.model.details import Detail

KEY = ("main@host", "mail")


def opened(world: World, table: str, key: Key) -> Detail:
    row = world.find(table, key)
    assert row is not None
    return detail_of(world, row)


def text_of(detail: Detail) -> dict[str, dict[str, str]]:
    return {each.title: {line.label: line.cell.text for line in each.lines} for each in detail.sections}


def test_a_queue() -> None:
    world = world_of(
        queue(drain_seconds=250.0, in_per_second=12.1), flow(handled=40, failed=2), canary(sent=3, returned=2),
        depth(ready=1204, lag_seconds=38.0, is_estimate=True, dead=7), busy(1, item=88123, seconds=0.8),
        event("ItemFailed", 1, queue="mail", error="boom"), event("ItemFailed", 2, queue="push", error="boom"),
    )  # fmt: skip
    detail = opened(world, "queues", KEY)
    found = text_of(detail)

    assert detail.title == "queue mail"
    assert detail.grade is Grade.ACT
    assert found["Now"]["depth"] == "~1,204"
    assert found["Now"]["drain"] == "4m10s"
    assert found["Last minute"]["in/s"] == "12.1"
    assert found["Since boot"]["handled"] == "40"
    assert found["Canary"]["returned"] == "2 of 3"
    assert found["Runs now"] == {"main.1": "#88123 a.example for 0.8s"}
    assert list(found["Lately"].values()) == ["ItemFailed!"]
    assert detail.why is not None
    assert detail.summary == detail.why.sentence
    assert detail.why.command
    assert detail.table is not None
    assert [row.site for row in detail.table.rows(world)] == ["a.example"]
    for chart in detail.charts:
        for figure, _label in chart.figures:
            for span in Span:
                assert len(chart.read(figure, span)) == STEPS
        assert chart.words(None) == chart.words(float("nan")) == "–"


def test_a_queue_that_is_paused_says_by_whom() -> None:
    detail = opened(world_of(queue(paused="by ann: repair"), depth(paused=3)), "queues", KEY)

    assert text_of(detail)["Now"]["paused"] == "by ann: repair"
    assert text_of(detail)["Now"]["held by it"] == "3"
    assert detail.why is not None
    assert detail.why.cause is Cause.PAUSED


def test_a_queue_tells_its_limits_and_which_of_them_is_reached() -> None:
    limits = [limit("mail", in_flight=5, rate=2.0), limit("mail", "*", in_flight=1), limit("mail", "b.example")]
    others = [limit("push", in_flight=9), limit(site="a.example", rate=0.1)]
    world = world_of(
        queue(held_back="queue mail is at its limit of 5 items in flight"), depth(ready=3), *limits, *others
    )
    detail = opened(world, "queues", KEY)
    section = next(each for each in detail.sections if each.title == "Limits")

    assert [(line.label, line.cell.text, line.cell.grade) for line in section.lines] == [
        ("held back", "queue mail is at its limit of 5 items in flight", Grade.LOOK),
        ("all sites", "5 in flight and 2.0/s", Grade.GOOD),
        ("each site", "1 in flight", Grade.GOOD),
        ("b.example", "none", Grade.DIM),
    ]
    assert "Limits" not in text_of(opened(world_of(queue(), depth()), "queues", KEY))


def test_a_site_tells_the_limits_that_hold_for_it() -> None:
    each, own = limit("mail", "*", in_flight=1), limit("mail", "b.example", in_flight=3)
    whole = [limit(site="a.example", rate=0.1), limit("mail", in_flight=50), limit("push", "c.example", rate=9.0)]
    world = world_of(queue(), depth(), depth(site="b.example"), own, each, *whole)

    def of(site: str) -> dict[str, str]:
        return text_of(opened(world, "sites", ("main@host", site)))["Limits"]

    assert of("a.example") == {"all queues": "6.0/min", "mail": "1 in flight"}
    assert of("b.example") == {"mail": "3 in flight"}


def test_of_many_limits_the_broadest_are_told_and_the_others_counted() -> None:
    many = [limit("mail", f"{number}.example", in_flight=1) for number in range(9)]
    world = world_of(queue(), depth(), *many, limit("mail", rate=7.0))
    lines = text_of(opened(world, "queues", KEY))["Limits"]

    assert list(lines) == ["all sites", *(f"{number}.example" for number in range(5)), ""]
    assert lines[""] == "and 4 more"


def test_a_queue_tells_its_schedules_those_first_that_are_behind() -> None:
    told = [
        schedule("later", due=NOON + 250),
        schedule("soon", due=NOON + 38, sites=12),
        schedule("broken", due=NOON - 90, overdue_seconds=90.0, problem="no handler is registered for queue mail"),
        schedule("late", due=NOON - 70, overdue_seconds=70.0),
        schedule("over", due=0.0),
        schedule("elsewhere", queue="push", due=NOON - 999, overdue_seconds=999.0),
    ]
    detail = opened(world_of(queue(), depth(), *told), "queues", KEY)
    section = next(each for each in detail.sections if each.title == "Schedules")

    assert [(line.label, line.cell.text, line.cell.grade) for line in section.lines] == [
        ("broken", "due since 1m30s at a.example: no handler is registered for queue mail", Grade.ACT),
        ("late", "due since 1m10s at a.example", Grade.LOOK),
        ("soon", "due in 38s at 12 sites", Grade.GOOD),
        ("later", "due in 4m10s at a.example", Grade.GOOD),
        ("over", "never due at a.example", Grade.LOOK),
    ]


def test_a_site_says_what_it_takes() -> None:
    feed = ToldFeed()
    world = World(feed, Thresholds())
    for second in range(12):
        feed.tell(
            queue(), flow(site="loud", handled=second * 3, run_seconds=second * 0.9), depth(site="quiet", ready=5),
            flow(site="quiet", handled=second, run_seconds=second * 0.1), busy(1, site="loud"),
        )  # fmt: skip
        world.observe()
        feed.pass_time(1.0)
    loud = opened(world, "sites", ("main@host", "loud"))
    quiet = opened(world, "sites", ("main@host", "quiet"))

    shares = text_of(loud)["Share of all"]
    assert (shares["running time"], shares["items"], shares["workers now"]) == ("90%", "75%", "1")
    assert loud.grade is Grade.ACT
    assert loud.why is None
    assert loud.summary.startswith("takes 90% of the running time")
    assert quiet.why is not None
    assert quiet.table is not None
    assert [row.queue for row in quiet.table.rows(world)] == ["mail"]
    assert "site loud takes 90% of the running time while items of other sites wait" in [
        trouble.sentence for trouble in world.glance().troubles
    ]


def test_a_site_and_a_worker_say_how_their_connections_are() -> None:
    here = connection("a@a.example", site="a.example", ping_seconds=0.002, unacknowledged=2, sent=1500)
    away = connection(
        "b@a.example", site="a.example", ping_seconds=-1.0, state="backing off", since=NOON - 250, problem="refused"
    )
    other = connection("c@c.example", site="c.example", worker="main.2")
    world = world_of(queue(), depth(), worker(1), worker(2), here, away, other)
    site = opened(world, "sites", ("main@host", "a.example"))
    section = next(each for each in site.sections if each.title == "Connections")

    assert [(line.label, line.cell.text, line.cell.grade) for line in section.lines] == [
        ("b@a.example", "xmpp backing off for 4m10s: refused, 0 unacknowledged, 0 sent", Grade.ACT),
        ("a@a.example", "xmpp connected for 1h00m, ping 2.0ms, 2 unacknowledged, 1,500 sent", Grade.GOOD),
    ]
    assert list(text_of(opened(world, "workers", ("main@host", "main.1")))["Connections"]) == [
        "b@a.example", "a@a.example"
    ]  # fmt: skip
    assert list(text_of(opened(world, "workers", ("main@host", "main.2")))["Connections"]) == ["c@c.example"]


@pytest.mark.parametrize(("state", "place"), [("connected", -1), ("backing off", 0)])
def test_connections_stand_first_while_one_is_away_and_else_below_what_is_in_columns(state: str, place: int) -> None:
    world = world_of(queue(), depth(), worker(1), connection("a@a.example", site="a.example", state=state))

    for kind, key in (("sites", ("main@host", "a.example")), ("workers", ("main@host", "main.1"))):
        titles = [section.title for section in opened(world, kind, key).sections]
        assert titles[place] == "Connections"


def test_of_many_connections_those_that_are_gone_are_told_and_the_others_counted() -> None:
    there = [connection(f"{number:02}@a.example", site="a.example") for number in range(12)]
    gone = connection("z@a.example", site="a.example", state="backing off")
    lines = text_of(opened(world_of(queue(), depth(), *there, gone), "sites", ("main@host", "a.example")))[
        "Connections"
    ]

    assert next(iter(lines)) == "z@a.example"
    assert lines[""] == "and 5 more"


def test_a_worker_with_its_memory_and_the_last_words_of_the_one_before() -> None:
    world = world_of(
        busy(1, rss_bytes=60 << 20, memory_limit_bytes=64 << 20, exit_reason="killed by signal 9", exit_at=NOON - 250),
        memory(1, grown_bytes=30 << 20, items=10, limit_in_seconds=120.0),
        event("WorkerExited", 1, worker="main.1", pid=99, reason="killed by signal 9", expected=False,
              lived_seconds=200.0, rss_bytes=61 << 20, items=(7, 8), queue="mail", site="a.example"),
        event("ItemSlow", 2, seconds_ago=1.0, worker="main.1", stack="File x, line 3"),
    )  # fmt: skip
    detail = opened(world, "workers", ("main@host", "main.1"))
    found = text_of(detail)

    assert detail.summary == "handling mail #7 a.example for 2.0s"
    assert found["Now"]["last exit"] == "4m10s ago: killed by signal 9"
    assert found["Memory"] == {"resident": "60M", "soft limit": "64M", "of the limit": "94%", "limit": "in 2m00s"}
    assert found["Memory by handler"] == {"mail": "+30M over 10 items, +3.0M an item"}
    life = [line.cell for line in next(each for each in detail.sections if each.title == "Life").lines]
    assert life[1].text == (
        "pid 99: killed by signal 9 after 3m20s, with 61M, while running #7, #8 of mail (a.example)"
    )
    assert life[1].grade is Grade.ACT
    assert detail.texts[0][1] == "File x, line 3"
    assert [jump.row for jump in detail.jumps] == [("queues", KEY), ("sites", ("main@host", "a.example"))]
    assert detail.charts[0].limit == 64 << 20


def test_a_daemon() -> None:
    world = world_of(worker(1), store(pin_pid=42, pin_age_seconds=90.0, pin_query="SELECT 1"), queue())
    found = text_of(opened(world, "daemons", ("main@host",)))

    assert found["Daemon"]["workers"] == "1/2"
    assert found["Store"]["pinned by"] == "process 42 for 1m30s: SELECT 1"
    assert found["Heard here"]["received"] == "1"


def test_an_event_has_all_of_its_fields_and_its_traceback() -> None:
    world = world_of(
        queue(), event("ItemFailed", 1, queue="mail", site="a", item=7, error="x\x1b[2J", traceback="Traceback …")
    )
    (row,) = world.events()
    detail = opened(world, "events", row.key)

    assert text_of(detail)["Fields"]["item"] == "7"
    assert "\x1b" not in text_of(detail)["Fields"]["error"]
    assert detail.texts == (("traceback", "Traceback …"),)
    assert ("queues", KEY) in [jump.row for jump in detail.jumps]


def test_an_alarm_leads_to_what_it_is_about() -> None:
    world = world_of(
        queue(), worker(1), depth(ready=5), alarm("lag"), alarm("fatal", "main.1"), alarm("store", "sqlite")
    )

    lag = opened(world, "alarms", ("main@host", "lag", "mail"))
    assert [jump.row for jump in lag.jumps] == [("queues", KEY)]
    assert lag.why is not None
    fatal = opened(world, "alarms", ("main@host", "fatal", "main.1"))
    assert [jump.row for jump in fatal.jumps] == [("workers", ("main@host", "main.1"))]
    assert opened(world, "alarms", ("main@host", "store", "sqlite")).jumps == ()


def test_cleared_alarms_are_shown_for_a_minute() -> None:
    world = world_of(alarm("lag", is_raised=False, since=NOON - 59), alarm("canary", is_raised=False, since=NOON - 61))

    assert [(row.name, row.is_raised) for row in world.alarms()] == [("lag", False)]


LETTER = {"id": 7, "queue": "mail", "site": "a", "reason": "attempts", "error": "boom\nat x", "traceback": "Traceback",
          "died": NOON - 60, "attempts": 3, "crash_attempts": 1, "history": [{"at": 1.5, "error": "boom"}]}  # fmt: skip


def test_a_dead_letter() -> None:
    (row,) = read_letters({"letters": [LETTER], "count": 1, "is_estimate": False}, daemon="main@host", now=NOON)
    detail = detail_of(world_of(queue()), row)

    assert detail.summary == "boom at x"
    assert text_of(detail)["Item"]["attempts"] == "3"
    assert text_of(detail)["Attempts"] == {"1": "at 1.5, error boom"}
    assert detail.texts == (("error", "boom\nat x"), ("traceback", "Traceback"))


@pytest.mark.parametrize(
    ("answer", "said"),
    [({"ok": False, "error": "no store"}, "main@host refused: no store"),
     ({"letters": [{"id": "x"}]}, "main@host answered in another form than this version knows")],
)  # fmt: skip
def test_answers_that_are_no_letters(answer: dict[str, object], said: str) -> None:
    with pytest.raises(SnqdError, match=said):
        read_letters(answer, daemon="main@host", now=NOON)


def test_what_is_not_there_any_more_is_not_found() -> None:
    world = world_of(queue())

    assert world.find("queues", ("main@host", "gone")) is None
    assert world.find("workers", ("other@host", "main.1")) is None
    assert world.find("events", ("main@host", "1", "1")) is None


def test_why_is_looked_up_anew_once_a_second() -> None:
    feed = ToldFeed()
    world = World(feed, Thresholds())
    feed.tell(queue(paused="by ann"), depth(ready=1))
    world.observe()
    first = world.why(*KEY)
    feed.tell(queue(), depth(ready=0))
    world.observe()
    assert world.why(*KEY) is first

    feed.pass_time(1.0)
    world.observe()

    assert world.why(*KEY).cause is Cause.NOTHING_WAITS
