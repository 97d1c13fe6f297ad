"""What is right or wrong by this machine: files that must be readable, programs and packages that must be there.

Looked at where a daemon starts and by `snqd config check`, not at every command: whoever may enqueue need not be able
to read the key, nor have the alarm program.
"""

from __future__ import annotations

import shlex
import shutil
from importlib.util import find_spec
from typing import TYPE_CHECKING

from snqd.config.addresses import resolve_key
from snqd.config.snmp import check_state_dir, is_wanted, needs_cipher, resolve_access
from snqd.config.xmpp import GROUP as XMPP_GROUP
from snqd.config.xmpp import of_site as xmpp_of_site
from snqd.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snqd.config.schema import AlarmsConfig, Config

STATSD_MISSING = "telemetry.statsd is set and the package statsd is not installed: pip install 'snqd[statsd]'"
H11_MISSING = "telemetry.legacy_http_listen is set and the package h11 is not installed: pip install 'snqd[legacy]'"
SNMP_MISSING = "[snmp] is set and the package {package} is not installed: pip install 'snqd[snmp]'"

XMPP_MISSING = "daemon.serve names xmpp and the package slixmpp is not installed: pip install 'snqd[xmpp]'"


def alarm_command(config: AlarmsConfig) -> tuple[str, ...]:
    """Program, by its full path, and arguments of `alarms.exec`; empty when there is none. Raises `ConfigError`."""
    if config.exec is None:
        return ()
    program, *arguments = shlex.split(config.exec)
    path = shutil.which(program)
    if path is None:
        raise ConfigError(f"alarms.exec {config.exec}: {program} is not here, or may not be run")
    return (path, *arguments)


def startup_problems(config: Config) -> Iterator[str]:
    """One line for each thing that a daemon with this configuration would miss here."""
    looks = (
        lambda: resolve_key(config.telemetry),
        lambda: alarm_command(config.alarms),
        lambda: resolve_access(config),
        lambda: check_state_dir(config),
        lambda: _check_xmpp(config),
    )
    for look in looks:
        try:
            look()
        except ConfigError as error:
            yield str(error)
    if config.telemetry.statsd is not None and find_spec("statsd") is None:
        yield STATSD_MISSING
    if config.telemetry.legacy_http_listen is not None and find_spec("h11") is None:
        yield H11_MISSING
    if is_wanted(config) and find_spec("pysnmp") is None:
        yield SNMP_MISSING.format(package="pysnmp")
    if needs_cipher(config) and find_spec("cryptography") is None:
        yield SNMP_MISSING.format(package="cryptography")
    if XMPP_GROUP in config.daemon.serve and find_spec("slixmpp") is None:
        yield XMPP_MISSING


def _check_xmpp(config: Config) -> None:
    """Of the only site, where none is declared: what is wrong with it is wrong with all that there is."""
    if not config.site and config.sites.directory is None and not config.sites.table:
        xmpp_of_site(config.xmpp, config.settings)


def check_startup(config: Config) -> None:
    """Raise `ConfigError` with the first of `startup_problems`."""
    for problem in startup_problems(config):
        raise ConfigError(problem)
