"""Carrying out a correction for a person: count first or ask, go at a rate, show how far it is, stop when told to.

INT and TERM are obeyed between two steps. Whatever ends it, it is said how far it came, and the store
has it written down.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import click

from snqd.cli.author import author
from snqd.cli.exits import Exit
from snqd.cli.output import duration_words, narrate, plural
from snqd.cli.pace import Pace
from snqd.cli.progress import Counting
from snqd.cli.signals import Interrupted, Signals
from snqd.errors import SnqdError
from snqd.stores.corrections import OF_DEAD, STEP_ITEMS, Kind, filter_text

if TYPE_CHECKING:
    from snqd.config.schema import Config
    from snqd.stores.base import Store
    from snqd.stores.corrections import Correction, Place
    from snqd.stores.records import ItemFilter

ASK_ABOVE = 1000
"""Retried or replayed items, above which a person is asked; what is deleted is always asked about."""


class Words(NamedTuple):
    """How a kind of correction is spoken of."""

    noun: str
    done: str
    """`3 items …`"""
    question: str
    """`… 3 items?`"""


WORDS = {
    Kind.RETRY: Words("item", "made ready", "Make ready"),
    Kind.DISCARD: Words("item", "deleted", "Delete for ever"),
    Kind.REPLAY: Words("dead letter", "replayed", "Replay"),
    Kind.DISCARD_DEAD: Words("dead letter", "deleted", "Delete for ever"),
}
_DELETING = (Kind.DISCARD, Kind.DISCARD_DEAD)


class Manner(NamedTuple):
    """The flags of every correction."""

    per_second: float | None
    is_dry_run: bool
    is_confirmed: bool


def correct(config: Config, store: Store, kind: Kind, wanted: ItemFilter, manner: Manner) -> int:
    """Do it, or with `--dry-run` only say what it would do; the exit code. What comes up from now on is not meant."""
    wanted = replace(wanted, until=store.clock() if wanted.until is None else wanted.until)
    if wanted.fingerprint is not None:
        name_all(store)
    pace = Pace(manner.per_second)
    if manner.is_dry_run:
        _say_what_would_be(store, kind, wanted, pace)
        return Exit.OK
    if not manner.is_confirmed:
        _confirm(kind, store.count(kind, wanted))
    return _Run(store, kind, wanted, pace).go(config)


def name_all(store: Store) -> None:
    """Dead letters of an older snqd have no fingerprint until somebody asks for groups."""
    named = store.name_some(STEP_ITEMS)
    if not named:
        return
    with Counting.on_terminal("grouping letters of an older snqd", None) as counting:
        while named:
            counting.advance(named)
            named = store.name_some(STEP_ITEMS)


def _say_what_would_be(store: Store, kind: Kind, wanted: ItemFilter, pace: Pace) -> None:
    count, words = store.count(kind, wanted), WORDS[kind]
    seconds = pace.seconds_for(count)
    time_words = f", in {duration_words(seconds)}" if seconds and count else ""
    click.echo(f"{plural(count, words.noun)} would be {words.done}{time_words}")
    if kind in OF_DEAD and count and wanted.limit is None:
        from snqd.cli.dead_groups import print_groups

        name_all(store)
        print_groups(store, replace(wanted, limit=None), most=5, as_json=False)


def _confirm(kind: Kind, count: int) -> None:
    """Ask on a terminal. Raises `click.UsageError` elsewhere."""
    words = WORDS[kind]
    if count == 0 or (kind not in _DELETING and count <= ASK_ABOVE):
        return
    import sys

    if not sys.stdin.isatty():
        what = (
            f"this deletes {plural(count, words.noun)} for ever"
            if kind in _DELETING
            else (f"these are {plural(count, words.noun)}")
        )
        raise click.UsageError(
            f"{what}: repeat with --yes to do it, or --dry-run to count", click.get_current_context()
        )
    click.confirm(f"{words.question} {plural(count, words.noun)}?", abort=True, err=True)


class _Run:
    """One correction, from its begin to its end."""

    def __init__(self, store: Store, kind: Kind, wanted: ItemFilter, pace: Pace) -> None:
        self._store = store
        self._words = WORDS[kind]
        self._kind = kind
        self._wanted = wanted
        self._pace = pace
        self._signals = Signals()
        self._changed = self._stayed = 0

    def go(self, config: Config) -> int:
        """The exit code. Raises what the store raises, with how far it came."""
        with Counting.on_terminal(self._kind, lambda: self._store.count(self._kind, self._wanted)) as counting:
            correction = self._store.begin(self._kind, self._wanted, author=author())
            with self._signals.watched():
                code, outcome = self._carry_out(correction, counting)
        if outcome == "done":
            click.echo(f"{plural(self._changed, self._words.noun)} {self._words.done}")
        if self._stayed:
            are = "stays dead: an item with its" if self._stayed == 1 else "stay dead: items with their"
            narrate(f"{plural(self._stayed, self._words.noun)} {are} unique key waits or runs already")
        _tell_hub(config, correction, self._changed, self._stayed, outcome)
        return code

    def _carry_out(self, correction: Correction, counting: Counting) -> tuple[Exit, str]:
        code, outcome = Exit.OK, "done"
        try:
            self._steps(correction, counting)
        except Interrupted:
            code, outcome = self._signals.exit_code, f"stopped by {self._signals.name}"
            narrate(f"{outcome}: {self._so_far()}; the same command goes on")
        except KeyboardInterrupt:
            narrate(f"stopped in a step, which is done as a whole or not at all: {self._so_far()} before it")
            raise
        except SnqdError as error:
            with suppress(SnqdError):
                self._store.end(correction, str(error))
            raise type(error)(f"{error}; {self._so_far()}, the same command goes on") from error
        self._store.end(correction, outcome)
        return code, outcome

    def _steps(self, correction: Correction, counting: Counting) -> None:
        left, place = self._wanted.limit, None
        while left is None or left > 0:
            most = self._pace.step_items if left is None else min(left, self._pace.step_items)
            place = self._step(correction, place, most, counting)
            if place is None:
                return
            left = None if left is None else left - most
            with self._signals.obeyed():
                time.sleep(self._pace.wait_seconds(time.monotonic()))

    def _step(self, correction: Correction, after: Place | None, most: int, counting: Counting) -> Place | None:
        began = time.monotonic()
        step = self._store.step(correction, after, most)
        self._pace.stepped(began, step.changed)
        self._changed += step.changed
        self._stayed += step.stayed
        counting.advance(step.changed + step.stayed)
        return step.place

    def _so_far(self) -> str:
        return f"{plural(self._changed, self._words.noun)} {self._words.done}"


def _tell_hub(config: Config, correction: Correction, changed: int, stayed: int, outcome: str) -> None:
    """So that the log of a daemon on this host says it too. The store has it in any case."""
    from snqd.cli.asking import ask
    from snqd.cli.dead_groups import filter_words

    told = {
        "ask": "corrected",
        "kind": correction.kind,
        "number": correction.number,
        "author": author(),
        "wanted": filter_words(filter_text(correction.wanted)),
        "count": changed,
        "stayed": stayed,
        "outcome": outcome,
    }
    with suppress(SnqdError):
        ask(config, told)
