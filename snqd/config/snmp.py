"""Who may ask the SNMP agent, and who is notified: communities and users, with the secrets that are in files.

Read where a daemon starts and where a configuration is checked, as `addresses.resolve_key` is.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from snqd.config.addresses import secret_in_file
from snqd.config.settings import SNMP_TARGET, SNMP_USER
from snqd.config.values import check_community, check_passphrase
from snqd.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from snqd.config.schema import Config, SnmpTargetConfig, SnmpUserConfig

NO_PRIVACY = "none"


class Access(NamedTuple):
    """What the agent answers to, and what it sends as. Holds secrets: not to be shown."""

    community: str | None
    users: tuple[UserAccess, ...]
    """Those who may read."""
    targets: Mapping[str, UserAccess | str]
    """The user or the community of each target."""


class UserAccess(NamedTuple):
    name: str
    auth: str
    auth_passphrase: str
    privacy: str
    privacy_passphrase: str
    """Empty without privacy."""


def is_wanted(config: Config) -> bool:
    """Whether there is anybody to answer or to notify."""
    snmp = config.snmp
    has_community = snmp.community is not None or snmp.community_file is not None
    return has_community or any(user.reads for user in config.snmp_user.values()) or bool(config.snmp_target)


def needs_cipher(config: Config) -> bool:
    return any(user.privacy != NO_PRIVACY for user in config.snmp_user.values())


def check_state_dir(config: Config) -> None:
    """Raise `ConfigError` if `snmp.state_dir` is no folder that can be written."""
    folder = config.snmp.state_dir
    if folder is not None and is_wanted(config):
        if not Path(folder).is_dir():
            raise ConfigError(f"snmp.state_dir {folder}: there is no such folder: make it")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise ConfigError(f"snmp.state_dir {folder}: cannot be written by this user")


def resolve_access(config: Config) -> Access:
    """Raises `ConfigError`, which never shows a secret."""
    community = _secret("snmp.community", config.snmp.community, config.snmp.community_file, check_community)
    users = {name: _user(name, user) for name, user in config.snmp_user.items()}
    targets = {name: _sender(name, target, users) for name, target in config.snmp_target.items()}
    return Access(community, tuple(users[name] for name, user in config.snmp_user.items() if user.reads), targets)


def _sender(name: str, target: SnmpTargetConfig, users: Mapping[str, UserAccess]) -> UserAccess | str:
    if target.user is not None:
        return users[target.user]
    key = f"{SNMP_TARGET}.{name}.community"
    community = _secret(key, target.community, target.community_file, check_community)
    assert community is not None, "contradictions have been looked for"
    return community


def _user(name: str, user: SnmpUserConfig) -> UserAccess:
    key = f"{SNMP_USER}.{name}"
    auth = _secret(f"{key}.auth_passphrase", user.auth_passphrase, user.auth_passphrase_file, check_passphrase)
    privacy = None
    if user.privacy != NO_PRIVACY:
        privacy = _secret(
            f"{key}.privacy_passphrase", user.privacy_passphrase, user.privacy_passphrase_file, check_passphrase
        )
        assert privacy is not None, "contradictions have been looked for"
    assert auth is not None, "contradictions have been looked for"
    return UserAccess(name, user.auth, auth, user.privacy, privacy or "")


def _secret(key: str, value: str | None, path: str | None, check: Callable[[str], None]) -> str | None:
    if path is None:
        return value
    found = secret_in_file(path, f"{key}_file")
    try:
        check(found)
    except ValueError as error:
        raise ConfigError(f"{key}_file {path}: its first line {error}") from None
    return found
