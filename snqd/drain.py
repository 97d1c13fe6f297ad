"""`drain`: handle what is ready, with workers forked and watched as in a daemon, and return."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from snqd import __version__, wiring
from snqd.config.secrets import redact_url
from snqd.daemon import Makers, preflight
from snqd.errors import ConfigError, StoreError
from snqd.supervisor.supervisor import Reloaded, Supervisor
from snqd.telemetry.board import Board
from snqd.telemetry.channels import Channels
from snqd.telemetry.emitter import Emitter
from snqd.telemetry.events import WorkerExited
from snqd.telemetry.logs import LogSink, bridge_logging, choose_form

if TYPE_CHECKING:
    from snqd.config.schema import Config
    from snqd.telemetry.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainReport:
    """What `drain` did. `remaining`: items that are ready now."""

    handled: int
    failed: int
    retried: int
    dead_lettered: int
    discarded: int
    remaining: int


def drain(config: Config, *, max_seconds: float | None = None, max_items: int | None = None) -> DrainReport:
    """Handle what is ready, then return. Workers are forked and watched as in a daemon, so a crash is repaired."""
    from snqd.worker.errand import Errand

    if not wiring.open_store(config).shows_items:
        raise StoreError(
            "a STOMP broker does not tell when nothing is left, so that 'drain' would not know its end: use 'snqd run'"
        )
    wiring.import_from_working_directory()
    wiring.preload()
    exits: list[WorkerExited] = []

    def note(event: Event, /) -> None:
        if isinstance(event, WorkerExited):
            exits.append(event)

    sink = LogSink(choose_form(config.daemon.log_format))
    bridge_logging(sink)
    channels = Channels.create(slots=0)  # nobody reads them
    quiet = Emitter(note, _OnlyTrouble(sink))
    threads = 1 if max_items is not None else config.daemon.threads
    daemon = wiring.crew(config.daemon._replace(threads=threads, name=f"{config.daemon.name}-drain"))
    config = config._replace(daemon=daemon, telemetry=config.telemetry._replace(enabled=False))
    with tempfile.TemporaryDirectory(prefix="snqd-drain-") as folder:
        sites = Path(folder) / "sites"
        preflight(config, quiet, sites)
        errand = Errand(max_items=max_items, until=time.monotonic() + max_seconds if max_seconds is not None else None)
        makers = Makers(quiet, quiet, sink, channels, sites)
        supervisor = Supervisor(
            config=daemon,
            board=Board.create(Path(folder) / "board", daemon=daemon.name),
            emitter=quiet,
            run_worker=makers.worker(config, errand),
            reload=lambda: _no_reload(),
            janitor=makers.janitor(config),
            version=__version__,
            store_shown=redact_url(config.store.url),
            on_death=makers.bell.ring,
        )
        supervisor.run()
    channels.close()
    if supervisor.failure:
        raise ConfigError(supervisor.failure)
    return DrainReport(
        handled=sum(event.handled for event in exits),
        failed=sum(event.failed for event in exits),
        retried=sum(event.retried for event in exits),
        dead_lettered=sum(event.dead_lettered for event in exits),
        discarded=sum(event.discarded for event in exits),
        remaining=_ready(config),
    )


class _OnlyTrouble:
    """Passes on what cron should mail: failures, crashes, and what nobody handles."""

    def __init__(self, sink: LogSink) -> None:
        self._sink = sink

    def __call__(self, event: Event, /) -> None:
        from logging import WARNING

        from snqd.telemetry.lines import level_of

        if level_of(event) >= WARNING:
            self._sink(event)


def _ready(config: Config) -> int:
    store = wiring.open_store(config)
    store.connect()
    try:
        queues = set(wiring.served_queues(config))
        return sum(facts.ready for facts in store.counts() if facts.queue in queues)
    finally:
        store.close()


def _no_reload() -> Reloaded:
    raise ConfigError("drain has nothing to reload")
