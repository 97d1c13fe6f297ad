"""Bringing the image of the sites up to date with their sources, and telling what has changed."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from snqd.config.catalogue import changes
from snqd.config.site_image import publish, read_image
from snqd.telemetry.events import SiteSetAside, SitesUpdated

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from snqd.config.catalogue import Catalogue, Changes
    from snqd.telemetry.events import Event

START = "start"
"""Author of the first catalogue of a daemon, of which only what is wrong is told."""
_MOST_TOLD = 100


def update_sites(
    path: Path,
    find: Callable[[Catalogue], Catalogue],
    emit: Callable[[Event], None],
    *,
    daemon: str,
    author: str,
) -> Changes:
    """Read the sites and put them in the place of the image; what has changed by that.

    `find` is given the catalogue that is in force, and gives the one that should be. Raises the `SnqdError` that it
    raises, and leaves everything as it is then.
    """
    before = read_image(path)
    after = find(before)
    found = changes(before, after)
    if found or not path.exists():
        publish(path, after)
    _tell(found, emit, daemon, author)
    return found


def _tell(found: Changes, emit: Callable[[Event], None], daemon: str, author: str) -> None:
    """Why a site is set aside comes last: the last word on a site is what counts."""
    if found and (author != START or len(found.set_aside) > _MOST_TOLD):
        served = (*found.welcome, *found.removed)
        emit(
            SitesUpdated(
                daemon=daemon,
                author=author,
                added=len(found.added),
                changed=len(found.changed),
                removed=len(found.removed),
                mended=len(found.mended),
                set_aside=len(found.set_aside),
                sites=served[:_MOST_TOLD],
            )
        )
    for site, reason in islice(found.set_aside.items(), _MOST_TOLD):
        emit(SiteSetAside(site=site, reason=reason))
