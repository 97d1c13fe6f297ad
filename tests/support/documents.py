"""The README and `docs/`, as the code blocks and commands that they hold."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).resolve().parents[2]
PAGES = sorted([*PROJECT.glob("*.md"), *(PROJECT / "docs").glob("*.md")])

_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`(snqd [^`\n]+)`")
_ENDS = {"|", ";", "&&", "||", "&", "<", ">", ">>"}
_PLACEHOLDERS = {"ID": "1", "NAME": "name", "FILE": "file", "USER": "user", "SECONDS": "1"}


class Block(NamedTuple):
    """A fenced block. `kind` is everything after the backticks, e.g. `sql postgres`."""

    page: str
    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(*kinds: str) -> list[Block]:
    """The blocks of these kinds; without kinds, all of them."""
    found = []
    for path in PAGES:
        text = path.read_text()
        for match in _FENCE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.append(Block(str(path.relative_to(PROJECT)), line, match[1].strip(), match[2]))
    return [block for block in found if not kinds or block.kind in kinds]


def commands() -> list[tuple[str, list[str]]]:
    """Every use of `snqd` in the pages: where it is, and its words."""
    found = [(str(block), words) for block in blocks() if block.kind.startswith("sh") for words in _uses(block.text)]
    for path in PAGES:
        prose = _FENCE.sub("", path.read_text())
        for match in _INLINE.finditer(prose):
            if "…" not in match[1]:
                found += [(f"{path.relative_to(PROJECT)}: {match[1]}", words) for words in _uses(match[1])]
    return found


def _uses(script: str) -> Iterator[list[str]]:
    for line in script.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
        lexer.whitespace_split = True
        words: list[str] | None = None
        for word in [*lexer, ";"]:
            if words is None and (word == "snqd" or word.endswith("/bin/snqd")):
                words = []
            elif word in _ENDS:
                if words is not None:
                    yield words
                words = None
            elif words is not None:
                words.append(_PLACEHOLDERS.get(word, word))
