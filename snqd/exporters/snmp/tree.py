"""The tree: every object that can be read, in the order of object identifiers, found by bisection.

There is one leaf for each column and scalar, and a sorted list of indices for each table, which all of its columns
share. Objects are encoded when they are read, and kept until their figures are others. A position in the tree is the
number of a leaf and of a row of it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from snqd.exporters.snmp import ber

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from snqd.exporters.snmp.ber import Oid
    from snqd.exporters.snmp.kinds import Kind

K = TypeVar("K")
SCALAR: Final[Oid] = (0,)


class Rows(Generic[K]):
    """The rows of one table, in order. A row is made at its first reading after `renew`."""

    def __init__(self, index_of: Callable[[K], Oid], make: Callable[[K], Any]) -> None:
        self.indices: list[Oid] = []
        self.suffixes: list[bytes] = []
        """The same as bytes."""
        self.version = 0
        """Another number says that the figures are new, and perhaps the rows."""
        self.shape = 0
        """Another number says that there are other rows."""
        self._index_of = index_of
        self._make = make
        self._keys: list[K] = []
        self._known: frozenset[K] = frozenset()
        self._rows: list[Any] = []

    def __len__(self) -> int:
        return len(self.indices)

    def renew(self, keys: Iterable[K]) -> bool:
        """These are the rows now, and their figures are new. Whether there are others than before."""
        wanted = frozenset(keys)
        is_changed = wanted != self._known
        if is_changed:
            self._known = wanted
            by_index = {self._index_of(key): key for key in wanted}
            self.indices = sorted(by_index)
            self._keys = [by_index[index] for index in self.indices]
            self.suffixes = [ber.subids(index) for index in self.indices]
            self.shape += 1
        self.touch()
        return is_changed

    def touch(self) -> None:
        """The figures are new, of the rows that there are."""
        self._rows = [None] * len(self.indices)
        self.version += 1

    def row(self, place: int) -> Any:
        found = self._rows[place]
        if found is None:
            found = self._rows[place] = self._make(self._keys[place])
        return found


class _Cell:
    """A variable binding, and the figure that it was made of."""

    __slots__ = ("encoded", "figure", "version")

    def __init__(self, encoded: bytes, figure: Any, version: int) -> None:
        self.encoded, self.figure, self.version = encoded, figure, version


class Leaf:
    """A column, or a scalar: its only row has the index 0. `read`: from a row to a figure; None = there is none."""

    __slots__ = ("_cells", "_prefix", "_shape", "kind", "oid", "read", "rows")

    def __init__(self, oid: Oid, kind: Kind, read: Callable[[Any], Any], rows: Rows[Any]) -> None:
        self.oid = oid
        self.kind = kind
        self.read = read
        self.rows = rows
        self._prefix = ber.oid_content(oid)
        self._cells: list[_Cell | None] = []
        self._shape = -1

    def binding(self, place: int) -> bytes | None:
        """The object of a row, encoded; anew only if its figure is another than at the last reading."""
        rows = self.rows
        self._take_shape()
        cell = self._cells[place]
        if cell is not None and cell.version == rows.version:
            return cell.encoded
        figure = self.read(rows.row(place))
        if figure is None:
            return None
        if cell is None or cell.figure != figure:
            encoded = binding(self._prefix + rows.suffixes[place], self.kind.encoded(figure))
            cell = self._cells[place] = _Cell(encoded, figure, 0)
        cell.version = rows.version
        return cell.encoded

    def bindings(self, place: int) -> Iterator[bytes]:
        """What the rows have, from the one at `place` on: those that have something."""
        self._take_shape()
        version = self.rows.version
        for number, cell in enumerate(islice(self._cells, place, None), place):
            found = cell.encoded if cell is not None and cell.version == version else self.binding(number)
            if found is not None:
                yield found

    def _take_shape(self) -> None:
        rows = self.rows
        if self._shape != rows.shape:
            self._cells = [None] * len(rows)
            self._shape = rows.shape


def binding(name: bytes, value: bytes) -> bytes:
    """`name`: the content of an object identifier; `value` has its tag and length."""
    return ber.tlv(ber.SEQUENCE, ber.tlv(ber.OBJECT, name) + value)


def parts(encoded: bytes) -> tuple[bytes, bytes]:
    """Name and value of a binding."""
    begin, end = ber.enter(encoded, 0, len(encoded), ber.SEQUENCE)
    name, value = ber.enter(encoded, begin, end, ber.OBJECT)
    return encoded[name:value], encoded[value:end]


class Tree:
    """Reads. What it shows changes between requests only, when `Rows.renew` is called."""

    def __init__(self, leaves: Iterable[Leaf]) -> None:
        self._leaves: Sequence[Leaf] = sorted(leaves, key=lambda each: each.oid)
        self._oids = [each.oid for each in self._leaves]

    def get(self, oid: Oid) -> bytes | int:
        """The object, encoded, or the tag that says why there is none."""
        number = bisect_right(self._oids, oid) - 1
        if number < 0:
            return ber.NO_SUCH_OBJECT
        found = self._leaves[number]
        size = len(found.oid)
        if oid[:size] != found.oid:
            return ber.NO_SUCH_OBJECT
        index, indices = oid[size:], found.rows.indices
        place = bisect_left(indices, index)
        if place >= len(indices) or indices[place] != index:
            return ber.NO_SUCH_INSTANCE
        return found.binding(place) or ber.NO_SUCH_INSTANCE

    def next(self, oid: Oid) -> tuple[int, int]:
        """The position behind `oid`: for `from_position`."""
        number = bisect_right(self._oids, oid) - 1
        if number < 0:
            return 0, 0
        found = self._leaves[number]
        size = len(found.oid)
        if oid[:size] != found.oid:
            return number + 1, 0
        return number, bisect_right(found.rows.indices, oid[size:])

    def from_position(self, number: int, place: int) -> tuple[bytes, int, int] | None:
        """The first object at or behind a position, encoded, and the position behind it; None = there is none."""
        leaves = self._leaves
        while number < len(leaves):
            here = leaves[number]
            size = len(here.rows.indices)
            while place < size:
                found = here.binding(place)
                place += 1
                if found is not None:
                    return found, number, place
            number, place = number + 1, 0
        return None

    def bindings(self, number: int, place: int) -> Iterator[bytes]:
        """All objects at and behind a position, encoded: what walks read."""
        for here in islice(self._leaves, number, None):
            yield from here.bindings(place)
            place = 0
