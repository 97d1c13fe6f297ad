"""The fingerprint of an error: what has failed for the same cause gets the same one, whatever item it failed for.

Three things make it: the exception's class, its message with the values taken out (numbers, ids, addresses, what stands
in quotes), and the innermost frame of the project in the traceback, as file and function. The line is left out, and of
the path only its end is used, so that a release that moves the code does not make a new error of an old one.

A pure decision on the texts that a dead letter keeps. Letters keep the fingerprint that they were given: when this file
changes, old and new letters of one cause may stand in two groups.
"""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

LENGTH = 10
"""Characters of a fingerprint, in hexadecimal: ten thousand causes share one with a chance of 1 in 20,000."""
SUBJECT_LIMIT = 200

_CLASS = re.compile(r"([A-Za-z_][\w.]*)(?::\s|:?$)")
_VALUES = re.compile(
    r"""
      (?P<kept>\b(?:errno|status|code|error|http|signal)\W{1,3}\d{1,4}\b(?![.\d])  # these numbers name the cause
      | ^\d{3}\b(?=\ [A-Z]) | (?<=\()\d{3}(?=,\ b?['"]))  # and so do the replies of HTTP and SMTP
    | (?P<url>\b[a-z][a-z0-9+.-]*://[^\s'"<>)\]]+)
    | (?P<email>[\w.+-]+@[\w-]+(?:\.[\w-]+)+)
    | (?P<uuid>\b[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\b)
    | (?P<time>\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|\ ?[+-]\d\d:?\d\d)?)?
      | \b\d\d:\d\d:\d\d(?:[.,]\d+)?)
    | (?P<ip>\b\d{1,3}(?:\.\d{1,3}){3}\b(?::\d+)?
      | (?<![\w:])\[?(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}\]?(?::\d+)?(?![\w:]))
    | (?P<address>\b0x[0-9a-f]+\b)
    | (?P<text>(?<!\w)b?(?:'(?:[^'\\]|\\.)*'(?!\w) | "(?:[^"\\]|\\.)*"(?!\w) | `[^`]*`(?!\w)))
    | (?P<path>(?<![\w.<])(?:/[\w.@+~-]+){2,}/?)
    | (?P<hex>\b(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{8,}\b)
    | (?P<n>\d+(?:[.,:]\d+)*)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_PROGRAM_ERRORS = frozenset(
    ("AttributeError", "ImportError", "ModuleNotFoundError", "NameError", "TypeError", "UnboundLocalError")
)
"""What stands in quotes here is a name of the program, and not a value: it is the cause."""

_BLOCK = "Traceback (most recent call last):"
_GROUP = "+ Exception Group Traceback (most recent call last):"
_CHILDREN = re.compile(r"^ *\+-\+-+ 1 -+$", re.MULTILINE)
_CHILD = re.compile(r"^ +\| ([A-Za-z_][\w.]*)(?:: .*)?$", re.MULTILINE)
_FRAME = re.compile(r'^[ |+]*File "(?P<file>[^"]*)", line \d+, in (?P<function>.+)$', re.MULTILINE)
_NOT_OURS = re.compile(r"/(?:site|dist)-packages/|/lib/python\d|^<|/snqd/worker/")


class Cause(NamedTuple):
    """What is left of an error when its values are taken out."""

    error_class: str
    """Empty when the text does not begin with one."""
    subject: str
    """The message with its values as `<n>`, `<text>` and the like."""
    frame: str
    """`folder/file.py:function`, empty without a traceback."""


def fingerprint(error: str, traceback: str = "") -> str:
    """The fingerprint of an error (class and message, as a dead letter keeps it) and its traceback."""
    text = "\n".join(cause(error, traceback))
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:LENGTH]


def cause(error: str, traceback: str = "") -> Cause:
    """What the fingerprint is made of."""
    first = next((line.strip() for line in error.splitlines() if line.strip()), "")
    name = error_class(first)
    message = first[len(name) :].removeprefix(":").strip() if name else first
    subject = " ".join((plain(message, names=name in _PROGRAM_ERRORS), _grouped(traceback))).strip()
    return Cause(name, subject, frame(traceback))


def error_class(error: str) -> str:
    """`TimeoutError` of `TimeoutError: no answer`; empty when the text does not begin with a class and its colon."""
    found = _CLASS.match(error)
    return found[1] if found else ""


def plain(message: str, *, names: bool = False) -> str:
    """`message` without its values. `names`: what stands in quotes is a name of the program, and stays."""

    def replaced(found: re.Match[str]) -> str:
        kind = found.lastgroup or "n"
        is_name = kind == "text" and names
        return found[0] if kind == "kept" or is_name else f"<{kind}>"

    return " ".join(_VALUES.sub(replaced, message).split())[:SUBJECT_LIMIT]


def frame(traceback: str) -> str:
    """The innermost frame of the project, else the innermost one: of the exception that was raised last."""
    own = _of_last_exception(traceback)
    frames = [(found["file"], found["function"]) for found in _FRAME.finditer(own)]
    if not frames:
        return ""
    file, function = next((each for each in reversed(frames) if not _NOT_OURS.search(each[0])), frames[-1])
    return f"{'/'.join(file.rsplit('/', 2)[-2:])}:{function.strip()}"


def _of_last_exception(traceback: str) -> str:
    """Of exceptions that were raised while others were handled, the last; of a group its own frames."""
    group = traceback.rfind(_GROUP)
    if group >= 0:
        children = _CHILDREN.search(traceback, group)
        return traceback[group : children.start()] if children else traceback[group:]
    return traceback[max(traceback.rfind(_BLOCK), 0) :]


def _grouped(traceback: str) -> str:
    """The classes in an exception group, by name: the order in which they were raised is chance."""
    children = _CHILDREN.search(traceback)
    return " ".join(sorted(set(_CHILD.findall(traceback, children.end())))) if children else ""


def is_fingerprint(text: str) -> bool:
    """Whether `text` looks like one."""
    return re.fullmatch(rf"[0-9a-fA-F]{{{LENGTH}}}", text) is not None
