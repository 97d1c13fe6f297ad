"""Every table of the monitor, as data."""

from typing import Any

from snqmon.model.columns import Table
from snqmon.model.tables.daemons import DAEMONS
from snqmon.model.tables.events import ALARMS, EVENTS
from snqmon.model.tables.pairs import PAIRS, pairs_table
from snqmon.model.tables.queues import QUEUES
from snqmon.model.tables.sites import SITES
from snqmon.model.tables.workers import WORKERS

TABLES: dict[str, Table[Any]] = {
    table.name: table for table in (DAEMONS, QUEUES, WORKERS, SITES, PAIRS, EVENTS, ALARMS)
}

__all__ = ["ALARMS", "DAEMONS", "EVENTS", "PAIRS", "QUEUES", "SITES", "TABLES", "WORKERS", "pairs_table"]
