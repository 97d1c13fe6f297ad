"""Dead letters by the million: what the commands take and how much memory they need, beside a thousand letters."""

from __future__ import annotations

import argparse
import json
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from bench.lab.contestant import Snqd
from bench.lab.session import Session
from snqd.stores.fingerprint import fingerprint

PURPOSE = "Dead letters: list, groups and replay with N of them, 40 causes, 20 queues, 10,000 sites"
COLUMNS = [
    ("first page, ms", "list"),
    ("page of a queue, ms", "of_queue"),
    ("page of a group, ms", "of_group"),
    ("page of a site, ms", "of_site"),
    ("search that finds nothing, ms", "search"),
    ("groups, ms", "groups"),
    ("replay, letters/s", "replay"),
    ("list MiB", "list_mib"),
    ("groups MiB", "groups_mib"),
    ("a whole queue listed, MiB", "all_mib"),
    ("replay MiB", "replay_mib"),
]
FEW, MANY = 1_000, 1_000_000
CAUSES = [
    (f"Error{number}: host 10.0.{number}.{{}} has not answered within 30 s", f"/srv/app/shop/mail{number}.py")
    for number in range(40)
]
TRACEBACK = "Traceback (most recent call last):\n" + "".join(
    f'  File "{{0}}", line {line}, in step_{line}\n    raise_or_return(self.connection, "{"x" * 40}")\n'
    for line in range(10, 18)
)
LOAD_POSTGRES = """
insert into dead_letter (id, site, queue, frame, codec, priority, created, available_at, attempts, crash_attempts,
  reason, error, traceback, history, fingerprint, died)
select n, 's' || mod(n * 7919, 10000) || '.example', 'q' || mod(n, 20), convert_to('{"user": ' || n || '}', 'UTF8'),
  'json', 0, now() - interval '30 days', now() - interval '30 days', 10, 0, 'attempts',
  replace(cause.error, '{}', mod(n, 250)::text), cause.traceback, '[]', cause.fingerprint,
  now() - make_interval(secs => (%(letters)s - n) * 0.1)
from generate_series(1::bigint, %(letters)s) as n
join jsonb_to_recordset(%(causes)s::jsonb) as cause (number int, error text, traceback text, fingerprint text)
  on cause.number = mod(n * 31 + n / 977, 40)
"""
LOAD_SQLITE = """
with recursive counted (n) as (select 1 union all select n + 1 from counted where n < :letters),
cause as materialized (
  select key, value ->> 'error' as error, value ->> 'traceback' as traceback, value ->> 'fingerprint' as fingerprint
  from json_each(:causes))
insert into dead_letter (id, site, queue, frame, codec, priority, created, available_at, attempts, crash_attempts,
  reason, last_error, traceback, history, fingerprint, died)
select n, 's' || ((n * 7919) % 10000) || '.example', 'q' || (n % 20), cast('{"user": ' || n || '}' as blob),
  'json', 0, :now - 2592000.0, :now - 2592000.0, 10, 0, 'attempts',
  replace(cause.error, '{}', n % 250), cause.traceback, '[]', cause.fingerprint,
  :now - (:letters - n) * 0.1
from counted join cause on cause.key = (n * 31 + n / 977) % 40
"""


class Ran(NamedTuple):
    """A command that has ended: seconds, the most memory that it had in MiB, and the lines that it printed."""

    seconds: float
    mebibytes: float
    lines: int


class Letters:
    """A store with so many dead letters, and the command line on it."""

    def __init__(self, session: Session, name: str, store: str, letters: int) -> None:
        self.session, self.name, self.letters = session, name, letters
        self.daemon = Snqd(session, name, store)
        self._queues = iter(range(20))

    def load(self) -> None:
        self.daemon.prepare()
        begun = time.monotonic()
        causes = json.dumps(
            [
                {
                    "number": number,
                    "error": error,
                    "traceback": TRACEBACK.format(file),
                    "fingerprint": fingerprint(error.format(7), TRACEBACK.format(file)),
                }
                for number, (error, file) in enumerate(CAUSES)
            ]
        )
        if self.daemon.store == "postgres":
            assert self.session.cluster is not None
            with self.daemon.connect() as connection:
                connection.execute(LOAD_POSTGRES, {"letters": self.letters, "causes": causes})
            self.session.cluster.settle(self.daemon.database)
        else:
            connection_to_file = sqlite3.connect(self.daemon.file, isolation_level=None)
            connection_to_file.execute("pragma cache_size = -1000000")  # KiB, for the loading only
            values = {"letters": self.letters, "causes": causes, "now": time.time()}
            connection_to_file.execute(LOAD_SQLITE, values)
            connection_to_file.execute("pragma wal_checkpoint(truncate)")
            connection_to_file.close()
        self.session.say(f"  {self.name}: loaded in {time.monotonic() - begun:.0f} s")

    def run(self, *words: str) -> Ran:
        """`snqd dead …`; its peak of memory is that of the last look at it, 10 ms before its end at most."""
        line = [str(Path(sys.executable).with_name("snqd")), "dead", *words, "--store", self.daemon.url]
        output = self.daemon.home / "output"
        begun, peak = time.monotonic(), 0.0
        with output.open("wb") as file:
            process = subprocess.Popen(line, stdout=file, stderr=subprocess.DEVNULL, cwd=self.session.folder)
            while process.poll() is None:
                peak = max(peak, _peak_mebibytes(process.pid))
                time.sleep(0.01)
        took = time.monotonic() - begun
        if process.returncode:
            raise SystemExit(f"{self.name}: snqd dead {' '.join(words)} left with {process.returncode}")
        with output.open("rb") as file:
            return Ran(took, peak, sum(1 for _line in file))

    def measure(self) -> None:
        """One repetition; the letters of one queue are replayed in it."""
        queue = f"q{next(self._queues)}"
        group = fingerprint(CAUSES[7][0].format(7), TRACEBACK.format(CAUSES[7][1]))
        first = self.run("list")
        groups = self.run("groups")
        whole = self.run("list", "--queue", queue, "--limit", "0", "--json")
        replay = self.run("replay", "--queue", queue, "--yes")
        self.session.add(
            self.name,
            list=first.seconds * 1e3,
            of_queue=self.run("list", "--queue", queue).seconds * 1e3,
            of_group=self.run("list", "--group", group).seconds * 1e3,
            of_site=self.run("list", "--site", "s7919.example").seconds * 1e3,
            search=self.run("search", "no such words").seconds * 1e3,
            groups=groups.seconds * 1e3,
            replay=whole.lines / replay.seconds,
            list_mib=first.mebibytes,
            groups_mib=groups.mebibytes,
            all_mib=whole.mebibytes,
            replay_mib=replay.mebibytes,
        )


def _peak_mebibytes(pid: int) -> float:
    """Of a child that may have ended. (What `wait4` tells begins at its parent's size, which hides a smaller child.)"""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--letters", type=int, default=MANY, help="the many (default %(default)s)")
    with Session("dead_letters", PURPOSE, parser) as session:
        session.start_postgres()
        many = 50_000 if session.quick else session.options.letters
        contestants = [
            Letters(session, f"{name}, {letters:,} letters", store, letters)
            for name, store in (("PostgreSQL", "postgres"), ("SQLite", "sqlite"))
            for letters in (FEW, many)
            if session.wants(name)
        ]
        for contestant in contestants:
            contestant.load()
        for _ in session.rounds():
            for contestant in contestants:
                session.wait_for_quiet()
                contestant.measure()
        for contestant in contestants:
            contestant.daemon.remove()
        report(session, many)


def report(session: Session, many: int) -> None:
    session.title(note="Whole commands, from their start to their end, which is a quarter of a second of Python.")
    session.table(COLUMNS)
    for name in ("PostgreSQL", "SQLite"):
        if not session.wants(name):
            continue
        few, all_of_them = (f"{name}, {letters:,} letters" for letters in (FEW, many))
        for key, what in (("list", "first page"), ("of_queue", "page of a queue"), ("of_group", "page of a group")):
            session.target(f"{name}: {what}, many / few", session.ratio(all_of_them, few, key), "≤", 1.5)
        for key, what in (("list_mib", "list"), ("groups_mib", "groups"), ("all_mib", "whole queue listed")):
            session.target(f"{name}: memory of {what}, many / few", session.ratio(all_of_them, few, key), "≤", 1.2)
        session.target(f"{name}: groups", session.median(all_of_them, "groups") / 1e3, "≤", 5.0, " s")


if __name__ == "__main__":
    main()
