"""Bad input: one clear line with what, where and what to do, an exit code, no traceback, and nothing lost."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.command import Command
    from tests.support.postgres import Cluster, Database


def items_in(snqd: Command) -> int:
    with sqlite3.connect(snqd.folder / "snqd.db") as connection:
        return int(connection.execute("SELECT count(*) FROM queue_item").fetchone()[0])


WRONG_CONFIGURATIONS = [
    ("[daemon\n", "{file}:1:8: not valid TOML: expected ']' at the end of a table declaration"),
    ("[daemon]\nthraeds = 2\n", "{file}:2: unknown key daemon.thraeds: did you mean daemon.threads?"),
    ('[daemon]\nthreads = "2"\n', '{file}:2: daemon.threads is "2": must be a whole number'),
    ("[daemon]\ngrace_seconds = -1\n", "{file}:2: daemon.grace_seconds is -1: must be 0 to 31,622,400"),
    (
        '[store]\nurl = ""\n',
        "{file}:2: store.url is \"\": must be the address of a store: 'sqlite:///FILE.db' or "
        "'postgresql://USER@HOST/DATABASE'",
    ),
]


@pytest.mark.parametrize(("text", "message"), WRONG_CONFIGURATIONS)
def test_a_wrong_configuration_is_told_with_its_place(snqd: Command, text: str, message: str) -> None:
    file = snqd.write("snqd.toml", text)

    done = snqd("run")

    assert done.error == message.format(file=file)
    assert done.code == 2


@pytest.mark.parametrize("command", [("enqueue", "mail", "1"), ("status",), ("drain",), ("config", "check")])
def test_a_wrong_configuration_stops_every_command(snqd: Command, command: tuple[str, ...]) -> None:
    text, message = WRONG_CONFIGURATIONS[0]
    file = snqd.write("snqd.toml", text)

    done = snqd(*command)

    assert done.error == message.format(file=file)
    assert done.code == 2
    assert not (snqd.folder / "snqd.db").exists()


def test_a_missing_configuration_file(snqd: Command) -> None:
    done = snqd("status", "--config", "nope.toml")

    assert done.code == 2
    assert done.error == (
        f"{snqd.folder}/nope.toml: there is no such file: name the configuration with --config or $SNQD_CONFIG"
    )


def test_a_configuration_that_is_a_folder(snqd: Command) -> None:
    assert snqd("status", "--config", ".").error == f"{snqd.folder}: cannot be read: Is a directory"


def test_a_wrong_flag_of_run_names_the_flag(snqd: Command) -> None:
    assert snqd("run", "--threads", "many").error == (
        'flag --threads: daemon.threads is "many": must be a whole number'
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["statsu"], "there is no command 'statsu'; did you mean 'status'? (see 'snqd --help')"),
        (["check"], "there is no command 'check'; did you mean 'snqd config check'? (see 'snqd --help')"),
        (
            ["list"],
            "there is no command 'list'; did you mean 'snqd items list', 'snqd dead list' or 'snqd schedule list'? "
            "(see 'snqd --help')",
        ),
        (["items", "lst"], "there is no command 'lst'; did you mean 'list'? (see 'snqd items --help')"),
        (["status", "--jsno"], "No such option '--jsno'."),
        (["items", "show"], "Missing argument 'ID' (see 'snqd items show --help')"),
        (
            ["items", "show", "x"],
            "Invalid value for 'ID': 'x' is not a valid integer range (see 'snqd items show --help')",
        ),
        (
            ["enqueue", "mail", "1", "--delay", "soon"],
            "Invalid value for '--delay': 'soon' is not a duration: write seconds, or '90s', '5m', '1h30m', '2d' "
            "(see 'snqd enqueue --help')",
        ),
        (["enqueue", "mail", "1", "--delay", "1", "--at", "2100-01-01"], "give --delay or --at, not both"),
        (["config", "show", "nope"], "no setting is called 'nope' (see 'snqd config show --help')"),
        (
            ["--store", "mysql://h/d", "status"],
            'flag --store: store.url is "mysql://h/d": must be the address of a store',
        ),
    ],
)
def test_a_wrong_command_line(snqd: Command, words: list[str], message: str) -> None:
    done = snqd(*words)

    assert done.code == 2
    assert done.error.startswith(message)


def test_an_unknown_queue_suggests_the_nearest(snqd_with_handlers: Command) -> None:
    done = snqd_with_handlers("enqueue", "mial", "1")

    assert done.code == 2
    assert done.error == "no handler for queue 'mial': did you mean 'mail'? (--no-check stores it anyway)"
    assert not (snqd_with_handlers.folder / "snqd.db").exists()
    assert snqd_with_handlers("enqueue", "mial", "1", "--no-check").code == 0


def test_a_queue_where_no_handlers_are_registered_at_all(snqd: Command) -> None:
    assert snqd("enqueue", "mail", "1").error == (
        "no handler for queue 'mail': no handlers are registered here; name their module in handlers.modules "
        "(--no-check stores it anyway)"
    )


def test_an_unknown_site_suggests_the_nearest(snqd_with_handlers: Command) -> None:
    snqd_with_handlers.write("snqd.toml", '[site."a.example"]\n[site."b.example"]\n')

    near = snqd_with_handlers("enqueue", "mail", "1", "--site", "a.exmaple")
    far = snqd_with_handlers("enqueue", "mail", "1")

    assert near.error == "unknown site 'a.exmaple': did you mean 'a.example'? (--no-check stores it anyway)"
    assert far.error == "unknown site 'default': sites here are a.example, b.example (--no-check stores it anyway)"


def test_an_unknown_queue_or_site_in_a_stream_names_the_line(snqd_with_handlers: Command) -> None:
    snqd_with_handlers("schema", "upgrade")
    lines = '{"queue": "mail", "payload": 1}\n{"queue": "mail", "payload": 1, "site": "x"}\n'

    done = snqd_with_handlers("enqueue", "-", stdin=lines)

    assert done.code == 2
    assert done.error.startswith("line 2: unknown site 'x': sites here are default (--no-check stores it anyway)")
    assert items_in(snqd_with_handlers) == 1


@pytest.mark.parametrize("name", ["", " x", "x\n", "n" * 64, "\x1b[31m"])
def test_a_name_that_cannot_be_a_queue(snqd: Command, name: str) -> None:
    done = snqd("enqueue", name, "1", "--no-check")

    assert done.code == 2
    assert "queue name" in done.error
    assert "is not valid: use 1 to 63 printable characters" in done.error
    assert "\x1b" not in done.error


def test_a_frame_that_is_too_large(snqd_with_handlers: Command) -> None:
    snqd_with_handlers.write("snqd.toml", "[store]\nframe_limit_bytes = 100\n")

    for done in (
        snqd_with_handlers("enqueue", "mail", "-", stdin='"' + "x" * 100 + '"'),
        snqd_with_handlers("enqueue", "mail", '"' + "x" * 99 + '"'),
    ):
        assert done.code == 2
        assert "bytes is larger than the limit of 100: store the data elsewhere" in done.error


def test_a_payload_that_is_not_valid_for_its_codec(snqd_with_handlers: Command) -> None:
    json = snqd_with_handlers("enqueue", "mail", "hello")
    text = snqd_with_handlers("enqueue", "mail", "--codec", "text", "-", stdin=b"\xff")

    assert json.error.startswith("frame is not valid for codec 'json': ")
    assert json.error.endswith("quote text twice, as in '\"hello\"', or give --codec text")
    assert text.error.startswith("frame is not valid for codec 'text': ")
    assert json.code == text.code == 2


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import nothing_like_that\n", "ModuleNotFoundError: No module named 'nothing_like_that'"),
        ("def x(:\n", "SyntaxError"),
        ("1 / 0\n", "ZeroDivisionError: division by zero"),
        ("x = 1\n", "has no handler"),
    ],
)
def test_a_handler_module_that_cannot_be_used(snqd: Command, source: str, message: str) -> None:
    snqd.write("broken_handlers.py", source)

    done = snqd("run", "-m", "broken_handlers")

    assert done.code == 2
    assert "'broken_handlers'" in done.error
    assert message in done.error


@pytest.mark.parametrize("command", [("drain",), ("config", "check"), ("enqueue", "mail", "1")])
def test_a_handler_module_that_cannot_be_used_stops_every_command_that_needs_it(
    snqd: Command, command: tuple[str, ...]
) -> None:
    snqd.write("broken_handlers.py", "1 / 0\n")

    done = snqd(*command, environ={"SNQD_HANDLERS_MODULES": "broken_handlers"})

    assert done.code == 2
    assert "'broken_handlers'" in done.error
    assert "ZeroDivisionError: division by zero" in done.error


def test_a_handler_module_that_is_missing(snqd: Command) -> None:
    done = snqd("run", "-m", "not_there")

    assert done.code == 2
    assert "handler module 'not_there'" in done.error
    assert "PYTHONPATH" in done.error


def test_settings_for_a_queue_that_nobody_handles(snqd_with_handlers: Command) -> None:
    snqd_with_handlers.write("snqd.toml", "[queue.mial]\nmax_attempts = 3\n")

    done = snqd_with_handlers("config", "check")

    assert done.code == 2
    assert "[queue.mial]: no handler is registered for this queue" in done.error


def test_a_bad_site_is_told_by_name_and_the_check_fails(snqd_with_handlers: Command) -> None:
    snqd_with_handlers.write("snqd.toml", '[sites]\ndirectory = "sites"\n')
    snqd_with_handlers.write("sites/good.toml", "x = 1\n")
    snqd_with_handlers.write("sites/bad.toml", "x = \n")

    done = snqd_with_handlers("config", "check")

    assert done.code == 2
    assert done.error == (
        f"site 'bad' is set aside: {snqd_with_handlers.folder}/sites/bad.toml:1:5: not valid TOML: invalid value"
    )


def test_a_missing_folder_of_sites(snqd_with_handlers: Command) -> None:
    snqd_with_handlers.write("snqd.toml", '[sites]\ndirectory = "sites"\n')

    for words in (["config", "check"], ["enqueue", "mail", "1"], ["run"]):
        done = snqd_with_handlers(*words)
        assert done.code == 2
        assert done.error == (
            f"sites.directory {snqd_with_handlers.folder}/sites: there is no such folder: make it or correct the path"
        )


def test_looking_into_a_store_that_is_not_there(snqd: Command) -> None:
    for words in (["items", "list"], ["dead", "list"], ["items", "show", "1"], ["items", "discard", "--all", "--yes"]):
        done = snqd(*words)
        assert done.code == 3
        assert done.error == (
            f"there is no store yet: no file {snqd.folder}/snqd.db: correct --store or store.url, or enqueue something"
        )
    assert not (snqd.folder / "snqd.db").exists()


def test_a_file_that_is_no_database(snqd: Command) -> None:
    path = snqd.write("snqd.db", "this is not a database, only text that is long enough to be one" * 50)

    done = snqd("items", "list")

    assert done.code == 3
    assert str(path) in done.error
    assert path.read_text().startswith("this is not")


def test_a_folder_that_cannot_hold_the_store(snqd: Command) -> None:
    done = snqd("enqueue", "mail", "1", "--no-check", "--store", "sqlite:///nowhere/x.db")

    assert done.code == 3
    assert f"{snqd.folder}/nowhere" in done.error


def test_a_missing_item(snqd: Command) -> None:
    snqd("schema", "upgrade")

    waiting, dead = snqd("items", "show", 7), snqd("dead", "show", 7)

    assert waiting.error == "item 7 is not in the store: it is done, was discarded, or never existed"
    assert dead.error == "item 7 is not a dead letter: 'snqd items show 7' looks among the waiting ones"
    assert waiting.code == dead.code == 1


def test_a_missing_extra_says_what_to_install(snqd: Command) -> None:
    snqd.write("psycopg.py", "raise ModuleNotFoundError('No module named psycopg', name='psycopg')\n")

    done = snqd("status", "--json", "--store", "postgresql://h/d")

    assert done.code == 3
    assert "psycopg" in done.error
    assert done.error.endswith("pip install 'snqd[postgres]'")


def test_a_daemon_does_not_start_without_its_server(snqd_with_handlers: Command) -> None:
    done = snqd_with_handlers("run", "--store", "postgresql://u:hunter2@127.0.0.1:1/d")

    assert done.code == 3
    assert "Connection refused" in done.error
    assert "hunter2" not in done.error


COMMANDS_ON_THE_STORE = [
    ("items", "list"),
    ("enqueue", "q", "1", "--no-check"),
    ("schema", "status"),
    ("schema", "upgrade"),
]


@pytest.mark.parametrize("command", COMMANDS_ON_THE_STORE, ids=" ".join)
def test_a_server_that_is_down(snqd: Command, command: tuple[str, ...]) -> None:
    done = snqd(*command, "--store", "postgresql://u:hunter2@127.0.0.1:1/d")

    assert done.code == 3
    assert "127.0.0.1" in done.error
    assert "Connection refused" in done.error
    assert "hunter2" not in done.error


@pytest.mark.pg
@pytest.mark.parametrize("command", COMMANDS_ON_THE_STORE, ids=" ".join)
def test_a_wrong_password(snqd: Command, pg_cluster: Cluster, command: tuple[str, ...]) -> None:
    done = snqd(*command, "--store", pg_cluster.tcp_url("postgres", password="hunter2"))

    assert done.code == 3
    assert "password authentication failed" in done.error
    assert "hunter2" not in done.error


@pytest.mark.pg
def test_a_database_that_is_missing(snqd: Command, pg_cluster: Cluster) -> None:
    done = snqd("items", "list", "--store", pg_cluster.url("nowhere"))

    assert done.code == 3
    assert 'database "nowhere" does not exist' in done.error


@pytest.mark.pg
def test_a_database_without_tables(snqd: Command, pg_cluster: Cluster) -> None:
    done = snqd("items", "list", "--store", pg_cluster.url("postgres"))

    assert done.code == 4
    assert "snqd schema upgrade" in done.error


@pytest.mark.pg
def test_tables_of_a_newer_release(snqd: Command, pg_database: Database) -> None:
    with pg_database.connect() as connection:
        (table,) = connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_name LIKE '%migration%'"
        ).fetchone() or ("",)
        connection.execute(f"INSERT INTO {table} (name) VALUES ('9999_future')".encode())

    done = snqd("items", "list", "--store", pg_database.url)

    assert done.code == 4
    assert "upgrade snqd" in done.error


def test_no_message_is_split_over_lines_even_if_its_cause_is(snqd: Command) -> None:
    snqd.write("broken_handlers.py", "raise ValueError('one\\ntwo\\n\\nthree')\n")

    done = snqd("config", "check", "-m", "broken_handlers")

    assert "one; two; three" in done.error
