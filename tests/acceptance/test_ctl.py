"""`snqd ctl` with two daemons on one PostgreSQL: what is asked of one host is done by all, and each answers."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from snqd.items import new_item
from tests.support.processes import is_gone, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.daemons import Daemon, Place

    MakeDaemon = Callable[..., Daemon]

pytestmark = pytest.mark.fork

SOURCE = """
@handler("q")
def q(payload, context):
    note("ran", context, theme=context.site.settings.get("theme"))
    time.sleep(0.002)
"""


@pytest.fixture
def two(make_daemon: MakeDaemon, postgres_place: Place) -> tuple[Daemon, Daemon]:
    """Two daemons as on two hosts: each with its own files, and with the sites of the one database."""
    made = [
        make_daemon(
            postgres_place,
            SOURCE,
            folder=name,
            daemon={"name": name, "threads": 2, "grace_seconds": 5},
            sites={"directory": "sites", "table": True},
            start=False,
        )
        for name in ("first", "second")
    ]
    for daemon in made:
        (daemon.folder / "sites").mkdir()
        daemon.start()
    for daemon in made:
        daemon.wait_ready(2)
        daemon.wait_hub()
    wait_until(lambda: len(ctl(made[0], "daemons")) == 2, "both daemons have told that they are there")
    return made[0], made[1]


def ctl(daemon: Daemon, *words: str, code: int = 0) -> list[dict[str, Any]]:
    """What each daemon answered."""
    done = daemon.command("ctl", *words, "--json")
    assert (done.code, done.err) == (code, ""), done
    return [json.loads(line) for line in done.out.splitlines()]


def obeyed(answers: list[dict[str, Any]]) -> dict[str, str]:
    assert all(answer["obeyed"] for answer in answers), answers
    return {answer["daemon"]: answer["said"] for answer in answers}


@pytest.mark.pg
def test_a_site_that_is_added_on_one_host_is_served_by_both(two: tuple[Daemon, Daemon], postgres_place: Place) -> None:
    """By the table, that is: no daemon is told, and items that came too early need not wait a minute."""
    early = postgres_place.enqueue("q", 0, site="new")
    postgres_place.wait_item(early, lambda item: item.state == "scheduled")

    postgres_place.sql("""INSERT INTO site (name, settings) VALUES ('new', '{"theme": "red"}')""")
    for daemon in two:
        daemon.wait_event("SitesUpdated", sites=["new"], author="table site")
    postgres_place.enqueue_all([new_item("q", n, site="new") for n in range(400)])
    postgres_place.wait_empty()

    ran = [daemon.facts("ran") for daemon in two]
    assert all(ran), "both took some"
    assert {fact["theme"] for facts in ran for fact in facts} == {"red"}
    items = [fact["item"] for facts in ran for fact in facts]
    assert len(items) == len(set(items)) == 401
    assert early in items


@pytest.mark.pg
def test_both_daemons_obey_and_answer_and_it_is_on_record(two: tuple[Daemon, Daemon], postgres_place: Place) -> None:
    first, second = two
    for daemon in two:  # a file each, and a folder that the kernel does not tell of
        (daemon.folder / "sites" / "a.toml").write_text('theme = "blue"\n')

    said = obeyed(ctl(first, "update", "a", "--all-hosts"))
    assert set(said) == {"first", "second"}
    assert all(words.startswith("site a is ") for words in said.values())

    assert set(obeyed(ctl(second, "threads", "3", "--all-hosts")).values()) == {
        f"daemon {name} on {os.uname().nodename} has 3 workers now, until its next restart" for name in said
    }
    for daemon in two:
        daemon.wait_ready(3)
        assert daemon.wait_event("ControlAsked", ask="threads")["all_hosts"] is True

    before = {daemon: {worker.pid for worker in daemon.workers()} for daemon in two}
    obeyed(ctl(first, "restart", "--all-hosts"))
    for daemon in two:
        daemon.wait_event("ReloadFinished")
        assert before[daemon].isdisjoint(worker.pid for worker in daemon.workers())

    stacks = first.command("ctl", "stack", "1", "--all-hosts")
    assert stacks.out.count(": yes\n") == 2, stacks
    assert stacks.out.count("most recent call first") >= 2

    refusals = ctl(first, "threads", "0", "--all-hosts", code=1)
    assert {(each["daemon"], each["obeyed"]) for each in refusals} == {("first", False), ("second", False)}
    assert "a daemon has 1 to 254 workers" in refusals[0]["said"]
    assert second.wait_event("ControlAsked", ask="threads", obeyed=False)["author"].endswith(f"@{os.uname().nodename}")

    os.kill(second.wait_hub(2).pid, signal.SIGSTOP)  # its second hub: the restart has replaced the first
    try:
        done = first.command("ctl", "update", "--all-hosts", "--timeout", "1")
    finally:
        os.kill(second.wait_hub(2).pid, signal.SIGCONT)
    assert done.code == 1
    rows = {line.split()[0]: line for line in done.out.splitlines()}
    assert "yes" in rows["first"]
    assert "silent" in rows["second"]
    assert rows["second"].endswith("no answer within 1 s")

    obeyed(ctl(second, "shutdown", "--all-hosts"))
    assert [daemon.wait_exit() for daemon in two] == [0, 0]
    assert ctl(first, "daemons") == []


def test_the_daemon_of_a_file_obeys_at_its_socket_and_through_the_store(
    make_daemon: MakeDaemon, sqlite_place: Place
) -> None:
    daemon = make_daemon(sqlite_place, SOURCE, daemon={"threads": 1}, sites={"table": True})
    daemon.wait_hub()
    (said,) = obeyed(ctl(daemon, "update")).values()
    assert said == "no site has changed"

    sqlite_place.sql("""INSERT INTO site (name, settings) VALUES ('a', '{"theme": "red"}'), ('bad', '{')""")
    daemon.wait_event("SitesUpdated", added=1, set_aside=1)
    item = sqlite_place.enqueue("q", 1, site="a")
    assert daemon.wait_fact("ran", item=item)["theme"] == "red"
    refused = daemon.command("ctl", "update", "bad")
    assert (refused.code, refused.out) == (1, "")
    assert "site 'bad' is set aside: table site: settings are not valid JSON" in refused.err
    nowhere = daemon.command("ctl", "update", "nobody")
    assert "site 'nobody' is declared nowhere that daemon main" in nowhere.err

    wait_until(lambda: len(ctl(daemon, "daemons")) == 1, "it has told that it is there")
    (worker,) = daemon.workers()
    obeyed(ctl(daemon, "restart", worker.name, "--all-hosts"))
    wait_until(lambda: is_gone(worker.pid), "the worker was replaced")
    daemon.wait_ready(2)
    obeyed(ctl(daemon, "threads", "2"))
    daemon.wait_ready(3)
    obeyed(ctl(daemon, "shutdown", "--now"))
    assert daemon.wait_exit() == 0


def test_a_diff_shows_what_a_reload_would_change_and_changes_nothing(
    make_daemon: MakeDaemon, sqlite_place: Place
) -> None:
    daemon = make_daemon(sqlite_place, SOURCE, site={"a": {"theme": "blue"}, "b": {}})
    daemon.wait_hub()
    assert daemon.command("config", "diff").out == "nothing would change\n"

    daemon.configure(site={"a": {"theme": "red"}, "c": {}, "d": 3}, queue={"q": {"max_attempts": 3}})
    lines = daemon.command("config", "diff").out.splitlines()

    assert "queue.q.max_attempts: (unset) -> 3" in lines
    assert [line for line in lines if line.startswith("site ")] == [
        "site c: add", "site a: change", "site b: remove",
        "site d: set aside: [site.d]: it is 3, must be a table of settings: write [site.NAME]",
    ]  # fmt: skip
    assert not daemon.events("Reloading")
    assert not daemon.events("SitesUpdated")
    (said,) = obeyed(ctl(daemon, "reload")).values()
    assert "replaces its workers one by one" in said
    daemon.wait_event("ReloadFinished")
    daemon.wait_hub(2)
    assert daemon.command("config", "diff").out == "nothing would change\n"

    daemon.configure(daemon={"threads": "many"})
    refused = daemon.command("ctl", "reload", "--config", str(daemon.folder / "good.toml"))
    assert refused.code == 2, refused


def test_asking_when_nobody_is_there_says_so(make_daemon: MakeDaemon, sqlite_place: Place) -> None:
    daemon = make_daemon(sqlite_place, SOURCE, start=False)

    here = daemon.command("ctl", "shutdown")
    everywhere = daemon.command("ctl", "shutdown", "--all-hosts")

    assert (here.code, everywhere.code) == (1, 1)
    assert here.err.startswith("snqd: error: no daemon 'main' runs on this host")
    assert everywhere.err == (
        "snqd: error: no daemon on this store has told lately that it is there: does one run, with telemetry.enabled?\n"
    )
