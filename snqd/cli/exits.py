"""Exit codes of the command line, and their description for `snqd --help`."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What a command leaves with. Errors of the tree `snqd.errors` carry theirs."""

    OK = 0
    ERROR = 1
    USAGE = 2
    STORE = 3
    SCHEMA = 4
    RUNNING = 5
    FATAL = 6
    WORK_REMAINS = 10
    ITEMS_FAILED = 11
    INTERRUPTED = 130
    PIPE_CLOSED = 141
    TERMINATED = 143


MEANINGS: dict[Exit, str] = {
    Exit.OK: "done",
    Exit.ERROR: "could not be done; the line on standard error says why",
    Exit.USAGE: "wrong flag, configuration, handler module or item",
    Exit.STORE: "the store cannot be reached or refused (server down, password, disk full)",
    Exit.SCHEMA: "the store's tables are too old or too new for this snqd",
    Exit.RUNNING: "another daemon already runs on this pidfile or SQLite file",
    Exit.FATAL: "run: no worker can be kept alive",
    Exit.WORK_REMAINS: "drain: time or number of items reached, work remains",
    Exit.ITEMS_FAILED: "drain: some items failed (they are tried again or dead letters)",
    Exit.INTERRUPTED: "interrupted from the keyboard",
    Exit.TERMINATED: "stopped by SIGTERM, after saying what was done",
    Exit.PIPE_CLOSED: "the reader of standard output has left",
}


def exit_codes_text() -> str:
    """The table for `--help`, one code a line."""
    return "\n".join(f"  {code.value:>3}  {meaning}" for code, meaning in sorted(MEANINGS.items()))
