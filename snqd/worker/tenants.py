"""The sites that a worker has met: settings and handlers of each, made once and kept until the site changes.

Switching from one site to another is a look into a dictionary. Nothing is read, parsed or imported for an item of a
site that is known, and nothing at all for a site without items.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from snqd.config.schedules import declared_schedules
from snqd.config.site_image import SiteImage
from snqd.config.site_options import site_options
from snqd.config.sites import merged as merged_settings
from snqd.config.sites import own_settings
from snqd.config.xmpp import of_site as xmpp_of_site
from snqd.errors import ConfigError, HandlerError, SnqdError
from snqd.handlers.base import bind
from snqd.handlers.context import Site
from snqd.items import SiteName
from snqd.retry import Backoff
from snqd.worker.limits import limits_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from snqd.config.catalogue import Declared
    from snqd.config.schedules import Key, Schedule
    from snqd.config.schema import Config
    from snqd.config.site_options import SiteQueue
    from snqd.handlers.base import BoundHandler
    from snqd.items import QueueName
    from snqd.stores.limits import Limits

UNKNOWN_SITE = "unknown site "
"""How the note on an item begins that waits because its site is not declared; whoever declares it looks for that."""
SET_ASIDE = " is set aside"
"""The same of an item whose site, or whose queue for that site, is set aside."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """A site as a worker serves it."""

    site: Site
    handlers: Mapping[QueueName, BoundHandler]
    """Those of the worker itself unless the site has its own; none when it is set aside."""
    content: tuple[str, str, str]
    """Of its declaration: another one is another site."""
    problem: str = ""
    """Why it is set aside."""

    def refusal(self, queue: str) -> str:
        """The note on an item of a queue that is not in `handlers`."""
        if self.problem:
            return f"site {self.site.name!r}{SET_ASIDE}: {self.problem}"
        return f"site {self.site.name!r}{SET_ASIDE} for queue {queue!r}: it is not among its snqd.queues"


class Source(Protocol):
    """Where declarations are found: an image, or a catalogue in memory."""

    @property
    def is_superseded(self) -> bool: ...

    @property
    def has_schedules(self) -> bool: ...

    def get(self, name: str, /) -> Declared | None: ...

    def items(self) -> Iterable[tuple[str, Declared]]: ...

    def claims(self) -> Mapping[str, str]: ...


class Tenants:
    """One per worker. `find` may be called in any thread, `refresh` in the main one."""

    def __init__(
        self, config: Config, handlers: Mapping[QueueName, BoundHandler], open_source: Callable[[], Source]
    ) -> None:
        """`handlers`: those of the worker's queues."""
        self._config = config
        self._handlers = handlers
        self._open = open_source
        self._source = open_source()
        self._version = 0
        self._limits = limits_of(config, self._source.claims())
        self.known: dict[SiteName, Tenant] = {}
        """The sites that were met; to be looked at before `find` is called."""

    def find(self, name: SiteName) -> Tenant | None:
        """The site, from now on in `known`; None when it is not declared."""
        self.refresh()
        found = self.known.get(name)
        if found is not None:
            return found
        declared = self._source.get(name)
        if declared is None:
            return None
        try:
            tenant = self._made(name, declared)
        except KeyError:  # declared by a newer configuration than ours: a worker that has it comes soon
            return None
        self.known[name] = tenant
        return tenant

    def all(self) -> dict[SiteName, Site]:
        """Every site that is declared and not set aside. Reads them all, so it is for services and not for items."""
        self.refresh()
        found = {name: self.find(name) for name in map(SiteName, dict(self._source.items()))}
        return {name: tenant.site for name, tenant in found.items() if tenant is not None and not tenant.problem}

    def schedules(self) -> dict[Key, Schedule]:
        """Every schedule that is in force. Reads all sites where there are any."""
        self.refresh()
        if not self._config.schedule and not self._source.has_schedules:
            return {}
        return declared_schedules(self._config, self._source.items())

    def current_version(self) -> int:
        """Another number when declarations have changed."""
        self.refresh()
        return self._version

    def limits(self) -> Limits:
        """What is limited now. Costs a look into memory."""
        self.refresh()
        return self._limits

    def refresh(self) -> None:
        """Go by the newest declarations. Costs a look into memory while nothing has changed."""
        if not self._source.is_superseded:
            return
        try:
            self._source = self._open()
            self._limits = limits_of(self._config, self._source.claims())
        except (OSError, SnqdError):  # somebody has cleaned the runtime folder: what we know is still right
            return
        self._version += 1
        for name, tenant in list(self.known.items()):
            declared = self._source.get(name)
            if declared is None or declared.content != tenant.content:
                self.known.pop(name, None)

    def _made(self, name: SiteName, declared: Declared) -> Tenant:
        config = self._config
        try:
            own = dict(own_settings(name, declared, config))
            options = site_options(own)
            own.pop("snqd", None)
            site = Site(name, merged_settings(config.settings, own))
            xmpp_of_site(config.xmpp, site.settings)
            handlers = self._handlers
            if options.queues is not None:
                handlers = {queue: found for queue, found in handlers.items() if queue in options.queues}
            if options.queue:
                ours = {queue: found for queue, found in handlers.items() if queue in options.queue}
                handlers = {
                    **handlers,
                    **{queue: special(found, options.queue[queue]) for queue, found in ours.items()},
                }
        except SnqdError as error:
            return Tenant(Site(name), {}, declared.content, str(error))
        return Tenant(site, handlers, declared.content)


class InMemory:
    """Declarations that do not change."""

    is_superseded = False

    def __init__(self, catalogue: Mapping[str, Declared]) -> None:
        self._catalogue = catalogue

    def get(self, name: str, /) -> Declared | None:
        return self._catalogue.get(name)

    def items(self) -> Iterable[tuple[str, Declared]]:
        return self._catalogue.items()

    @property
    def has_schedules(self) -> bool:
        return any(site.schedules for site in self._catalogue.values())

    def claims(self) -> Mapping[str, str]:
        return {name: site.claims for name, site in self._catalogue.items() if site.claims}


class Reread(InMemory):
    """In the place of an image that somebody has deleted, until there is one again."""

    def __init__(self, path: Path, catalogue: Mapping[str, Declared]) -> None:
        super().__init__(catalogue)
        self._path = path

    @property
    def is_superseded(self) -> bool:  # type: ignore[override]
        return self._path.exists()


def image_source(path: Path, find: Callable[[], Mapping[str, Declared]]) -> Callable[[], Source]:
    """Opens the image. `find` reads the declarations themselves where there is none."""

    def open_source() -> Source:
        try:
            return SiteImage(path)
        except FileNotFoundError:  # the runtime folder was cleaned; the hub writes the image again
            return Reread(path, find())

    return open_source


def special(handler: BoundHandler, wanted: SiteQueue) -> BoundHandler:
    """A queue's handler as one site has it. Raises `HandlerError`, `ConfigError`."""
    if wanted.handler is not None:
        other = _imported(handler.options.queue, wanted.handler)
        if (other.is_async, other.options.transactional) != (handler.is_async, handler.options.transactional):
            raise HandlerError(
                f"snqd.queue.{handler.options.queue}.handler {wanted.handler!r} must be {_manner(handler)}, as "
                f"{handler.origin} is: a queue's handlers run in one manner"
            )
        handler = replace(
            other, options=replace(other.options, group=handler.options.group, concurrency=handler.options.concurrency)
        )
    limits: dict[str, Any] = dict(wanted.limits)
    before = handler.options.backoff
    backoff = Backoff(
        first_seconds=limits.pop("retry_first_seconds", before.first_seconds),
        factor=limits.pop("retry_factor", before.factor),
        limit_seconds=limits.pop("retry_limit_seconds", before.limit_seconds),
        jitter=before.jitter,
    )
    return replace(handler, options=replace(handler.options, **limits, backoff=backoff))


def _imported(queue: str, reference: str) -> BoundHandler:
    module, _colon, name = reference.partition(":")
    key = f"snqd.queue.{queue}.handler"
    try:
        found = getattr(importlib.import_module(module), name, None)
    except Exception as error:
        raise HandlerError(f"{key} {reference!r} does not import: {type(error).__name__}: {error}") from error
    bound = bind(found, f"{module}.{name}")
    if bound is None:
        raise ConfigError(
            f"{key} {reference!r} is no handler: decorate it with @snqd.handler, or derive from snqd.Handler"
        )
    return replace(bound, options=replace(bound.options, queue=queue))


def _manner(handler: BoundHandler) -> str:
    words = "async" if handler.is_async else "a plain function or method"
    return f"{words} and transactional" if handler.options.transactional else words
