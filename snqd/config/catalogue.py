"""The catalogue: every declared site, with what it declares or why it is set aside. The one place that knows them all.

It is read from the sources once (`sites.read_catalogue`), not once for each worker, and then kept as an image in a file
(`site_image`) from which workers take the sites that they meet. Two catalogues are compared here, purely; what differs
is what a change does.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple


class Form(StrEnum):
    """In what form a declaration's text is."""

    TOML = "toml"
    """The text of a file."""
    JSON = "json"
    """The value of a row."""
    CONFIG = "config"
    """`[site.NAME]`, which whoever has the configuration has already; the text is only its fingerprint."""


class Declared(NamedTuple):
    """A site as it is declared."""

    form: str
    source: str
    """Where, for people: a file's path, `[site.NAME]`, `table site`."""
    stamp: str = ""
    """Of a file: changes whenever the text may have changed."""
    text: str = ""
    problem: str = ""
    """Why the site is set aside, in one line; empty = it is not."""
    queues: tuple[str, ...] | None = None
    """Those that it has; None = all."""
    schedules: Mapping[str, dict[str, Any]] = {}
    """The values given in its own schedules, by name."""
    claims: str = ""
    """What limits its claims, as `SiteOptions.claims`; empty = nothing of its own."""

    @property
    def content(self) -> tuple[str, str, str]:
        """What a worker goes by: the same content is the same site."""
        return self.form, self.text, self.problem


Catalogue = Mapping[str, Declared]
"""By the site's name."""


class Changes(NamedTuple):
    """What differs between two catalogues: names of sites, sorted."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    mended: tuple[str, ...] = ()
    """Were set aside and are not any more."""
    set_aside: Mapping[str, str] = {}
    """Are set aside now, and were not, or not for this reason: site → reason."""

    def __bool__(self) -> bool:
        return any(self)

    @property
    def welcome(self) -> tuple[str, ...]:
        """Sites whose items may have waited for this."""
        return tuple(sorted((*self.added, *self.changed, *self.mended)))

    @property
    def sites(self) -> tuple[str, ...]:
        """All that this is about."""
        return tuple(sorted((*self.added, *self.changed, *self.removed, *self.mended, *self.set_aside)))


def changes(before: Catalogue, after: Catalogue) -> Changes:
    """What becomes different. A site that is new and bad is told as set aside only."""
    added, changed, mended, set_aside = [], [], [], {}
    for name, site in after.items():
        old = before.get(name)
        if site.problem:
            if old is None or old.problem != site.problem:
                set_aside[name] = site.problem
        elif old is None:
            added.append(name)
        elif old.problem:
            mended.append(name)
        elif old.content != site.content:
            changed.append(name)
    removed = sorted(before.keys() - after.keys())
    return Changes(
        tuple(sorted(added)),
        tuple(sorted(changed)),
        tuple(removed),
        tuple(sorted(mended)),
        dict(sorted(set_aside.items())),
    )


def change_lines(found: Changes, *, most: int = 20) -> list[str]:
    """For people: a line for each site, and of more than `most` of a kind, how many there are."""
    lines: list[str] = []
    kinds = (("add", found.added), ("change", found.changed), ("remove", found.removed), ("serve again", found.mended))
    for word, names in kinds:
        lines += [f"site {name}: {word}" for name in names[:most]]
        if len(names) > most:
            lines.append(f"{len(names) - most:,} more sites: {word}")
    aside = list(found.set_aside.items())
    lines += [f"site {name}: set aside: {reason}" for name, reason in aside[:most]]
    if len(aside) > most:
        lines.append(f"{len(aside) - most:,} more sites: set aside")
    return lines
