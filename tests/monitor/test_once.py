"""`snqmon --once`: what it prints, when it stops waiting, and the code that it leaves with."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from snqd.hub.relay import Relay
from snqd.telemetry.health import Code
from snqmon import cli
from snqmon.model.tables import TABLES
from snqmon.once import Verdict, worst
from tests.support.recordings import told, write
from tests.support.relays import free_ports
from tests.support.stopwatch import Stopwatch
from tests.support.telemetry import ALARM, DAEMON, HEADER, KEY, QUEUE, STORE, WORKER, changed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from snqd.telemetry.facts import AnyFact

CALM: tuple[AnyFact, ...] = (
    changed(DAEMON, workers=1, queues=1), changed(WORKER, phase="idle", running=0, beat=1e15), STORE, QUEUE
)  # fmt: skip
TROUBLED = (*CALM, ALARM)


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("SNQMON_HUBS", "SNQMON_KEY", "SNQMON_KEY_FILE", "SNQD_TELEMETRY_KEY"):
        monkeypatch.delenv(name, raising=False)


@contextmanager
def hub(name: str, *facts: AnyFact, **options: Any) -> Iterator[str]:
    """A real hub that tells these facts, in a thread of its own; its address."""
    made = Relay(msgspec.structs.replace(HEADER, daemon=name), listen="127.0.0.1:0", **options)
    made.open()
    made.update(facts)
    is_over = threading.Event()

    def serve() -> None:
        while not is_over.is_set():
            is_over.wait(min(0.01, made.tick()))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield made.address
    finally:
        is_over.set()
        thread.join()
        made.close()


def test_a_daemon_that_is_well_is_one_line_a_table_and_a_zero(capsys: pytest.CaptureFixture[str]) -> None:
    watch = Stopwatch()
    with hub("main", *CALM) as address:
        code = cli.main(["--once", "--wait", "30", address])
    took = watch.seconds

    lines = capsys.readouterr().out.splitlines()
    assert code == Code.OK
    assert lines[0].startswith("SNQD OK: daemon main: 1 worker, the store answers")
    assert "| workers=1;;;0;1" in lines[0]
    assert "Queues (1)" in lines
    assert any(line.split()[:1] == ["mail"] for line in lines)
    assert any(line.split()[:1] == ["main.1"] for line in lines)
    assert took < 10, "it does not wait longer than until everything is known"


def test_the_worst_daemon_decides(capsys: pytest.CaptureFixture[str]) -> None:
    with hub("calm", *CALM) as calm, hub("hurt", *TROUBLED) as hurt:
        code = cli.main(["--once", calm, hurt])

    lines = capsys.readouterr().out.splitlines()
    assert code == Code.CRITICAL
    assert lines[0] == "SNQD CRITICAL: 1 OK, 1 CRITICAL"
    assert lines[1].startswith("SNQD CRITICAL: daemon hurt: critical lag: mail waits for 400 s")
    assert lines[2].startswith("SNQD OK: daemon calm")


def test_a_hub_that_is_not_heard_is_unknown_and_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    nobody = f"127.0.0.1:{free_ports(1)[0]}"
    with hub("calm", *CALM) as calm:
        code = cli.main(["--once", "--wait", "1", calm, nobody])

    lines = capsys.readouterr().out.splitlines()
    assert code == Code.UNKNOWN
    assert lines[0] == "SNQD UNKNOWN: 1 OK, 1 UNKNOWN"
    assert lines[1] == f"SNQD UNKNOWN: {nobody}: nobody listens there, asking again"


def test_when_nothing_comes_it_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    nobody = f"127.0.0.1:{free_ports(1)[0]}"
    watch = Stopwatch()
    code = cli.main(["--once", "--wait", "0.6", nobody])
    took = watch.seconds

    lines = capsys.readouterr().out.splitlines()
    assert code == Code.UNKNOWN
    assert time.monotonic() - watch.began > 0.5
    assert took < 5
    assert lines[0] == f"SNQD UNKNOWN: {nobody}: nobody listens there, asking again"
    assert f'In its configuration: [telemetry] listen = "{nobody}"' in lines[2]


def test_where_waiting_does_not_help_it_does_not_wait(capsys: pytest.CaptureFixture[str]) -> None:
    watch = Stopwatch()
    with hub("locked", *CALM, key=KEY) as address:
        code = cli.main(["--once", "--wait", "60", address])

    assert code == Code.UNKNOWN
    assert watch.seconds < 20
    said = capsys.readouterr().out
    assert "a key is needed" in said.splitlines()[0]
    assert "give the daemon's telemetry.key with --key-file FILE" in said


def test_json_has_every_table_with_every_column(capsys: pytest.CaptureFixture[str]) -> None:
    with hub("main", *TROUBLED) as address:
        code = cli.main(["--once", "--json", address])

    told_ = json.loads(capsys.readouterr().out)
    assert (code, told_["code"]) == (2, 2)
    assert told_["feed"]["trust"] == "LIVE"
    assert told_["feed"]["sources"][0]["address"] == address
    assert [health["daemon"] for health in told_["health"]] == ["main@host1"]
    for name, table in TABLES.items():
        assert all(row.keys() == {column.key for column in table.columns} for row in told_[name])
    assert [row["queue"] for row in told_["queues"]] == ["mail"]
    assert [row["worker"] for row in told_["workers"]] == ["main.1"]
    assert [row["name"] for row in told_["alarms"]] == ["lag"]


def test_a_recording_is_judged_as_it_was_at_its_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "some.rec"
    write(file, sorted(told(1, 60), key=lambda record: record[0]))

    code = cli.main(["--once", "--json", "--replay", str(file)])

    found = json.loads(capsys.readouterr().out)
    assert code == found["code"]
    assert {health["daemon"] for health in found["health"]} == {"main@host1", "other@host1"}
    assert found["feed"]["trust"] == "ENDED"


def test_the_scene_has_its_whole_past(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--once", "--demo", "7"]) == Code.CRITICAL
    said = capsys.readouterr().out
    assert "critical lag: the oldest of" in said
    assert "xmppout" in said


def test_known_to_be_bad_is_worse_than_not_known() -> None:
    def of(*codes: Code) -> Code:
        return worst([Verdict("", code, "") for code in codes])

    assert of(Code.OK, Code.UNKNOWN) is Code.UNKNOWN
    assert of(Code.WARNING, Code.UNKNOWN) is Code.WARNING
    assert of(Code.UNKNOWN, Code.CRITICAL, Code.OK) is Code.CRITICAL
