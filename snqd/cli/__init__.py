"""The command line. `main` runs a command and turns every error into one line and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING

from snqd.cli.exits import Exit
from snqd.errors import SnqdError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main", "say_error"]

COMPLETION_VARIABLE = "_SNQD_COMPLETE"
DEBUG_VARIABLE = "SNQD_DEBUG"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code. Nothing is raised but what `SNQD_DEBUG=1` asks for."""
    _open_closed_streams()
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = _run(words)
        sys.stdout.flush()  # a full disk or a closed pipe behind standard output shows here at the latest
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        return _reader_left()
    except SnqdError as error:
        return _complain(str(error), error.exit_code)
    except OSError as error:
        return _os_error(error)
    except Exception as error:  # our own mistake, not the user's: still one line, and the way to more
        return _unexpected(error)
    return code


def _run(words: list[str]) -> int:
    from snqd.cli.health import health, plain_form

    instruction = os.environ.get(COMPLETION_VARIABLE)
    if not instruction and (form := plain_form(words)) is not None:
        from snqd.config.load import Loader

        return health(Loader(file=form.file).load, form.kind)
    return _run_click(words, instruction)


def _run_click(words: list[str], instruction: str | None = None) -> int:
    """Let click understand the words. `instruction`: what a shell asks of its completion."""
    import click

    from snqd.cli.app import app

    if instruction:
        from click.shell_completion import shell_complete

        return shell_complete(app, {}, "snqd", COMPLETION_VARIABLE, instruction)
    try:
        with app.make_context("snqd", words) as context:
            code = app.invoke(context)
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except click.Abort:
        return Exit.INTERRUPTED
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx is not None else "snqd"
        return _complain(f"{error.format_message().rstrip('.')} (see '{command} --help')", Exit.USAGE)
    except click.ClickException as error:
        return _complain(error.format_message(), Exit.USAGE)
    return code if isinstance(code, int) else Exit.OK


def _open_closed_streams() -> None:
    """Started without standard streams, the next file or connection would become one of them."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    sys.stdin = sys.stdin or open(0)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w")  # noqa: SIM115


def _complain(message: str, code: int) -> int:
    if os.environ.get(DEBUG_VARIABLE) and (error := sys.exc_info()[1]) is not None:
        raise error
    say_error(message)
    return code


def say_error(message: str) -> None:
    """One line on standard error, whatever the message holds: some come from drivers and from users' code."""
    line = "; ".join(part.strip() for part in message.splitlines() if part.strip())
    try:
        sys.stderr.write(f"snqd: error: {line}\n")
        sys.stderr.flush()
    except OSError:
        pass  # nobody can read it; the exit code still speaks


def _os_error(error: OSError) -> int:
    if os.environ.get(DEBUG_VARIABLE):
        raise error
    if error.errno in (errno.ENOSPC, errno.EDQUOT) and error.filename is None:
        _mute_stdout()
        return _complain(f"cannot write standard output: {error.strerror}: make room and repeat", Exit.ERROR)
    return _complain(f"{error.filename or 'system'}: {error.strerror or error}", Exit.ERROR)


def _unexpected(error: Exception) -> int:
    if os.environ.get(DEBUG_VARIABLE):
        raise error
    return _complain(
        f"unexpected {type(error).__name__}: {error} (a defect in snqd: {DEBUG_VARIABLE}=1 shows where)", Exit.ERROR
    )


def _reader_left() -> int:
    """`snqd items list | head`: the reader has what it wanted."""
    _mute_stdout()
    return Exit.PIPE_CLOSED


def _mute_stdout() -> None:
    """Let what is still buffered go nowhere: Python would complain about it while it exits."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
