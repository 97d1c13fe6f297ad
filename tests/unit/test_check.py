"""`check_snqd` without a daemon: ranges, performance data, verdicts, and what the command line refuses."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snqd import __version__
from snqd.check.checks import DRAWN, MODES, SHOWN, Thresholds, Verdict, check
from snqd.check.figures import Figures, QueueFigures, StoreFigures
from snqd.check.main import HEALTH, _parser, main
from snqd.check.perfdata import Datum, number, plain
from snqd.check.ranges import parse_range
from snqd.telemetry.health import Code
from tests.support.documents import PAGES, PROJECT

if TYPE_CHECKING:
    from pathlib import Path

WHOLE = st.integers(-1000, 1000)
VALUES = st.floats(-2000, 2000)


@pytest.mark.parametrize(
    ("text", "good", "bad"),
    [
        ("10", (0, 5, 10), (-0.1, 10.1)),
        ("10:", (10, 1e9), (9.9, -5)),
        ("~:10", (-1e9, 10), (10.1,)),
        ("10:20", (10, 20), (9.9, 20.1)),
        ("@10:20", (9.9, 20.1), (10, 15, 20)),
        ("@10", (-0.1, 10.1), (0, 10)),
        ("-5:-1.5", (-5, -1.5), (-1, -6)),
        (":.5", (0, 0.5), (-1, 1)),
        ("0:0", (0,), (1, -1)),
    ],
)
def test_a_range_alerts_outside_of_it_and_with_an_at_sign_inside(
    text: str, good: tuple[float, ...], bad: tuple[float, ...]
) -> None:
    found = parse_range(text)
    assert [value for value in good if found.alerts(value)] == []
    assert [value for value in bad if not found.alerts(value)] == []


@pytest.mark.parametrize(
    "text",
    ["", ":", "@", "~", "20:10", "a", "1e3", "nan", "inf", "10:x", "1:2:3", " 10", "10:20s", "\u0661", "@:"],
)
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no range"):
        parse_range(text)


@given(WHOLE, WHOLE, VALUES)
def test_every_form_says_what_it_says(one: int, other: int, value: float) -> None:
    low, high = sorted((one, other))
    assert parse_range(f"{low}:{high}").alerts(value) == (not low <= value <= high)
    assert parse_range(f"@{low}:{high}").alerts(value) == (low <= value <= high)
    assert parse_range(f"{low}:").alerts(value) == (value < low)
    assert parse_range(f"~:{high}").alerts(value) == (value > high)
    assert parse_range(str(abs(one))).alerts(value) == (not 0 <= value <= abs(one))


@given(st.text())
def test_whatever_is_written_is_a_range_or_a_value_error(text: str) -> None:
    try:
        found = parse_range(text)
    except ValueError:
        return
    assert found.low <= found.high
    assert found.text == text


def test_performance_data_is_written_as_plugins_do() -> None:
    assert str(Datum("lag", 2.5, "s", "60", "@10:20")) == "lag=2.5s;60;@10:20;0"
    assert str(Datum("workers", 2, crit="1:", most="4")) == "workers=2;;1:;0;4"
    assert str(Datum("it's = a label", 1, least="")) == "'it_s _ a label'=1"
    assert str(Datum("a.example/mail_lag", 1, least="")) == "a.example/mail_lag=1"


PERFDATA = re.compile(r"('[^'=|]+'|[\w./-]+)=(U|-?\d+(\.\d+)?)(s|%|B|c)?(;[\d.:@~-]*){0,4}")


@given(st.text(), st.floats() | st.integers(), st.sampled_from(["", "s", "%", "B", "c"]))
def test_no_label_and_no_value_breaks_performance_data(label: str, value: float, unit: Any) -> None:
    written = str(Datum(label, value, unit))
    assert PERFDATA.fullmatch(written), written
    assert "\n" not in written


@given(st.floats(-1e12, 1e12))
def test_a_number_is_read_as_what_it_was(value: float) -> None:
    assert math.isclose(float(number(value)), value, abs_tol=1e-6)


@given(st.text(), st.lists(st.text(), max_size=3))
def test_output_is_one_line_with_one_bar_at_most_and_a_line_for_each_detail(said: str, details: list[str]) -> None:
    lines = Verdict(Code.OK, said, (Datum("x", 1),), tuple(details)).text(1).split("\n")
    assert len(lines) == 1 + len(details)
    assert lines[0].count("|") == 1
    assert all(line.isprintable() for line in lines)
    assert "|" not in plain(said)


def queue(name: str = "mail", **changes: Any) -> QueueFigures:
    found = QueueFigures(name, 3, 90.0, 1, 0, 100, is_paused=False, is_estimate=False)
    return found._replace(**changes)


def figures(*queues: QueueFigures, **changes: Any) -> Figures:
    store = StoreFigures(connected=True, problem="", away_seconds=0.0, round_trip_seconds=0.0125)
    return Figures("main", 0.5, queues, (), 2, 2, 0, store)._replace(**changes)


def limits(warn: str = "", crit: str = "") -> Thresholds:
    return Thresholds(parse_range(warn) if warn else None, parse_range(crit) if crit else None)


@pytest.mark.parametrize(
    ("mode", "changes", "data"),
    [
        ("lag", {"lag_seconds": 125.5}, "lag=125.5s;60;120;0"),
        ("depth", {"ready": 125}, "depth=125;60;120;0"),
        ("failures", {"failed": 99, "handlings": 100}, "failures=99%;60;90;0"),
        ("dead", {"dead": 125}, "dead=125;60;120;0"),
    ],
)
def test_the_worst_queue_decides_and_is_named(mode: str, changes: dict[str, Any], data: str) -> None:
    found = limits(*data.split(";")[1:3])
    calm = queue(lag_seconds=60.0, ready=60, failed=60, handlings=100, dead=60)
    assert check(mode, figures(calm), found).code == Code.OK

    verdict = check(mode, figures(calm._replace(name="calm"), calm._replace(**changes)), found)

    assert verdict.code == Code.CRITICAL
    assert ": mail " in verdict.said
    assert "calm" not in verdict.said
    assert f"mail_{data}" in verdict.text()
    alone = check(mode, figures(calm._replace(**changes)), found)
    assert alone.text().endswith(f" | {data}")
    wide = limits(found.warn.text if found.warn else "", "1000")
    assert check(mode, figures(calm._replace(**changes)), wide).code == Code.WARNING


def test_depth_and_dead_letters_are_drawn_as_sums_and_judged_by_queue() -> None:
    verdict = check("depth", figures(queue("a", ready=7), queue("b", ready=8)), limits("10"))
    assert verdict.code == Code.OK
    assert [str(datum) for datum in verdict.data] == ["depth=15;;;0", "a_depth=7;10;;0", "b_depth=8;10;;0"]


def test_a_paused_queue_may_wait_and_few_handlings_say_nothing() -> None:
    paused = check("lag", figures(queue(is_paused=True, lag_seconds=1e6)), limits("1", "2"))
    assert (paused.code, paused.details) == (Code.OK, ("OK mail 1000000 s (paused, not judged)",))
    few = check("failures", figures(queue(failed=19, handlings=19)), limits("1", "2"))
    assert (few.code, few.details) == (Code.OK, ("OK mail 100 % (19 of 19 in five minutes, not judged)",))


def test_many_queues_are_neither_all_named_nor_all_drawn() -> None:
    many = [queue(f"q{number:03}", lag_seconds=float(number)) for number in range(DRAWN + 1)]
    verdict = check("lag", figures(*many), limits("~:-1"))
    assert verdict.said.startswith(f"lag of {len(many)} queues: q{DRAWN:03} {DRAWN} s, ")
    assert verdict.said.endswith(f" and {len(many) - SHOWN} more")
    assert len(verdict.data) == 1
    assert len(verdict.details) == len(many)


def test_workers_have_thresholds_of_their_own() -> None:
    codes = [check("workers", figures(workers_claiming=claiming), limits()).code for claiming in (2, 1, 0)]
    assert codes == [Code.OK, Code.WARNING, Code.CRITICAL]
    assert check("workers", figures(workers_claiming=1), limits("1:", "1:")).code == Code.OK
    assert check("workers", figures(), limits()).text() == (
        "SNQD OK - 2 of 2 workers can take items | workers=2;2:;1:;0;2"
    )


def test_respawns_and_the_store_are_judged() -> None:
    assert check("respawns", figures(deaths=3), limits("2", "5")).code == Code.WARNING
    assert check("store", figures(), limits("0.01", "0.02")).code == Code.WARNING
    assert check("store", figures(), limits()).text() == "SNQD OK - the store answers in 12.5 ms | store=0.0125s;;;0"
    away = StoreFigures(connected=False, problem="refused | now", away_seconds=7.0, round_trip_seconds=-1.0)
    gone = check("store", figures(store=away), limits())
    assert gone.text() == "SNQD CRITICAL - the store has not answered for 7.0s (refused / now)"
    assert check("store", figures(store=None), limits()).code == Code.UNKNOWN


@pytest.mark.parametrize("mode", MODES)
def test_what_is_old_or_missing_is_unknown_in_every_mode(mode: str) -> None:
    assert check(mode, figures(queue(), silence_seconds=11.0), limits()).code == Code.UNKNOWN
    missing = check(mode, figures(missing=("queue 'x'", "site 'y'")), limits())
    assert (missing.code, missing.said) == (Code.UNKNOWN, "daemon main knows no queue 'x' and no site 'y'")


@pytest.mark.parametrize(
    "words",
    [
        [], ["nonsense"],
        ["lag", "-w", "20:10"], ["lag", "-w"], ["lag", "-t", "0"], ["lag", "-t", "x"], ["lag", "extra"],
        ["lag", "--nonsense"], ["health", "-w", "1"], ["failures", "--site", "x"], ["lag", "--conf", "x"],
    ],
)  # fmt: skip
def test_wrong_usage_is_unknown_in_one_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 3
    out, err = capsys.readouterr()
    assert out.startswith("SNQD UNKNOWN - usage: ")
    assert (out.count("\n"), err) == (1, "")


def test_nobody_to_ask_is_unknown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for place in (tmp_path / "main.sock", tmp_path / "no" / "folder.sock"):
        assert main(["lag", "--socket", str(place)]) == 3
        assert capsys.readouterr().out == f"SNQD UNKNOWN - {place}: No such file or directory\n"
    assert main(["lag", "--config", str(tmp_path / "none.toml")]) == 3
    assert "none.toml" in capsys.readouterr().out


def test_an_answer_that_does_not_come_is_unknown_in_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import socket

    place = tmp_path / "main.sock"
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(place))
        silent.listen()
        assert main(["lag", "--socket", str(place), "-t", "0.1"]) == 3
    assert capsys.readouterr().out == "SNQD UNKNOWN - no answer within 0.1 s\n"


@pytest.mark.parametrize(("flag", "says"), [("-h", "usage: check_snqd"), ("-V", f"check_snqd {__version__}\n")])
def test_help_and_version_are_no_state_that_is_well(flag: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main([flag])
    assert leaving.value.code == 3
    assert capsys.readouterr().out.startswith(says)


def test_every_check_of_the_pages_and_examples_is_one_that_the_command_understands() -> None:
    texts = [path.read_text() for path in PAGES]
    texts += [path.read_text() for path in (PROJECT / "docs" / "examples" / "nagios").glob("*.cfg")]
    found = {line for text in texts for line in re.findall(r"check_snqd((?: |_snmp3?!|!)[a-z][^`\n|]*)", text)}
    found = {line for line in found if re.split(r"[ !]", line)[1] in (*MODES, HEALTH)}
    assert len(found) > 15
    for line in found:
        _parser().parse_args(re.sub(r"^\w*!", "", line.strip()).split())


def test_a_check_imports_none_of_what_takes_long() -> None:
    slow = {
        "click",
        "msgspec",
        "asyncio",
        "dataclasses",
        "sqlite3",
        "psycopg",
        "pysnmp",
        "logging",
        "tempfile",
        "inspect",
    }
    asking = ["-H", "127.0.0.1:9", "-t", "0.1"]
    ways = {
        "the control socket": (["--socket", "/none"], slow | {"hashlib"}),
        "v2c": ([*asking, "-C", "word"], slow | {"cryptography", "urllib", "hashlib"}),
        "v3": ([*asking, "-U", "u", "-A", "12345678", "-x", "none"], slow | {"cryptography", "urllib"}),
    }
    for way, (words, unwanted) in ways.items():
        source = (
            "import sys; before = set(sys.modules); "  # what measures coverage is there already
            f"from snqd.check.main import main; main(['lag', *{words}]); print(*set(sys.modules) - before)"
        )
        done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
        assert "UNKNOWN" in done.stdout, way
        assert unwanted.isdisjoint(done.stdout.split()), (way, unwanted.intersection(done.stdout.split()))
