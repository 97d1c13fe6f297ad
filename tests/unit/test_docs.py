"""What the README and `docs/` say exists: commands, flags, settings, events, targets, pages, exit codes."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

import click
import pytest

from snqd.cli.app import app
from snqd.cli.exits import Exit
from snqd.config.load import Loader
from snqd.config.schema import Config
from snqd.config.site_options import SiteOptions, site_options
from snqd.telemetry.facts import KINDS as KINDS_OF_FACTS
from snqd.telemetry.reference import event_types, events_page, facts_page
from tests.support.documents import PAGES, PROJECT, Block, blocks, commands

if TYPE_CHECKING:
    from pathlib import Path

KINDS = {
    "",  # a drawing
    "sh snmp", "yaml prometheus",
    "sh", "sh run", "sh psql", "toml", "toml pyproject", "toml monitor", "toml snqmon", "php", "ruby",
    "lua",
    "python handlers", "python sqlite", "python postgres", "python postgres async", "python inline", "python telemetry",
    "sql postgres", "sql postgres grants", "sql postgres control", "sql sqlite", "sql sqlite control",
    "toml site",
}  # fmt: skip
COMMANDS = commands()
SECTIONS = ("daemon", "store", "handlers", "sites", "telemetry", "alarms", "snmp", "xmpp")


def page_id(path: Path) -> str:
    return path.name


def test_every_code_block_is_of_a_kind_that_some_test_runs_or_parses() -> None:
    assert {(str(block), block.kind) for block in blocks() if block.kind not in KINDS} == set()


def test_the_pages_hold_commands_at_all() -> None:
    assert len(COMMANDS) > 30


@pytest.mark.parametrize(("place", "words"), COMMANDS, ids=[f"{place}-{' '.join(words)}" for place, words in COMMANDS])
def test_a_command_of_the_pages_is_one_that_the_command_line_understands(place: str, words: list[str]) -> None:
    try:
        parse(words)
    except click.ClickException as error:
        pytest.fail(f"{place}: snqd {' '.join(words)}: {error.format_message()}")


def parse(words: list[str]) -> None:
    """Parse as `snqd` does, down to the last subcommand, and run nothing. Raises `click.ClickException`."""
    if words == ["--version"]:
        return
    command: click.Command = app
    context: click.Context | None = None
    name: str | None = "snqd"
    while words or not isinstance(command, click.Group):  # `snqd dead` in running text is enough
        context = command.make_context(name, words, parent=context)
        if not isinstance(command, click.Group):
            return
        words = [*context._protected_args, *context.args]
        if not words:
            return
        name, found, words = command.resolve_command(context, words)
        assert found is not None
        command = found


@pytest.mark.parametrize("block", blocks("toml site"), ids=str)
def test_a_site_of_the_pages_is_accepted(block: Block) -> None:
    assert site_options(tomllib.loads(block.text)) != SiteOptions()


@pytest.mark.parametrize("block", blocks("toml"), ids=str)
def test_a_configuration_of_the_pages_is_accepted(block: Block, tmp_path: Path) -> None:
    (tmp_path / "sites").mkdir()
    (tmp_path / "queue.db").touch()
    file = tmp_path / "snqd.toml"
    file.write_text(block.text)

    Loader(file=str(file), environ={}, cwd=tmp_path).load()


def test_other_toml_is_toml() -> None:
    for block in blocks("toml pyproject"):
        tomllib.loads(block.text)


@pytest.mark.parametrize("path", PAGES, ids=page_id)
def test_settings_that_a_page_names_exist(path: Path) -> None:
    known = {f"{section}.{name}" for section in SECTIONS for name in getattr(Config(), section)._fields}

    named = set(re.findall(rf"`((?:{'|'.join(SECTIONS)})\.[a-z_]+)\b", path.read_text()))

    assert named - known == set()


@pytest.mark.parametrize("path", PAGES, ids=page_id)
def test_events_that_a_page_names_exist(path: Path) -> None:
    known = {told.__name__ for told in (*event_types(), *KINDS_OF_FACTS)}
    parts = (
        "Alarm",
        "Daemon",
        "Hub",
        "Telemetry",
        "Worker",
        "Item",
        "Items",
        "Slot",
        "Memory",
        "Site",
        "Store",
        "Listen",
        "Schedule",
        "Reload",
        "No",
        "Unknown",
    )

    named = {word for word in re.findall(r"`([A-Z][a-z]+[A-Z][A-Za-z]+)`", path.read_text()) if word.startswith(parts)}

    assert named - known - {"StoreError", "StoreUnavailable"} == set()


@pytest.mark.parametrize("path", PAGES, ids=page_id)
def test_links_to_files_and_headings_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if "://" in target:
            continue
        name, _hash, anchor = target.partition("#")
        page = (path.parent / name).resolve() if name else path
        assert page.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=page_id)
def test_files_that_a_page_names_exist(path: Path) -> None:
    named = re.findall(
        r"`((?:snqd|tests|bench|stores|supervisor|worker|hub|exporters|telemetry|systemd|docs|scripts)/[\w/.]+)`",
        path.read_text(),
    )

    for name in named:
        assert (PROJECT / name).exists() or (PROJECT / "snqd" / name).exists(), name


@pytest.mark.parametrize("path", PAGES, ids=page_id)
def test_make_targets_that_a_page_names_exist(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))

    assert set(re.findall(r"(?:`|^)make ([a-z]+)", path.read_text(), re.MULTILINE)) <= targets


def test_the_generated_page_of_events_is_current() -> None:
    assert (PROJECT / "docs" / "events.md").read_text() == events_page(), "run: make docs"


def test_the_generated_page_of_facts_is_current() -> None:
    assert (PROJECT / "docs" / "telemetry.md").read_text() == facts_page(), "run: make docs"


def test_operations_lists_every_exit_code() -> None:
    text = (PROJECT / "docs" / "operations.md").read_text()

    assert {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)} == {code.value for code in Exit}
