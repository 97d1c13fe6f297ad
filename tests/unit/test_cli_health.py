"""Health checks are understood without click where that is certain, and mean the same as they do with it."""

from __future__ import annotations

import os
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from snqd import cli
from snqd.cli.health import Form, plain_form
from snqd.config.load import Loader

if TYPE_CHECKING:
    from collections.abc import Iterator

WORDS = (
    "health", "--live", "--ready", "-c", "--config", "--config=a.toml", "--config=", "--config=--live", "-ca.toml",
    "-c=a.toml", "a.toml", "--store", "--help", "--", "-", "", "status",
)  # fmt: skip
MOST_WORDS = 4


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Form]:
    """What click made of the words: what `health` was called with, and the file that would be read."""
    found: list[Form] = []

    def note(load: Any, kind: str) -> int:
        load()
        found.append(Form(kind, files.pop()))
        return 0

    files: list[str | None] = []
    monkeypatch.setattr("snqd.cli.health.health", note)
    monkeypatch.setattr(Loader, "load", lambda loader: files.append(loader._file))
    return found


def lines() -> Iterator[list[str]]:
    """Every command line of a few of these words."""
    for count in range(MOST_WORDS + 1):
        yield from map(list, product(WORDS, repeat=count))


def test_a_form_that_is_taken_as_plain_means_the_same_to_click(asked: list[Form]) -> None:
    plain = {tuple(words): form for words in lines() if (form := plain_form(words)) is not None}

    assert len(plain) > 50
    for words, form in plain.items():
        assert cli._run_click(list(words)) == 0, words
        assert asked.pop() == form, words


@pytest.mark.parametrize(
    ("words", "form"),
    [
        (["health"], Form()),
        (["health", "--live"], Form("live")),
        (["health", "--ready", "--config", "x.toml"], Form("ready", "x.toml")),
        (["health", "--config=x.toml", "--ready"], Form("ready", "x.toml")),
        (["-c", "x.toml", "health"], Form("full", "x.toml")),
        (["--config", "health", "health"], Form("full", "health")),
    ],
)
def test_the_forms_that_probes_use_are_plain(words: list[str], form: Form) -> None:
    assert plain_form(words) == form


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["status"],
        ["health", "--help"],
        ["health", "--store", "sqlite:///x.db"],
        ["health", "--live", "--ready"],
        ["health", "-c", "a", "-c", "b"],
        ["health", "health"],
        ["health", "--config"],
        ["health", "--config", "--live"],
        ["--live", "health"],
    ],
)
def test_what_is_not_certain_is_for_click(words: list[str]) -> None:
    assert plain_form(words) is None


def test_a_plain_form_goes_without_click_but_not_while_a_shell_completes_it(
    asked: list[Form], monkeypatch: pytest.MonkeyPatch
) -> None:
    by_click: list[tuple[list[str], str | None]] = []

    def note(words: list[str], instruction: str | None = None) -> int:
        by_click.append((words, instruction))
        return 0

    monkeypatch.setattr(cli, "_run_click", note)

    assert cli.main(["health", "--live"]) == 0
    assert (asked, by_click) == ([Form("live")], [])

    monkeypatch.setitem(os.environ, "_SNQD_COMPLETE", "bash_complete")
    assert cli.main(["health", "--live"]) == 0
    assert by_click == [(["health", "--live"], "bash_complete")]
