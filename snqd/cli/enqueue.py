"""`snqd enqueue`: one item from arguments, or a stream of lines."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

import click

from snqd.cli.exits import Exit
from snqd.cli.options import HELP_FLAGS, common_options, connected, load
from snqd.cli.output import narrate
from snqd.cli.values import duration, point_in_time

if TYPE_CHECKING:
    from snqd.config.schema import Config
    from snqd.items import NewItem


class ItemFlags(NamedTuple):
    """What the flags say of every item of this call."""

    site: str | None
    codec: str
    priority: int
    delay_seconds: float
    available_at: float | None
    unique_key: str | None


@click.command(
    context_settings=HELP_FLAGS,
    epilog="""\
\b
Examples:
  snqd enqueue mail '{"to": "a@b.example"}'
  snqd enqueue mail --site a.example --delay 5m '{"to": 1}'
  snqd enqueue thumbnail --codec raw - < photo.jpg
  snqd enqueue mail --lines < payloads.jsonl
  snqd enqueue - < items.jsonl

\b
With "-" in the place of QUEUE, each line of standard input is an item:
  {"queue": "mail", "payload": {"to": 1}, "site": "a.example", "delay_seconds": 60}
Also known: "codec", "priority", "unique_key", and "at" (epoch seconds, or "2027-01-31T18:00Z").
With codec "raw" the payload is base64 text. Lines are stored in batches; when the stream ends early,
the number of the last stored line is given, so that you can go on from there.
""",
)
@click.argument("queue")
@click.argument("payload", required=False)
@click.option("--lines", is_flag=True, help="Each line of standard input is a payload for QUEUE.")
@click.option("--site", metavar="SITE", help="The item's site. [default: default]")
@click.option(
    "--codec",
    type=click.Choice(["json", "text", "raw", "xml"]),
    default="json",
    show_default=True,
    help="What the payload is: JSON, text, plain bytes or XML.",
)
@click.option(
    "--priority", type=click.IntRange(-32768, 32767), default=0, show_default=True, help="Smaller goes first."
)
@click.option("--delay", type=duration, metavar="TIME", help="Not before this long from now: 90, 5m, 1h30m.")
@click.option("--at", type=point_in_time, metavar="TIME", help="Not before this time: '2027-01-31 18:00'.")
@click.option("--unique", metavar="KEY", help="Store nothing while an item with this key waits or runs.")
@click.option("--skip-bad", is_flag=True, help="Lines: leave out bad ones and count them, instead of stopping.")
@click.option("-m", "--module", multiple=True, metavar="MODULE", help="Python module with handlers; may be repeated.")
@click.option("--no-check", is_flag=True, help="Store also for sites and queues that are not known here.")
@common_options
def enqueue(
    *,
    queue: str,
    payload: str | None,
    lines: bool,
    site: str | None,
    codec: str,
    priority: int,
    delay: float | None,
    at: float | None,
    unique: str | None,
    skip_bad: bool,
    module: tuple[str, ...],
    no_check: bool,
) -> int:
    """Store an item for QUEUE; its id is printed. When this command succeeds, the item is durable.

    PAYLOAD is JSON unless --codec says otherwise; "-" reads it from standard input; none means null.
    """
    if delay is not None and at is not None:
        raise click.UsageError("give --delay or --at, not both")
    flags = ItemFlags(site, codec, priority, delay or 0.0, at, unique)
    config = load({"handlers.modules": ("--module", module)} if module else None).config
    if queue == "-" or lines:
        if payload is not None:
            raise click.UsageError(f"payloads come from standard input here: leave out {payload[:40]!r}")
        return _enqueue_lines(
            config, None if queue == "-" else queue, flags, skip_bad=skip_bad, is_checked=not no_check
        )
    if skip_bad:
        raise click.UsageError("--skip-bad is for streams: with --lines or '-'")
    return _enqueue_one(config, queue, payload, flags, is_checked=not no_check)


def _enqueue_one(config: Config, queue: str, payload: str | None, flags: ItemFlags, *, is_checked: bool) -> int:
    from snqd.cli.known import Known

    item = _item(config, queue, payload, flags)
    Known(config, is_checked=is_checked).check(item.queue, item.site)
    with connected(config) as store:
        (stored,) = store.enqueue([item])
    if stored is None:
        narrate(
            f"nothing stored: an item of queue {queue!r} with unique key {flags.unique_key!r} waits or runs already"
        )
    else:
        click.echo(str(stored))
    return Exit.OK


def _item(config: Config, queue: str, payload: str | None, flags: ItemFlags) -> NewItem:
    from snqd.cli.lines import ItemMaker, frame_of_text
    from snqd.errors import BadItem

    maker = ItemMaker(flags, frame_limit_bytes=config.store.frame_limit_bytes)
    limit = config.store.frame_limit_bytes
    if payload == "-":
        frame = sys.stdin.buffer.read(limit + 1)
    else:
        frame = frame_of_text("null" if payload is None and flags.codec == "json" else payload or "")
    try:
        return maker.from_frame(queue, frame)
    except BadItem as error:
        is_text = flags.codec == "json" and payload not in (None, "-") and "valid" in str(error)
        hint = "; quote text twice, as in '\"hello\"', or give --codec text" if is_text else ""
        raise BadItem(f"{error}{hint}") from error


def _enqueue_lines(config: Config, queue: str | None, flags: ItemFlags, *, skip_bad: bool, is_checked: bool) -> int:
    from snqd.cli.known import Known
    from snqd.cli.lines import ItemMaker
    from snqd.cli.stream import Stream

    if sys.stdin.isatty():
        narrate("reading lines from the terminal; end with Ctrl-D")
    maker = ItemMaker(
        flags,
        frame_limit_bytes=config.store.frame_limit_bytes,
        queue=queue,
        known=Known(config, is_checked=is_checked),
    )
    with connected(config) as store:
        return Stream(store, maker, skip_bad=skip_bad).run(sys.stdin.fileno())
