"""The sample handlers again, each wrapped so that what it handles is counted. This module is what the daemon loads."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snqd.demo import handlers
from snqd.demo.tally import Tally
from snqd.handlers.base import bind, handler

if TYPE_CHECKING:
    from collections.abc import Callable

    from snqd.handlers.base import BoundHandler
    from snqd.handlers.context import Context

TALLY_SETTING = "tally_folder"


@cache
def _tally(folder: str) -> Tally:
    return Tally(Path(folder))


def _count(context: Context) -> None:
    _tally(context.site.settings[TALLY_SETTING]).add(context.queue, context.site.name)


def _counted(bound: BoundHandler) -> Callable[[Any, Context], Any]:
    async def call_async(payload: Any, context: Context) -> None:
        await bound.call(payload, context)
        _count(context)

    def call(payload: Any, context: Context) -> None:
        bound.call(payload, context)
        _count(context)

    options = bound.options
    mark = handler(
        options.queue,
        group=options.group,
        max_attempts=options.max_attempts,
        time_limit_seconds=options.time_limit_seconds,
        concurrency=options.concurrency,
        transactional=options.transactional,
        backoff=options.backoff,
    )
    return mark(call_async if bound.is_async else call)


for _name, _found in list(vars(handlers).items()):
    if (_bound := bind(_found, _name)) is not None:
        globals()[_name] = _counted(_bound)
