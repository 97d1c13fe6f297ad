"""A process of its own that works on a test's store: `python -m tests.support.racing MODE FACTORY LOCATION ARG`.

Modes: `drain N` claims N at a time from queue mail and acks until told to end by a line on standard input and nothing
is left; `hold N` claims N, acks none, and waits to be killed; `enqueue N` stores N items one by one, in calls of their
own; `schedule N` deals with the due times 1 to N of the only schedule; `duty N` takes the duty of group xmpp for N
seconds, and waits to be killed. Each prints `ready` first, waits for a line on standard input, and prints its findings
as JSON.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snqd.stores.outcomes import Done
from snqd.stores.schedules import Due
from tests.support.stores import Recipe, claim, lane, new

if TYPE_CHECKING:
    from collections.abc import Callable

    from snqd.items import Item
    from snqd.stores.base import Store

CHECKOUT = Path(__file__).parents[2]


class Racer:
    """The other end: a started process."""

    def __init__(self, mode: str, recipe: Recipe, argument: int, name: str) -> None:
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.racing", mode, recipe.factory, recipe.location, str(argument), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=CHECKOUT,
        )
        assert self.hear() == "ready"

    def go(self) -> None:
        """Let it begin, or (drain) let it end when nothing is left."""
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def hear(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"racer {self.name} ended with {self.process.wait()}"
        return json.loads(line)

    def findings(self) -> Any:
        """What it prints at its end, which must be a good one."""
        found = self.hear()
        assert self.process.wait(timeout=60) == 0
        return found

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()


def _say(found: object) -> None:
    print(json.dumps(found), flush=True)  # noqa: T201 - its standard output is its answer


def _drain(store: Store, batch: int, name: str) -> None:
    done: list[int] = []
    lost = 0
    longest = 0.0
    held: list[Item] = []
    told_to_end = False
    while True:
        started = time.monotonic()
        exchanged = store.exchange([Done(item) for item in held], [lane(limit=batch)])
        longest = max(longest, time.monotonic() - started)
        lost += len(exchanged.lost)
        done.extend(item.id for item in held)
        held = exchanged.claimed
        if not held and told_to_end:
            break
        if not held:
            told_to_end = bool(select.select([0], [], [], 0.002)[0])
    _say({"done": done, "lost": lost, "longest_seconds": longest, "exchanges": len(done)})


def _hold(store: Store, batch: int, name: str) -> None:
    _say([[item.id, item.token] for item in claim(store, limit=batch)])
    time.sleep(600)


def _enqueue(store: Store, items: int, name: str) -> None:
    ids = []
    longest = 0.0
    for number in range(items):
        started = time.monotonic()
        ids += store.enqueue([new(frame=f"{name}.{number}".encode())])
        longest = max(longest, time.monotonic() - started)
    _say({"ids": ids, "longest_seconds": longest})


def _schedule(store: Store, times: int, name: str) -> None:
    mine = 0
    (row,) = store.schedules()
    last_due = row.last_due
    while last_due < times:
        item = new(frame=b"%d" % (last_due + 1))
        (result,) = store.run_schedules([Due(row.site, row.name, last_due, last_due + 1, (item,))], name).results
        mine += result.stored
        if result.last_due is not None:  # else another one is at it
            last_due = result.last_due
    _say({"mine": mine})


def _duty(store: Store, seconds: int, name: str) -> None:
    _say(store.take_duty("xmpp", seconds=seconds))
    time.sleep(600)


_MODES: dict[str, Callable[[Store, int, str], None]] = {
    "drain": _drain,
    "hold": _hold,
    "enqueue": _enqueue,
    "schedule": _schedule,
    "duty": _duty,
}


def _main() -> None:
    mode, factory, location, argument, name = sys.argv[1:]
    store = Recipe(factory, location).make()
    store.connect()
    store.claimant = f"host/{name}/{os.getpid()}.1/test"
    _say("ready")
    while os.read(0, 1) != b"\n":  # no more than the line: `drain` selects for the next one
        pass
    _MODES[mode](store, int(argument), name)
    store.close()


if __name__ == "__main__":
    _main()
