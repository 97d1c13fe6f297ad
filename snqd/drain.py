"""`drain`: handle what is ready, with workers forked and watched as in a daemon, and return."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from snqd import __version__
from snqd.config.secrets import redact_url
from snqd.daemon import Makers, in_child, preflight
from snqd.errors import ConfigError, StoreError
from snqd.supervisor.supervisor import Reloaded, Supervisor
from snqd.telemetry.board import Board
from snqd.telemetry.channels import Channels
from snqd.telemetry.emitter import Emitter
from snqd.telemetry.events import WorkerExited
from snqd.telemetry.logs import LogSink, bridge_logging, choose_form
from snqd.wiring.crew import with_single_workers
from snqd.wiring.handlers import import_from_working_directory, preload, served_queues
from snqd.wiring.stores import open_store

if TYPE_CHECKING:
    from collections.abc import Callable

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
    """Handle what is ready, then return. Workers are forked and watched as in a daemon, so a crash is repaired.

    With `max_items`, one worker works at a time: as many items are handled, if they are there, and never more.
    """
    from snqd.worker.errand import Errand

    if not open_store(config).shows_items:
        raise StoreError(
            "a STOMP broker does not tell when nothing is left, so that 'drain' would not know its end: use 'snqd run'"
        )
    import_from_working_directory()
    preload()
    until = time.monotonic() + max_seconds if max_seconds is not None else None
    tally = _Tally()
    sink = LogSink(choose_form(config.daemon.log_format))
    bridge_logging(sink)
    channels = Channels.create(slots=0)  # nobody reads them
    quiet = Emitter(tally.note, _OnlyTrouble(sink))
    config = config._replace(
        daemon=config.daemon._replace(name=f"{config.daemon.name}-drain"),
        telemetry=config.telemetry._replace(enabled=False),
    )

    def errand() -> Errand:
        """What those that have worked before have left."""
        return Errand(max_items=max_items - tally.ended if max_items is not None else None, until=until)

    with tempfile.TemporaryDirectory(prefix="snqd-drain-") as folder:
        sites = Path(folder) / "sites"
        preflight(config, quiet, sites)
        makers = Makers(quiet, quiet, sink, channels, sites)

        def work(part: Config) -> bool:
            daemon = with_single_workers(part.daemon)
            part = part._replace(daemon=daemon)
            supervisor = Supervisor(
                config=daemon,
                board=Board.create(Path(folder) / "board", daemon=daemon.name),
                emitter=quiet,
                run_worker=makers.worker(part, errand),
                reload=lambda: _no_reload(),
                janitor=makers.janitor(part),
                version=__version__,
                store_shown=redact_url(part.store.url),
                on_death=makers.bell.ring,
            )
            supervisor.run()
            if supervisor.failure:
                raise ConfigError(supervisor.failure)
            return not supervisor.was_told_to_stop

        if max_items is None:
            work(config)
        else:
            _take_turns(_single_workers(config), work, tally, max_items)
    channels.close()
    return tally.report(remaining=_ready(config))


def _single_workers(config: Config) -> list[Config]:
    """The configurations of crews of one worker each that together serve all groups."""
    daemon = config.daemon
    singles = tuple(group for group in daemon.serve if group in daemon.single_groups)
    others = tuple(group for group in daemon.serve if group not in daemon.single_groups)
    parts = [config._replace(daemon=daemon._replace(threads=1, serve=groups)) for groups in (singles, others) if groups]
    return parts if len(parts) == 1 else [part for part in parts if _serves_anything(part)]


def _serves_anything(part: Config) -> bool:
    """Whether there is a handler or a service for its groups. Handlers are imported in a child only."""
    try:
        in_child(lambda: served_queues(part))
    except ConfigError:
        return False
    return True


def _take_turns(parts: list[Config], work: Callable[[Config], bool], tally: _Tally, max_items: int) -> None:
    """Let one crew work after the other, until none has found anything: handlers may enqueue for the other one.

    `work` says whether there is to be another one.
    """
    while True:
        before = tally.ended
        for part in parts:
            if tally.ended >= max_items or not work(part):
                return
        if len(parts) == 1 or tally.ended == before:
            return


class _Tally:
    """Listens to the supervisor: what the workers that have left did."""

    def __init__(self) -> None:
        self._exits: list[WorkerExited] = []

    def note(self, event: Event, /) -> None:
        if isinstance(event, WorkerExited):
            self._exits.append(event)

    @property
    def ended(self) -> int:
        """Handlings, however they ended."""
        return sum(
            event.handled + event.failed + event.retried + event.dead_lettered + event.discarded
            for event in self._exits
        )

    def report(self, *, remaining: int) -> DrainReport:
        return DrainReport(
            handled=sum(event.handled for event in self._exits),
            failed=sum(event.failed for event in self._exits),
            retried=sum(event.retried for event in self._exits),
            dead_lettered=sum(event.dead_lettered for event in self._exits),
            discarded=sum(event.discarded for event in self._exits),
            remaining=remaining,
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
    store = open_store(config)
    store.connect()
    try:
        queues = set(served_queues(config))
        return sum(facts.ready for facts in store.counts() if facts.queue in queues)
    finally:
        store.close()


def _no_reload() -> Reloaded:
    raise ConfigError("drain has nothing to reload")
