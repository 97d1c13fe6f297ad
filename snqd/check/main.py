"""The command `check_snqd`. It starts for every check, so it imports little: no click, no codec, no driver."""

from __future__ import annotations

import argparse
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

from snqd.check.checks import MODES, Thresholds, Verdict, check
from snqd.check.ranges import Range, parse_range
from snqd.errors import SnqdError
from snqd.telemetry.health import Code

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snqd.check.hub_source import HubSource
    from snqd.check.snmp.source import SnmpSource
    from snqd.check.snmp.wire import Host

HEALTH = "health"
SECONDS = 10.0
_SNMP_ONLY = (
    "community", "community_file", "auth", "auth_passphrase", "auth_passphrase_file",
    "privacy", "privacy_passphrase", "privacy_passphrase_file",
)  # fmt: skip

_EPILOG = """\
modes:
  lag        seconds that the oldest ready item of a queue waits; a paused queue may wait
  depth      ready items of a queue
  failures   per cent of a queue's handlings that failed in five minutes, of 20 and more
  dead       dead letters of a queue
  workers    workers that can take items; unset: warning below what is wanted, critical at none
  respawns   workers that died within five minutes
  store      seconds that the store takes to answer; critical when it does not
  health     what `snqd health` says; it has no thresholds

over SNMP (-H), a secret is better in a file, or in the environment, than in a flag, which everybody here can see:
  CHECK_SNQD_COMMUNITY    CHECK_SNQD_AUTH_PASSPHRASE    CHECK_SNQD_PRIVACY_PASSPHRASE

ranges (the value alerts outside of them, with @ inside):
  10 = 0 to 10    10: = 10 and more    ~:10 = up to 10    10:20    @10:20

exit codes:
  0 OK    1 WARNING    2 CRITICAL    3 UNKNOWN (also wrong usage, no daemon, no such queue)
"""


class _TimedOut(Exception):
    """Neither an `OSError` nor an `SnqdError`, so that nobody on the way takes it for one of theirs."""


class _Parser(argparse.ArgumentParser):
    """Nothing that this command prints by itself may look like a service that is well."""

    def error(self, message: str) -> NoReturn:
        raise SnqdError(f"usage: {message} (see {self.prog} --help)")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:  # noqa: ARG002  (help ends with 0 else)
        raise SystemExit(int(Code.UNKNOWN))


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_given: object) -> NoReturn:
        from snqd import __version__

        sys.stdout.write(f"{parser.prog} {__version__}\n")
        parser.exit()


def main(arguments: Sequence[str] | None = None) -> int:
    """One check; its exit code. Whatever goes wrong is one line and UNKNOWN."""
    verbosity = 0
    try:
        options = _parser().parse_args(arguments)
        verbosity = options.verbose
        verdict = _in_time(options)
    except SnqdError as error:
        verdict = Verdict(Code.UNKNOWN, str(error))
    except Exception as error:  # a defect of ours: the plugin's answer is still one line
        verdict = Verdict(Code.UNKNOWN, f"unexpected {type(error).__name__}: {error}")
    sys.stdout.write(f"{verdict.text(verbosity)}\n")
    return int(verdict.code)


def _in_time(options: argparse.Namespace) -> Verdict:
    """Reading a configuration can hang as well as asking, so the clock is the process's own."""
    source = _source(options)
    signal.signal(signal.SIGALRM, _ring)
    signal.setitimer(signal.ITIMER_REAL, options.timeout)
    try:
        return _verdict(options, source)
    except _TimedOut:
        raise SnqdError(source.silence(options.timeout)) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        source.close()


def _ring(_number: int, _frame: object) -> NoReturn:
    raise _TimedOut


def _source(options: argparse.Namespace) -> HubSource | SnmpSource:
    if options.host is not None:
        return _snmp_source(options)
    if options.user or any(getattr(options, name) is not None for name in _SNMP_ONLY):
        raise SnqdError("usage: who asks over SNMP says whom: --host HOST[:PORT]")
    from snqd.check.hub_source import HubSource

    return HubSource(socket=options.socket, config=options.config, daemon=options.daemon, seconds=options.timeout + 1)


def _snmp_source(options: argparse.Namespace) -> SnmpSource:
    if options.socket or options.config or options.daemon:
        raise SnqdError("usage: --host asks an SNMP agent; --socket, --config and --daemon are of this host")
    from snqd.check.snmp.access import session_of
    from snqd.check.snmp.source import SnmpSource

    return SnmpSource(options.host, session_of(options))


def _verdict(options: argparse.Namespace, source: HubSource | SnmpSource) -> Verdict:
    if options.mode == HEALTH:
        if options.warning or options.critical or options.queue or options.site:
            raise SnqdError("usage: health has no thresholds, queues or sites")
        return source.health()
    if options.mode == "failures" and options.site:
        raise SnqdError("usage: failures are counted by queue, not by site: leave --site out")
    figures = source.figures(options.mode, options.queue, options.site)
    return check(options.mode, figures, Thresholds(options.warning, options.critical))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="check_snqd",
        description="Check a snqd daemon as a Nagios plugin: that of this host, or over SNMP (-H) one elsewhere.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("mode", choices=(*MODES, HEALTH), metavar="MODE", help="what to check, see below")
    parser.add_argument("-w", "--warning", metavar="RANGE", type=_range, help="warn outside of it")
    parser.add_argument("-c", "--critical", metavar="RANGE", type=_range, help="critical outside of it")
    parser.add_argument(
        "-q", "--queue", metavar="NAME", action="append", default=[], help="only this queue (again for more)"
    )
    parser.add_argument("--site", metavar="NAME", help="only the items of this site")
    parser.add_argument("--config", metavar="FILE", help="the daemon's configuration, as of `snqd --config`")
    parser.add_argument("--daemon", metavar="NAME", help="the daemon's name, if it is not the configuration's")
    parser.add_argument("--socket", metavar="FILE", help="its control socket, in place of looking for it")
    _add_snmp(parser)
    parser.add_argument(
        "-t", "--timeout", metavar="SECONDS", type=_seconds, default=SECONDS, help="default %(default)g"
    )
    parser.add_argument("-v", "--verbose", action="count", default=0, help="a line for each queue")
    parser.add_argument("-V", "--version", nargs=0, action=_Version, help="print the version")
    return parser


def _add_snmp(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("over SNMP")
    group.add_argument("-H", "--host", metavar="HOST[:PORT]", type=_host, help="whose agent to ask; port 1161 if unset")
    group.add_argument("-C", "--community", metavar="WORD", help="version 2c: the community")
    group.add_argument("--community-file", metavar="FILE", help="its first line is the community")
    group.add_argument("-U", "--user", metavar="NAME", help="version 3: the user")
    group.add_argument("-a", "--auth", metavar="HASH", help="SHA-1 to SHA-512; default SHA-256")
    group.add_argument("-A", "--auth-passphrase", metavar="PHRASE", help="the pass phrase that proves who asks")
    group.add_argument("--auth-passphrase-file", metavar="FILE", help="its first line is that")
    group.add_argument("-x", "--privacy", metavar="CIPHER", help="AES-128 (default), AES-192, AES-256 or none")
    group.add_argument("-X", "--privacy-passphrase", metavar="PHRASE", help="the pass phrase of the cipher")
    group.add_argument("--privacy-passphrase-file", metavar="FILE", help="its first line is that")


def _host(text: str) -> Host:
    from snqd.check.snmp.wire import parse_host

    try:
        return parse_host(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _range(text: str) -> Range:
    try:
        return parse_range(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from above 0 to 3600")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
