"""Asking one daemon or all of them, and showing who has obeyed: what the commands of `snqd ctl` share."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from snqd.cli.author import author
from snqd.cli.exits import Exit
from snqd.cli.options import common_options, load
from snqd.cli.output import print_json, printable, table
from snqd.errors import SnqdError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from snqd.config.schema import Config
    from snqd.stores.desk import Answered, Desk, Seat

DEFAULT_SECONDS = 15.0
_LOOK_SECONDS = 0.05


class Target(NamedTuple):
    """Whom a command asks, and how it shows the answer."""

    all_hosts: bool
    seconds: float
    as_json: bool


class Outcome(NamedTuple):
    """What became of a request at one daemon. `obeyed` None: it has not answered."""

    seat: Seat
    obeyed: bool | None
    said: str


def target_options(decorated: Callable[..., object]) -> Callable[..., object]:
    """Add `--all-hosts`, `--timeout`, `--json` and what every command has; pass the first three to `ask`."""
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each daemon.")(decorated)
    click.option(
        "--timeout",
        "seconds",
        type=click.FloatRange(min=0.1, max=3600),
        default=DEFAULT_SECONDS,
        show_default=True,
        metavar="SECONDS",
        help="How long to wait for answers. Who has not begun by then does not obey any more.",
    )(decorated)
    click.option("--all-hosts", is_flag=True, help="Ask every daemon on the store, and say who has obeyed.")(decorated)
    return common_options(decorated)


def ask(verb: str, arguments: dict[str, Any], target: Target) -> int:
    """Ask, and print who has said what; the exit code. Raises `SnqdError` when there is nobody to ask."""
    config = load().config
    if not target.all_hosts:
        from snqd.cli.asking import ask as ask_here

        answer = ask_here(config, {"ask": verb, **arguments, "author": author()}, seconds=target.seconds)
        said = str(answer.get("said") or answer.get("stack"))
        if target.as_json:
            print_json({"daemon": config.daemon.name, "obeyed": True, "said": said})
        else:
            click.echo(said.rstrip())
        return Exit.OK
    outcomes = _ask_all(config, verb, arguments, target.seconds)
    _show(outcomes, as_json=target.as_json)
    return Exit.OK if all(each.obeyed for each in outcomes) else Exit.ERROR


def open_desk(config: Config) -> Desk:
    """The desk of the store. Raises `StoreError` for a SQLite file that is not there: looking must not make it."""
    from snqd.wiring.stores import open_desk, sqlite_path

    file = sqlite_path(config)
    if file is not None and not file.exists():
        raise StoreError(f"there is no store yet: no file {file}: correct --store or store.url")
    return open_desk(config, name="ctl")


def _ask_all(config: Config, verb: str, arguments: dict[str, Any], seconds: float) -> list[Outcome]:
    desk = open_desk(config)
    try:
        expected = [each.seat for each in desk.present()]
        if not expected:
            raise SnqdError(
                "no daemon on this store has told lately that it is there: does one run, with telemetry.enabled?"
            )
        deadline = time.monotonic() + seconds
        request = desk.ask(verb, json.dumps(arguments), author=author(), seconds=seconds)
        answers = desk.answers(request)
        while not _has_all(expected, answers) and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
            answers = desk.answers(request)
    finally:
        desk.close()
    answered = {each.seat for each in answers}
    silent = [Outcome(seat, None, f"no answer within {seconds:g} s") for seat in expected if seat not in answered]
    return sorted([*(Outcome(*each) for each in answers), *silent])


def _has_all(expected: Iterable[Seat], answers: Iterable[Answered]) -> bool:
    return {each.seat for each in answers}.issuperset(expected)


def _show(outcomes: list[Outcome], *, as_json: bool) -> None:
    if as_json:
        for each in outcomes:
            print_json({**each.seat._asdict(), "obeyed": each.obeyed, "said": each.said})
        return
    if any("\n" in each.said for each in outcomes):
        for each in outcomes:
            click.echo(f"{printable(str(each.seat))}: {_word(each)}\n{each.said.rstrip()}\n")
        return
    rows = ((each.seat.daemon, each.seat.host, _word(each), each.said) for each in outcomes)
    click.echo(table(("DAEMON", "HOST", "OBEYED", "SAID"), rows))


def _word(outcome: Outcome) -> str:
    return {True: "yes", False: "refused", None: "silent"}[outcome.obeyed]
