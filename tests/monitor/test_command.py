"""The command `snqmon` as it is typed: what is refused, in which words, and what never shows."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest

from snqmon import __version__, cli
from snqmon.feeds.live import LiveFeed
from snqmon.feeds.replay import ReplayFeed
from snqmon.feeds.scene import SceneFeed
from snqmon.settings import Settings
from snqmon.sources import Secret, Wanted, feed_opener, find_secret
from tests.support.recordings import told, write

if TYPE_CHECKING:
    from snqmon.feeds.base import Feed
    from snqmon.options import Options

SECRET = "a secret of many characters"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("SNQMON_", "SNQD_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Options]:
    """What the screens would be started with."""
    options: list[Options] = []

    def show(given: Options) -> int:
        options.append(given)
        return 0

    monkeypatch.setattr(cli, "_show", show)
    return options


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What is said about a command that cannot be, and that it is one line."""
    code = cli.main(words)
    said = capsys.readouterr()
    assert code in (1, 2), said
    assert said.out == ""
    assert said.err.startswith("snqmon: error: ")
    assert said.err.count("\n") == 1
    return said.err.removeprefix("snqmon: error: ").rstrip()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--replay", "a.rec", "--control"], "--replay shows the past, and nothing can be done there"),
        (["--replay", "a.rec", "db7:5480"], "--replay shows a recording and nothing else"),
        (["--replay", "a.rec", "--demo"], "--replay plays a recording and --demo a scene: choose one"),
        (["--replay", "a.rec", "--record", "b.rec"], "--replay is a recording already"),
        (["--demo", "--control"], "--demo has no daemon that could be controlled"),
        (["--demo", "--listen", "127.0.0.1:0"], "--demo shows made-up figures and nothing else"),
        (["--json"], "--json is a form of --once: give both"),
        (["--wait", "3"], "--wait is for --once: give both"),
        (["--once", "--control"], "--once prints and leaves"),
        (["--once", "--web"], "--once prints and leaves"),
        (["--web", "http://db7"], "Invalid value for '--web': http://db7: only udp:// addresses are known here"),
        (["--legacy-from", "192.0.2.7"], "--legacy-from is for --listen-legacy: give both"),
        (["--legacy-from", "all", "--listen-legacy", "127.0.0.1:1"], "Invalid value for '--legacy-from': must be"),
        (["db7:port"], "Invalid value for '[HOST:PORT]…': db7:port: expected HOST:PORT with a port from 0 to 65535"),
        (["http://db7"], "Invalid value for '[HOST:PORT]…': http://db7: only udp:// addresses are known here"),
        (["--demo", "soon"], "Invalid value for '--demo': 'soon' is not a valid integer"),
        (["--refresh", "60"], "Invalid value for '--refresh': 60.0 is not in the range 0.25<=x<=10"),
        (["--replya", "a.rec"], "No such option '--replya'. Did you mean '--replay'?"),
        (["--key", SECRET], "No such option '--key'"),
        (["--listen", "0.0.0.0:5481"], "--listen 0.0.0.0:5481 can be reached from other machines, so anybody could"),
        (["--listen-legacy", "0.0.0.0:5482"], "--listen-legacy 0.0.0.0:5482 can be reached from other machines"),
        (["--record", "/no/such/folder/a.rec"], "--record /no/such/folder/a.rec: there is no folder /no/such/folder"),
        (["--key-file", "/no/such/key"], "--key-file /no/such/key: there is no such file"),
        (["--config", "/no/such.toml"], "/no/such.toml: there is no such file"),
        (["--once", "--replay", "/no/such.rec"], "there is no recording at /no/such.rec"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], shown: list[Options]
) -> None:
    message = refused(capsys, *words)

    assert message.startswith(said)
    assert SECRET not in message
    assert shown == []


def test_help_has_every_option_with_a_sentence_and_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out

    for parameter in cli.snqmon.params:
        if isinstance(parameter, click.Option):
            assert parameter.opts[-1] in text
            assert parameter.help, parameter.name
            assert parameter.help[0].isupper()
            assert parameter.help.rstrip("]").rstrip().endswith((".", "]", "1", "5", "127.0.0.1", "~/.config"))
    for words in ("snqmon db7:5480 db8:5480", "snqmon --replay trouble.rec", "3  UNKNOWN", "$SNQMON_KEY_FILE"):
        assert words in text


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["-V"]) == 0
    assert capsys.readouterr().out == f"snqmon {__version__}\n"


def test_command_line_wins_over_environment_and_environment_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: list[Options]
) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/snqmon.toml").write_text('theme = "filed"\nrefresh_seconds = 4\n')
    assert cli.main([]) == 0
    monkeypatch.setenv("SNQMON_THEME", "environed")
    assert cli.main([]) == 0
    assert cli.main(["--theme", "typed", "--refresh", "0.5", "--ascii", "--control"]) == 0

    assert [options.theme for options in shown] == ["filed", "environed", "typed"]
    assert [options.refresh_seconds for options in shown] == [4.0, 4.0, 0.5]
    assert [(options.is_ascii, options.may_control) for options in shown] == [
        (False, False),
        (False, False),
        (True, True),
    ]


def test_a_variable_that_is_nearly_one_of_ours_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shown: list[Options]
) -> None:
    monkeypatch.setenv("SNQMON_REFRES", "2")
    assert refused(capsys) == "environment SNQMON_REFRES: no such setting: did you mean SNQMON_REFRESH?"
    monkeypatch.delenv("SNQMON_REFRES")
    monkeypatch.setenv("SNQMON_SERVICE_HOST", "10.0.0.1")
    assert cli.main([]) == 0


def opened(options: Options) -> Feed:
    feed = options.open_feed()
    feed.close()
    return feed


def test_each_source_opens_its_feed(tmp_path: Path, shown: list[Options]) -> None:
    file = tmp_path / "some.rec"
    write(file, list(told(1, 5)))
    kinds = {
        LiveFeed: [[], ["127.0.0.1:5480"], ["--listen", "127.0.0.1:0"], ["--listen-legacy", "127.0.0.1:0"]],
        ReplayFeed: [["--replay", str(file)]],
        SceneFeed: [["--demo"], ["--demo", "5", "--record", str(tmp_path / "demo.rec")]],
    }
    for kind, lines in kinds.items():
        for words in lines:
            assert cli.main(words) == 0
            assert type(opened(shown[-1])) is kind, words
    assert isinstance(scene := opened(shown[-1]), SceneFeed)
    assert scene.seed == 5


def hubs_of(shown: list[Options]) -> list[str]:
    feed = shown[-1].open_feed()
    try:
        return [source.address for source in feed.status().sources]
    finally:
        feed.close()


def test_sources_that_are_typed_replace_those_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: list[Options]
) -> None:
    (tmp_path / "mine.toml").write_text('hubs = ["127.0.0.1:1", "127.0.0.1:2"]\nlisten = "127.0.0.1:0"\n')
    mine = ["--config", str(tmp_path / "mine.toml")]
    assert cli.main(mine) == 0
    assert hubs_of(shown)[:2] == ["127.0.0.1:1", "127.0.0.1:2"]
    assert len(hubs_of(shown)) == 3
    assert cli.main([*mine, "127.0.0.1:3"]) == 0
    assert hubs_of(shown) == ["127.0.0.1:3"]
    monkeypatch.setenv("SNQMON_HUBS", "127.0.0.1:4 127.0.0.1:5")
    assert cli.main(mine) == 0
    assert hubs_of(shown) == ["127.0.0.1:4", "127.0.0.1:5"]


def key_file(folder: Path, text: str = SECRET) -> str:
    path = folder / "telemetry.key"
    path.write_text(f"{text}\nmore\n")
    path.chmod(0o600)
    return str(path)


def test_the_key_is_found_and_never_shown(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    for found in (
        find_secret(path, Settings(), {}),
        find_secret(None, Settings(key_file=path), {}),
        find_secret(None, Settings(), {"SNQMON_KEY": SECRET}),
        find_secret(None, Settings(), {"SNQMON_KEY_FILE": path}),
        find_secret(None, Settings(), {"SNQD_TELEMETRY_KEY": SECRET}),
        find_secret(None, Settings(), {"SNQD_TELEMETRY_KEY_FILE": path}),
    ):
        assert found.reveal() == SECRET
        assert SECRET not in f"{found} {found!r}"
    ours = {"SNQMON_KEY": "the one of the monitor", "SNQD_TELEMETRY_KEY": SECRET}
    assert find_secret(None, Settings(key_file=path), ours).reveal() == "the one of the monitor"
    assert not find_secret(None, Settings(), {})


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"SNQMON_KEY": "short"}, "environment SNQMON_KEY must have at least 16 characters"),
        ({"SNQMON_KEY": SECRET, "SNQMON_KEY_FILE": "x"}, "SNQMON_KEY and SNQMON_KEY_FILE are both set: unset one"),
        ({"SNQMON_KEY_FILE": "/no/such"}, "environment SNQMON_KEY_FILE /no/such: there is no such file"),
    ],
)
def test_a_key_that_is_none_is_refused_without_showing_it(
    environ: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    message = refused(capsys)

    assert said in message
    assert environ.get("SNQMON_KEY", "?") not in message


def test_a_key_file_that_everybody_can_read_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = key_file(tmp_path)
    Path(path).chmod(0o644)

    assert "everybody can read or write it: chmod o=" in refused(capsys, "--key-file", path)


def test_with_a_key_it_may_listen_where_others_reach_it(tmp_path: Path, shown: list[Options]) -> None:
    assert cli.main(["--listen", "0.0.0.0:0", "--key-file", key_file(tmp_path)]) == 0
    assert cli.main(["--listen-legacy", "0.0.0.0:0", "--legacy-from", "192.0.2.0/24"]) == 0
    assert isinstance(opened(shown[0]), LiveFeed)


def test_a_hub_of_the_file_may_have_a_key_of_its_own(tmp_path: Path) -> None:
    from snqmon.settings import HubSetting

    path = key_file(tmp_path, "the one of this hub only")
    settings = Settings(hubs=("127.0.0.1:1", HubSetting(address="127.0.0.1:2", key_file=path)))
    feed = feed_opener(Wanted(), settings, Secret(None), frames_per_second=1.0)()

    assert isinstance(feed, LiveFeed)
    assert [part.has_key for part in feed._named] == [False, True]
    feed.close()


def test_screens_need_a_terminal_and_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert "the screens need a terminal, and this is none: 'snqmon --once'" in refused(capsys, "--demo")


@pytest.mark.parametrize(("package", "words"), [("textual", ["--demo"]), ("textual_serve", ["--demo", "--web"])])
def test_a_missing_toolkit_is_one_line_with_the_command(
    package: str, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "find_spec", lambda name: None if name == package else find_spec(name))

    assert refused(capsys, *words).endswith("is not installed: pip install 'snqd[monitor]'")


def test_a_defect_of_ours_is_one_line_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fails(_options: Any) -> int:
        raise ZeroDivisionError("so it goes")

    monkeypatch.setattr(cli, "_show", fails)
    assert refused(capsys, "--demo") == (
        "unexpected ZeroDivisionError: so it goes (a defect in snqmon: SNQMON_DEBUG=1 shows where)"
    )
    monkeypatch.setenv("SNQMON_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        cli.main(["--demo"])


@pytest.mark.parametrize("words", [["--help"], ["--once", "--demo"], ["--replay", "x", "--demo"]])
def test_nothing_heavy_is_imported_before_it_is_needed(words: list[str]) -> None:
    program = (
        "import sys\nbefore = set(sys.modules)\n"  # what measures coverage is there already
        "from snqmon.cli import main\nmain(sys.argv[1:])\n"
        "heavy = {'textual', 'rich', 'aiohttp', 'asyncio', 'psycopg', 'sqlite3'} & set(sys.modules) - before\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_a_reader_who_leaves_is_no_error() -> None:
    line = f"{sys.executable} -m snqmon --once --json --demo | head -c 10; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)

    assert done.stderr == ""
    assert done.stdout.splitlines()[-1].endswith(("141", "0", "1", "2"))
