"""What the death of a worker costs: SIGKILL in the middle, and when everything is done, handled or claimable again."""

from __future__ import annotations

import argparse
import os
import signal
import threading
import time
from collections import Counter

import psutil

from bench.lab import record
from bench.lab.contestant import Contestant, Huey, Pgqueuer, Snqd
from bench.lab.session import Session

PURPOSE = "Crash: a worker of 2 is killed by SIGKILL in the middle of its item"
ITEMS, ITEM_SECONDS, WORKERS = 60, 0.2, 2
CRASH_COLUMNS = [
    ("finished of 60", "finished"),
    ("later than without the crash, s", "late"),
    ("began twice", "began_twice"),
    ("finished twice", "finished_twice"),
    ("the cut item began again after, s", "again"),
]
RESPAWN_COLUMNS = [("replacement handles its first item, s", "respawn"), ("what it held is claimable, s", "claimable")]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--peers", action="store_true", help="also the peers, which need up to 2 minutes each")
    with Session("crash", PURPOSE, parser, reps=5) as session:
        session.start_postgres()
        ours: list[Contestant] = [Snqd(session, f"snqd, {name}", store) for name, store in STORES]
        peers: list[Contestant] = [
            Pgqueuer(session, "pgqueuer", WORKERS),
            Huey(session, "huey, PostgreSQL", "postgres", WORKERS),
            Huey(session, "huey, SQLite", "sqlite", WORKERS),
        ]
        for repetition in session.rounds():
            for contestant in ours:
                if session.wants(contestant.name):
                    crash(contestant, patience_seconds=30)
                    respawn(contestant)
            for contestant in peers if session.options.peers and repetition < 2 else []:
                if session.wants(contestant.name):
                    crash(contestant, patience_seconds=90)
        report(session)


STORES = (("PostgreSQL", "postgres"), ("SQLite", "sqlite"))


def crash(contestant: Contestant, patience_seconds: float) -> None:
    """60 items of 200 ms; when the 31st to begin is half way, the worker that runs it is killed."""
    contestant.prepare(ITEMS, ITEM_SECONDS)
    contestant.session.wait_for_quiet()
    contestant.start()
    try:
        victim = wait_for_begun(contestant, ITEMS // 2 + 1)
        if victim is None:
            return
        time.sleep(ITEM_SECONDS / 2)
        os.kill(victim.pid, signal.SIGKILL)
        killed = time.time()
        if not isinstance(contestant, Snqd):
            time.sleep(0.3)  # as a service manager would
            contestant.restart_dead()
        wait_for_ends(contestant, killed + patience_seconds)
        time.sleep(1.0)  # late repetitions count too
    finally:
        contestant.stop()
    events = record.read(contestant.record)
    contestant.remove()
    began = Counter(event.number for event in events if event.kind == record.STARTED)
    ended = Counter(event.number for event in events if event.kind == record.ENDED)
    cut = running_at(events, victim.pid, killed)
    again = [event.at for event in events if event.number in cut and event.at > killed and event.kind == record.STARTED]
    first, last = events[0].at, max(event.at for event in events if event.kind == record.ENDED)
    complete = len(ended) == ITEMS
    contestant.session.add(
        contestant.name,
        finished=len(ended),
        late=last - first - ITEMS * ITEM_SECONDS / WORKERS if complete else None,
        began_twice=sum(count > 1 for count in began.values()),
        finished_twice=sum(count > 1 for count in ended.values()),
        again=min(again) - killed if again else None,
        in_hand=len(cut),
    )


def running_at(events: list[record.Event], pid: int, when: float) -> set[int]:
    """The items that the process had begun and not ended."""
    mine = [event for event in events if event.pid == pid and event.at <= when]
    ended = {event.number for event in mine if event.kind == record.ENDED}
    return {event.number for event in mine} - ended


def wait_for_begun(contestant: Contestant, count: int) -> record.Event | None:
    """The first line of the item that is the `count`-th to begin; None if it does not begin within half a minute."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        began = [event for event in record.read(contestant.record) if event.kind == record.STARTED]
        if len(began) >= count:
            return began[count - 1]
        time.sleep(0.005)
    contestant.session.say(f"  {contestant.name} does not work; its log ends:\n{contestant.last_words()}")
    return None


def wait_for_ends(contestant: Contestant, until: float) -> None:
    while time.time() < until:
        ended = {event.number for event in record.read(contestant.record) if event.kind == record.ENDED}
        if len(ended) == ITEMS:
            return
        time.sleep(0.02)


def respawn(contestant: Contestant) -> None:
    """Short items without end; a worker is killed. Its replacement is the first process that was not there before."""
    contestant.prepare(2000, 0.005)
    contestant.session.wait_for_quiet()
    contestant.start()
    try:
        if not contestant.wait_for_records(400):
            return
        before = {event.pid for event in record.read(contestant.record)}
        victim = record.read(contestant.record)[-1].pid
        watch = Watch(contestant, victim)
        psutil.Process(victim).kill()
        killed = time.time()
        watch.start()
        first = first_of_another(contestant, before, killed + 20)
        watch.join()
    finally:
        contestant.stop()
    contestant.remove()
    contestant.session.add(
        contestant.name,
        respawn=first - killed if first else None,
        claimable=watch.free_at - killed if watch.free_at else None,
        held=watch.held,
    )


def first_of_another(contestant: Contestant, before: set[int], until: float) -> float | None:
    """When a process that is not in `before` handled its first item."""
    while time.time() < until:
        for event in record.read(contestant.record):
            if event.pid not in before:
                return event.at
        time.sleep(0.01)
    return None


class Watch(threading.Thread):
    """Looks every few milliseconds whether anything is still claimed by a process."""

    def __init__(self, contestant: Contestant, pid: int) -> None:
        super().__init__(name="watch", daemon=True)
        self.free_at: float | None = None
        self.held = 0
        self._contestant, self._pattern = contestant, f"%/{pid}.%"

    def run(self) -> None:
        holder = "%s" if self._contestant.store == "postgres" else "?"
        sql = f"select count(*) from queue_item where claimed_by like {holder}"
        connection = self._contestant.connect()
        until = time.monotonic() + 20
        while time.monotonic() < until:
            held = connection.execute(sql, (self._pattern,)).fetchone()[0]
            self.held = max(self.held, held)
            if held == 0:
                self.free_at = time.time()
                break
            time.sleep(0.005)
        connection.close()


def report(session: Session) -> None:
    session.title(
        note=f"{ITEMS} items of {ITEM_SECONDS * 1000:.0f} ms, 2 workers (peers: 2 programs, the dead one "
        "started again after 0.3 s). Respawn: items of 5 ms."
    )
    session.table(CRASH_COLUMNS)
    session.table(RESPAWN_COLUMNS)
    for name in (f"snqd, {store}" for store, _ in STORES):
        session.target(f"{name}: finished", session.median(name, "finished"), "≥", ITEMS)
        session.target(f"{name}: later than without the crash", session.median(name, "late"), "≤", 1.0, " s")
        session.target(f"{name}: began twice", session.median(name, "began_twice"), "≤", 1)
        session.target(f"{name}: replacement handles its first item", session.median(name, "respawn"), "≤", 0.5, " s")
        session.target(f"{name}: what it held is claimable", session.median(name, "claimable"), "≤", 1.0, " s")


if __name__ == "__main__":
    main()
