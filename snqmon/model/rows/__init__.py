"""Rows of the tables: one class for each kind of thing. They look figures up when somebody asks for them."""

from snqmon.model.rows.alarm import AlarmRow
from snqmon.model.rows.daemon import DaemonRow
from snqmon.model.rows.event import EventRow
from snqmon.model.rows.pair import PairRow
from snqmon.model.rows.queue import QueueRow
from snqmon.model.rows.site import SiteRow
from snqmon.model.rows.worker import WorkerRow

__all__ = ["AlarmRow", "DaemonRow", "EventRow", "PairRow", "QueueRow", "SiteRow", "WorkerRow"]
