"""The desk on each real store: requests reach every daemon once, answers come back, and sites are read in order."""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING

import pytest

from snqd.config.schema import Config, StoreConfig
from snqd.errors import ConfigError, StoreUnavailable
from snqd.stores.desk import Answered, Asking, Seat, SiteRow
from snqd.stores.sql import migrations
from snqd.wiring import stores
from tests.support.postgres import fresh_database
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from snqd.stores.desk import Desk
    from tests.support.daemons import Place
    from tests.support.postgres import Cluster

    OpenDesk = Callable[[], Desk]

ONE, TWO = Seat("main", "h1", "/run/snqd"), Seat("main", "h2", "/run/snqd")


@pytest.fixture
def open_desk(place: Place) -> Iterator[OpenDesk]:
    made: list[Desk] = []

    def make() -> Desk:
        desk = stores.open_desk(Config(store=StoreConfig(url=place.url)), name="test")
        made.append(desk)
        return desk

    yield make
    for desk in made:
        desk.close()


def test_a_request_reaches_each_daemon_once(open_desk: OpenDesk) -> None:
    operator, first, second = open_desk(), open_desk(), open_desk()
    first.be_seen(ONE, boot=1, version="1.0")
    second.be_seen(TWO, boot=1, version="1.0")
    assert [(each.seat, each.version) for each in operator.present()] == [(ONE, "1.0"), (TWO, "1.0")]

    number = operator.ask("update", '{"site": "a"}', author="ada", seconds=30)

    asking = Asking(number, "update", '{"site": "a"}', "ada")
    assert first.requests(ONE) == second.requests(TWO) == [asking]
    assert operator.answers(number) == []
    first.answer(number, ONE, obeyed=True, said="done")
    first.answer(number, ONE, obeyed=False, said="twice")
    assert first.requests(ONE) == []
    assert second.requests(TWO) == [asking]
    second.answer(number, TWO, obeyed=False, said="no")
    assert operator.answers(number) == [Answered(ONE, True, "done"), Answered(TWO, False, "no")]


def test_a_daemon_obeys_nothing_that_was_asked_before_it_booted(open_desk: OpenDesk) -> None:
    """Else a daemon that was shut down would shut down again when it is started."""
    desk = open_desk()
    desk.be_seen(ONE, boot=1, version="1.0")
    desk.ask("shutdown", "{}", author="ada", seconds=30)
    desk.be_seen(ONE, boot=1, version="1.0")
    assert len(desk.requests(ONE)) == 1, "a new hub of the same daemon still obeys"
    time.sleep(0.002)  # the clock of SQLite's rows has milliseconds

    desk.be_seen(ONE, boot=2, version="1.0")

    assert desk.requests(ONE) == []
    assert desk.requests(TWO) == [], "nor one that has not said that it is there"


def test_a_request_that_has_expired_is_obeyed_by_nobody(open_desk: OpenDesk) -> None:
    desk = open_desk()
    desk.be_seen(ONE, boot=1, version="1.0")
    desk.ask("shutdown", "{}", author="ada", seconds=0.001)

    wait_until(lambda: desk.requests(ONE) == [], "it has expired")


def test_a_daemon_that_leaves_is_not_expected(open_desk: OpenDesk) -> None:
    desk = open_desk()
    desk.be_seen(ONE, boot=1, version="1.0")
    desk.leave(ONE)

    assert desk.present() == []


def test_daemons_that_have_been_silent_for_long_are_not_expected(open_desk: OpenDesk, place: Place) -> None:
    desk = open_desk()
    desk.be_seen(ONE, boot=1, version="1.0")
    place.sql("UPDATE control_daemon SET seen = seen - " + ("interval '80 s'" if place.kind == "postgres" else "80"))

    assert desk.present() == []


def test_every_change_of_the_table_of_sites_is_counted(open_desk: OpenDesk, place: Place) -> None:
    desk = open_desk()
    numbers = [desk.site_number()]
    for statement in (
        """INSERT INTO site (name, settings) VALUES ('b', '{"x": 1}'), ('a', '{}')""",
        """UPDATE site SET settings = '{"x": 2}' WHERE name = 'b'""",
        "DELETE FROM site WHERE name = 'a'",
    ):
        place.sql(statement)
        numbers.append(desk.site_number())
    assert numbers == sorted(set(numbers)), "it grows each time"

    assert desk.sites() == [SiteRow("b", '{"x": 2}')]


@pytest.mark.pg
def test_requests_and_sites_wake_who_listens(postgres_place: Place) -> None:
    config = Config(store=StoreConfig(url=postgres_place.url))
    desk, operator = stores.open_desk(config, name="test"), stores.open_desk(config, name="test")
    try:
        (descriptor,) = desk.open_wakeups()
        for act in (
            lambda: operator.ask("update", "{}", author="ada", seconds=30),
            lambda: postgres_place.sql("INSERT INTO site (name) VALUES ('a')"),
            lambda: postgres_place.sql("TRUNCATE site"),
        ):
            assert not desk.read_wakeups()
            act()
            assert select.select([descriptor], [], [], 10)[0], "it is told"
            assert desk.read_wakeups()
    finally:
        desk.close()
        operator.close()


@pytest.mark.pg
def test_a_role_that_works_on_items_was_given_the_right_to_hear_and_answer(pg_cluster: Cluster) -> None:
    with fresh_database(pg_cluster, "template0") as database:
        store = database.store()
        with database.connect() as connection:
            first, *_others = migrations("postgres")
            connection.execute("drop role if exists hearer; create role hearer login")
            connection.execute("create table snqd_migration (name text primary key, applied timestamptz default now())")
            connection.execute("insert into snqd_migration (name) values (%s)", (first.name,))
            with connection.transaction():
                connection.execute(first.sql.encode())
            connection.execute("grant select, insert, update, delete on queue_item, dead_letter to hearer")
            connection.execute("grant select on snqd_migration to hearer")
        store.schema_upgrade()
        store.close()

        config = Config(store=StoreConfig(url=f"{database.url}&user=hearer"))
        desk = stores.open_desk(config, name="test")
        desk.be_seen(ONE, boot=1, version="1.0")
        number = desk.ask("update", "{}", author="ada", seconds=30)
        desk.answer(number, ONE, obeyed=True, said="done")
        assert len(desk.answers(number)) == 1
        desk.leave(ONE)
        assert (desk.site_number(), desk.sites()) == (0, [])
        desk.close()
        with database.connect() as connection:
            connection.execute("set role hearer; insert into site (name) values ('a'); reset role")
            assert connection.execute("select number from site_change").fetchone() == (1,)
            connection.execute("drop owned by hearer; drop role hearer")


@pytest.mark.pg
def test_a_lost_connection_is_opened_again(postgres_place: Place) -> None:
    desk = stores.open_desk(Config(store=StoreConfig(url=postgres_place.url)), name="of this test")
    try:
        (descriptor,) = desk.open_wakeups()
        postgres_place.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'snqd of this test'"
        )

        def listen() -> None:
            for _ in range(10):  # the server's last words come first
                assert select.select([descriptor], [], [], 10)[0], "the loss is noticed"
                desk.read_wakeups()

        with pytest.raises(StoreUnavailable):
            listen()

        assert desk.site_number() == 0
        assert desk.open_wakeups()
    finally:
        desk.close()


def test_a_store_of_one_process_has_no_desk() -> None:
    with pytest.raises(ConfigError, match="it lives in one process"):
        stores.open_desk(Config(store=StoreConfig(url="memory://")), name="test")
