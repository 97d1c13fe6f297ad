from __future__ import annotations

import grp
import os
import pwd

import pytest

from snqd.errors import ConfigError
from snqd.supervisor.privileges import find_identity

NOBODY = pwd.getpwnam("nobody")


def test_without_settings_nothing_changes() -> None:
    assert find_identity(None, None) is None


@pytest.mark.parametrize("user", ["nobody", str(NOBODY.pw_uid)])
def test_a_user_by_name_or_number_comes_with_its_own_group_and_home(user: str) -> None:
    identity = find_identity(user, None)

    assert identity == (NOBODY.pw_uid, NOBODY.pw_gid, "nobody", NOBODY.pw_dir)


def test_a_group_that_is_named_replaces_the_users_own() -> None:
    group = grp.getgrgid(1)

    identity = find_identity("nobody", group.gr_name)

    assert identity is not None
    assert (identity.uid, identity.gid) == (NOBODY.pw_uid, 1)


def test_a_group_alone_keeps_the_user() -> None:
    assert find_identity(None, "1") == (os.geteuid(), 1, None, None)


@pytest.mark.parametrize(("user", "group"), [("nobodyatall", None), ("4294967290", None)])
def test_an_unknown_user_is_refused_by_name(user: str, group: str | None) -> None:
    with pytest.raises(ConfigError, match=rf"daemon\.user is '{user}', and this system has no such user"):
        find_identity(user, group)


def test_an_unknown_group_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"daemon\.group is 'nogroupatall', and this system has no such group"):
        find_identity("nobody", "nogroupatall")
