"""`--once`: one summary for a person, a script or Nagios, and an exit code. No screen, no toolkit.

It waits until every daemon that is heard has told all that it knows, or until the time is over. It judges by
`snqd.telemetry.health`: the same line as `snqd health` prints on the daemon's own host.
"""

from __future__ import annotations

import select
import sys
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from snqd.telemetry.health import Code, Health, health
from snqd.telemetry.subscription import Trouble
from snqmon.feeds.base import Player
from snqmon.feeds.scene import SceneFeed
from snqmon.model.formats import one_line
from snqmon.model.tables import TABLES
from snqmon.model.world import World
from snqmon.plain import table_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snqd.telemetry.daemon_view import DaemonView
    from snqd.telemetry.feed import Source
    from snqmon.feeds.base import Feed, FeedStatus
    from snqmon.options import Options

_ORDER: Final = (Code.OK, Code.UNKNOWN, Code.WARNING, Code.CRITICAL)
"""What is known to be bad is worse than what is not known, as Nagios has it."""
_HOPELESS: Final = frozenset({
    Trouble.WRONG_KEY, Trouble.KEY_NEEDED, Trouble.NO_KEY_THERE, Trouble.VERSION, Trouble.REFUSED, Trouble.CLOCK
})  # fmt: skip
"""Waiting does not help."""
_SHOWN: Final = ("queues", "workers", "sites")
_MOST_ROWS: Final = 20
_LOOK_SECONDS: Final = 0.05
_WIDTH: Final = 110


class Verdict(NamedTuple):
    """How one daemon is, or one hub that is not heard."""

    name: str
    code: Code
    line: str
    """As a plugin prints it."""


def run_once(options: Options, *, wait_seconds: float, is_json: bool) -> int:
    """Print to standard output; the exit code. Raises `SnqdError` when there can be no feed."""
    feed = options.open_feed()
    try:
        world = World(feed, options.settings.thresholds, is_ascii=options.is_ascii)
        feed.watch(world.observe)
        gather(feed, wait_seconds)
        world.observe()
        verdicts = judge(feed, world.status)
        code = worst(verdicts)
        text = as_json(world, verdicts, code) if is_json else "\n".join(as_text(world, verdicts, code))
    finally:
        feed.close()
    sys.stdout.write(f"{text}\n")
    return int(code)


def gather(feed: Feed, wait_seconds: float) -> None:
    """Turn the feed until everything is known. Nobody is waited for in a recording, which is played to its end, and in
    a scene, whose past is made, however long that takes."""
    until = time.monotonic() + wait_seconds
    if isinstance(feed, Player):
        feed.seek(feed.length)
        while feed.is_seeking:
            feed.turn()
        return
    if isinstance(feed, SceneFeed):
        feed.go_to(0.0)
        return
    readable = [feed] if feed.fileno() >= 0 else []
    while (left := until - time.monotonic()) > 0:
        pause = min(feed.turn(), _LOOK_SECONDS, left)
        if is_settled(feed):
            return
        select.select(readable, [], [], pause)


def is_settled(feed: Feed) -> bool:
    """Whether waiting would bring no more: whoever is heard has told everything, and who is not will not be."""
    status = feed.status()
    views = feed.fleet.daemons.values()
    is_said = all(
        source.datagrams > 0 if source.is_receiving else source.trouble in _HOPELESS for source in status.sources
    )
    return bool(status.sources) and is_said and all(view.is_complete for view in views)


def judge(feed: Feed, status: FeedStatus) -> list[Verdict]:
    """One verdict for every daemon, and one for every hub that is not heard. At least one."""
    now = feed.now()
    verdicts = [_of_daemon(key, view, now) for key, view in sorted(feed.fleet.daemons.items())]
    heard_from = {view.source for view in feed.fleet.daemons.values()}
    if not isinstance(feed, Player):
        verdicts += [_of_silence(source) for source in status.sources if _is_missing(source, heard_from)]
    if not verdicts:
        said = " ".join(status.advice) or f"nothing has come: {status.words}"
        verdicts.append(Verdict("", Code.UNKNOWN, f"SNQD UNKNOWN: {one_line(said)}"))
    return verdicts


def worst(verdicts: list[Verdict]) -> Code:
    return max((verdict.code for verdict in verdicts), key=_ORDER.index)


def _of_daemon(key: str, view: DaemonView, now: float) -> Verdict:
    """A legacy daemon tells nothing that could be judged but that it is there."""
    if view.daemon is not None and view.daemon.dialect:
        found = Health(Code.OK, f"SNQD OK: {key} was heard, which is all that {view.daemon.dialect} pings tell", "")
    else:
        found = health(view, "full", now)
    return Verdict(key, found.code, str(found))


def _is_missing(source: Source, heard_from: set[str]) -> bool:
    is_ear = source.is_pushing and source.trouble is Trouble.ASKING
    return not source.is_receiving and not is_ear and source.address not in heard_from


def _of_silence(source: Source) -> Verdict:
    return Verdict(source.address, Code.UNKNOWN, f"SNQD UNKNOWN: {source.address}: {one_line(source.words)}")


def as_text(world: World, verdicts: list[Verdict], code: Code) -> Iterator[str]:
    """The verdict first, since plugins are read by their first line; then what it is about."""
    if len(verdicts) == 1:
        yield verdicts[0].line
    else:
        counts = [sum(verdict.code is each for verdict in verdicts) for each in Code]
        told = ", ".join(f"{count} {each.name}" for each, count in zip(Code, counts, strict=True) if count)
        yield f"SNQD {code.name}: {told}"
        yield from (verdict.line for verdict in sorted(verdicts, key=lambda each: -_ORDER.index(each.code)))
    if not world.daemons():
        yield from world.status.advice
        return
    for name in _SHOWN:
        yield from ("", *table_text(TABLES[name], world, most=_MOST_ROWS, width=_WIDTH))


def as_json(world: World, verdicts: list[Verdict], code: Code) -> str:
    """Every table, each row with the value of every column by the column's key; what is not known is null."""
    status = world.status
    told: dict[str, Any] = {
        "at": world.wall,
        "code": int(code),
        "health": [{"daemon": name, "code": int(each), "line": line} for name, each, line in verdicts],
        "feed": {
            "trust": str(status.trust),
            "words": status.words,
            "age_seconds": status.age_seconds,
            "advice": status.advice,
            "sources": [_source(source) for source in status.sources],
        },
    }
    for name, table in TABLES.items():
        told[name] = [{column.key: column.value(row) for column in table.columns} for row in table.rows(world)]
    return msgspec.json.encode(told).decode()


def _source(source: Source) -> dict[str, Any]:
    return {
        "address": source.address, "words": source.words, "is_receiving": source.is_receiving,
        "datagrams": source.datagrams, "bad": source.bad, "trouble": str(source.trouble),
    }  # fmt: skip
