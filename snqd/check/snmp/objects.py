"""Objects of SNQD-MIB by the names and in the units that they have in telemetry: `lag` of a queue is in seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from snqd.errors import SnqdError
from snqd.exporters.snmp import ber

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from snqd.check.snmp.manager import Manager
    from snqd.check.snmp.pdus import Binding
    from snqd.exporters.snmp.ber import Oid
    from snqd.exporters.snmp.columns import Column, Group

Row = dict[str, Any]
"""Figures by name; None = there is no such object now."""

_SCALAR: Final[Oid] = (0,)
_FIGURES: Final[dict[str, Callable[[int], Any]]] = {
    "Milliseconds": lambda value: value / 1000,
    "Microseconds": lambda value: value / 1_000_000,
    "Thousandths": lambda value: value / 1000,
    "TimeTicks": lambda value: value / 100,
    "KibiBytes": lambda value: value * 1024,
    "TruthValue": lambda value: value == 1,
}
"""From the number of a kind, by the name of the kind."""


class Objects:
    """Everything raises `SnqdError`: also when the agent does not know an object at all."""

    def __init__(self, manager: Manager) -> None:
        self._manager = manager

    def scalars(self, group: Group, *names: str) -> Row:
        return self.rows(group, [_SCALAR], *names)[0]

    def rows(self, group: Group, indices: Sequence[Oid], *names: str) -> list[Row]:
        """One for each index, whether it is there or not."""
        columns = _columns(group, names)
        oids = [(*group.oid, column.number, *index) for index in indices for column in columns]
        figures = iter(self._manager.get(oids))
        return [{column.name: self._figure(group, column, next(figures)) for column in columns} for _ in indices]

    def table(self, group: Group, *names: str) -> list[Row]:
        """All rows, in the order of their indices."""
        columns = _columns(group, names)
        roots = [(*group.oid, column.number) for column in columns]
        rows: dict[Oid, Row] = {}
        for place, binding in self._manager.walk(roots):
            row = rows.setdefault(binding.oid[len(roots[place]) :], dict.fromkeys(names))
            row[columns[place].name] = self._figure(group, columns[place], binding)
        return [rows[index] for index in sorted(rows)]

    def _figure(self, group: Group, column: Column, binding: Binding) -> Any:
        name, kind = group.object_name(column), column.kind
        match binding.tag:
            case ber.NO_SUCH_INSTANCE:
                return None
            case ber.NO_SUCH_OBJECT:
                raise SnqdError(f"{self._manager.host}: no {name} there: is it an agent of snqd, of this version?")
            case kind.tag if kind.tag == ber.OCTETS:
                return binding.content.decode(errors="replace")
            case kind.tag if binding.content:
                number = int.from_bytes(binding.content, "big", signed=kind.tag == ber.INTEGER)
                return _FIGURES.get(kind.syntax, int)(number)
            case _:
                raise SnqdError(f"{self._manager.host}: {name} is no {kind.syntax} there: is it an agent of snqd?")


def _columns(group: Group, names: Sequence[str]) -> list[Column]:
    known = {column.name: column for column in group.columns}
    return [known[name] for name in names]
