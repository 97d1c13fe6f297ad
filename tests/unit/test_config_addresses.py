"""Addresses, keys and programs of telemetry: what is accepted, and the one line that each mistake is told."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snqd.config.addresses import Address, is_loopback, parse_address, parse_networks, parse_target, resolve_key
from snqd.config.load import ConfigProblems, Loaded, Loader
from snqd.config.schema import AlarmsConfig, Config, TelemetryConfig
from snqd.config.show import diff, shown
from snqd.config.startup import alarm_command, check_startup, startup_problems
from snqd.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

KEY = "0123456789abcdef"


def load(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> Loaded:
    (folder / "snqd.toml").write_text(text)
    return Loader(environ=environ or {}, cwd=folder).load()


def problems(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigProblems) as caught:
        load(folder, text, environ)
    return [problem.replace(f"{folder}/", "") for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:5480", ("127.0.0.1", 5480)),
        ("[::1]:8125", ("::1", 8125)),
        ("[fe80::1%eth0]:8125", ("fe80::1%eth0", 8125)),
        ("statsd.example.net:8125", ("statsd.example.net", 8125)),
        ("my_host:1", ("my_host", 1)),
        ("localhost:65535", ("localhost", 65535)),
        ("0.0.0.0:0", ("0.0.0.0", 0)),
    ],
)
def test_an_address_is_taken_apart_and_put_together_again(text: str, expected: tuple[str, int]) -> None:
    address = parse_address(text)

    assert address == expected
    assert str(address) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the port is missing"),
        ("localhost", "the port is missing"),
        ("localhost:", "the port must be 0 to 65535"),
        ("localhost:http", "the port must be 0 to 65535"),
        ("localhost:65536", "the port must be 0 to 65535"),
        ("localhost:-1", "the port must be 0 to 65535"),
        ("localhost:٣", "the port must be 0 to 65535"),
        ("localhost: 80", "the port must be 0 to 65535"),
        (":5480", "the host is missing; '0.0.0.0' is every address of this machine"),
        ("::1:5480", "an IPv6 address goes in brackets"),
        ("[127.0.0.1]:5480", "what is in brackets is no IPv6 address"),
        ("[::1:5480", "an IPv6 address goes in brackets"),
        ("[::g]:5480", "what is in brackets is no IPv6 address"),
        ("256.0.0.1:5480", "the host is no IPv4 address"),
        ("127.1:5480", "the host is no IPv4 address"),
        ("a b:5480", "the host is no name and no address"),
        ("a..b:5480", "the host is no name and no address"),
        ("-a:5480", "the host is no name and no address"),
        ("ä.example:5480", "the host is no name and no address"),
        (f"{'a' * 64}:5480", "the host is no name and no address"),
        (f"{'a.' * 127}b:5480", "the host is no name and no address"),
        ("http://h:80", "an IPv6 address goes in brackets"),
    ],
)
def test_what_is_no_address_is_told_in_words(text: str, words: str) -> None:
    with pytest.raises(ValueError, match="must be HOST:PORT") as caught:
        parse_address(text)

    assert str(caught.value).endswith(words)


@given(st.text())
def test_any_text_is_an_address_or_a_value_error(text: str) -> None:
    try:
        address = parse_address(text)
    except ValueError:
        return
    assert parse_address(str(address)) == address


def test_a_target_says_that_it_is_udp() -> None:
    assert parse_target("udp://[::1]:5481") == Address("::1", 5481)
    for wrong in ("127.0.0.1:5481", "tcp://127.0.0.1:5481", "udp:/127.0.0.1:5481"):
        with pytest.raises(ValueError, match="must be udp://HOST:PORT"):
            parse_target(wrong)
    with pytest.raises(ValueError, match="the port must be 1 to 65535"):
        parse_target("udp://h:0")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", "LOCALHOST", "localhost."])
def test_what_only_this_machine_can_reach_is_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "localhost.example.net", "example.net", "1"])
def test_everything_else_is_not(host: str) -> None:
    assert not is_loopback(host)


def test_networks_are_addresses_or_prefixes() -> None:
    assert [str(network) for network in parse_networks(["192.0.2.7", "10.0.0.0/8", "2001:db8::/32"])] == [
        "192.0.2.7/32",
        "10.0.0.0/8",
        "2001:db8::/32",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '[telemetry]\nlisten = "5480"',
            "snqd.toml:2: telemetry.listen is \"5480\": must be HOST:PORT, as in '127.0.0.1:5480' or '[::1]:5480': "
            "the port is missing; or 'auto' or 'none'",
        ),
        (
            '[telemetry]\nstatsd = "localhost:0"',
            "snqd.toml:2: telemetry.statsd is \"localhost:0\": must be HOST:PORT, as in '127.0.0.1:5480' or "
            "'[::1]:5480': the port must be 1 to 65535",
        ),
        (
            '[telemetry]\nmonitors = ["udp://h:1", "h:1"]',
            "snqd.toml:2: telemetry.monitors is ['udp://h:1', 'h:1']: must be udp://HOST:PORT, as in "
            "'udp://192.0.2.7:5481' ('h:1')",
        ),
        (
            '[telemetry]\nganglia_spoof = "queues"',
            'snqd.toml:2: telemetry.ganglia_spoof is "queues": must be an IPv4 address and a name, as in '
            "'10.0.0.7:queues'",
        ),
        (
            '[telemetry]\nganglia = "localhost"',
            "snqd.toml:2: telemetry.ganglia is \"localhost\": must be HOST:PORT, as in '127.0.0.1:5480' or "
            "'[::1]:5480': the port is missing",
        ),
        (
            "[telemetry]\nganglia_limit = 10",
            "snqd.toml:2: telemetry.ganglia_limit is 10: must be 50 to 10,000",
        ),
        (
            '[telemetry]\nstatsd_prefix = "a b"',
            "snqd.toml:2: telemetry.statsd_prefix is \"a b\": must be letters, digits, '_' and '-', in parts joined by "
            "'.', as in 'prod.snqd'",
        ),
        (
            '[telemetry]\nlegacy_listen = "none"',
            "snqd.toml:2: telemetry.legacy_listen is \"none\": must be HOST:PORT, as in '127.0.0.1:5480' or "
            "'[::1]:5480': the port is missing",
        ),
        (
            '[telemetry]\nlegacy_http_listen = "x:y"',
            "snqd.toml:2: telemetry.legacy_http_listen is \"x:y\": must be HOST:PORT, as in '127.0.0.1:5480' or "
            "'[::1]:5480': the port must be 0 to 65535",
        ),
        (
            '[telemetry]\nlegacy_senders = ["10.0.0.1/8"]',
            "snqd.toml:2: telemetry.legacy_senders is ['10.0.0.1/8']: must be addresses or networks, as in '192.0.2.7' "
            "or '10.0.0.0/8'; '10.0.0.1/8' is none: 10.0.0.1/8 has host bits set",
        ),
        ('[telemetry]\nkey_file = ""', 'snqd.toml:2: telemetry.key_file is "": must be a path'),
        ('[telemetry]\nrecord_file = ""', 'snqd.toml:2: telemetry.record_file is "": must be a path'),
        (
            '[alarms]\nexec = "mail \'x"',
            'snqd.toml:2: alarms.exec is "mail \'x": must be a program and its arguments: a quotation is not closed',
        ),
        ('[alarms]\nexec = ""', 'snqd.toml:2: alarms.exec is "": must be a program and its arguments'),
        (
            '[telemetry]\nlisten = "0.0.0.0:5480"',
            "snqd.toml:2: telemetry.listen is 0.0.0.0:5480, which others can reach, and there is no key: "
            "set telemetry.key_file, or listen on 127.0.0.1",
        ),
        (
            '[telemetry]\nlisten = "[::]:5480"\nlegacy_senders = ["10.0.0.0/8"]',
            "snqd.toml:2: telemetry.listen is [::]:5480, which others can reach, and there is no key: "
            "set telemetry.key_file, or listen on 127.0.0.1",
        ),
        (
            f'[telemetry]\nlegacy_listen = "192.0.2.1:5481"\nkey = "{KEY}"',
            "snqd.toml:2: telemetry.legacy_listen is 192.0.2.1:5481, which others can reach, and nothing authenticates "
            "a ping: name who is believed in telemetry.legacy_senders, or listen on 127.0.0.1",
        ),
        (
            '[telemetry]\nlegacy_http_listen = "example.net:80"\nlegacy_senders = []',
            "snqd.toml:2: telemetry.legacy_http_listen is example.net:80, which others can reach, and nothing "
            "authenticates a ping: name who is believed in telemetry.legacy_senders, or listen on 127.0.0.1",
        ),
        (
            f'[telemetry]\nkey = "{KEY}"\nkey_file = "k"',
            "snqd.toml:3: telemetry.key_file is set and telemetry.key too (snqd.toml:2): which one counts? Remove one",
        ),
    ],
)
def test_a_mistake_in_the_file_is_one_line_with_the_key(tmp_path: Path, text: str, message: str) -> None:
    assert problems(tmp_path, text) == [message]


@pytest.mark.parametrize(
    "text",
    [
        'listen = "auto"',
        'listen = "none"',
        'listen = "localhost:0"',
        f'listen = "0.0.0.0:5480"\nkey = "{KEY}"',
        'listen = "0.0.0.0:5480"\nkey_file = "not read here"',
        'legacy_listen = "127.0.0.1:5481"\nlegacy_http_listen = "[::1]:8080"',
        'legacy_listen = "0.0.0.0:5481"\nlegacy_senders = ["192.0.2.7"]',
        'monitors = ["udp://192.0.2.7:5481", "udp://[2001:db8::1]:5481"]',
        'statsd_prefix = ""',
        'statsd_prefix = "prod.snqd-1"',
        'ganglia = "239.2.11.71:8649"',
        'ganglia_spoof = "10.0.0.7:queues.example"',
        "ganglia_limit = 10000",
    ],
)
def test_what_is_safe_is_accepted(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, f"[telemetry]\n{text}\n").path is not None


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("hunter2", "must have at least 16 characters: 'openssl rand -hex 16' makes one"),
        ("ö" * 1025, "must have at most 1024 characters: 'openssl rand -hex 16' makes a good one"),
        (f" {KEY}", "must not begin or end with a space, nor hold what cannot be printed"),
        (f"{KEY}\t{KEY}", "must not begin or end with a space, nor hold what cannot be printed"),
    ],
)
def test_a_key_that_is_not_good_is_refused_and_not_told(tmp_path: Path, key: str, words: str) -> None:
    found = problems(tmp_path, "", {"SNQD_TELEMETRY_KEY": key})

    assert found == [f'environment SNQD_TELEMETRY_KEY: telemetry.key is "***": {words}']


def test_the_key_is_never_shown(tmp_path: Path) -> None:
    loaded = load(tmp_path, f'[telemetry]\nkey = "{KEY}"\n')
    other = Config(telemetry=TelemetryConfig(key=KEY[::-1]))

    values = {entry.key: entry.value for entry in shown(loaded)}

    assert values["telemetry.key"] == "***"
    assert "telemetry.key: changed" in diff(loaded.config, other)
    assert "telemetry.key: (unset) -> ***" in diff(Config(), other)


def key_file(folder: Path, content: bytes, mode: int = 0o600) -> TelemetryConfig:
    path = folder / "key"
    path.write_bytes(content)
    path.chmod(mode)
    return TelemetryConfig(key_file=str(path))


def test_the_key_comes_from_the_setting_or_the_first_line_of_the_file(tmp_path: Path) -> None:
    assert resolve_key(TelemetryConfig()) is None
    assert resolve_key(TelemetryConfig(key=KEY)) == KEY
    assert resolve_key(key_file(tmp_path, f"{KEY} \r\nand more\n".encode())) == KEY
    assert resolve_key(key_file(tmp_path, KEY.encode(), 0o440)) == KEY


def test_a_relative_key_file_begins_at_the_configuration_file(tmp_path: Path) -> None:
    key_file(tmp_path, KEY.encode())

    assert resolve_key(load(tmp_path, '[telemetry]\nkey_file = "key"\n').config.telemetry) == KEY


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        (KEY.encode() + b"\n", 0o604, "everybody can read or write it: chmod o= {path}"),
        (KEY.encode(), 0o602, "everybody can read or write it: chmod o= {path}"),
        (b"\n" + KEY.encode(), 0o600, "its first line must have at least 16 characters"),
        (b"", 0o600, "its first line must have at least 16 characters"),
        (b"x" * 100_000, 0o600, "its first line must have at most 1024 characters"),
        (b"\xff" * 20, 0o600, "its first line is not UTF-8 text"),
    ],
)
def test_a_key_file_that_is_not_good_is_one_line(tmp_path: Path, content: bytes, mode: int, words: str) -> None:
    config = key_file(tmp_path, content, mode)

    with pytest.raises(ConfigError) as caught:
        resolve_key(config)

    message = str(caught.value)
    assert words.replace("{path}", str(config.key_file)) in message
    assert message.startswith(f"telemetry.key_file {config.key_file}: ")
    assert "\n" not in message
    assert KEY not in message


def test_a_key_file_that_is_not_there_or_is_no_file_is_one_line(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name, words in (("missing", "there is no such file"), ("", "is no file"), ("fifo", "is no file")):
        with pytest.raises(ConfigError, match=words):
            resolve_key(TelemetryConfig(key_file=str(tmp_path / name)))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_key_file_that_we_may_not_read_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Permission denied"):
        resolve_key(key_file(tmp_path, KEY.encode(), 0o000))


def test_the_alarm_program_is_found_with_its_arguments(tmp_path: Path) -> None:
    assert alarm_command(AlarmsConfig()) == ()
    assert alarm_command(AlarmsConfig(exec=f"{sys.executable} -c 'a b'")) == (sys.executable, "-c", "a b")
    for wrong in ("no-such-program -x", str(tmp_path)):
        with pytest.raises(ConfigError, match="is not here, or may not be run"):
            alarm_command(AlarmsConfig(exec=wrong))


def test_everything_that_a_daemon_would_miss_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("snqd.config.startup.find_spec", lambda _name: None)
    config = Config(
        telemetry=TelemetryConfig(
            key_file=str(tmp_path / "none"), statsd="127.0.0.1:8125", legacy_http_listen="[::1]:80"
        ),
        alarms=AlarmsConfig(exec="no-such-program"),
    )

    found = list(startup_problems(config))

    assert [line.partition(" ")[0].partition(".")[2] for line in found] == [
        "key_file", "exec", "statsd", "legacy_http_listen"
    ]  # fmt: skip
    assert [line.rpartition("pip install ")[2] for line in found[-2:]] == ["'snqd[statsd]'", "'snqd[legacy]'"]
    with pytest.raises(ConfigError, match=r"telemetry\.key_file"):
        check_startup(config)
    check_startup(Config())
