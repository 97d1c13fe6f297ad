"""`snqd record`: keep what a hub tells, in a file to be replayed later."""

from __future__ import annotations

import select
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from snqd.cli.asking import ask
from snqd.cli.exits import Exit
from snqd.cli.options import HELP_FLAGS, common_options, load
from snqd.cli.output import narrate, size_words
from snqd.errors import SnqdError

if TYPE_CHECKING:
    from snqd.config.schema import Config
    from snqd.telemetry.feed import Feed
    from snqd.telemetry.recording import Recorder

_SAY_SECONDS = 1.0


@click.command(
    context_settings=HELP_FLAGS,
    epilog="""\
\b
Examples:
  snqd record trouble.rec                     the daemon of this host, until Ctrl-C
  snqd record trouble.rec --seconds 600
  snqd record trouble.rec --from db7:5480     another one; the key is telemetry.key
""",
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--from", "address", metavar="HOST:PORT", help="The hub to record. [default: that of this host's daemon]")
@click.option("--seconds", type=click.FloatRange(min=0.1), metavar="N", help="End after N seconds.")
@click.option(
    "--limit", type=click.IntRange(min=65536), default=64 * 1024 * 1024, show_default=True, metavar="BYTES",
    help="Most bytes to keep; the oldest go first.",
)  # fmt: skip
@click.option("--frames", type=click.FloatRange(0.1, 20), default=1.0, show_default=True, help="Frames a second.")
@common_options
def record(*, file: Path, address: str | None, seconds: float | None, limit: int, frames: float) -> int:
    """Subscribe at a hub and keep everything it tells in FILE, until Ctrl-C."""
    from snqd.config.addresses import resolve_key
    from snqd.telemetry.feed import Feed
    from snqd.telemetry.fleet import Fleet
    from snqd.telemetry.recording import Recorder
    from snqd.telemetry.wire import key_of

    if not file.parent.is_dir():
        raise SnqdError(f"{file}: there is no folder {file.parent}")
    config = load().config
    hub = address or _local_hub(config)
    secret = resolve_key(config.telemetry)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: the end is told
    recorder = Recorder(file, limit)
    try:
        with Feed(
            [hub], fleet=Fleet(), key=key_of(secret) if secret else None, frames_per_second=frames,
            on_datagram=recorder.write,
        ) as feed:  # fmt: skip
            narrate(f"recording {hub} to {file}; Ctrl-C ends it")
            _follow(feed, recorder, until=None if seconds is None else time.monotonic() + seconds)
    except ValueError as error:
        raise SnqdError(f"--from: {error}") from error
    finally:
        recorder.close()
    if recorder.failed or not recorder.written:
        raise SnqdError(_trouble(recorder, hub, file))
    narrate(f"{recorder.written:,} datagrams in {file}, {size_words(file.stat().st_size)}")
    return Exit.OK


def _local_hub(config: Config) -> str:
    where = str(ask(config, {"ask": "where"})["listen"])
    if not where:
        raise SnqdError(
            "the hub of this host's daemon listens nowhere: set telemetry.listen, or name a hub with --from"
        )
    return where


def _follow(feed: Feed, recorder: Recorder, *, until: float | None) -> None:
    """Take what comes until Ctrl-C or `until` (monotonic); say how the source is whenever that changes."""
    said = ""
    try:
        while until is None or time.monotonic() < until:
            select.select([feed], [], [], min(feed.turn(), _SAY_SECONDS))
            words = _state(feed, recorder)
            if words != said:
                narrate(words)
                said = words
    except KeyboardInterrupt:
        return


def _state(feed: Feed, recorder: Recorder) -> str:
    """How it stands, without the seconds that count on."""
    if recorder.problem:
        return f"cannot write: {recorder.problem}"
    words = feed.sources()[0].words
    return words.partition(" for ")[0]


def _trouble(recorder: Recorder, hub: str, file: Path) -> str:
    if recorder.failed:
        return f"{recorder.failed:,} datagrams could not be written to {file}: {recorder.problem or 'see above'}"
    return f"nothing came from {hub}: is it the address of a hub, and the key the same?"
