"""The command `snqmon`. `main` runs it and turns every error into one line and an exit code.

Nothing heavy is imported before it is needed: `--help` and a wrong flag answer at once, and the screens' toolkit is an
extra that `--once` does without.
"""

from __future__ import annotations

import difflib
import gc
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from snqd.errors import ConfigError, SnqdError
from snqmon import __version__
from snqmon.sources import KEY_FILE_VARIABLES, KEY_VARIABLES, Contradiction, Wanted, check_wanted
from snqmon.web_address import told_apart, without_web

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from snqmon.options import Options
    from snqmon.settings import Settings

ERROR, USAGE, INTERRUPTED, PIPE_CLOSED = 1, 2, 130, 141
DEBUG_VARIABLE: Final = "SNQMON_DEBUG"
ESCAPE_MILLISECONDS: Final = "25"
"""How long Escape may turn out to be the begin of another key, unless $ESCDELAY says so; 100 would be Textual's."""
_BEGINNING: Final = (200_000, 10, 10)
"""Thresholds of the garbage collector until the first picture (`Collector` has its own): what is imported stays."""
SCREENS_MISSING: Final = "the screens need the package textual, and it is not installed: pip install 'snqd[monitor]'"
WEB_MISSING: Final = "--web needs the package textual-serve, and it is not installed: pip install 'snqd[monitor]'"

_EPILOG = """\
\b
Examples:
  snqmon                               the daemons of this host, found by themselves
  snqmon db7:5480 db8:5480             hubs on other machines, as one fleet
  snqmon --demo                        see it without a daemon, with made-up figures
  snqmon --once                        one summary, and the exit code of a Nagios plugin
  snqmon --once --json db7:5480        all tables, for a script
  snqmon --record trouble.rec          watch, and keep what comes
  snqmon --replay trouble.rec          see it again: space, and , . [ ] for seek and speed
  snqmon --web db7:5480                the same in a browser; --web=HOST:PORT says where the page is served
  snqmon --control                     also pause, retry, discard and restart
  snqmon --listen 127.0.0.1:5481       daemons push here: telemetry.monitors

\b
Exit codes of --once, the worst daemon's:
  0  OK        1  WARNING        2  CRITICAL        3  UNKNOWN

A key that daemons have (telemetry.key) is given with --key-file, $SNQMON_KEY_FILE or $SNQMON_KEY; $SNQD_TELEMETRY_KEY
and $SNQD_TELEMETRY_KEY_FILE are read too. Keys to press, columns and settings are described in docs/monitor.md.
"""


def _checked(check: Callable[[Any], None]) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """A callback of an option: what `check` says with a `ValueError` becomes the message."""

    def callback(_context: click.Context, _parameter: click.Parameter, value: Any) -> Any:
        for each in value if isinstance(value, tuple) else () if value is None else (value,):
            try:
                check(each)
            except ValueError as error:
                raise click.BadParameter(str(error)) from None
        return value

    return callback


def _address(text: str) -> None:
    from snqd.telemetry import addresses

    addresses.parse(text)


def _network(text: str) -> None:
    from snqmon.settings import check_networks

    check_networks((text,))


_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}, epilog=_EPILOG)
@click.argument("hubs", nargs=-1, metavar="[HOST:PORT]…", envvar="SNQMON_HUBS", callback=_checked(_address))
@click.option(
    "--socket",
    "sockets",
    multiple=True,
    metavar="FILE",
    type=_FILE,
    help="Control socket of a daemon of this host with a folder of its own (daemon.runtime_dir); may be given again.",
)
@click.option(
    "--listen",
    metavar="HOST:PORT",
    envvar="SNQMON_LISTEN",
    callback=_checked(_address),
    help="Take what daemons push here (their telemetry.monitors).",
)
@click.option(
    "--listen-legacy",
    metavar="HOST:PORT",
    envvar="SNQMON_LISTEN_LEGACY",
    callback=_checked(_address),
    help="Take the monitor pings of StatusNet 0.9 and GNU social.",
)
@click.option(
    "--legacy-from",
    multiple=True,
    metavar="ADDRESS",
    callback=_checked(_network),
    help="Believe pings of this address or network only; may be given again.",
)
@click.option("--key-file", metavar="FILE", type=click.Path(), help="Its first line is the daemons' telemetry.key.")
@click.option("--replay", metavar="FILE", type=_FILE, help="Play a recording through the same screens.")
@click.option("--record", metavar="FILE", type=_FILE, help="Keep what comes, to be replayed.")
@click.option(
    "--demo",
    metavar="[SEED]",
    type=int,
    is_flag=False,
    flag_value=1,
    help="Show a scene with made-up figures; equal seeds play alike.",
)
@click.option("--once", "is_once", is_flag=True, help="Print one summary and leave, with a Nagios exit code.")
@click.option("--json", "is_json", is_flag=True, help="With --once: print all tables as JSON.")
@click.option(
    "--wait",
    "wait_seconds",
    type=click.FloatRange(0.1, 3600),
    metavar="SECONDS",
    help="With --once: for so long until everything is known.  [default: 5]",
)
@click.option(
    "--control", "may_control", is_flag=True, help="Allow actions on daemons of this host; each asks before it is done."
)
@click.option(
    "--web",
    metavar="[HOST:PORT]",
    is_flag=False,
    flag_value="",
    callback=lambda _c, _p, value: value,
    help="Serve it to a browser, on 127.0.0.1 or at an address of this host. Another host that follows is a hub.",
)
@click.option("--theme", metavar="NAME", envvar="SNQMON_THEME", help="Colours; t goes through them.")
@click.option(
    "--refresh",
    type=click.FloatRange(0.25, 10),
    metavar="SECONDS",
    envvar="SNQMON_REFRESH",
    help="How often the screen is drawn, 0.25 to 10.  [default: 1]",
)
@click.option("--ascii", "is_ascii", is_flag=True, envvar="SNQMON_ASCII", help="Draw with ASCII only.")
@click.option(
    "-c",
    "--config",
    metavar="FILE",
    envvar="SNQMON_CONFIG",
    help="Settings.  [default: snqmon.toml in $XDG_CONFIG_HOME or ~/.config]",
)
@click.version_option(__version__, "-V", "--version", message="snqmon %(version)s")
def snqmon(
    *,
    hubs: tuple[str, ...],
    config: str | None,
    theme: str | None,
    refresh: float | None,
    is_ascii: bool,
    **choices: Any,
) -> int:
    """Watch the daemons of snqd: what waits, what the workers do, what fails, and why something does not move.

    Without HOST:PORT it shows the daemons of this host.
    """
    from snqmon.settings import find_file, read_settings

    wanted = Wanted(hubs=hubs, **choices)
    check_wanted(wanted)
    settings = read_settings(find_file(config))
    return _run(wanted, settings, theme=theme, refresh=refresh, is_ascii=is_ascii)


def _run(wanted: Wanted, settings: Settings, *, theme: str | None, refresh: float | None, is_ascii: bool) -> int:
    from snqmon.options import Options
    from snqmon.sources import feed_opener, find_secret

    secret = find_secret(wanted.key_file, settings)
    refresh_seconds = settings.refresh_seconds if refresh is None else refresh
    open_feed = feed_opener(wanted, settings, secret, frames_per_second=1 / refresh_seconds)
    options = Options(
        open_feed=open_feed,
        settings=settings,
        may_control=wanted.may_control,
        sockets=wanted.sockets,
        theme=settings.theme if theme is None else theme,
        refresh_seconds=refresh_seconds,
        is_ascii=is_ascii or settings.ascii,
    )
    if wanted.is_once:
        from snqmon.once import run_once

        return run_once(options, wait_seconds=wanted.wait_seconds or 5.0, is_json=wanted.is_json)
    if find_spec("textual") is None:
        raise SnqdError(SCREENS_MISSING)
    return _show(options) if wanted.web is None else _serve(wanted.web or settings.web or "")


def _show(options: Options) -> int:
    has_screen = sys.stdin.isatty() and sys.stdout.isatty()
    if not has_screen and "TEXTUAL_DRIVER" not in os.environ:  # which is how a page of --web is drawn
        raise SnqdError("the screens need a terminal, and this is none: 'snqmon --once' prints a summary for scripts")
    os.environ.setdefault("ESCDELAY", ESCAPE_MILLISECONDS)
    gc.set_threshold(*_BEGINNING)
    from snqmon.app import Monitor

    monitor = Monitor(options)
    monitor.run()
    if monitor.problem:
        raise SnqdError(monitor.problem)
    return 0


def _serve(address: str) -> int:
    """Every page is a process of its own, started with the same arguments."""
    if find_spec("textual_serve") is None:
        raise SnqdError(WEB_MISSING)
    from snqd.telemetry import addresses
    from snqmon.web import DEFAULT_ADDRESS, serve

    try:
        host, port = addresses.parse(address, default_port=DEFAULT_ADDRESS[1]) if address else DEFAULT_ADDRESS
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="'--web'") from None
    serve(without_web(click.get_current_context().obj), host, port)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code. Nothing is raised but what `SNQMON_DEBUG=1` asks for."""
    words = told_apart(sys.argv[1:] if arguments is None else arguments)
    try:
        _check_variables(os.environ)
        with snqmon.make_context("snqmon", list(words), obj=words) as context:
            code = snqmon.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except click.UsageError as error:
        return _complain(f"{error.format_message().rstrip('.')} (see 'snqmon --help')", USAGE)
    except Contradiction as error:
        return _complain(f"{error} (see 'snqmon --help')", error.exit_code)
    except SnqdError as error:
        return _complain(str(error), error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still buffered goes nowhere
        return PIPE_CLOSED
    except OSError as error:
        return _complain(f"{error.filename or 'system'}: {error.strerror or error}", ERROR)
    except Exception as error:  # our own mistake, not the user's: still one line, and the way to more
        return _complain(
            f"unexpected {type(error).__name__}: {error} (a defect in snqmon: {DEBUG_VARIABLE}=1 shows where)", ERROR
        )
    return code if isinstance(code, int) else 0


def _check_variables(environ: Mapping[str, str]) -> None:
    """Refuse a variable whose name is nearly one of ours: it would be without effect."""
    options = {str(name) for each in snqmon.params for name in [each.envvar] if name}
    known = {*options, *KEY_VARIABLES, *KEY_FILE_VARIABLES, DEBUG_VARIABLE}
    for name in sorted(environ):
        if name.startswith("SNQMON_") and name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
            if near:
                raise ConfigError(f"environment {name}: no such setting: did you mean {near[0]}?")


def _complain(message: str, code: int) -> int:
    if os.environ.get(DEBUG_VARIABLE) and (error := sys.exc_info()[1]) is not None:
        raise error
    line = "; ".join(part.strip() for part in message.splitlines() if part.strip())
    try:
        sys.stderr.write(f"snqmon: error: {line}\n")
        sys.stderr.flush()
    except OSError:
        pass  # nobody can read it; the exit code still speaks
    return code
