"""`[snmp]`: who may ask the agent, and what is refused before the daemon starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from snqd.config import startup
from snqd.config.load import ConfigProblems, Loaded, Loader
from snqd.config.show import diff, fingerprint, shown
from snqd.config.snmp import Access, UserAccess, is_wanted, needs_cipher, resolve_access
from snqd.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

TARGET = '[snmp.target.noc]\naddress = "192.0.2.7:162"\n'
SECRETS = ("community-s3cret", "authentic phrase", "private phrase")
USER = '[snmp.user.monitor]\nauth_passphrase = "authentic phrase"\nprivacy_passphrase = "private phrase"\n'


def load(folder: Path, text: str, **environ: str) -> Loaded:
    (folder / "snqd.toml").write_text(text)
    return Loader(environ=environ, cwd=folder).load()


def problem(folder: Path, text: str) -> str:
    with pytest.raises(ConfigProblems) as caught:
        load(folder, text)
    assert len(caught.value.problems) == 1, caught.value.problems
    assert not any(secret in str(caught.value) for secret in SECRETS)
    return caught.value.problems[0].replace(f"{folder}/", "")


def secret_file(folder: Path, name: str, text: str, mode: int = 0o600) -> None:
    (folder / name).write_text(text)
    (folder / name).chmod(mode)


def test_without_anybody_to_answer_there_is_no_agent(tmp_path: Path) -> None:
    config = load(tmp_path, '[snmp]\nlisten = "127.0.0.1:1161"\n').config
    assert not is_wanted(config)
    assert resolve_access(config) == Access(None, (), {})


def test_a_community_and_users_are_what_the_agent_answers_to(tmp_path: Path) -> None:
    secret_file(tmp_path, "pass", "authentic phrase\n")
    text = f'[snmp]\ncommunity = "public"\n{USER}[snmp.user."a.b"]\nauth = "SHA-512"\nprivacy = "none"\n'
    text += 'auth_passphrase_file = "pass"\n'
    config = load(tmp_path, text).config
    assert is_wanted(config)
    assert needs_cipher(config)
    assert resolve_access(config) == Access(
        "public",
        (
            UserAccess("monitor", "SHA-256", "authentic phrase", "AES-128", "private phrase"),
            UserAccess("a.b", "SHA-512", "authentic phrase", "none", ""),
        ),
        {},
    )


def test_a_community_may_come_from_a_file_or_the_environment(tmp_path: Path) -> None:
    secret_file(tmp_path, "word", "community-s3cret\n")
    from_file = load(tmp_path, '[snmp]\ncommunity_file = "word"\n').config
    from_environment = load(tmp_path, "", SNQD_SNMP_COMMUNITY="community-s3cret").config
    for config in (from_file, from_environment):
        assert is_wanted(config)
        assert resolve_access(config).community == "community-s3cret"


def test_secrets_are_never_shown(tmp_path: Path) -> None:
    loaded = load(tmp_path, f'[snmp]\ncommunity = "community-s3cret"\n{USER}')
    told = [*map(str, shown(loaded)), *diff(load(tmp_path, "").config, loaded.config), fingerprint(loaded.config)]
    assert not [line for line in told if any(secret in line for secret in SECRETS)]
    assert any(entry.key == "snmp.user.monitor.auth_passphrase" and entry.value == "***" for entry in shown(loaded))


def test_a_changed_pass_phrase_is_a_change_that_a_reload_tells(tmp_path: Path) -> None:
    before = load(tmp_path, USER).config
    after = load(tmp_path, USER.replace("private phrase", "another phrase")).config
    assert diff(before, after) == ("snmp.user.monitor.privacy_passphrase: changed",)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            '[snmp]\nlisten = "0.0.0.0:1161"\ncommunity = "public"\n',
            "snqd.toml:2: snmp.listen is 0.0.0.0:1161, which others can reach, and a community goes over the "
            "network in the clear: name who is answered in snmp.networks, have users of v3 in its place, or "
            "listen on 127.0.0.1",
        ),
        (
            '[snmp]\nlisten = "0.0.0.0:161"\ncommunity_file = "word"\n',
            "snqd.toml:2: snmp.listen is 0.0.0.0:161, which others can reach, and a community goes over the "
            "network in the clear: name who is answered in snmp.networks, have users of v3 in its place, or "
            "listen on 127.0.0.1",
        ),
        (
            '[snmp]\ncommunity = "a"\ncommunity_file = "b"\n',
            "snqd.toml:3: snmp.community_file is set and snmp.community too (snqd.toml:2): which one counts? "
            "Remove one",
        ),
        (
            '[snmp.user.monitor]\nauth_passphrase = "short"\nprivacy = "none"\n',
            'snqd.toml:2: snmp.user.monitor.auth_passphrase is "***": must have 8 to 1024 bytes',
        ),
        (
            '[snmp.user.monitor]\nauth_passphrase = "authentic phrase"\n',
            "snqd.toml:1: snmp.user.monitor has no pass phrase for privacy: set "
            'snmp.user.monitor.privacy_passphrase_file, or snmp.user.monitor.privacy to "none"',
        ),
        (
            '[snmp.user.monitor]\nauth = "SHA-512"\nprivacy = "none"\n',
            "snqd.toml:1: snmp.user.monitor has no pass phrase: set snmp.user.monitor.auth_passphrase_file",
        ),
        (
            "[snmp.user.monitor]\n",
            "snqd.toml:1: snmp.user.monitor has no pass phrase: set snmp.user.monitor.auth_passphrase_file",
        ),
        (
            f'{USER}privacy = "none"\n',
            "snqd.toml:3: snmp.user.monitor.privacy_passphrase is set and snmp.user.monitor.privacy is none: remove "
            "one",
        ),
        (
            f'{USER}auth_passphrase_file = "x"\n',
            "snqd.toml:2: snmp.user.monitor.auth_passphrase is set and snmp.user.monitor.auth_passphrase_file too: "
            "which one counts? Remove one",
        ),
        (
            f'{USER}auth = "MD5"\n',
            "snqd.toml:4: snmp.user.monitor.auth is \"MD5\": must be one of 'SHA-1', 'SHA-224', 'SHA-256', 'SHA-384', "
            "'SHA-512'",
        ),
        (
            '[snmp.user."this name has more than 32 octets"]\nauth_passphrase = "authentic phrase"\n',
            "snqd.toml:1: snmp.user 'this name has more than 32 octets' is no name of a user: use 1 to 32 bytes of "
            "printable characters, without spaces at the ends",
        ),
        ("[snmp]\nuser = 5\n", "snqd.toml:2: snmp.user must be a table: write [snmp.user.NAME]"),
        (
            f"{USER}pasphrase = 1\n",
            "snqd.toml:4: unknown key snmp.user.monitor.pasphrase: did you mean snmp.user.monitor.auth_passphrase?",
        ),
        (
            f"[telemetry]\nenabled = false\n{USER}",
            "snqd.toml:4: snmp.user.monitor.auth_passphrase is set and telemetry.enabled is false: the SNMP agent "
            "shows what telemetry gathers; enable it, or remove [snmp]",
        ),
        (
            '[snmp]\nnetworks = ["10.0.0.1/8"]\n',
            "snqd.toml:2: snmp.networks is ['10.0.0.1/8']: must be addresses or networks, as in '192.0.2.7' or "
            "'10.0.0.0/8'; '10.0.0.1/8' is none: 10.0.0.1/8 has host bits set",
        ),
        (
            f"{TARGET}",
            "snqd.toml:1: snmp.target.noc has no community and no user: set snmp.target.noc.community_file for v2c, "
            "or snmp.target.noc.user for v3",
        ),
        (
            '[snmp.target.noc]\ncommunity = "word"\n',
            "snqd.toml:1: snmp.target.noc has no address: set snmp.target.noc.address, as in '192.0.2.7:162'",
        ),
        (
            f'{TARGET}user = "monitor"\ncommunity_file = "word"\n{USER}',
            "snqd.toml:3: snmp.target.noc.user is set and snmp.target.noc.community_file too: which one counts? Remove "
            "one",
        ),
        (
            f'{TARGET}user = "bob"\n',
            'snqd.toml:3: snmp.target.noc.user is "bob" and there is no such user: add [snmp.user.bob]',
        ),
        (
            f"{USER}reads = false\n",
            "snqd.toml:4: snmp.user.monitor.reads is false and no target has this user: remove it",
        ),
        (
            '[snmp.target.noc]\naddress = "192.0.2.7"\ncommunity = "word"\n',
            "snqd.toml:2: snmp.target.noc.address is \"192.0.2.7\": must be HOST:PORT, as in '127.0.0.1:5480' or "
            "'[::1]:5480': the port is missing",
        ),
        (
            f'{TARGET}community = ""\n',
            'snqd.toml:3: snmp.target.noc.community is "***": must be 1 to 64 printable ASCII characters',
        ),
        (
            f'{TARGET}community = "community-s3cret"\nnotifications = ["lag"]\n',
            "snqd.toml:4: snmp.target.noc.notifications is ['lag']: must be kinds of notifications; 'lag' is none: "
            "there are cold_start, warm_start, worker_exited, worker_respawned, slot_fatal, poison_item, dead_letter, "
            "alarm_raised, alarm_cleared, suppression",
        ),
        (
            f'{TARGET}community = "community-s3cret"\nnotifications = ["alarms_raised"]\n',
            "snqd.toml:4: snmp.target.noc.notifications is ['alarms_raised']: must be kinds of notifications; "
            "'alarms_raised' is none: did you mean alarm_raised?",
        ),
        (
            f"[telemetry]\nenabled = false\n{TARGET}community = 'community-s3cret'\n",
            "snqd.toml:4: snmp.target.noc.address is set and telemetry.enabled is false: the SNMP agent shows what "
            "telemetry gathers; enable it, or remove [snmp]",
        ),
        (
            "[snmp]\nnotifications_per_minute = 0\n",
            "snqd.toml:2: snmp.notifications_per_minute is 0: must be 1 to 6,000",
        ),
        (
            '[snmp]\ncommunity = ""\n',
            'snqd.toml:2: snmp.community is "***": must be 1 to 64 printable ASCII characters',
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(text: str, told: str, tmp_path: Path) -> None:
    assert problem(tmp_path, text) == told


@pytest.mark.parametrize(
    "text",
    [
        '[snmp]\nlisten = "0.0.0.0:1161"\ncommunity = "public"\nnetworks = ["10.0.0.0/8"]\n',
        f'[snmp]\nlisten = "0.0.0.0:1161"\n{USER}',
        '[snmp]\nlisten = "[::1]:161"\ncommunity = "public"\n',
    ],
)
def test_beyond_loopback_there_are_users_or_networks(text: str, tmp_path: Path) -> None:
    assert is_wanted(load(tmp_path, text).config)


def test_secrets_in_files_are_held_to_the_same_rules(tmp_path: Path) -> None:
    secret_file(tmp_path, "short", "short\n")
    secret_file(tmp_path, "open", "authentic phrase\n", mode=0o644)
    for name, told in (
        ("short", "its first line must have 8 to 1024 bytes"),
        ("open", f"everybody can read or write it: chmod o= {tmp_path / 'open'}"),
        ("gone", "there is no such file"),
    ):
        text = f'[snmp.user.monitor]\nauth_passphrase_file = "{name}"\nprivacy = "none"\n'
        config = load(tmp_path, text).config
        with pytest.raises(ConfigError) as caught:
            resolve_access(config)
        assert str(caught.value) == f"snmp.user.monitor.auth_passphrase_file {tmp_path / name}: {told}"
        assert list(startup.startup_problems(config)) == [str(caught.value)]


def test_a_folder_for_the_engine_id_has_to_be_there(tmp_path: Path) -> None:
    config = load(tmp_path, '[snmp]\ncommunity = "public"\nstate_dir = "kept"\n').config
    told = f"snmp.state_dir {tmp_path / 'kept'}: there is no such folder: make it"
    assert list(startup.startup_problems(config)) == [told]
    (tmp_path / "kept").mkdir()
    assert not list(startup.startup_problems(config))


def test_missing_packages_are_named_with_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startup, "find_spec", lambda _name: None)
    told = "[snmp] is set and the package {} is not installed: pip install 'snqd[snmp]'"
    with_user, with_community = load(tmp_path, USER).config, load(tmp_path, '[snmp]\ncommunity = "public"\n').config
    assert list(startup.startup_problems(with_user)) == [told.format("pysnmp"), told.format("cryptography")]
    assert list(startup.startup_problems(with_community)) == [told.format("pysnmp")]
    assert not list(startup.startup_problems(load(tmp_path, "").config))


def test_targets_alone_want_the_agent_and_have_a_community_or_a_user(tmp_path: Path) -> None:
    secret_file(tmp_path, "word", "community-s3cret\n")
    text = f'{TARGET}user = "monitor"\ninform = true\n{USER}reads = false\n'
    text += '[snmp.target.old]\naddress = "nms.example:162"\ncommunity_file = "word"\n'
    config = load(tmp_path, text).config
    assert is_wanted(config)
    user = UserAccess("monitor", "SHA-256", "authentic phrase", "AES-128", "private phrase")
    assert resolve_access(config) == Access(None, (), {"noc": user, "old": "community-s3cret"})
    assert config.snmp_target["noc"].inform


def test_secrets_of_users_and_targets_may_come_from_the_environment(tmp_path: Path) -> None:
    text = f'[snmp.user."a.b"]\nreads = true\n{TARGET}'
    loaded = load(
        tmp_path,
        text,
        SNQD_SNMP_USER_A_B_AUTH_PASSPHRASE="authentic phrase",
        SNQD_SNMP_USER_A_B_PRIVACY_PASSPHRASE="private phrase",
        SNQD_SNMP_TARGET_NOC_COMMUNITY="community-s3cret",
    )
    user = UserAccess("a.b", "SHA-256", "authentic phrase", "AES-128", "private phrase")
    assert resolve_access(loaded.config) == Access(None, (user,), {"noc": "community-s3cret"})
    told = {entry.key: entry for entry in shown(loaded)}
    assert told["snmp.target.noc.community"].value == "***"
    assert told["snmp.user.a.b.auth_passphrase"].origin == "environment SNQD_SNMP_USER_A_B_AUTH_PASSPHRASE"


@pytest.mark.parametrize(
    ("text", "variable", "told"),
    [
        (
            "",
            "SNQD_SNMP_USER_BOB_AUTH_PASSPHRASE",
            "no such setting: it is for a table [snmp.user.NAME] in the configuration file",
        ),
        (
            USER,
            "SNQD_SNMP_USER_MONITOR_AUTH_PASPHRASE",
            "no such setting: did you mean SNQD_SNMP_USER_MONITOR_AUTH_PASSPHRASE?",
        ),
        (
            USER + USER.replace("monitor", "MONITOR"),
            "SNQD_SNMP_USER_MONITOR_AUTH",
            "it could be snmp.user.monitor.auth or snmp.user.MONITOR.auth",
        ),
    ],
)
def test_a_variable_that_is_of_no_table_is_refused(text: str, variable: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigProblems) as caught:
        load(tmp_path, text, **{variable: "authentic phrase"})
    assert caught.value.problems == [f"environment {variable}: {told}"]


def test_a_pass_phrase_in_the_environment_is_held_to_the_same_rules(tmp_path: Path) -> None:
    with pytest.raises(ConfigProblems) as caught:
        load(tmp_path, USER, SNQD_SNMP_USER_MONITOR_AUTH_PASSPHRASE="short")
    variable = "environment SNQD_SNMP_USER_MONITOR_AUTH_PASSPHRASE"
    told = f'{variable}: snmp.user.monitor.auth_passphrase is "***": must have 8 to 1024 bytes'
    assert caught.value.problems == [told]
