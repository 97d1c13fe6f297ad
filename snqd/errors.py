"""Every error that snqd raises on purpose, as one tree.

`SnqdError` is the root. A message is one line that says what is wrong, where, and what to do; the command
line prints it as it is, without a traceback. Errors of drivers are translated at the store's border.
"""

from __future__ import annotations


class SnqdError(Exception):
    """Root of the tree. `exit_code` is what the command line leaves with (see `snqd --help`)."""

    exit_code = 1


class ConfigError(SnqdError):
    """A setting is wrong: the message names the file, the key, what was found and what was expected."""

    exit_code = 2


class BadItem(SnqdError):
    """An item cannot be stored or decoded: too large, unknown codec, frame not valid for its codec."""

    exit_code = 2


class StoreError(SnqdError):
    """The store refused or could not do something."""

    exit_code = 3


class StoreUnavailable(StoreError):
    """The store cannot be reached now (server down, disk full, file locked); trying again may succeed."""


class SchemaMismatch(StoreError):
    """The tables are older or newer than this program: `snqd schema upgrade`, or upgrade snqd."""

    exit_code = 4


class LeaseLost(StoreError):
    """The claim is no longer ours: its lease ran out and the item was given to someone else."""


class DaemonRunning(SnqdError):
    """Another daemon already holds this pidfile or SQLite file."""

    exit_code = 5


class HandlerError(SnqdError):
    """A handler is declared in a way that cannot work, or its module does not import."""

    exit_code = 2
