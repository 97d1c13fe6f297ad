"""The log: every event and every record of Python's `logging`, as one line each in one form.

Text on a terminal, JSON lines otherwise. Lines go straight to the descriptor, one `write` each, so those of
several processes do not mix. Nobody waits for a reader: when standard error is a pipe that nobody empties, lines
are dropped and counted, and the number is told when the pipe takes lines again.
"""

from __future__ import annotations

import json
import logging
import os
import select
import time
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from snqd.telemetry.lines import level_of, message_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snqd.telemetry.events import Event

LogForm = Literal["text", "json"]

_PATIENCE_MILLISECONDS = 50
_PIPE_BUF = select.PIPE_BUF  # a pipe that polls writable takes this much without blocking
_RESERVED = frozenset({"time", "level", "event", "logger", "message", "traceback"})
_LOG_RECORD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the log before it has a form. `time` in epoch seconds; `source` is an event's or a logger's name."""

    time: float
    level: int
    source: str
    is_event: bool
    message: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    traceback: str = ""


class LogSink:
    """A `Sink` that writes to `descriptor`. `context` is added to every line; after a fork, call `bind`."""

    def __init__(self, form: LogForm, *, descriptor: int = 2, context: Mapping[str, Any] | None = None) -> None:
        self.form: LogForm = form
        self.dropped = 0
        """Lines that nobody took, since the last one that was taken."""
        self._descriptor = descriptor
        self._context = dict(context or {})
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)

    def bind(self, **context: Any) -> None:
        """Add `context` (for a worker: its name) to the lines of this process from now on."""
        self._context.update(context)

    def __call__(self, event: Event, /) -> None:
        named = _fields_of(event)
        traceback = str(named.pop("traceback", ""))
        self.write(
            Line(
                time=time.time(),
                level=level_of(event),
                source=type(event).__name__,
                is_event=True,
                message=message_of(event),
                fields=named,
                traceback=traceback,
            )
        )

    def write(self, line: Line) -> None:
        """Write one line, or drop it. Raises nothing for a reader that is slow or gone."""
        if self._context:
            line = _with_context(line, self._context)
        text = format_json(line) if self.form == "json" else format_text(line)
        data = text.encode(errors="backslashreplace")
        if self.dropped and self._is_writable(0):
            count, self.dropped = self.dropped, 0
            self.write(_told(f"{count} lines of the log were dropped: nobody read them"))
        if not self._put(data):
            self.dropped += 1

    def _put(self, data: bytes) -> bool:
        """Write all of `data`; False when nothing was written. A long line's end waits as its beginning did."""
        done = 0
        while done < len(data):
            # Only the first dropped line costs time: a full pipe must not slow the work line by line.
            if not self._is_writable(0 if self.dropped else _PATIENCE_MILLISECONDS):
                return done > 0
            try:
                done += os.write(self._descriptor, data[done : done + _PIPE_BUF])
            except BlockingIOError:
                return done > 0
            except OSError:  # the reader is gone; there is nobody to tell
                return False
        return True

    def _is_writable(self, milliseconds: int) -> bool:
        return bool(self._poll.poll(milliseconds))


class LogBridge(logging.Handler):
    """Brings the records of Python's `logging` (handlers' loggers, libraries, warnings) into the same log."""

    def __init__(self, sink: LogSink, level: int = logging.INFO) -> None:
        super().__init__(level)
        self._sink = sink

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._sink.write(_line_of(record))
        except Exception:  # a record that cannot be formatted is the caller's mistake, and not ours to die of
            self.handleError(record)


def choose_form(setting: Literal["auto", "text", "json"], *, descriptor: int = 2) -> LogForm:
    """The form of the log for the setting `log_format`."""
    if setting != "auto":
        return setting
    return "text" if os.isatty(descriptor) else "json"


def bridge_logging(sink: LogSink, *, level: int = logging.INFO) -> None:
    """Send everything that is logged in this process to `sink`, instead of where it went before."""
    logging.basicConfig(level=level, handlers=[LogBridge(sink, level)], force=True)
    logging.captureWarnings(True)


def format_json(line: Line) -> str:
    """One object per line; an event's fields are beside its name, level and message."""
    shown: dict[str, Any] = {
        "time": _utc(line.time),
        "level": logging.getLevelName(line.level).lower(),
        "event" if line.is_event else "logger": line.source,
        "message": line.message,
    }
    for name, value in line.fields.items():
        shown[f"{name}_" if name in _RESERVED else name] = value
    if line.traceback:
        shown["traceback"] = line.traceback
    return json.dumps(shown, ensure_ascii=False, default=str) + "\n"


def format_text(line: Line) -> str:
    """For people: local time, level, message; a traceback or stack is indented below. An event's message says its
    fields.
    """
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(line.time))
    stamp = f"{moment}.{int(line.time % 1 * 1000):03d} {logging.getLevelName(line.level):<7}"
    message = line.message.replace("\n", "\n    ")
    if not line.is_event:
        extra = "".join(f" {name}={value}" for name, value in line.fields.items())
        message = f"{line.source}: {message}{extra}"
    if below := line.traceback or (line.is_event and str(line.fields.get("stack", ""))):
        message += "\n    " + below.rstrip().replace("\n", "\n    ")
    return f"{stamp} {message}\n"


def _utc(moment: float) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(moment))}.{int(moment % 1 * 1000):03d}Z"


_names: dict[type, tuple[str, ...]] = {}


def _fields_of(event: Event) -> dict[str, Any]:
    kind = type(event)
    if kind not in _names:
        _names[kind] = tuple(each.name for each in fields(event))
    return {name: getattr(event, name) for name in _names[kind]}


def _line_of(record: logging.LogRecord) -> Line:
    trace = ""
    if record.exc_info and record.exc_info[1] is not None:
        trace = logging.Formatter().formatException(record.exc_info)
    elif record.stack_info:
        trace = record.stack_info
    return Line(
        time=record.created,
        level=record.levelno,
        source=record.name,
        is_event=False,
        message=record.getMessage(),
        fields={name: value for name, value in vars(record).items() if name not in _LOG_RECORD_FIELDS},
        traceback=trace,
    )


def _told(message: str) -> Line:
    return Line(time=time.time(), level=logging.WARNING, source="snqd.log", is_event=False, message=message)


def _with_context(line: Line, context: Mapping[str, Any]) -> Line:
    return Line(
        time=line.time,
        level=line.level,
        source=line.source,
        is_event=line.is_event,
        message=line.message,
        fields={**context, **line.fields},
        traceback=line.traceback,
    )
