"""The one pytest plugin of the suite (`-p tests.support.plugin`): the shared fixtures of the other support modules.

Each module that holds fixtures is named here; one that does not exist yet is left out.
"""

from __future__ import annotations

from importlib.util import find_spec

_FIXTURE_MODULES = (
    "tests.support.stores",
    "tests.support.postgres",
    "tests.support.pgbouncer",
    "tests.support.statsd_server",
    "tests.support.processes",
    "tests.support.daemons",
    "tests.support.command",
)

pytest_plugins = [name for name in _FIXTURE_MODULES if find_spec(name) is not None]
