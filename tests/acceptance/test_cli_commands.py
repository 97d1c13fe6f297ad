"""The command line as a whole: help, completion, exit codes, start-up cost, and the configuration commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from snqd.cli.exits import MEANINGS

if TYPE_CHECKING:
    from tests.support.command import Command

COMMANDS = [
    ["run"], ["enqueue"], ["drain"], ["status"], ["completion"],
    *([group, name] for group in ("items", "dead") for name in ("list", "show", "discard")),
    ["items", "retry"], ["dead", "replay"],
    ["schema", "upgrade"], ["schema", "status"], ["schema", "sql"], ["schema", "import-statusnet"],
    ["config", "check"], ["config", "show"],
]  # fmt: skip
LEAN = """
import sys
from snqd.cli.app import app
{body}
heavy = {{"asyncio", "psycopg", "sqlite3", "importlib.metadata", "ssl", "socketserver", "multiprocessing"}}
print(sorted(heavy & set(sys.modules)))
"""


def test_help_names_every_command_and_every_exit_code(snqd: Command) -> None:
    done = snqd("--help")

    assert done.code == 0
    for words in COMMANDS:
        assert f"\n  {words[0]} " in done.out
    for code, meaning in MEANINGS.items():
        assert f"{code.value:>3}  {meaning}" in done.out


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(snqd: Command, words: list[str]) -> None:
    done = snqd(*words, "-h")

    assert done.code == 0
    assert done.out.startswith(f"Usage: snqd {' '.join(words)}")
    assert done.err == ""


def test_a_command_without_its_subcommand_shows_the_help_on_standard_error(snqd: Command) -> None:
    for words in ((), ("items",), ("config",)):
        done = snqd(*words)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith("Usage: snqd")


def test_the_version_is_told(snqd: Command) -> None:
    assert snqd("--version").out.startswith("snqd 0.")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_a_completion_script_for_each_shell(snqd: Command, shell: str) -> None:
    assert f"_SNQD_COMPLETE={shell}_complete" in snqd("completion", shell).out


def test_bash_completes_commands_and_flags(snqd: Command) -> None:
    def complete(line: str) -> str:
        words = {"_SNQD_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1)}
        return snqd(environ=words).out

    assert complete("snqd st") == "plain,status\nplain,stack\n"
    assert "plain,--store" in complete("snqd items list --st")
    assert "plain,replay" in complete("snqd dead re")


def test_flags_that_every_command_has_may_stand_before_or_after_it(snqd: Command) -> None:
    snqd.write("own.toml", '[daemon]\nname = "own"\n')

    before = snqd("--config", "own.toml", "config", "show", "daemon.name", "--json")
    after = snqd("config", "show", "daemon.name", "--json", "--config", "own.toml")

    assert before == after
    assert json.loads(before.out) == {"key": "daemon.name", "value": "own", "origin": f"{snqd.folder}/own.toml:2"}


def test_the_command_line_imports_no_driver_and_no_event_loop_before_the_supervisor(snqd: Command) -> None:
    bodies = {
        "help": "app.get_help(app.make_context('snqd', ['config', 'show']))",
        "run": "import snqd.cli.run\nfrom snqd.config.load import Loader\nLoader().load()",
    }
    for what, body in bodies.items():
        done = subprocess.run(
            [sys.executable, "-c", LEAN.format(body=body)],
            capture_output=True,
            text=True,
            # coverage would import its own database driver
            env={name: value for name, value in snqd.environment().items() if not name.startswith("COV")},
            cwd=snqd.folder,
            check=True,
        )
        assert done.stdout == "[]\n", what


def test_a_health_check_imports_nothing_that_takes_long(snqd: Command) -> None:
    snqd.write("snqd.toml", "[queue.mail]\nconcurrency = 2\n")
    slow = ("click", "msgspec", "dataclasses", "inspect", "typing_extensions", "tempfile", "asyncio")
    source = f"""
import sys
from snqd.cli import main
assert main(["health"]) == 2
print([name for name in {slow} if name in sys.modules])
"""

    done = subprocess.run(
        [sys.executable, "-c", source],
        capture_output=True,
        text=True,
        env={name: value for name, value in snqd.environment().items() if not name.startswith("COV")},
        cwd=snqd.folder,
        check=True,
    )

    assert done.stdout.splitlines()[-1] == "[]"


def test_config_show_tells_value_and_origin_and_no_secret(snqd: Command) -> None:
    snqd.write("snqd.toml", '[store]\nurl = "postgresql://u:hunter2@h/d"\n[settings]\nsmtp_password = "hunter2"\n')

    done = snqd("config", "show", environ={"SNQD_DAEMON_THREADS": "3"})

    rows = {line.split()[0]: line.split(maxsplit=2)[1:] for line in done.out.splitlines()[1:]}
    assert rows["store.url"] == ["postgresql://u:***@h/d", f"{snqd.folder}/snqd.toml:2"]
    assert rows["daemon.threads"] == ["3", "environment SNQD_DAEMON_THREADS"]
    assert rows["daemon.name"] == ["main", "default"]
    assert rows["settings.smtp_password"][0] == "***"
    assert "hunter2" not in done.out


def test_config_check_says_what_it_found_right(snqd_with_handlers: Command) -> None:
    snqd_with_handlers.write("snqd.toml", "[site.a]\n[site.b]\n")

    done = snqd_with_handlers("config", "check")

    assert (done.code, done.err) == (0, "")
    assert done.out == f"{snqd_with_handlers.folder}/snqd.toml: right (2 sites, 2 queues with a handler)\n"


def test_config_check_reports_everything_at_once(snqd: Command) -> None:
    snqd.write("snqd.toml", '[daemon]\nthreads = "x"\nnmae = "y"\n[store]\nlease_seconds = 0\n')

    done = snqd("config", "check")

    assert done.code == 2
    assert len(done.err.splitlines()) == 3
    assert all(line.startswith("snqd: error: ") for line in done.err.splitlines())


def test_an_unexpected_error_is_one_line_and_debug_shows_where(snqd: Command) -> None:
    snqd.write("sitecustomize.py", "import snqd.config.load as m\nm.Loader.load = lambda self: 1 / 0\n")

    plain = snqd("config", "show")
    debug = snqd("config", "show", environ={"SNQD_DEBUG": "1"})

    assert plain.code == 1
    assert plain.error == "unexpected ZeroDivisionError: division by zero (a defect in snqd: SNQD_DEBUG=1 shows where)"
    assert "Traceback" in debug.err


def test_a_full_disk_behind_standard_output_is_one_line(snqd: Command) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        done = subprocess.run(
            snqd.line("config", "show"),
            stdout=full,
            stderr=subprocess.PIPE,
            env=snqd.environment(),
            cwd=snqd.folder,
            check=False,
        )

    assert done.returncode == 1
    assert done.stderr.decode() == (
        "snqd: error: cannot write standard output: No space left on device: make room and repeat\n"
    )


def test_closed_standard_streams_are_survived(snqd: Command) -> None:
    line = " ".join(snqd.line("config", "show"))

    done = subprocess.run(f"{line} <&- >&- 2>&-", shell=True, env=snqd.environment(), cwd=snqd.folder, check=False)
    with_error = subprocess.run(
        f"{line} nothing <&- >&-",
        shell=True,
        env=snqd.environment(),
        cwd=snqd.folder,
        check=False,
        stderr=subprocess.PIPE,
    )

    assert done.returncode == 0
    assert with_error.stderr.startswith(b"snqd: error: no setting is called")


def test_output_that_the_terminals_encoding_lacks_is_no_error(snqd: Command) -> None:
    snqd.write("snqd.toml", '[settings]\nname = "héllo 漢"\n')
    ascii_only = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}

    done = snqd("config", "show", "settings", environ=ascii_only)

    assert done.code == 0, done
    assert os.linesep not in done.err
