"""Sites that come, change and go while a real daemon runs: no worker is replaced and no item is lost."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from snqd.items import new_item
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.daemons import Daemon, Place

    MakeDaemon = Callable[..., Daemon]

pytestmark = pytest.mark.fork

SOURCE = """
@handler("q")
def q(payload, context):
    note("ran", context, theme=context.site.settings.get("theme"), n=payload)

@handler("other")
def other(payload, context):
    note("ran", context)

@handler("gold")
def gold(payload, context):
    note("gold", context)
"""


@pytest.fixture
def folder_daemon(make_daemon: MakeDaemon, sqlite_place: Place) -> Daemon:
    """A daemon with the sites of a folder, of which there is one."""
    daemon = make_daemon(sqlite_place, SOURCE, start=False, sites={"directory": "sites"})
    sites = daemon.folder / "sites"
    sites.mkdir()
    (sites / "a.toml").write_text('theme = "blue"\n')
    daemon.start()
    daemon.wait_ready()
    daemon.wait_hub()
    return daemon


def declare(daemon: Daemon, site: str, text: str) -> Path:
    """As an operator does: a new file in the place of the old one."""
    path = daemon.folder / "sites" / f"{site}.toml"
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)
    return path


def test_a_site_comes_changes_and_goes_without_a_word_to_the_daemon(folder_daemon: Daemon, sqlite_place: Place) -> None:
    daemon = folder_daemon
    early = sqlite_place.enqueue("q", 0, site="b")
    sqlite_place.wait_item(early, lambda item: item.state == "scheduled")

    declare(daemon, "b", 'theme = "red"\n')
    assert daemon.wait_fact("ran", item=early)["theme"] == "red"
    (daemon.folder / "sites" / "b.toml").write_text('theme = "green"\n')  # in place, as some editors do
    daemon.wait_event("SitesUpdated", changed=1)
    second = sqlite_place.enqueue("q", 1, site="b")
    assert daemon.wait_fact("ran", item=second)["theme"] == "green"
    (daemon.folder / "sites" / "b.toml").unlink()
    daemon.wait_event("SitesUpdated", removed=1)
    late = sqlite_place.enqueue("q", 2, site="b")
    sqlite_place.wait_item(late, lambda item: item.state == "scheduled")
    other = sqlite_place.enqueue("q", 3, site="a")
    assert daemon.wait_fact("ran", item=other)["theme"] == "blue"

    assert not daemon.facts("ran", item=late)
    assert len(daemon.events("WorkerSpawned")) == 1, "no worker was replaced"
    assert [event["sites"] for event in daemon.events("SitesUpdated")] == [["b"]] * 3


def test_a_site_that_breaks_is_set_aside_until_it_is_mended(folder_daemon: Daemon, sqlite_place: Place) -> None:
    daemon = folder_daemon
    declare(daemon, "a", "theme = = 1\n")
    aside = daemon.wait_event("SiteSetAside", site="a")
    assert "a.toml:1:9: not valid TOML" in aside["reason"]
    item = sqlite_place.enqueue("q", 1, site="a")
    waiting = sqlite_place.wait_item(item, lambda found: found.state == "scheduled")
    assert "site 'a' is set aside: " in (waiting.last_error or "")
    assert waiting.attempts == 0

    status = daemon.command("status")
    assert f"site a is set aside, its items wait: {daemon.folder}/sites/a.toml:1:9: not valid TOML" in status.out
    assert list(json.loads(daemon.command("status", "--json").out)["daemon"]["set_aside"]) == ["a"]
    wait_until(
        lambda: "site a is set aside" in daemon.command("why", "q").out, "the hub has seen the item and says why"
    )

    declare(daemon, "a", 'theme = "mended"\n')
    assert daemon.wait_fact("ran", item=item)["theme"] == "mended"
    daemon.wait_event("SitesUpdated", mended=1)
    assert "set aside" not in daemon.command("status").out


def test_sites_differ_in_queues_handlers_and_limits(folder_daemon: Daemon, sqlite_place: Place) -> None:
    daemon = folder_daemon
    declare(daemon, "rich", '[snqd.queue.q]\nhandler = "app:gold"\n')
    declare(daemon, "poor", '[snqd]\nqueues = ["q"]\n')
    wait_until(lambda: sum(each["added"] for each in daemon.events("SitesUpdated")) == 2, "both sites are there")

    rich, plain = sqlite_place.enqueue("q", 1, site="rich"), sqlite_place.enqueue("q", 1, site="poor")
    refused = sqlite_place.enqueue("other", 1, site="poor")

    daemon.wait_fact("gold", item=rich, queue="q")
    daemon.wait_fact("ran", item=plain)
    waiting = sqlite_place.wait_item(refused, lambda found: found.state == "scheduled")
    assert waiting.last_error == "site 'poor' is set aside for queue 'other': it is not among its snqd.queues"
    assert daemon.wait_event("SiteSetAside", site="poor")["reason"] == waiting.last_error

    declare(daemon, "poor", '[snqd]\nqueues = ["q", "other"]\n')
    daemon.wait_fact("ran", item=refused)


def test_a_flood_of_changes_loses_no_item_and_mixes_no_settings(folder_daemon: Daemon, sqlite_place: Place) -> None:
    """Two keys of each version are equal: a site that was half changed would show."""
    daemon = folder_daemon
    daemon.handle(SOURCE)
    for version in range(30):
        declare(daemon, "a", f'theme = "{version}"\n[snqd]\nqueues = ["q"]\n')
        sqlite_place.enqueue_all([new_item("q", number, site="a") for number in range(10)])
    sqlite_place.wait_empty()

    assert len(daemon.facts("ran")) == 300
    themes = [int(fact["theme"]) if fact["theme"] != "blue" else -1 for fact in daemon.facts("ran")]
    assert themes == sorted(themes), "no worker goes back to an older version"


def test_a_reload_that_fails_leaves_sites_and_settings_as_they_were(
    make_daemon: MakeDaemon, sqlite_place: Place
) -> None:
    daemon = make_daemon(sqlite_place, SOURCE, site={"a": {"theme": "blue"}}, settings={"x": 1})
    daemon.wait_hub()
    daemon.handle("raise ValueError('not ready')")
    daemon.configure(site={"a": {"theme": "red"}, "b": {}}, settings={"x": 2}, daemon={"grace_seconds": 5})
    daemon.send(signal.SIGHUP)
    daemon.wait_event("ReloadFailed")
    first = sqlite_place.enqueue("q", 1, site="a")
    assert daemon.wait_fact("ran", item=first)["theme"] == "blue"

    daemon.handle(SOURCE)
    daemon.send(signal.SIGHUP)
    daemon.wait_event("ReloadFinished")

    told = daemon.events("Reloading")[-1]["changes"]
    assert any(change.startswith("daemon.grace_seconds: 30 -> 5") for change in told), "beside what is in force"
    second, third = sqlite_place.enqueue("q", 1, site="a"), sqlite_place.enqueue("q", 1, site="b")
    assert daemon.wait_fact("ran", item=second)["theme"] == "red"
    daemon.wait_fact("ran", item=third)


def test_without_telemetry_sites_are_served_and_a_reload_brings_new_ones(
    make_daemon: MakeDaemon, sqlite_place: Place
) -> None:
    daemon = make_daemon(sqlite_place, SOURCE, site={"a": {}}, telemetry={"enabled": False})
    item = sqlite_place.enqueue("q", 1, site="b")
    sqlite_place.wait_item(item, lambda found: found.state == "scheduled")

    daemon.configure(site={"a": {}, "b": {"theme": "red"}}, telemetry={"enabled": False})
    daemon.send(signal.SIGHUP)

    assert daemon.wait_fact("ran", item=item)["theme"] == "red"
    daemon.stop()
    assert not list(daemon.folder.glob("main.sites*")), "nothing is left behind"


def test_a_queue_that_is_changed_in_the_file_holds_without_a_word_to_the_daemon(
    make_daemon: MakeDaemon, sqlite_place: Place
) -> None:
    daemon = make_daemon(sqlite_place, SOURCE, daemon={"reload_on_change": True})
    daemon.wait_hub()

    daemon.configure(daemon={"reload_on_change": True}, queue={"q": {"max_attempts": "many"}})
    problem = daemon.wait_event("TelemetryProblem", what="configuration")
    assert 'queue.q.max_attempts is "many": must be a whole number' in problem["error"]
    daemon.configure(daemon={"reload_on_change": True}, queue={"q": {"max_attempts": 3}})
    daemon.wait_event("ReloadFinished")

    assert daemon.wait_event("Reloading")["changes"] == ["queue.q.max_attempts: (unset) -> 3"]
    assert len(daemon.events("Reloading")) == 1


def test_an_image_of_the_sites_that_is_cleaned_away_comes_back(folder_daemon: Daemon, sqlite_place: Place) -> None:
    """/tmp is cleaned of old files on many machines; workers are replaced at any time."""
    daemon = folder_daemon
    image = daemon.folder / "main.sites"
    (worker,) = daemon.workers()
    image.unlink()
    worker.kill()

    daemon.wait_ready(2)
    item = sqlite_place.enqueue("q", 1, site="a")
    assert daemon.wait_fact("ran", item=item)["theme"] == "blue"
    wait_until(image.exists, "it is written again")
    declare(daemon, "a", 'theme = "red"\n')
    daemon.wait_event("SitesUpdated", changed=1)
    second = sqlite_place.enqueue("q", 1, site="a")
    assert daemon.wait_fact("ran", item=second)["theme"] == "red"
