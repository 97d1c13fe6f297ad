"""Which panels the overview has at which size, and how high they are. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

TWO_COLUMNS: Final = 160
"""From this width on."""
SITES_FROM: Final = 36
"""Lines for panels; below it there is no room for sites in one column."""
EVENTS_FROM: Final = 20
LEAST: Final = 4
"""Lines of a panel: its headings and three rows."""


class Panel(NamedTuple):
    name: str
    height: int
    is_beside: bool = False
    """Stands at the right of the one before it, and not below it."""


def arranged(width: int, height: int, counts: Mapping[str, int]) -> tuple[Panel, ...]:
    """Panels from top to bottom. `counts`: rows that there are to show; what has no count takes what it gets, and
    daemons are shown when they are counted.

    >>> [(panel.name, panel.height) for panel in arranged(80, 16, {"queues": 5, "workers": 8})]
    [('queues', 6), ('workers', 10)]
    >>> [panel.name for panel in arranged(200, 50, {"queues": 20, "workers": 40}) if panel.is_beside]
    ['sites']
    """
    is_wide = width >= TWO_COLUMNS
    names = ["daemons", "queues"] if "daemons" in counts else ["queues"]
    if height >= SITES_FROM and not is_wide:
        names.append("sites")
    names.append("workers")
    if height >= EVENTS_FROM:
        names.append("events")
    panels = _shares(names, height, counts)
    if is_wide:
        place = names.index("queues")
        panels.insert(place + 1, Panel("sites", panels[place].height, is_beside=True))
    return tuple(panels)


_WEIGHTS: Final = {"daemons": 2, "queues": 4, "sites": 3, "workers": 4, "events": 3}


def _shares(names: list[str], height: int, counts: Mapping[str, int]) -> list[Panel]:
    """Each gets its share of the height; what one does not need goes to those below it, and the rest to the last."""
    panels: list[Panel] = []
    weight = sum(_WEIGHTS[name] for name in names)
    for name in names:
        share = height if name == names[-1] else max(LEAST, height * _WEIGHTS[name] // weight)
        wanted = counts.get(name)
        is_filling = name == names[-1] or wanted is None
        taken = share if is_filling else max(LEAST, min(share, (wanted or 0) + 1))
        panels.append(Panel(name, taken))
        height -= taken
        weight -= _WEIGHTS[name]
    return panels
