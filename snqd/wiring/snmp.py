"""What the SNMP agent is made of, a program that the hub feeds."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from snqd.config.schema import Config, SnmpTargetConfig
    from snqd.config.snmp import UserAccess
    from snqd.exporters.snmp.settings import TargetSettings
    from snqd.hub.parts import FedProgram


def snmp_program(config: Config, *, descriptor: int, folder: Path, boot: int = 0) -> FedProgram:
    """The SNMP agent, which is to listen on the socket of `descriptor`. Raises `ConfigError`.

    `boot`: when the supervisor started, microseconds.
    """
    from snqd import __version__
    from snqd.config.show import fingerprint
    from snqd.config.snmp import resolve_access
    from snqd.exporters.snmp.settings import AgentSettings, User, encode
    from snqd.hub.parts import FedProgram

    host, snmp, daemon = socket.gethostname(), config.snmp, config.daemon.name
    access = resolve_access(config)
    kept = snmp.state_dir or os.environ.get("STATE_DIRECTORY", "").partition(":")[0] or folder
    settings = AgentSettings(
        daemon=daemon,
        description=f"snqd {__version__}, queue daemon {daemon}",
        name=snmp.name if snmp.name is not None else host,
        contact=snmp.contact,
        location=snmp.location,
        identity_file=str(Path(kept) / f"{daemon}.snmp"),
        community=access.community,
        networks=snmp.networks,
        users=tuple(User(*user) for user in access.users),
        requests_per_second=snmp.requests_per_second,
        site_rows=snmp.site_rows,
        queue_site_rows=snmp.queue_site_rows,
        targets=tuple(_snmp_target(name, config.snmp_target[name], found) for name, found in access.targets.items()),
        notifications_per_minute=snmp.notifications_per_minute,
        kept_file=str(Path(kept) / f"{daemon}.snmp-notified"),
        boot=boot,
        configuration=fingerprint(config),
    )
    return FedProgram(
        name=f"SNMP agent at udp {snmp.listen}",
        module="snqd.exporters.snmp",
        hello=encode(settings),
        descriptors=(descriptor,),
    )


def _snmp_target(name: str, config: SnmpTargetConfig, access: UserAccess | str) -> TargetSettings:
    from snqd.config.addresses import parse_address
    from snqd.exporters.snmp.settings import TargetSettings, User

    assert config.address is not None, "contradictions have been looked for"
    address = parse_address(config.address)
    return TargetSettings(
        name=name,
        host=address.host,
        port=address.port,
        community=access if isinstance(access, str) else None,
        user=None if isinstance(access, str) else User(*access),
        is_inform=config.inform,
        timeout_seconds=config.timeout_seconds,
        retries=config.retries,
        notifications=config.notifications,
    )
