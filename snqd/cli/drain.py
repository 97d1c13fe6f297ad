"""`snqd drain`: work the queues in this process until they are empty, for hosts that have only cron."""

from __future__ import annotations

from dataclasses import asdict

import click

from snqd.cli.exits import Exit
from snqd.cli.options import HELP_FLAGS, common_options, load
from snqd.cli.output import narrate, narrate_on_terminal, plural, print_json
from snqd.cli.values import duration


@click.command(
    context_settings=HELP_FLAGS,
    epilog="""\
\b
Examples:
  snqd drain -m myapp.handlers
  */5 * * * *  snqd drain -c /etc/snqd/snqd.toml --max-seconds 4m      (crontab)

\b
Exit codes:
  0   everything that was ready is done
  10  the limit of time or items was reached; work remains
  11  at least one item failed, and is scheduled for another attempt or a dead letter
""",
)
@click.option("--max-seconds", type=duration, metavar="TIME", help="Start no item after this time: 50, 4m.")
@click.option(
    "--max-items",
    type=click.IntRange(min=1),
    metavar="N",
    help="Handle this many items, if so many are ready, and not one more.",
)
@click.option("-m", "--module", multiple=True, metavar="MODULE", help="Python module with handlers; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
@common_options
def drain(*, max_seconds: float | None, max_items: int | None, module: tuple[str, ...], as_json: bool) -> int:
    """Handle what is ready, one item after the other, without a daemon.

    Says nothing when all went well and standard error is not a terminal, so that cron sends no mail.
    """
    from snqd.drain import drain as drain_queues

    config = load({"handlers.modules": ("--module", module)} if module else None).config
    report = drain_queues(config, max_seconds=max_seconds, max_items=max_items)
    if as_json:
        print_json(asdict(report))
    counts = ", ".join(
        f"{count:,} {word}"
        for count, word in (
            (report.handled, "handled"),
            (report.failed, "failed"),
            (report.retried, "to be retried"),
            (report.dead_lettered, "dead-lettered"),
            (report.discarded, "discarded"),
        )
        if count or word == "handled"
    )
    if report.failed or report.dead_lettered:
        narrate(f"{counts}: see 'snqd items list' and 'snqd dead list'")
        return Exit.ITEMS_FAILED
    if report.remaining:
        narrate_on_terminal(f"{counts}; {plural(report.remaining, 'item')} ready and left for the next run")
        return Exit.WORK_REMAINS
    narrate_on_terminal(counts)
    return Exit.OK
