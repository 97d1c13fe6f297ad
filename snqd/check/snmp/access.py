"""Who asks: a community, or a user with pass phrases. Each secret is a flag's, a file's or the environment's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from snqd.check.snmp.community import CommunitySession
from snqd.errors import SnqdError

if TYPE_CHECKING:
    import argparse

    from snqd.check.snmp.pdus import Session

AUTH: Final = "SHA-256"
PRIVACY: Final = "AES-128"
"""What the agent has where its settings say nothing else."""
ENVIRONMENT: Final = {
    "community": "CHECK_SNQD_COMMUNITY",
    "auth_passphrase": "CHECK_SNQD_AUTH_PASSPHRASE",
    "privacy_passphrase": "CHECK_SNQD_PRIVACY_PASSPHRASE",
}
_LEAST: Final = 8
"""Octets of a pass phrase (RFC 3414, 11.2)."""
_COMMUNITY_MOST: Final = 255


def session_of(options: argparse.Namespace) -> Session:
    """Version 3 when there is a user, else 2c. Raises `SnqdError`, which never shows a secret."""
    if options.user is not None:
        return _user_session(options)
    community = _secret(options, "community")
    if not community:
        raise _usage(f"who asks? --community-file, --community or {ENVIRONMENT['community']}, or --user for version 3")
    if len(community.encode()) > _COMMUNITY_MOST:
        raise _usage(f"a community has at most {_COMMUNITY_MOST} octets")
    for name in ("auth_passphrase", "privacy_passphrase"):
        if getattr(options, name) or getattr(options, f"{name}_file"):
            raise _usage(f"{_flag(name)} is of version 3: whose is it? --user NAME")
    return CommunitySession(community)


def _user_session(options: argparse.Namespace) -> Session:
    from snqd.check.snmp.user import User, UserSession
    from snqd.exporters.snmp.usm import HASHES, KEY_SIZES, NO_PRIVACY

    if options.community or options.community_file:
        raise _usage("--community is of version 2c, --user of version 3: which of them?")
    auth = _choice("--auth", options.auth or AUTH, tuple(HASHES))
    privacy = _choice("--privacy", options.privacy or PRIVACY, (*KEY_SIZES, NO_PRIVACY))
    auth_passphrase, privacy_passphrase = _passphrase(options, "auth_passphrase"), ""
    if privacy != NO_PRIVACY:
        privacy_passphrase = _passphrase(options, "privacy_passphrase")
        try:
            import cryptography  # noqa: F401  (what is wrong is to be said before anybody is asked)
        except ImportError:
            raise SnqdError("AES needs the package cryptography: pip install 'snqd[snmp]'") from None
    elif options.privacy_passphrase or options.privacy_passphrase_file:
        raise _usage("--privacy none needs no pass phrase")
    return UserSession(User(options.user, auth, auth_passphrase, privacy, privacy_passphrase))


def _choice(flag: str, text: str, known: tuple[str, ...]) -> str:
    """Also as net-snmp's tools write it: `SHA256`, `sha`, `AES`."""
    wanted = text.upper().replace("-", "")
    wanted = {"SHA": "SHA1", "AES": "AES128"}.get(wanted, wanted)
    for name in known:
        if name.upper().replace("-", "") == wanted:
            return name
    raise _usage(f"{flag} {text!r} is none of {', '.join(known)}")


def _passphrase(options: argparse.Namespace, name: str) -> str:
    found = _secret(options, name)
    if not found:
        flag = _flag(name)
        raise _usage(f"user {options.user!r} has a pass phrase: {flag}-file, {flag} or {ENVIRONMENT[name]}")
    if len(found.encode()) < _LEAST:
        raise _usage(f"{_flag(name)}: a pass phrase has at least {_LEAST} octets")
    return found


def _secret(options: argparse.Namespace, name: str) -> str | None:
    given: str | None = getattr(options, name)
    path: str | None = getattr(options, f"{name}_file")
    if given is not None and path is not None:
        raise _usage(f"{_flag(name)} and {_flag(name)}-file: which of them?")
    if path is not None:
        from snqd.config.addresses import secret_in_file

        return secret_in_file(path, f"{_flag(name)}-file")
    return given if given is not None else os.environ.get(ENVIRONMENT[name])


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _usage(said: str) -> SnqdError:
    return SnqdError(f"usage: {said}")
