"""What an operator types to learn how a daemon is, and what tells him without being asked."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import time
import urllib.parse
from typing import TYPE_CHECKING

import pytest

from tests.support.daemons import Place
from tests.support.monitor import Monitor
from tests.support.postgres import fresh_database
from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from snqd.telemetry.daemon_view import DaemonView
    from tests.support.daemons import Daemon
    from tests.support.postgres import Cluster

    MakeDaemon = Callable[..., Daemon]

pytestmark = pytest.mark.fork

SOURCE = """
@handler("work")
def work(payload, context):
    note("ran", context)

@handler("held", max_attempts=1)
def held(payload, context):
    note("began", context)
    hold("held")

@handler("busy", time_limit_seconds=30)
def busy(payload, context):
    note("began", context)
    a_name_to_be_found_in_the_stack()

def a_name_to_be_found_in_the_stack():
    while True:
        pass

@handler("stuck")
def stuck(payload, context):
    note("began", context)
    hold_gil()

@handler("slow", time_limit_seconds=3)
def slow(payload, context):
    note("began", context)
    a_name_to_be_found_in_the_stack_of_a_slow_one()

def a_name_to_be_found_in_the_stack_of_a_slow_one():
    hold("slow")
"""


def test_health_is_a_line_and_a_code_that_nagios_understands(make_daemon: MakeDaemon, sqlite_place: Place) -> None:
    daemon = make_daemon(sqlite_place, SOURCE)
    daemon.wait_hub()
    wait_until(lambda: daemon.command("health").code == 0, "all is well")

    full, live, ready = (daemon.command("health", *flags) for flags in ((), ("--live",), ("--ready",)))
    assert [ended.code for ended in (full, live, ready)] == [0, 0, 0]
    assert all(ended.out.startswith("SNQD OK") and ended.out.count("\n") == 1 for ended in (full, live, ready))
    assert "|" in full.out, "with performance data"

    assert daemon.stop() == 0
    ended = daemon.command("health")
    assert ended.code == 2
    assert ended.out.startswith("SNQD CRITICAL")
    assert "no daemon 'main' runs on this host" in ended.out


def test_health_says_the_same_whether_click_read_the_words_or_not(make_daemon: MakeDaemon, sqlite_place: Place) -> None:
    daemon = make_daemon(sqlite_place, SOURCE)
    daemon.wait_hub()
    wait_until(lambda: daemon.command("health").code == 0, "all is well")

    def check(code: int) -> None:
        for flags in ((), ("--live",), ("--ready",)):
            plain = daemon.command("health", *flags)
            by_click = daemon.command("health", *flags, "--store", sqlite_place.url)  # no probe has this option
            assert (plain.code, by_click.code) == (code, code)
            assert _without_figures(plain.out) == _without_figures(by_click.out)
            assert plain.out.startswith("SNQD ")
            assert plain.err == by_click.err == ""

    check(0)
    daemon.configure(telemetry={"enabled": "perhaps"})
    check(3)
    (daemon.folder / "snqd.toml").write_text("[daemon\n")
    check(3)
    (daemon.folder / "snqd.toml").unlink()
    check(3)
    daemon.configure()
    assert daemon.stop() == 0
    check(2)


def _without_figures(line: str) -> str:
    return re.sub(r"[0-9.]+", "N", line)


@pytest.mark.pg
def test_a_store_that_is_away_is_critical_and_not_ready_and_health_does_not_wait_for_it(
    make_daemon: MakeDaemon, own_cluster: Cluster
) -> None:
    with fresh_database(own_cluster) as database:
        daemon = make_daemon(Place(database.url, database), SOURCE, alarms={"store_seconds": 0.5, "hold_seconds": 0.5})
        daemon.wait_hub()
        wait_until(lambda: daemon.command("health", "--ready").code == 0, "it is ready")
        own_cluster.stop()

        wait_until(lambda: daemon.command("health", "--ready").code == 2, "it is not ready", seconds=30)
        wait_until(lambda: daemon.command("health").code == 2, "it is critical", seconds=30)
        assert daemon.command("health", "--live").code == 0
        assert "store" in daemon.command("why", "work").out

        own_cluster.start()
        wait_until(lambda: daemon.command("health", "--ready").code == 0, "it is ready again", seconds=30)


def test_the_control_socket_is_for_its_user_only_and_survives_nonsense(
    make_daemon: MakeDaemon, sqlite_place: Place
) -> None:
    daemon = make_daemon(sqlite_place, SOURCE)
    daemon.wait_hub()
    path = daemon.folder / "main.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    folder = os.open(daemon.folder, os.O_PATH)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(f"/proc/self/fd/{folder}/main.sock")
        file = connection.makefile("rwb")
        for line in (b"nonsense\n", b"\xff\xfe\n", b"[]\n", b'{"ask": 7}\n', b'{"ask": "stack", "worker": "x"}\n'):
            file.write(line)
            file.flush()
            answer = json.loads(file.readline())
            assert answer["ok"] is False
            assert answer["error"]
        file.write(b'{"ask": "where"}\n')
        file.flush()
        assert json.loads(file.readline())["ok"] is True
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(f"/proc/self/fd/{folder}/main.sock")
        connection.sendall(b"x" * 200_000)  # a line without an end
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(10)
        assert connection.recv(1) == b""
    os.close(folder)
    assert daemon.command("health", "--live").code == 0
    assert not daemon.events("HubExited")


def test_why_names_the_cause_and_a_command(make_daemon: MakeDaemon, sqlite_place: Place) -> None:
    daemon = make_daemon(sqlite_place, SOURCE)
    daemon.wait_hub()
    sqlite_place.enqueue("nobodys")
    sqlite_place.enqueue("work", delay_seconds=3600)
    sqlite_place.enqueue("held")
    sqlite_place.enqueue("held")
    daemon.wait_fact("began")

    def says(queue: str, words: str) -> bool:
        return words in daemon.command("why", queue).out

    wait_until(lambda: says("nobodys", "no handler"), "the missing handler is named")
    wait_until(lambda: says("work", "scheduled for later"), "the delay is named")
    wait_until(lambda: says("held", "busy") or says("held", "item"), "what keeps the worker is named")
    answer = json.loads(daemon.command("why", "nobodys", "--json").out)
    assert answer["cause"] == "no handler"
    assert answer["command"].startswith("snqd ")
    daemon.open_gate("held")


@pytest.mark.parametrize("queue", ["busy", "stuck"])
def test_the_stack_of_a_worker_is_shown_even_if_it_hangs_in_c_code(
    make_daemon: MakeDaemon, sqlite_place: Place, queue: str
) -> None:
    daemon = make_daemon(sqlite_place, SOURCE)
    daemon.wait_hub()
    sqlite_place.enqueue(queue)
    daemon.wait_fact("began")

    shown = daemon.command("stack", "main.1")
    assert shown.code == 0, shown.err
    assert ("a_name_to_be_found_in_the_stack" if queue == "busy" else "hold_gil") in shown.out

    wrong = daemon.command("stack", "main.7")
    assert (wrong.code, wrong.out) == (1, "")
    assert "there is no worker 'main.7': the workers are main.1" in wrong.err


def test_an_item_that_runs_past_half_of_its_limit_is_told_once_with_its_stack(
    make_daemon: MakeDaemon, sqlite_place: Place
) -> None:
    daemon = make_daemon(sqlite_place, SOURCE)
    item = sqlite_place.enqueue("slow")
    with Monitor(daemon.wait_hub().address) as monitor:
        told = monitor.wait_event("ItemSlow", item=item)
        assert "half of its time limit of 3 s" in str(told.fields["reason"])
        assert "a_name_to_be_found_in_the_stack_of_a_slow_one" in daemon.wait_event("ItemSlow")["stack"]
        daemon.open_gate("slow")
        sqlite_place.wait_empty()
    assert len(daemon.events("ItemSlow")) == 1


def test_a_canary_goes_the_whole_way_and_is_in_no_other_figure(make_daemon: MakeDaemon, place: Place) -> None:
    daemon = make_daemon(place, SOURCE, queue={"work": {"canary_seconds": 0.5}})
    with Monitor(daemon.wait_hub().address) as monitor:
        view = monitor.wait(
            lambda view: "work" in view.canaries and view.canaries["work"].returned >= 2, "two canaries are back"
        )
        canary = view.canaries["work"]
        assert 0 < canary.last_seconds < 5
        assert canary.sent - canary.returned <= 1
        assert not view.flows
        assert all(fact.claimed == 0 for fact in view.workers.values())
        assert all(fact.ready == fact.in_flight == 0 for fact in view.depths.values())
    assert not daemon.facts("ran")


def test_a_canary_that_does_not_come_back_is_an_alarm(make_daemon: MakeDaemon, sqlite_place: Place) -> None:
    daemon = make_daemon(
        sqlite_place,
        SOURCE,
        queue={"work": {"canary_seconds": 0.5}},
        alarms={"canary_seconds": 3.0, "hold_seconds": 0.5},
    )
    sqlite_place.enqueue("held")
    daemon.wait_fact("began")  # the only worker is kept

    raised = daemon.wait_event("AlarmRaised", subject="work")
    assert raised["name"] == "canary"
    daemon.open_gate("held")
    daemon.wait_event("AlarmCleared", subject="work")


def test_an_alarm_is_told_to_everybody(make_daemon: MakeDaemon, sqlite_place: Place, tmp_path: Path) -> None:
    program = tmp_path / "page"
    program.write_text('#!/bin/sh\necho "$SNQD_ALARM_NAME $SNQD_ALARM_SUBJECT $SNQD_ALARM_STATE" >>"$1"\n')
    program.chmod(0o755)
    paged = tmp_path / "paged"
    daemon = make_daemon(
        sqlite_place,
        SOURCE,
        alarms={"hold_seconds": 0.5, "exec": f"{program} {paged}"},
        queue={"work": {"lag_alarm_seconds": 1.0}},
    )
    sqlite_place.enqueue("held")
    daemon.wait_fact("began")
    sqlite_place.enqueue("work")
    with Monitor(daemon.wait_hub().address) as monitor:
        monitor.wait(lambda view: is_raised(view, "lag", "work"), "the monitor has the alarm")
        assert daemon.command("health").code == 2
        daemon.open_gate("held")
        monitor.wait_event("AlarmCleared", subject="work")
    wait_until(lambda: paged.exists() and paged.read_text() == "lag work raised\nlag work cleared\n", "both were paged")


def is_raised(view: DaemonView, name: str, subject: str) -> bool:
    alarm = view.alarms.get((name, subject))
    return alarm is not None and alarm.is_raised


def test_a_daemon_of_2010_is_seen_by_whoever_watches_the_hub(make_daemon: MakeDaemon, sqlite_place: Place) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    daemon = make_daemon(sqlite_place, SOURCE, telemetry={"legacy_listen": f"127.0.0.1:{port}"})
    owners = {"owners[0]": "queue:distrib", "owners[1]": "site:example.net", "owners[2]": "thread:generic.1"}
    ping = urllib.parse.urlencode({"counter": "handled", **owners}).encode()
    state = urllib.parse.urlencode(
        {"thread_id": "generic.1", "state": "queue", "substate": "distrib", "ts": str(time.time())}
    ).encode()
    with (
        Monitor(daemon.wait_hub().address) as monitor,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as site,
    ):
        for _ in range(3):
            site.sendto(ping, ("127.0.0.1", port))
        site.sendto(state, ("127.0.0.1", port))
        monitor.wait(lambda view: view.is_complete, "our own daemon is known")
        wait_until(lambda: monitor.feed.turn() >= 0 and _legacy_handled(monitor) == 3, "the pings are counted")
        (legacy,) = [view for view in monitor.fleet.daemons.values() if view.name.startswith("legacy")]
        assert list(legacy.workers) == ["generic.1"]


def _legacy_handled(monitor: Monitor) -> int:
    views = [view for view in monitor.fleet.daemons.values() if view.name.startswith("legacy")]
    return sum(flow.handled for view in views for flow in view.flows.values())


def test_statsd_is_told_each_item_once_although_the_hub_dies(make_daemon: MakeDaemon, sqlite_place: Place) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.1)
        daemon = make_daemon(
            sqlite_place, SOURCE, telemetry={"statsd": f"127.0.0.1:{server.getsockname()[1]}", "statsd_prefix": "t"}
        )
        hub = daemon.wait_hub()
        told: list[int] = []
        for _ in range(20):
            sqlite_place.enqueue("work")
        wait_until(lambda: sum(_increments(server, told)) == 20, "twenty are told")

        os.kill(hub.pid, signal.SIGKILL)
        for _ in range(5):
            sqlite_place.enqueue("work")
        daemon.wait_hub(2)
        wait_until(lambda: sum(_increments(server, told)) == 25, "five more are told")


def _increments(server: socket.socket, told: list[int]) -> list[int]:
    """Everything that the server was told of the counter, with what has just come."""
    try:
        for line in server.recv(2048).decode().splitlines():
            name, _colon, value = line.partition(":")
            if name == "t.queue.work.handled":
                told.append(int(value.partition("|")[0]))
    except TimeoutError:
        pass
    return told


def test_a_recording_of_a_live_hub_is_made_from_the_command_line(make_daemon: MakeDaemon, sqlite_place: Place) -> None:
    daemon = make_daemon(sqlite_place, SOURCE)
    daemon.wait_hub()

    made = daemon.command("record", "x.rec", "--seconds", "1.5")
    assert made.code == 0, made.err
    assert (daemon.folder / "x.rec").stat().st_size > 500

    nobody = daemon.command("record", "y.rec", "--from", "127.0.0.1:9", "--seconds", "1")
    assert nobody.code == 1
    assert "nothing came from 127.0.0.1:9" in nobody.err
    wrong = daemon.command("record", "y.rec", "--from", "localhost:abc", "--seconds", "1")
    assert wrong.code == 1
    assert "snqd: error: --from: " in wrong.err
    nowhere = daemon.command("record", "no/such/folder/z.rec", "--seconds", "1")
    assert (nowhere.code, nowhere.err) == (
        1,
        "snqd: error: no/such/folder/z.rec: there is no folder no/such/folder\n",
    )
