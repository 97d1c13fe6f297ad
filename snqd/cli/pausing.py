"""`snqd pause` and `snqd resume`: in the store itself, so that they work whether or not a daemon runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from snqd.cli.author import author
from snqd.cli.exits import Exit
from snqd.cli.options import HELP_FLAGS, common_options, connected, load
from snqd.cli.output import duration_words, print_json, printable, table, time_words
from snqd.cli.values import duration
from snqd.errors import SnqdError
from snqd.items import QueueName, SiteName
from snqd.telemetry.pauses import pause_words, target_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from snqd.stores.pauses import Pause

_HEADERS = ("QUEUE", "SITE", "SINCE", "UNTIL", "BY", "REASON")


@click.command(
    context_settings=HELP_FLAGS,
    epilog="""\
\b
Examples:
  snqd pause --queue mail --reason "the relay is down" --for 2h
  snqd pause --site a.example                  all queues of that site
  snqd pause --queue mail --site a.example     that queue of that site
  snqd pause                                   what is paused now
""",
)
@click.option("--queue", metavar="QUEUE", help="This queue (with --site: of that site only).")
@click.option("--site", metavar="SITE", help="This site (with --queue: in that queue only).")
@click.option("--reason", metavar="TEXT", default="", help="Why, for whoever looks.")
@click.option("--for", "seconds", type=duration, metavar="TIME", help="End it by itself after 90s, 2h, 3d.")
@click.option("--list", "is_list", is_flag=True, help="Only list what is paused; so does no flag at all.")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON, one object a line.")
@common_options
def pause(
    *, queue: str | None, site: str | None, reason: str, seconds: float | None, is_list: bool, as_json: bool
) -> int:
    """Hand out no more items of a queue, a site, or a queue of a site, on any host.

    Items wait and nothing is lost; what runs already is finished. Paused items count as neither ready nor late.
    Pausing again changes reason and end.
    """
    if queue is None and site is None:
        if reason or seconds is not None:
            raise click.UsageError("say what to pause: --queue, --site or both", click.get_current_context())
        return _list(as_json=as_json)
    if is_list or as_json:
        raise click.UsageError("--list and --json show all pauses: leave out the others", click.get_current_context())
    if seconds == 0:
        raise click.UsageError("--for 0 would end at once: 'snqd resume' ends a pause", click.get_current_context())
    with connected(load().config, is_reading=True) as store:
        made = store.pause(*_target(queue, site), author=author(), reason=reason, seconds=seconds)
    click.echo(printable(f"{_words(made)} is paused {_how(made)}"))
    return Exit.OK


@click.command(
    context_settings=HELP_FLAGS,
    epilog="""\
\b
Examples:
  snqd resume --queue mail
  snqd resume --queue mail --site a.example
  snqd resume --all
""",
)
@click.option("--queue", metavar="QUEUE", help="This queue (with --site: of that site only).")
@click.option("--site", metavar="SITE", help="This site (with --queue: in that queue only).")
@click.option("--all", "is_all", is_flag=True, help="Everything that is paused.")
@common_options
def resume(*, queue: str | None, site: str | None, is_all: bool) -> int:
    """End a pause: exactly the one that was made with the same flags. Idle workers go on at once."""
    if is_all == (queue is not None or site is not None):
        raise click.UsageError("say what to resume: --queue, --site or both; or --all", click.get_current_context())
    with connected(load().config, is_reading=True) as store:
        paused = store.pauses()
        targets = [(each.queue, each.site) for each in paused] if is_all else [_target(queue, site)]
        ended = [found for each in targets if (found := store.resume(*each, author=author())) is not None]
    if not ended and not is_all:
        raise SnqdError(f"{target_words(queue or '', site or '')} is not paused: {_others(paused)}")
    for each in ended:
        seconds = (each.ended_at or each.since) - each.since
        click.echo(printable(f"{_words(each)} goes on after {duration_words(seconds)}"))
    if not ended:
        click.echo("nothing was paused")
    return Exit.OK


def pause_lines(paused: Sequence[Pause]) -> Iterator[str]:
    """One sentence for each."""
    return (printable(f"{_words(each)} is paused {_how(each)}") for each in paused)


def _list(*, as_json: bool) -> int:
    with connected(load().config, is_reading=True) as store:
        paused = store.pauses()
    if as_json:
        for each in paused:
            shown = each._asdict()
            del shown["ended_at"], shown["ended_by"]  # those that hold have no end
            print_json(shown)
    elif paused:
        click.echo(table(_HEADERS, map(_row, paused)))
    else:
        click.echo("nothing is paused")
    return Exit.OK


def _row(pause: Pause) -> tuple[str, ...]:
    until = "resumed" if pause.expires_at is None else time_words(pause.expires_at)
    return pause.queue or "*", pause.site or "*", time_words(pause.since), until, pause.author, pause.reason


def _target(queue: str | None, site: str | None) -> tuple[QueueName | None, SiteName | None]:
    return None if queue is None else QueueName(queue), None if site is None else SiteName(site)


def _words(pause: Pause) -> str:
    return target_words(pause.queue or "", pause.site or "")


def _how(pause: Pause) -> str:
    return pause_words(author=pause.author, reason=pause.reason, since=pause.since, expires=pause.expires_at or 0.0)


def _others(paused: Sequence[Pause]) -> str:
    return "paused are " + ", ".join(map(_words, paused)) if paused else "nothing is"
