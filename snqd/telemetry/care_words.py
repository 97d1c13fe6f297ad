"""What keeps a store from being cleaned up, in words, and what to do about it: for `snqd why` and `snqd status`."""

from __future__ import annotations

from snqd.telemetry.words import duration_words, plural


def pin_words(pid: int, age_seconds: float, dead_rows: int, query: str) -> str:
    """`pid` is -1 when it is no process; `query` then says what it is. `dead_rows` is -1 when it is not known."""
    rows = plural(dead_rows, "dead row") if dead_rows >= 0 else "dead rows"
    if pid < 0:
        what = query or "something that is no process"
        return f"{what}, for {duration_words(age_seconds)}, keeps {rows} from being cleaned up"
    said = f"a transaction of process {pid}, open for {duration_words(age_seconds)}, keeps {rows} from being cleaned up"
    return f"{said} ({query})" if query else said


def end_statement(pid: int, query: str) -> str:
    """The SQL that ends it; where it is no process, the SQL that shows it, since ending it may lose something."""
    if pid >= 0:
        return f"SELECT pg_terminate_backend({pid})"
    is_prepared = query.startswith("prepared")
    return "SELECT * FROM pg_prepared_xacts" if is_prepared else "SELECT * FROM pg_replication_slots"
