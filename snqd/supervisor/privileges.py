"""Becoming another user: looked up while the terminal is still there, done before anything is opened."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
from typing import NamedTuple

from snqd.errors import ConfigError


class Identity(NamedTuple):
    """Whom to run as. `name` and `home` are None when only the group changes."""

    uid: int
    gid: int
    name: str | None
    home: str | None

    def take(self) -> None:
        """Become it, for good, in this process and all its children. Raises `ConfigError` when that is not allowed.

        Groups go first: after `setuid` a process may not change them any more, and would keep those of root.
        """
        try:
            if self.name is not None:
                os.initgroups(self.name, self.gid)
            else:
                os.setgroups([self.gid])
            os.setgid(self.gid)
            os.setuid(self.uid)
        except PermissionError as error:
            raise ConfigError(
                f"daemon.user and daemon.group: only root can become another user, and this is user {os.geteuid()}: "
                "start as root, or leave them out"
            ) from error
        self._settle()

    def _settle(self) -> None:
        """Let libraries that ask the environment (libpq's passfile) find the new user's files."""
        if self.name is not None and self.home is not None:
            os.environ.update(USER=self.name, LOGNAME=self.name, HOME=self.home)
            with contextlib.suppress(KeyError):
                del os.environ["XDG_RUNTIME_DIR"]  # the old user's


def find_identity(user: str | None, group: str | None) -> Identity | None:
    """The identity for the settings `user` and `group`; None when nothing has to change. Raises `ConfigError`."""
    if user is None and group is None:
        return None
    gid = _find_group(group) if group is not None else None
    if user is None:
        assert gid is not None
        return Identity(os.geteuid(), gid, None, None)
    account = _find_user(user)
    wanted = Identity(account.pw_uid, gid if gid is not None else account.pw_gid, account.pw_name, account.pw_dir)
    is_already = os.geteuid() == os.getuid() == wanted.uid != 0 and os.getegid() == wanted.gid
    return None if is_already else wanted


def _find_user(user: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
    except KeyError:
        raise ConfigError(
            f"daemon.user is {user!r}, and this system has no such user: create it, or name another"
        ) from None


def _find_group(group: str) -> int:
    try:
        return (grp.getgrgid(int(group)) if group.isdigit() else grp.getgrnam(group)).gr_gid
    except KeyError:
        raise ConfigError(
            f"daemon.group is {group!r}, and this system has no such group: create it, or name another"
        ) from None
