"""The configuration: which source wins, where a value came from, and what a mistake is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snqd.config.load import ConfigProblems, Loaded, Loader
from snqd.config.schema import Config
from snqd.config.settings import NAMED, SECTIONS, Kind, Setting, settings
from snqd.config.values import LIMITS, check, from_text, from_toml
from snqd.errors import ConfigError
from snqd.telemetry.board import ENTRIES, SLOTS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def load(
    folder: Path,
    text: str | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, tuple[str, object]] | None = None,
) -> Loaded:
    """Load `text` as ./snqd.toml."""
    if text is not None:
        (folder / "snqd.toml").write_text(text)
    return Loader(flags=flags or {}, environ=environ or {}, cwd=folder).load()


def problems(folder: Path, text: str | None = None, environ: Mapping[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigProblems) as caught:
        load(folder, text, environ)
    return [problem.replace(f"{folder}/", "") for problem in caught.value.problems]


def test_without_any_source_every_value_is_its_default(tmp_path: Path) -> None:
    loaded = load(tmp_path)

    assert loaded.path is None
    assert loaded.config.daemon == Config().daemon
    assert loaded.origin("daemon.threads").place() == "default"


def test_flags_win_over_environment_over_file_over_defaults(tmp_path: Path) -> None:
    text = '[daemon]\nthreads = 1\ngrace_seconds = 1\nname = "file"\n'
    environ = {"SNQD_DAEMON_THREADS": "2", "SNQD_DAEMON_GRACE_SECONDS": "2"}

    loaded = load(tmp_path, text, environ, {"daemon.threads": ("--threads", "3")})

    assert (loaded.config.daemon.threads, loaded.config.daemon.grace_seconds) == (3, 2.0)
    assert loaded.config.daemon.name == "file"
    assert loaded.config.daemon.crash_limit == 3
    assert [loaded.origin(f"daemon.{key}").place() for key in ("threads", "grace_seconds", "name", "crash_limit")] == [
        "flag --threads",
        "environment SNQD_DAEMON_GRACE_SECONDS",
        f"{tmp_path}/snqd.toml:4",
        "default",
    ]


def test_the_file_named_by_flag_wins_over_the_variable_over_the_working_directory(tmp_path: Path) -> None:
    for stem in ("flag", "variable", "snqd"):
        (tmp_path / f"{stem}.toml").write_text(f'[daemon]\nname = "{stem}"\n')
    environ = {"SNQD_CONFIG": "variable.toml"}

    def name(file: str | None, environ: Mapping[str, str]) -> str:
        return Loader(file=file, environ=environ, cwd=tmp_path).load().config.daemon.name

    assert name("flag.toml", environ) == "flag"
    assert name(None, environ) == "variable"
    assert name(None, {}) == "snqd"


def test_a_reload_reads_the_file_again_and_keeps_flags_and_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "snqd.toml"
    path.write_text("[daemon]\nthreads = 1\n")
    loader = Loader(flags={"store.url": ("--store", "sqlite:///x.db")}, environ={})
    before = loader.load().config
    path.write_text("[daemon]\nthreads = 2\n")
    monkeypatch.chdir("/")

    after = loader.load().config

    assert (before.daemon.threads, after.daemon.threads) == (1, 2)
    assert after.store.url == before.store.url == f"sqlite:///{tmp_path}/x.db"


def test_relative_paths_begin_at_the_file_or_at_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/own.toml").write_text(
        '[sites]\ndirectory = "sites"\n[daemon]\nlog_file = "../log"\n[store]\nurl = "sqlite:///q.db"\n'
    )
    environ = {"SNQD_CONFIG": "etc/own.toml", "SNQD_DAEMON_PIDFILE": "run/x.pid"}

    config = Loader(environ=environ, cwd=tmp_path).load().config

    assert config.sites.directory == str(tmp_path / "etc/sites")
    assert config.daemon.log_file == str(tmp_path / "log")
    assert config.daemon.pidfile == str(tmp_path / "run/x.pid")
    assert config.store.url == f"sqlite:///{tmp_path}/q.db"


@pytest.mark.parametrize(
    "url", ["sqlite:////var/lib/q.db", "postgresql://u@h/d", "memory://", "host=/tmp dbname=x", "postgres:///d"]
)
def test_addresses_that_are_not_relative_files_stay_as_they_are(tmp_path: Path, url: str) -> None:
    assert load(tmp_path, environ={"SNQD_STORE_URL": url}).config.store.url == url


def test_queues_settings_and_sites_are_read(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        '[queue."a.b"]\nmax_attempts = 3\n[settings]\nsmtp = {port = 25}\n[site."a.example"]\nx = [1]\n',
    ).config

    assert config.queue["a.b"].max_attempts == 3
    assert config.queue["a.b"].group is None
    assert config.settings == {"smtp": {"port": 25}}
    assert config.site == {"a.example": {"x": [1]}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[daemon]\nthreads = "4"', 'snqd.toml:2: daemon.threads is "4": must be a whole number'),
        ("[daemon]\nthreads = true", "snqd.toml:2: daemon.threads is true: must be a whole number"),
        ("[daemon]\nthreads = 2.0", "snqd.toml:2: daemon.threads is 2.0: must be a whole number"),
        ("[daemon]\n\nthreads = 256", "snqd.toml:3: daemon.threads is 256: must be 0 to 255"),
        ("[daemon]\nthreads = -1", "snqd.toml:2: daemon.threads is -1: must be 0 to 255"),
        ("[daemon]\ngrace_seconds = -0.5", "snqd.toml:2: daemon.grace_seconds is -0.5: must be 0 to 31,622,400"),
        ("[daemon]\ngrace_seconds = nan", "snqd.toml:2: daemon.grace_seconds is nan: must be a number"),
        (
            "[store]\nsweep_seconds = 0",
            "snqd.toml:2: store.sweep_seconds is 0: must be more than 0, at most 31,622,400",
        ),
        (
            '[daemon]\nlog_format = "xml"',
            "snqd.toml:2: daemon.log_format is \"xml\": must be one of 'auto', 'text', 'json'",
        ),
        (
            '[daemon]\nmemory_soft_limit = "300"',
            "snqd.toml:2: daemon.memory_soft_limit is \"300\": must be a percentage such as '90%', "
            "a size of at least 1M such as '300M' or '1G', or 'none'",
        ),
        (
            '[handlers]\nmodules = "a"',
            'snqd.toml:2: handlers.modules is "a": must be a list of texts, as in ["a", "b"]',
        ),
        (
            '[handlers]\nmodules = ["my-app"]',
            "snqd.toml:2: handlers.modules is ['my-app']: must be names of Python modules, as in 'myapp.handlers'; "
            "'my-app' is not one",
        ),
        (
            '[store]\nurl = ""',
            "snqd.toml:2: store.url is \"\": must be the address of a store: 'sqlite:///FILE.db' or "
            "'postgresql://USER@HOST/DATABASE'",
        ),
        ("daemon = 3", "snqd.toml:1: daemon must be a table: write [daemon]"),
        ("[queue]\nmail = 1", "snqd.toml:2: queue.mail must be a table: write [queue.mail]"),
        ("[queue.mail]\nconcurrency = 65", "snqd.toml:2: queue.mail.concurrency is 65: must be 1 to 64"),
        ("[daemon]\nthread = 1", "snqd.toml:2: unknown key daemon.thread: did you mean daemon.threads?"),
        (
            "[daemon]\nlease_seconds = 1",
            "snqd.toml:2: unknown key daemon.lease_seconds: did you mean store.lease_seconds?",
        ),
        ("[deamon]\nthreads = 1", "snqd.toml:1: unknown key deamon: did you mean daemon?"),
        ("threads = 1", "snqd.toml:1: unknown key threads: did you mean daemon.threads? Write it below [daemon]"),
        (
            "[handlers]\nzzz = 1",
            "snqd.toml:2: unknown key handlers.zzz: keys of [handlers] are modules, entry_points",
        ),
        ("[queue.a]\ngrup = 1", "snqd.toml:2: unknown key queue.a.grup: did you mean queue.a.group?"),
        (
            "[store]\nlease_seconds = 0.5",
            "snqd.toml:2: store.lease_seconds is 0.5, shorter than store.poll_interval_seconds (1): "
            "a claim would end between two looks at the store; make the lease longer",
        ),
        ('[daemon]\ngroup = "x"', "snqd.toml:2: daemon.group is set and daemon.user is not: set both"),
        (
            "[queue.a]\nretry_first_seconds = 9\nretry_limit_seconds = 3",
            "snqd.toml:2: queue.a.retry_first_seconds is 9, longer than retry_limit_seconds (3)",
        ),
    ],
)
def test_a_mistake_in_the_file_is_told_with_line_key_what_was_found_and_what_is_expected(
    tmp_path: Path, text: str, message: str
) -> None:
    assert problems(tmp_path, text) == [message]


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        ("SNQD_DAEMON_THREADS", "four", 'daemon.threads is "four": must be a whole number'),
        ("SNQD_STORE_LISTEN", "maybe", 'store.listen is "maybe": must be true or false'),
        ("SNQD_DAEMON_THRADS", "4", "no such setting: did you mean SNQD_DAEMON_THREADS?"),
        ("SNQD_STROE_URL", "x", "no such setting: did you mean SNQD_STORE_URL?"),
        (
            "SNQD_SITES_ZZZ",
            "x",
            "no such setting: variables of [sites] are SNQD_SITES_DIRECTORY, SNQD_SITES_WATCH, SNQD_SITES_TABLE, "
            "SNQD_SITES_IN_FLIGHT_LIMIT, SNQD_SITES_RATE_PER_SECOND",
        ),
        ("SNQD_QUEUE_MAIL_GROUP", "x", "[queue] cannot be set from the environment: use the configuration file"),
    ],
)
def test_a_mistake_in_the_environment_names_the_variable(
    tmp_path: Path, variable: str, text: str, message: str
) -> None:
    assert problems(tmp_path, environ={variable: text}) == [f"environment {variable}: {message}"]


@pytest.mark.parametrize(
    "variable", ["SNQD_DEBUG", "SNQD_PORT", "SNQD_SERVICE_HOST", "SNQD_STORE_PORT_5432_TCP_ADDR", "SNQD_UNRELATED"]
)
def test_variables_that_are_no_settings_are_left_alone(tmp_path: Path, variable: str) -> None:
    assert load(tmp_path, environ={variable: "tcp://10.0.0.1:80"}).config.daemon == Config().daemon


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    assert load(tmp_path, "[daemon]\nthreads = 3\n", {"SNQD_DAEMON_THREADS": ""}).config.daemon.threads == 3


def test_all_mistakes_are_collected_and_the_message_says_how_many_follow(tmp_path: Path) -> None:
    with pytest.raises(ConfigProblems) as caught:
        load(tmp_path, '[daemon]\nthreads = "x"\nnope = 1\n', {"SNQD_STORE_LISTEN": "maybe"})

    assert len(caught.value.problems) == 3
    assert str(caught.value).endswith("(and 2 more: see 'snqd config check')")


def test_a_password_is_not_told_in_an_error(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, '[store]\nurl = "postgre://me:hunter2@host/db"\n')

    assert "hunter2" not in problem
    assert "did you mean postgres://?" in problem


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"[daemon]\nthreads = \n", "snqd.toml:2:11: not valid TOML: invalid value"),
        (b"[daemon\n", "snqd.toml:1:8: not valid TOML: expected ']' at the end of a table declaration"),
        (b'[a]\nx = "', "snqd.toml:2"),
        (b"[a]\nx = '\xff'\n", "snqd.toml:2: not valid TOML: the text is not UTF-8"),
        (b"a = 1\na = 2\n", "snqd.toml:2"),
        (b"x = " + b"[" * 100_000, "snqd.toml: not valid TOML: nested too deeply"),
    ],
)
def test_a_file_that_is_no_toml_is_told_with_line_and_column(tmp_path: Path, raw: bytes, message: str) -> None:
    (tmp_path / "snqd.toml").write_bytes(raw)

    with pytest.raises(ConfigError) as caught:
        load(tmp_path)

    assert str(caught.value).removeprefix(f"{tmp_path}/").startswith(message)
    assert "\n" not in str(caught.value)


def test_lines_are_right_beside_multi_line_values_and_look_alikes(tmp_path: Path) -> None:
    text = (
        '[settings]\ntext = """\n[daemon]\nthreads = 1\n"""\nlist = [\n  1,\n]\n\n[daemon] # here\n"threads"    =  7\n'
    )

    loaded = load(tmp_path, text)

    assert loaded.origin("daemon.threads").place() == f"{tmp_path}/snqd.toml:11"


def test_every_number_of_the_schema_has_limits_that_its_default_keeps() -> None:
    numbers = {key for key, setting in settings().items() if setting.kind in (Kind.WHOLE, Kind.NUMBER)}

    assert set(LIMITS) == numbers
    for key in numbers:
        default = settings()[key].default
        if default is not None:
            check(default, settings()[key])


def test_limits_agree_with_the_worker_board() -> None:
    assert LIMITS["daemon.threads"].high == SLOTS - 1
    assert LIMITS["queue.*.concurrency"].high == ENTRIES


@given(st.sampled_from([setting for setting in settings().values() if setting.variable]), st.data())
def test_what_is_written_as_text_and_as_toml_is_read_alike(setting: Setting, data: st.DataObject) -> None:
    words = st.text(st.characters(categories=["L", "N"]), min_size=1)
    values: dict[Kind, st.SearchStrategy[Any]] = {
        Kind.TEXT: words,
        Kind.WHOLE: st.integers(),
        Kind.NUMBER: st.floats(allow_nan=False, allow_infinity=False),
        Kind.TRUTH: st.booleans(),
        Kind.NAMES: st.lists(words),
        Kind.CHOICE: st.sampled_from(setting.choices or ("",)),
    }
    value = data.draw(values[setting.kind])
    text = ",".join(value) if isinstance(value, list) else str(value)

    assert from_text(text, setting) == from_toml(value, setting)


def test_every_section_of_the_config_is_known_to_the_loader() -> None:
    named = [table.field for table in NAMED.values()]
    assert set(Config._fields) == {*SECTIONS, *named, "site", "settings"}
