"""The one pytest plugin of the suite (`-p tests.support.plugin`): the shared fixtures of the other support modules.

Each module that holds fixtures is named here; one that does not exist yet is left out.
"""

from __future__ import annotations

import os
from importlib.util import find_spec

from hypothesis import HealthCheck, settings

_FIXTURE_MODULES = (
    "tests.support.explaining",
    "tests.support.stores",
    "tests.support.postgres",
    "tests.support.pgbouncer",
    "tests.support.statsd_server",
    "tests.support.snmp",
    "tests.support.ganglia_server",
    "tests.support.processes",
    "tests.support.daemons",
    "tests.support.command",
    "tests.support.prosody",
    "tests.support.brokers",
    "tests.support.notices",
)

pytest_plugins = [name for name in _FIXTURE_MODULES if find_spec(name) is not None]

for _size in ("COLUMNS", "LINES"):
    # Processes that run tests side by side load readline, which sets them to a size that no terminal of a test has.
    os.environ.pop(_size, None)

settings.register_profile(
    "snqd",
    settings.default,  # in CI that is hypothesis' own profile for it
    deadline=None,  # a busy machine is no defect
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("snqd")
