"""SNQD-MIB, read: as much of its language as it uses, for the page about it and for the test of `columns`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_TEXT = r'"(?P<{}>[^"]*)"'
_OBJECT = re.compile(
    r"^(?P<name>snqd\w+) OBJECT-TYPE\s+SYNTAX\s+(?P<syntax>[^\n]+(?:\n {20,}[^\n]+)*)\s+"
    rf"(?:UNITS\s+{_TEXT.format('units')}\s+)?MAX-ACCESS\s+(?P<access>\S+)\s+STATUS\s+current\s+"
    rf"DESCRIPTION\s+{_TEXT.format('about')}\s+(?:INDEX\s+{{ (?P<index>[^}}]+) }}\s+)?"
    r"::= \{ (?P<parent>\w+) (?P<number>\d+) \}",
    re.MULTILINE,
)
_NOTIFICATION = re.compile(
    r"^(?P<name>snqd\w+) NOTIFICATION-TYPE\s+OBJECTS\s+\{ (?P<objects>[^}]+) \}\s+STATUS\s+current\s+"
    rf"DESCRIPTION\s+{_TEXT.format('about')}\s+::= \{{ snqdNotifications (?P<number>\d+) \}}",
    re.MULTILINE,
)
_CONVENTION = re.compile(
    r"^(?P<name>\w+) ::= TEXTUAL-CONVENTION.*?DESCRIPTION\s+"
    rf"{_TEXT.format('about')}\s+SYNTAX\s+(?P<syntax>[^\n]+)",
    re.MULTILINE | re.DOTALL,
)
_NODE = re.compile(r"^(?P<name>snqd\w+)\s+OBJECT IDENTIFIER ::= \{ (?P<parent>\w+) (?P<number>\d+) \}", re.MULTILINE)


class Object(NamedTuple):
    """An object, a table or an entry. `number` is its last one; `indices` of an entry: its index objects."""

    name: str
    syntax: str
    units: str
    access: str
    about: str
    indices: tuple[str, ...]
    parent: str
    number: int


class Notification(NamedTuple):
    name: str
    objects: tuple[str, ...]
    about: str
    number: int


class Mib:
    """`text` is that of the module."""

    def __init__(self, text: str) -> None:
        self.objects = {found.name: found for found in map(_object, _OBJECT.finditer(text))}
        self.notifications = [_notification(found) for found in _NOTIFICATION.finditer(text)]
        self.conventions = {
            found["name"]: (found["syntax"], _line(found["about"])) for found in _CONVENTION.finditer(text)
        }
        self._nodes = {found["name"]: (found["parent"], int(found["number"])) for found in _NODE.finditer(text)}

    def path(self, name: str) -> tuple[int, ...]:
        """The numbers of a node below snqdMIB."""
        if name == "snqdMIB":
            return ()
        found = self.objects.get(name)
        parent, number = (found.parent, found.number) if found is not None else self._nodes[name]
        return (*self.path(parent), number)

    def children(self, parent: str) -> Iterator[Object]:
        return (found for found in self.objects.values() if found.parent == parent)


def _object(found: re.Match[str]) -> Object:
    return Object(
        found["name"],
        _line(found["syntax"]),
        found["units"] or "",
        found["access"],
        _line(found["about"]),
        tuple(re.split(r",\s*", found["index"])) if found["index"] else (),
        found["parent"],
        int(found["number"]),
    )


def _notification(found: re.Match[str]) -> Notification:
    objects = tuple(re.split(r",\s*", found["objects"].strip()))
    return Notification(found["name"], objects, _line(found["about"]), int(found["number"]))


def _line(text: str) -> str:
    return " ".join(text.split())
