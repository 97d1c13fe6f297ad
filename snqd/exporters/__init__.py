"""Exporters tell other systems what the fleet says. They are given a `DaemonView` and look nowhere else.

What an exporter needs may not be installed, and a plugin that starts for every check takes the codec of SNMP from here,
so nothing is imported before it is wanted: use `open_statsd` and `open_ganglia`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from snqd.config.schema import TelemetryConfig
    from snqd.exporters.ganglia.ganglia import Ganglia
    from snqd.exporters.sent import Sent
    from snqd.exporters.statsd import Statsd


def open_statsd(config: TelemetryConfig, sent: Sent | None = None) -> Statsd | None:
    """What tells the statsd server of the configuration; None when there is none. Call in the process that uses it.

    `sent`: what earlier processes of this daemon have told, so that it is not told again, nor anything left out.
    Raises `ConfigError` when the package is not installed.
    """
    if config.statsd is None:
        return None
    from snqd.config.addresses import parse_address

    try:
        from snqd.exporters.statsd import Statsd
    except ImportError as error:
        if error.name != "statsd":
            raise
        from snqd.config.startup import STATSD_MISSING
        from snqd.errors import ConfigError

        raise ConfigError(STATSD_MISSING) from error
    return Statsd(parse_address(config.statsd), config.statsd_prefix, with_sites=config.statsd_sites, sent=sent)


def open_ganglia(config: TelemetryConfig) -> Ganglia | None:
    """What tells the gmond of the configuration; None when there is none. Call in the process that uses it."""
    if config.ganglia is None:
        return None
    from snqd.config.addresses import parse_address
    from snqd.exporters.ganglia.ganglia import Ganglia

    return Ganglia(
        parse_address(config.ganglia), config.ganglia_prefix, limit=config.ganglia_limit, spoof=config.ganglia_spoof
    )
