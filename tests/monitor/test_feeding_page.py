"""`docs/monitor-feeds.md` says what is so: its commands are understood, its settings are read, nothing is left out."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import click
import msgspec
import pytest

from snqmon import cli
from snqmon.feeds.base import Trust
from snqmon.settings import Settings, read_settings
from snqmon.sources import KEY_FILE_VARIABLES, KEY_VARIABLES
from tests.support.documents import PROJECT, blocks

if TYPE_CHECKING:
    from pathlib import Path

PAGE = "docs/monitor-feeds.md"
TEXT = (PROJECT / PAGE).read_text()
LINES = [
    line
    for block in blocks("sh")
    if block.page == PAGE
    for line in block.text.splitlines()
    if line.startswith("snqmon")
]


@pytest.mark.parametrize("line", LINES)
def test_a_command_of_the_page_is_understood(line: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr(cli, "_run", lambda *_wanted, **_more: 0)

    assert cli.main(shlex.split(line, comments=True)[1:]) == 0


def test_its_settings_are_read_and_all_are_there(tmp_path: Path) -> None:
    (block,) = blocks("toml snqmon")
    (tmp_path / "snqmon.toml").write_text(block.text)
    settings = read_settings(tmp_path / "snqmon.toml")

    told = re.findall(r"^\[?(\w+)", block.text, re.MULTILINE)
    assert set(Settings.__struct_fields__) <= set(told)
    defaults = Settings()
    for name in ("theme", "refresh_seconds", "ascii"):
        assert getattr(settings, name) == getattr(defaults, name), "the page shows the default"
    assert msgspec.to_builtins(settings.thresholds.lag_seconds) == msgspec.to_builtins(defaults.thresholds.lag_seconds)


def test_every_option_variable_and_word_of_trust_is_there() -> None:
    known_elsewhere = {"--web", "--theme", "--refresh", "--ascii", "--version", "--help"}  # docs/monitor.md
    options = [parameter for parameter in cli.snqmon.params if isinstance(parameter, click.Option)]
    for option in options:
        assert option.opts[-1] in TEXT or option.opts[-1] in known_elsewhere, option.opts
    variables = [str(parameter.envvar) for parameter in cli.snqmon.params if parameter.envvar]
    for name in (*variables, *KEY_VARIABLES, *KEY_FILE_VARIABLES):
        assert name in TEXT
    for word in Trust:
        assert f"`{word}" in TEXT
