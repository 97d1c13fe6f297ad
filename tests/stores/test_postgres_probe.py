"""The PostgreSQL store's probe: its floors among dead rows, its plans, and its connection."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from snqd.config.schema import StoreConfig
from snqd.errors import StoreUnavailable
from snqd.items import ItemId
from snqd.stores.estimate import EDGE_ROWS, Place
from snqd.stores.outcomes import Done, Released
from snqd.stores.postgres import floors
from snqd.stores.postgres import heads as heads_module
from snqd.stores.postgres import probe as subject
from snqd.stores.postgres.heads import Crowd, Floor, FullLooks, Head, Heads, LineName
from snqd.stores.postgres.probe import PostgresProbe, above
from snqd.stores.sql import queries
from tests.support.stopwatch import Stopwatch
from tests.support.stores import claim, lane, new
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snqd.stores.postgres.store import PostgresStore
    from tests.support.postgres import Cluster, Database

SQL = queries("postgres_probe")
LINE = LineName("mail", 0)
BEYOND = "\U0010ffff"


@pytest.fixture
def store(pg_database: Database) -> Iterator[PostgresStore]:
    store = pg_database.store()
    store.connect()
    yield store
    store.close()


@pytest.fixture
def probe(store: PostgresStore) -> Iterator[PostgresProbe]:
    probe = store.probe()
    yield probe
    probe.close()


def lag_of(probe: PostgresProbe, queue: str = "mail") -> float:
    return round(dict(probe.lags()).get(new(queue).queue, -10.0), -1)


# ---- floors: pure


def crowded() -> Crowd:
    crowd = Crowd()
    crowd.saw(floors.MANY_DEAD_ROWS)
    return crowd


def test_with_few_dead_rows_every_look_is_at_everything() -> None:
    crowd = Crowd()
    crowd.saw(floors.MANY_DEAD_ROWS - 1)
    looks = FullLooks(crowd)
    looks.made(10.0, 12.0)

    assert looks.is_due(12.0)


def test_among_many_dead_rows_a_look_at_everything_comes_as_often_as_it_may_cost() -> None:
    looks = FullLooks(crowded())
    assert looks.is_due(0.0)
    looks.made(10.0, 10.01)

    assert not looks.is_due(11.9)
    assert looks.is_due(10.01 + heads_module.FULL_LOOK_SHARE * 0.01 + 0.001)

    looks.made(20.0, 21.0)
    assert not looks.is_due(80.9)
    assert looks.is_due(81.1)


def test_a_floor_is_the_first_item_or_a_while_ago_when_it_is_young() -> None:
    heads = Heads(crowded())
    heads.saw([Head(LINE, Place(900.0, 7)), Head(LineName("young", 0), Place(999.9, 8))], 1000.0)

    assert heads.floors == {
        LINE: Place(900.0, 7),
        LineName("young", 0): Place(1000.0 - heads_module.SETTLE_SECONDS, 0),
    }


def test_an_empty_line_keeps_its_floor_for_a_while_since_its_dead_entries_are_still_there() -> None:
    heads = Heads(crowded())
    heads.saw([Head(LINE, Place(900.0, 7))], 1000.0)
    heads.saw([], 1100.0)
    assert heads.floors == {LINE: Place(1100.0 - heads_module.SETTLE_SECONDS, 0)}

    heads.saw([], 1000.0 + heads_module.FORGET_SECONDS)
    assert heads.floors == {}


def test_the_gaps_between_known_lines_leave_nothing_out() -> None:
    lines = [LineName("b", -1), LineName("ä", 0), LineName("b", 3), LineName("B", 9)]

    asked = above({line: Place(1.0, 1) for line in lines}, BEYOND)

    assert asked["queues"] == '{"B","b","b","ä"}'  # in bytewise order, as in the index
    assert asked["gap_queues"] == '{"B","B","b","b","b","ä","ä"}'
    assert asked["after_priorities"] == "{-32769,9,-32769,-1,3,-32769,0}"
    assert asked["before_priorities"] == "{9,32768,-1,3,32768,0,32768}"
    assert asked["after_queues"] == '{"","B","b","ä"}'
    assert asked["before_queues"] == f'{{"B","b","ä","{BEYOND}"}}'


def test_a_line_of_times_begins_at_the_oldest_or_where_nothing_new_can_come() -> None:
    floor = Floor(crowded())
    floor.looks.made(0.0, 0.01)
    floor.saw(500.0, 998.0)
    assert floor.begin(0.02) == 500.0
    floor.saw(None, 998.0)
    assert floor.begin(0.02) == 998.0
    assert floor.begin(100.0) == heads_module.BEGIN


# ---- floors: on the server


@pytest.fixture
def in_a_crowd(monkeypatch: pytest.MonkeyPatch) -> None:
    """One dead row is a crowd, and a look at everything comes every minute only."""
    monkeypatch.setattr(floors, "MANY_DEAD_ROWS", 0)
    monkeypatch.setattr(heads_module, "FULL_LOOK_SHARE", 10**9)


@pytest.mark.pg
def test_above_the_floors_new_items_queues_and_priorities_are_seen_at_once(
    store: PostgresStore, probe: PostgresProbe, in_a_crowd: None
) -> None:
    long_ago = time.time() - 500.0
    store.enqueue([new(queue, available_at=long_ago) for queue in ("b", "d", "d")])
    assert [queue for queue, _lag in probe.lags()] == ["b", "d"]

    store.enqueue([new("b", available_at=long_ago + 100.0), new("b", priority=-3), new("d", priority=4)])
    store.enqueue([new(queue, available_at=long_ago + 200.0) for queue in ("a", "c", "cc", "e", "é")])
    claim(store, "b", limit=2)
    claim(store, "d", limit=2)

    assert [(queue, round(lag, -1)) for queue, lag in probe.lags()] == [
        ("a", 300.0), ("b", 400.0), ("c", 300.0), ("cc", 300.0), ("d", 0.0), ("e", 300.0), ("é", 300.0)
    ]  # fmt: skip


@pytest.mark.pg
def test_what_comes_to_lie_below_a_floor_is_seen_by_the_next_look_at_everything(
    store: PostgresStore, probe: PostgresProbe, in_a_crowd: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    long_ago = time.time() - 500.0
    store.enqueue([new(available_at=long_ago), new(available_at=long_ago + 100.0)])
    probe.lags()
    (first,) = claim(store, limit=1)
    assert lag_of(probe) == 400.0
    store.exchange([Released(first)], [])
    assert lag_of(probe) == 400.0

    probe._heads.looks.made(0.0, 0.0)

    assert lag_of(probe) == 500.0


@pytest.mark.pg
def test_a_queue_that_runs_empty_and_fills_again_is_seen(
    store: PostgresStore, probe: PostgresProbe, in_a_crowd: None
) -> None:
    store.enqueue([new(), new(delay_seconds=600.0)])
    assert [depth[2:5] for depth in probe.depths()] == [(1, 1, 0)]
    items = claim(store)
    assert [depth[2:5] for depth in probe.depths()] == [(0, 1, 1)]
    store.exchange([Done(item) for item in items], [])
    assert [depth[2:5] for depth in probe.depths()] == [(0, 1, 0)]

    store.enqueue([new(), new(delay_seconds=300.0)])
    assert [depth[2:5] for depth in probe.depths()] == [(1, 2, 0)]
    claim(store)
    assert [depth[2:5] for depth in probe.depths()] == [(0, 2, 1)]


@pytest.mark.pg
def test_dead_rows_before_the_head_do_not_make_a_look_read_more(
    store: PostgresStore, probe: PostgresProbe, pg_database: Database
) -> None:
    with pg_database.connect() as connection:
        connection.execute("alter table queue_item set (autovacuum_enabled = off)")
    store.enqueue_many(new(available_at=time.time() - 1000.0) for _ in range(30_000))
    store.promote()
    claimed = claim(store, limit=1000)
    for _ in range(25):
        claimed = store.exchange([Done(each) for each in claimed], [lane(limit=1000)]).claimed
    store._connection.execute("select pg_stat_force_next_flush()")
    eventually(lambda: probe.lags() and probe._crowd.is_large)

    everything = blocks(probe, "heads", priorities=100)
    floored = blocks(probe, "heads_above", **above(probe._heads.floors, BEYOND))

    assert floored < 20
    assert floored < everything


@pytest.mark.pg
def test_a_look_at_everything_that_takes_too_long_is_put_off_and_the_floors_answer(
    store: PostgresStore, probe: PostgresProbe, in_a_crowd: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.enqueue([new(available_at=time.time() - 100.0)])
    probe.lags()
    probe._heads.looks.made(0.0, 0.0)
    monkeypatch.setattr(probe, "_look_at_all", lambda: probe._rows("slow"))
    monkeypatch.setitem(SQL, "slow", "select pg_sleep(5)")
    monkeypatch.setattr(heads_module, "FULL_LOOK_SECONDS", 60.0)

    watch = Stopwatch()
    assert lag_of(probe) == 100.0
    assert lag_of(probe) == 100.0
    assert watch.seconds < 2 * subject.TIMEOUT_SECONDS + 1.0  # it was tried once


# ---- plans


def explain(probe: PostgresProbe, query: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    probe.lags()
    assert probe._session is not None
    row = probe._session.connection.execute(
        f"explain (analyze, buffers, format json) {SQL[query]}".encode(), parameters
    ).fetchone()
    assert row is not None
    found = row[0] if isinstance(row[0], list) else json.loads(row[0])
    return list(nodes(found[0]["Plan"]))


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def blocks(probe: PostgresProbe, query: str, **parameters: Any) -> int:
    plan = explain(probe, query, parameters)
    return int(plan[0]["Shared Hit Blocks"] + plan[0]["Shared Read Blocks"])


FLOWS = {"queues": "{q1,q2}", "sites": "{p,p}"}
LINES = {"queues": "{q1,q2}", "priorities": "{0,1}", "ats": "{-inf,5}", "ids": "{0,1}"}


@pytest.fixture
def backlog(store: PostgresStore, pg_database: Database) -> PostgresStore:
    """Thirty thousand items in each state, a site paused, and statistics that were taken when the tables were empty."""
    with pg_database.connect() as connection:
        for table in ("queue_item", "dead_letter"):
            connection.execute(f"alter table {table} set (autovacuum_enabled = off)".encode())
            connection.execute(f"analyze {table}".encode())
        connection.execute(
            "insert into queue_item (site, queue, priority, frame, state, available_at, lease_until, claimed_by) "
            "select case when state = 'paused' then 'p' else 's' end, 'q' || n %% 5, n %% 3, '', state, "
            "now() - interval '1 hour' + n * interval '1 ms', "
            "case when state = 'claimed' then now() + interval '1 min' end, case when state = 'claimed' then 'x' end "
            "from generate_series(1, 30000) as n, unnest(enum_range(null::queue_item_state)) as state",
            {},
        )
        connection.execute("insert into queue_pause (site) values ('p')")
        connection.execute(
            "insert into dead_letter (id, site, queue, frame, codec, priority, created, available_at, attempts, "
            "crash_attempts, reason, error) select n * 7, 's', 'q', '', 'raw', 0, now(), now(), 1, 0, 'attempts', 'x' "
            "from generate_series(1, 30000) as n"
        )
    return store


@pytest.mark.pg
@pytest.mark.parametrize(
    ("query", "parameters", "rows"),
    [
        ("heads", {"priorities": 100}, 1),
        ("heads_above", above({LineName("q1", 0): Place(5.0, 1), LineName("q3", 2): Place(5.0, 1)}, BEYOND), 1),
        ("first_ready", {**LINES, "limit": 100, "edge": EDGE_ROWS}, 100),
        ("look_ready", {**LINES, "edge": EDGE_ROWS}, EDGE_ROWS),
        ("first_open", {**LINES, "limit": 100}, 1),
        ("paused_lines", {}, 1),
        ("first_paused", {**FLOWS, "limit": 100, "edge": EDGE_ROWS}, 100),
        ("look_paused", {**FLOWS, "ids": "{5,100000}", "edge": EDGE_ROWS}, EDGE_ROWS),
        ("first_scheduled", {"floor": 5.0, "limit": 100, "edge": EDGE_ROWS}, 100),
        ("look_scheduled", {"ats": "{5,inf}", "edge": EDGE_ROWS}, EDGE_ROWS),
        ("first_dead", {"limit": 100, "edge": EDGE_ROWS}, 100),
        ("look_dead", {"ids": "{5,100000}", "edge": EDGE_ROWS}, EDGE_ROWS),
        ("claimed", {"floor": 5.0, "limit": 100}, 100),
        ("has_item", {"id": 17}, 1),
    ],
)
def test_every_question_goes_by_index_and_reads_no_more_than_it_tells(
    backlog: PostgresStore, query: str, parameters: dict[str, Any], rows: int
) -> None:
    probe = backlog.probe()
    plan = explain(probe, query, parameters)
    probe.close()

    scans = [node for node in plan if "Relation Name" in node]
    assert scans
    assert {node["Node Type"] for node in scans} <= {"Index Scan", "Index Only Scan"}
    assert max(node["Actual Rows"] for node in scans) <= rows
    assert sum(node.get("Rows Removed by Filter", 0) for node in scans) == 0
    assert all(node["Actual Rows"] <= 400 for node in plan if node["Node Type"] == "Sort")
    assert plan[0]["Shared Hit Blocks"] + plan[0]["Shared Read Blocks"] < 500


@pytest.mark.pg
def test_a_probe_of_much_says_estimate_and_reads_little(backlog: PostgresStore, pg_database: Database) -> None:
    probe = backlog.probe()
    depths = probe.depths()
    probe.close()

    assert all(depth.is_estimate for depth in depths)
    expectations = {"ready": 30_000, "paused": 30_000, "scheduled": 30_000, "in_flight": 20_000, "dead": 30_000}
    for name, expected in expectations.items():
        assert expected / 1.5 < sum(getattr(depth, name) for depth in depths) < expected * 1.5, name


# ---- the connection


@pytest.mark.pg
def test_a_probe_shows_by_name_in_the_server_whose_it_is(pg_database: Database) -> None:
    for claimant in ("host/main.hub/1.1/a", "h" * 80):
        probe = pg_database.store(claimant).probe()
        probe.lags()
        with pg_database.connect() as eyes:
            names = eyes.execute("select application_name from pg_stat_activity where application_name like 'snqd%'")
            assert names.fetchall() == [(f"snqd {claimant[:52]} probe",)]
        probe.close()


@pytest.mark.pg
def test_nothing_can_be_written_on_a_probes_connection(probe: PostgresProbe) -> None:
    probe.lags()
    assert probe._session is not None

    with pytest.raises(Exception, match="read-only transaction"):
        probe._session.connection.execute("delete from queue_item")


@pytest.mark.pg
def test_a_lost_connection_is_unavailable_and_the_next_question_opens_another(
    store: PostgresStore, probe: PostgresProbe, pg_database: Database
) -> None:
    store.enqueue([new()])
    probe.lags()
    with pg_database.connect() as eyes:
        eyes.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name like '%probe'")

    with pytest.raises(StoreUnavailable) as caught:
        probe.lags()

    assert "\n" not in str(caught.value)
    assert [depth.ready for depth in probe.depths()] == [1]


@pytest.mark.pg
def test_a_server_that_is_away_is_unavailable_in_one_line_without_secrets(own_cluster: Cluster) -> None:
    probe = PostgresProbe(StoreConfig(url=own_cluster.tcp_url("snqd_template")), "host/main.hub/1.1/a")
    assert probe.lags() == []
    own_cluster.stop()

    for question in (probe.lags, probe.depths, probe.health, lambda: probe.has_item(ItemId(1))):
        with pytest.raises(StoreUnavailable) as caught:
            question()
        assert "\n" not in str(caught.value)
        assert "s3cret" not in str(caught.value)

    own_cluster.start()
    assert probe.lags() == []
    probe.close()


@pytest.mark.pg
@pytest.mark.parametrize("question", ["lags", "depths", "health"])
def test_a_locked_table_makes_a_question_unavailable_soon_and_the_next_one_works(
    store: PostgresStore, probe: PostgresProbe, pg_database: Database, monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    monkeypatch.setattr(subject, "TIMEOUT_SECONDS", 0.2)
    store.enqueue([new()])
    with pg_database.connect() as other:
        other.execute("begin")
        other.execute("lock table queue_item in access exclusive mode")

        with pytest.raises(StoreUnavailable, match=r"a probe was not answered within 0\.2 s") as caught:
            getattr(probe, question)()
        assert "\n" not in str(caught.value)
        session = probe._session

        other.execute("rollback")
    assert [queue for queue, _lag in probe.lags()] == ["mail"]
    assert probe._session is session


@pytest.mark.pg
def test_tables_that_are_not_there_are_unavailable_with_the_way_out(own_cluster: Cluster) -> None:
    probe = PostgresProbe(StoreConfig(url=own_cluster.url("postgres")), "")
    with pytest.raises(StoreUnavailable, match="snqd schema upgrade"):
        probe.lags()
    probe.close()
