"""Groups of dead letters, and who corrected what: two lists that a person reads first."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click
import msgspec

from snqd.cli.output import clipped, duration_words, narrate_on_terminal, print_json, table, time_words

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from snqd.stores.base import Store
    from snqd.stores.corrections import Corrected, Kind
    from snqd.stores.records import DeadGroup, ItemFilter

GROUPS = 20
"""Groups that are listed when nothing else is asked for."""
_HEADERS = ("GROUP", "LETTERS", "LAST", "FIRST", "QUEUES", "SITES", "NEWEST", "ERROR")
_AUDIT_HEADERS = ("NUMBER", "BEGAN", "BY", "WHAT", "ITEMS", "STAYED", "OUTCOME", "FILTER")
_ERROR_WIDTH = 70


def print_groups(store: Store, wanted: ItemFilter, *, most: int | None, as_json: bool) -> None:
    """`wanted` says of which letters."""
    from dataclasses import replace

    found = store.dead_groups(replace(wanted, limit=None if most is None else most + 1))
    shown = found[:most]
    if as_json:
        for group in shown:
            print_json(asdict(group))
    else:
        now = store.clock()
        click.echo(table(_HEADERS, [_row(group, now) for group in shown], right=frozenset({"LETTERS", "NEWEST"})))
    if len(found) > len(shown):
        narrate_on_terminal(f"only the {len(shown)} largest groups are shown: --limit 0 shows all")


def print_corrections(store: Store, kinds: Collection[Kind], *, limit: int, as_json: bool) -> None:
    """What was written down, the latest first."""
    found = store.corrections(kinds, limit)
    if as_json:
        for each in found:
            print_json({**each._asdict(), "wanted": msgspec.json.decode(each.wanted)})
        return
    rows = [_audit_row(each) for each in found]
    click.echo(table(_AUDIT_HEADERS, rows, right=frozenset({"NUMBER", "ITEMS", "STAYED"})))


def _row(group: DeadGroup, now: float) -> tuple[object, ...]:
    return (
        group.fingerprint,
        f"{group.count:,}",
        f"{duration_words(now - group.last)} ago",
        f"{duration_words(now - group.first)} ago",
        _names(group.top_queues, group.queues),
        _names(group.top_sites, group.sites),
        group.newest,
        clipped(group.error or "-", _ERROR_WIDTH),
    )


def _names(names: Sequence[str], count: int) -> str:
    """`mail, sms +3`."""
    more = count - len(names)
    return ", ".join(names) + (f" +{more:,}" if more > 0 else "")


def _audit_row(each: Corrected) -> tuple[object, ...]:
    return (
        each.number,
        time_words(each.began),
        each.author,
        each.kind,
        f"{each.changed:,}",
        f"{each.stayed:,}",
        each.outcome or "not ended",
        filter_words(each.wanted),
    )


def filter_words(wanted: str) -> str:
    """The filter of a correction, as it was given: `queue=mail since=2026-11-26 14:20:57+00:00`."""
    given = msgspec.json.decode(wanted)
    words = []
    for name, value in given.items():
        if name in ("since", "until"):
            words.append(f"{name}={time_words(value)}")
        elif name == "ids":
            words.append(f"ids={','.join(map(str, value[:5]))}{f' +{len(value) - 5}' if len(value) > 5 else ''}")
        else:
            words.append(f"{name}={value}")
    return " ".join(words) or "all"
