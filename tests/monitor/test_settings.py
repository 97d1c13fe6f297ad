"""The monitor's file: what may stand in it, and one clear line for everything else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from snqd.errors import ConfigError
from snqmon.model.thresholds import Level
from snqmon.settings import HubSetting, Settings, find_file, read_settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_it(text: str) -> Path:
        path = tmp_path / "snqmon.toml"
        path.write_text(text)
        return path

    return write_it


def test_without_a_file_everything_has_its_default() -> None:
    assert read_settings(None) == Settings()


def test_everything_that_may_stand_in_it(write: Write, tmp_path: Path) -> None:
    settings = read_settings(
        write("""
hubs = ["db7:5480", { address = "[::1]:5480", key_file = "keys/db8" }]
listen = "127.0.0.1:5481"
listen_legacy = "127.0.0.1:5482"
legacy_from = ["192.0.2.7", "10.0.0.0/8"]
key_file = "/etc/snqd/key"
theme = "light"
refresh_seconds = 2
ascii = true
web = "127.0.0.1:8000"

[thresholds]
lag_seconds = [30, 60]
[thresholds.queue.digest]
lag_seconds = [3600, 7200]

[keys]
quit = "x"
why = []
""")
    )

    assert settings.hubs == ("db7:5480", HubSetting(address="[::1]:5480", key_file=str(tmp_path / "keys/db8")))
    assert settings.legacy_from == ("192.0.2.7", "10.0.0.0/8")
    assert settings.key_file == "/etc/snqd/key"
    assert (settings.refresh_seconds, settings.ascii, settings.theme) == (2.0, True, "light")
    assert settings.thresholds.lag_seconds == Level(30, 60)
    assert settings.thresholds.queue["digest"].lag_seconds == Level(3600, 7200)
    assert settings.keys == {"quit": "x", "why": []}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\nthem = 'dark'", ":2: unknown key them: did you mean theme?"),
        ("[queues]\n", ":1: unknown key queues: "),
        ("theme = 3", ":1: theme is 3: must be the name of a theme"),
        ("\nrefresh_seconds = 60", ":2: refresh_seconds is 60: must be 0.25 to 10 seconds"),
        ("refresh_seconds = 'often'", ':1: refresh_seconds is "often": must be a number'),
        ("hubs = ['a:b']", ':1: hubs is ["a:b"]: a:b: expected HOST:PORT with a port from 0 to 65535'),
        (
            "hubs = [{ adress = 'db7' }]",
            ':1: hubs is [{"adress":"db7"}]: must be a list of "HOST:PORT" and of {',
        ),
        ("hubs = 'db7:5480'", ':1: hubs is "db7:5480": must be a list of "HOST:PORT"'),
        ("listen = 'http://db7'", ':1: listen is "http://db7": http://db7: only udp:// addresses are known here'),
        ("legacy_from = ['everybody']", ':1: legacy_from is ["everybody"]: must be addresses or networks'),
        ("[thresholds]\nlag_seconds = [5, 10]\nlagg = [1, 2]", ":3: thresholds: "),
        ("[thresholds]\nlag_seconds = [50, 10]", ":2: thresholds: lag_seconds: the first threshold (50) is above"),
        ("[keys]\nquitt = 'x'", ":1: keys: there is no key named 'quitt'; did you mean quit?"),
        ("[keys]\nquit = 'j'", ":1: keys.quit: 'j' is the key of down too"),
        ("[keys]\nquit = 3", ':1: keys is {"quit":3}: must be a table in which each is a key'),
        ("thresholds = 3", ":1: thresholds is 3: must be a table: write [thresholds]"),
        ("theme = ", ":1:"),
    ],
)
def test_what_is_wrong_is_one_line_with_its_place(write: Write, text: str, said: str) -> None:
    path = write(text)
    with pytest.raises(ConfigError) as caught:
        read_settings(path)

    message = str(caught.value)
    assert message.startswith(f"{path}{said}")
    assert "\n" not in message
    assert caught.value.exit_code == 2


def test_the_usual_place_is_below_the_configuration_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_file(None, {"XDG_CONFIG_HOME": str(tmp_path)}) is None
    (tmp_path / "snqmon.toml").touch()
    assert find_file(None, {"XDG_CONFIG_HOME": str(tmp_path)}) == tmp_path / "snqmon.toml"
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".config").mkdir()
    (tmp_path / ".config/snqmon.toml").touch()
    assert find_file(None, {}) == tmp_path / ".config/snqmon.toml"


def test_a_file_that_was_named_has_to_be_there(tmp_path: Path) -> None:
    named = find_file(str(tmp_path / "mine.toml"), {})
    with pytest.raises(ConfigError, match="there is no such file"):
        read_settings(named)
