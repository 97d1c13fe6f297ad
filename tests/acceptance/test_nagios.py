"""`check_snqd` beside a real daemon and over its SNMP agent, run by hand and by a real Nagios."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from snqd.check.checks import MODES
from snqd.check.main import HEALTH
from tests.support.daemons import PROJECT, Ended
from tests.support.icinga import Icinga
from tests.support.nagios import Nagios, check_snmp
from tests.support.processes import is_gone, wait_until
from tests.support.relays import free_ports
from tests.support.snmp import AUTH, COMMUNITY, PRIVACY, USER, agents
from tests.support.snmp import section as snmp

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.daemons import Daemon, Place
    from tests.support.explaining import OnFailure

    MakeDaemon = Callable[..., Daemon]

pytestmark = pytest.mark.fork

EXAMPLES = {path.name: path.read_text() for path in (PROJECT / "docs" / "examples" / "nagios").glob("*.cfg")}
OK, WARNING, CRITICAL, UNKNOWN = range(4)
SOURCE = """
@handler("held")
def held(payload, context):
    note("began", context)
    hold("held")

@handler("fails", max_attempts=1)
def fails(payload, context):
    raise ValueError("no")

@handler("dies", max_attempts=1)
def dies(payload, context):
    die()
"""


def check(daemon: Daemon, *words: str, without_configuration: bool = False) -> Ended:
    command = [sys.executable, "-m", "snqd.check.main", *words]
    if not without_configuration:
        command += ["--config", "snqd.toml"]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=daemon.folder, env=daemon.environment, timeout=30, check=False
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def test_lag_and_depth_are_critical_while_a_queue_waits_and_ok_when_it_is_empty(
    make_daemon: MakeDaemon, sqlite_place: Place
) -> None:
    daemon = make_daemon(sqlite_place, SOURCE)
    daemon.wait_hub()
    wait_until(lambda: check(daemon, "lag", "-c", "0.5").code == OK, "nothing waits")
    for _ in range(3):
        sqlite_place.enqueue("held")
    daemon.wait_fact("began")

    wait_until(lambda: check(daemon, "lag", "-w", "0.2", "-c", "0.5").code == CRITICAL, "it lags")
    wait_until(lambda: check(daemon, "depth", "-q", "held", "-w", "1").code == WARNING, "two items are ready")
    found = check(daemon, "depth", "-q", "held", "--site", "default", "-w", "~:1", "-v")
    assert (found.code, found.err) == (WARNING, "")
    assert found.out.splitlines() == [
        "SNQD WARNING - depth of 1 queue: default/held 2 | depth=2;~:1;;0",
        "WARNING default/held 2",
    ]
    assert check(daemon, "depth", "-q", "fails", "-w", "0").code == OK, "that queue is empty"

    daemon.open_gate("held")
    sqlite_place.wait_empty()
    wait_until(lambda: check(daemon, "lag", "-c", "0.5").code == OK, "nothing waits any more")


def test_failures_dead_letters_and_deaths_are_seen(make_daemon: MakeDaemon, sqlite_place: Place) -> None:
    daemon = make_daemon(sqlite_place, SOURCE, daemon={"crash_limit": 1})
    daemon.wait_hub()
    for _ in range(25):
        sqlite_place.enqueue("fails")
    sqlite_place.wait_empty()
    sqlite_place.enqueue("dies")
    daemon.wait_event("WorkerExited")
    sqlite_place.wait_empty()

    wait_until(lambda: check(daemon, "failures", "-w", "20", "-c", "50").code == CRITICAL, "failures are counted")
    wait_until(lambda: "dead=26;" in check(daemon, "dead", "-w", "0").out, "dead letters are counted")
    assert check(daemon, "dead", "-w", "0").code == WARNING
    wait_until(lambda: "respawns=1;" in check(daemon, "respawns", "-c", "0").out, "the death is counted")
    assert check(daemon, "respawns", "-c", "0").code == CRITICAL
    wait_until(lambda: check(daemon, "workers").code == OK, "the worker is replaced")
    assert check(daemon, "workers", "-c", "2:").code == CRITICAL


def test_store_and_health_answer_and_what_is_missing_is_unknown(make_daemon: MakeDaemon, sqlite_place: Place) -> None:
    daemon = make_daemon(sqlite_place, SOURCE)
    daemon.wait_hub()
    wait_until(lambda: check(daemon, "store", "-c", "5").code == OK, "the store answers")
    wait_until(lambda: check(daemon, "health").code == OK, "all is well")
    health = check(daemon, "health").out
    assert health.startswith("SNQD OK - daemon main: 1 worker, ")
    assert " | workers=1;;;0;1 " in health
    socket = daemon.folder / "main.sock"
    by_socket = [sys.executable, "-m", "snqd.check.main", "lag", "--socket", str(socket)]
    assert subprocess.run(by_socket, cwd=PROJECT, check=False).returncode == OK

    no_queue, no_site = check(daemon, "lag", "-q", "nonsense"), check(daemon, "lag", "--site", "nonsense")
    assert (no_queue.code, no_queue.out) == (UNKNOWN, "SNQD UNKNOWN - daemon main knows no queue 'nonsense'\n")
    assert (no_site.code, no_site.out) == (UNKNOWN, "SNQD UNKNOWN - daemon main knows no site 'nonsense'\n")
    assert check(daemon, "lag", "--site", "default").code == OK, "a site that has no items"
    assert check(daemon, "lag", "--daemon", "other").code == UNKNOWN

    assert daemon.stop() == 0
    for mode in ("lag", "workers", "health"):
        ended = check(daemon, mode)
        assert (ended.code, ended.out.count("\n"), ended.err) == (UNKNOWN, 1, "")
        assert "no daemon 'main' runs on this host" in ended.out


def test_the_hub_refuses_questions_that_it_does_not_understand(make_daemon: MakeDaemon, sqlite_place: Place) -> None:
    from snqd.errors import SnqdError
    from snqd.telemetry.asking import ask_hub

    daemon = make_daemon(sqlite_place, SOURCE)
    daemon.wait_hub()
    for wrong in ({"queues": "mail"}, {"queues": [1]}, {"site": 1}):
        with pytest.raises(SnqdError, match="must be a"):
            ask_hub(daemon.folder / "main.sock", {"ask": "figures", **wrong}, seconds=10)


def test_over_snmp_a_check_says_what_it_says_over_the_control_socket(
    make_daemon: MakeDaemon, sqlite_place: Place, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    daemon = make_daemon(sqlite_place, SOURCE, snmp=snmp(port, queue_site_rows=100))
    hub = daemon.wait_hub()
    for queue in ("fails", "fails", "held", "held", "held"):
        sqlite_place.enqueue(queue)
    daemon.wait_fact("began")
    asked = {"v2c": ("-C", COMMUNITY), "v3": ("-U", USER.name, "-A", AUTH, "-X", PRIVACY)}

    def over_snmp(who: str, *words: str) -> Ended:
        return check(daemon, *words, "-H", f"localhost:{port}", *asked[who], without_configuration=True)

    wait_until(lambda: check(daemon, "depth", "-q", "held", "-w", "1").code == WARNING, "two items are ready")
    wait_until(lambda: "dead=2;" in check(daemon, "dead").out, "two items are dead letters")
    wait_until(lambda: "dead=2;" in over_snmp("v2c", "dead").out, "the agent knows it too")
    for number, words in enumerate((
        "lag -w 0.001 -v", "depth -w 1 -v", "failures -v", "dead -w 1 -v", "workers", "respawns -v", "store -c 9",
        "health", "depth --site default -c 1 -v", "lag -q fails -q held", "lag -q nonsense",
    )):  # fmt: skip
        here, there = check(daemon, *words.split()), over_snmp(("v2c", "v3")[number % 2], *words.split())
        assert (there.code, there.err) == (here.code, ""), (words, there)
        is_still = words.split()[0] in ("depth", "failures", "dead", "workers", "respawns")
        assert there.out == here.out if is_still else _shape(there.out) == _shape(here.out), words

    first = agents()[hub.pid]
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: is_gone(first), "the agent is gone")
    seen: list[Ended] = []

    def is_back() -> bool:
        seen.append(over_snmp("v3", "depth", "-c", "1", "-t", "5"))
        return seen[-1].code == CRITICAL

    wait_until(is_back, "another agent answers", seconds=60)
    for ended in seen:
        assert (ended.code in (UNKNOWN, CRITICAL), ended.out.count("\n"), ended.err) == (True, 1, "")
    daemon.open_gate("held")
    sqlite_place.wait_empty()
    assert daemon.stop() == 0
    ended = over_snmp("v2c", "lag")
    assert (ended.code, ended.out) == (
        UNKNOWN,
        f"SNQD UNKNOWN - localhost:{port}: Connection refused: is there an agent?\n",
    )


def _shape(out: str) -> str:
    """Without the figures that move."""
    return re.sub(r"[\d.]+", "#", out)


def test_nagios_turns_critical_when_a_queue_backs_up_and_ok_when_it_drains(
    make_daemon: MakeDaemon, sqlite_place: Place, tmp_path: Path, on_failure: OnFailure
) -> None:
    (port,) = free_ports(1)
    daemon = make_daemon(sqlite_place, SOURCE, snmp=snmp(port))
    daemon.wait_hub()
    nagios = Nagios(tmp_path / "nagios", _for_tests(daemon, port, tmp_path))
    on_failure("log of Nagios", nagios.log)
    nagios.start()
    try:
        described = {
            line.split(None, 1)[1]
            for text in EXAMPLES.values()
            for line in text.splitlines()
            if "service_description" in line
        }

        def states() -> dict[str, int]:
            return {name: service.state for name, service in nagios.services().items()}

        def lags() -> set[int]:
            return {state for name, state in states().items() if "lag" in name}

        seen = nagios.services
        wait_until(lambda: states() == dict.fromkeys(described, OK), "all is well in Nagios", seconds=60, seen=seen)
        for _ in range(3):
            sqlite_place.enqueue("held")
        wait_until(lambda: lags() == {CRITICAL}, "the queue backs up", seconds=60, seen=seen)
        for name in ("snqd lag", "snqd lag by SNMP"):
            lag = nagios.services()[name]
            assert lag.output.startswith("SNQD CRITICAL - lag of ")
            assert "held_lag=" in lag.performance_data
            assert lag.performance_data.startswith("lag=")
        assert nagios.services()["snqd lag by check_snmp"].performance_data.startswith("lag=")

        daemon.open_gate("held")
        wait_until(lambda: set(states().values()) == {OK}, "it is drained", seconds=60, seen=seen)
    finally:
        code = nagios.stop()
    assert code == 0, nagios.log()


def test_icinga_runs_every_check_over_snmp(
    make_daemon: MakeDaemon, sqlite_place: Place, tmp_path: Path, on_failure: OnFailure
) -> None:
    (port,) = free_ports(1)
    daemon = make_daemon(sqlite_place, SOURCE, snmp=snmp(port))
    daemon.wait_hub()
    objects = (PROJECT / "docs" / "examples" / "icinga2" / "snqd.conf").read_text()
    for old, new in (
        ('"/usr/local/bin/check_snqd" ]\n  vars', f'"{_plugin(tmp_path)}" ]\n  vars'),
        ("$address$:1161", f"$address$:{port}"),
        ("check_interval = 1m", "check_interval = 4"),  # eight checks a second are more than two processors can do
        ("retry_interval = 1m", "retry_interval = 4"),  # of a check that came before the agent
    ):
        assert old in objects, old
        objects = objects.replace(old, new)
    host = {"snqd": True, "snqd_user": USER.name, "snqd_queues": ["held"], "snqd_limits": {"depth": {"critical": "0"}}}
    for name, secret in (("auth", AUTH), ("privacy", PRIVACY)):
        (tmp_path / name).write_text(f"{secret}\n")
        (tmp_path / name).chmod(0o600)
        host[f"snqd_{name}_passphrase_file"] = str(tmp_path / name)
    icinga = Icinga(tmp_path / "icinga", objects, host)
    on_failure("log of Icinga", icinga.log)
    icinga.start()
    try:

        def states() -> dict[str, int]:
            return {name: service.state for name, service in icinga.services().items()}

        all_well = {f"snqd-{mode}": OK for mode in (*MODES, HEALTH)}
        seen = icinga.services
        wait_until(lambda: states() == all_well, "all is well in Icinga", seconds=60, seen=seen)
        for _ in range(2):
            sqlite_place.enqueue("held")
        what = "the queue backs up, by a limit of the host"
        wait_until(lambda: states()["snqd-depth"] == CRITICAL, what, seconds=60, seen=seen)
        assert icinga.services()["snqd-depth"].output == "SNQD CRITICAL - depth of 1 queue: held 1"
        daemon.open_gate("held")
    finally:
        code = icinga.stop()
    assert code == 0, icinga.log()


def _plugin(folder: Path) -> Path:
    """`check_snqd` of this checkout."""
    plugin = folder / "check_snqd"
    plugin.write_text(f'#!/bin/sh\ncd {PROJECT}\nexec {sys.executable} -m snqd.check.main "$@"\n')
    plugin.chmod(0o755)
    return plugin


def _for_tests(daemon: Daemon, port: int, folder: Path) -> dict[str, str]:
    """The examples with the places, secrets and thresholds of a test."""
    plugin = _plugin(folder)
    replaced = {
        "/usr/bin/sudo -n -u snqd /usr/local/bin/check_snqd $ARG1$": (
            f"{plugin} $ARG1$ --socket {daemon.folder / 'main.sock'}"
        ),
        "/usr/local/bin/check_snqd $ARG1$ -H $HOSTADDRESS$:1161": f"{plugin} $ARG1$ -H $HOSTADDRESS$:{port}",
        "/usr/lib/nagios/plugins/check_snmp -H $HOSTADDRESS$ -p 1161": f"{check_snmp()} -H $HOSTADDRESS$ -p {port}",
        "!COMMUNITY!": f"!{COMMUNITY}!",
        "lag -w 60 -c 300": "lag -w 0.2 -c 0.5",
        "-w 60000 -c 300000": "-w 200 -c 500",
        "check_interval         1": "check_interval         6",  # of seconds, and there are 19 checks
    }
    for name, secret in (("snqd-community", COMMUNITY), ("snqd-auth", AUTH), ("snqd-privacy", PRIVACY)):
        (folder / name).write_text(f"{secret}\n")
        (folder / name).chmod(0o600)
        replaced[f"/etc/nagios4/{name}"] = str(folder / name)
    whole = "".join(EXAMPLES.values())
    for old in replaced:
        assert old in whole, old
    found = dict(EXAMPLES)
    for old, new in replaced.items():
        found = {name: text.replace(old, new) for name, text in found.items()}
    return found


def test_the_examples_are_what_nagios_accepts_without_a_warning(tmp_path: Path) -> None:
    for ways, services in ((("local",), 8), (("snmp",), 11), (("local", "snmp"), 19)):
        names = ["snqd.cfg", *(f"snqd-{way}.cfg" for way in ways)]
        ended = Nagios(tmp_path / "_".join(ways), {name: EXAMPLES[name] for name in names}).verify()

        assert ended.returncode == 0, ended.stdout
        assert "Total Warnings: 0" in ended.stdout, ended.stdout
        assert f"Checked {services} services." in ended.stdout


def test_a_check_is_quick(make_daemon: MakeDaemon, sqlite_place: Place) -> None:
    """The promise is 80 ms; here it is processor time in bare interpreters, so that a busy machine is no failure."""
    (port,) = free_ports(1)
    daemon = make_daemon(sqlite_place, SOURCE, snmp=snmp(port))
    daemon.wait_hub()
    program = Path(sys.executable).with_name("check_snqd")
    environment = {name: text for name, text in daemon.environment.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def seconds(*command: str) -> float:
        began = _children_seconds()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=daemon.folder, env=environment)
        return _children_seconds() - began

    lag = (str(program), "lag")
    host = ("-H", f"127.0.0.1:{port}")
    ways = {
        "bare": (sys.executable, "-c", "pass"),
        "socket": (*lag, "--config", "snqd.toml"),
        "v2c": (*lag, *host, "-C", COMMUNITY),
        "v3": (*lag, *host, "-U", USER.name, "-A", AUTH, "-X", PRIVACY),
    }
    wait_until(lambda: check(daemon, *ways["v2c"][1:], without_configuration=True).code == OK, "the agent answers")
    quickest = dict.fromkeys(ways, float("inf"))
    for _ in range(8):
        for way, command in ways.items():
            quickest[way] = min(quickest[way], seconds(*command))
    most = {"socket": 7, "v2c": 7, "v3": 9}  # AES is a package to import, and keys are made of pass phrases
    assert all(quickest[way] < times * quickest["bare"] for way, times in most.items()), quickest
    assert os.access(program, os.X_OK)


def _children_seconds() -> float:
    """Processor time of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
