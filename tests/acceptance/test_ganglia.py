"""A daemon and a Ganglia that runs beside it."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.daemons import Daemon, Place
    from tests.support.ganglia_server import Gmond

    MakeDaemon = Callable[..., Daemon]

pytestmark = pytest.mark.fork

SOURCE = """
@handler("work")
def work(payload, context):
    pass
"""


def test_gmond_shows_what_a_daemon_does_also_after_its_hub_has_died(
    make_daemon: MakeDaemon, sqlite_place: Place, gmond: Gmond
) -> None:
    for _ in range(20):
        sqlite_place.enqueue("work")
    daemon = make_daemon(sqlite_place, SOURCE, telemetry={"ganglia": f"127.0.0.1:{gmond.port}", "ganglia_prefix": "t"})
    hub = daemon.wait_hub()
    sqlite_place.wait_empty()

    def handled() -> str | None:
        metric = gmond.metrics().get("t.queue.work.handled")
        return metric.value if metric is not None else None

    wait_until(lambda: handled() == "20", "gmond shows the twenty")
    assert gmond.metrics()["t.queue.work.depth"].value == "0"

    os.kill(hub.pid, signal.SIGKILL)
    for _ in range(5):
        sqlite_place.enqueue("work")
    daemon.wait_hub(2)
    wait_until(lambda: handled() == "25", "and five more, with the old ones")
    assert not daemon.events("TelemetryProblem")
