"""`snqd health`: one line and a code, as Nagios plugins have them.

Probes ask every few seconds, and to import click takes longer than everything else that they do. The forms in which
probes are written are therefore understood here (`plain_form`), and every other one by click, which also has the help
and the complaints (`snqd.cli.hub`). Both end in `health`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from snqd.errors import SnqdError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from snqd.config.load import Loaded

CRITICAL, UNKNOWN = 2, 3
"""What Nagios reads as: it is broken, and: it cannot be known."""

_KINDS = {"--live": "live", "--ready": "ready"}
_FILE_FLAGS = ("-c", "--config")


class Form(NamedTuple):
    """What a command line asks for."""

    kind: str = "full"
    """live, ready or full: see `snqd.telemetry.health`."""
    file: str | None = None
    """Value of `--config`."""


def plain_form(words: Sequence[str]) -> Form | None:
    """`health [--live | --ready] [--config FILE]`, with FILE before or after; None = that is for click to say."""
    given = [part for word in words for part in (word.split("=", 1) if word.startswith("--config=") else (word,))]
    kind = file = None
    is_health = False
    rest = iter(given)
    for word in rest:
        if word == "health" and not is_health:
            is_health = True
        elif word in _KINDS and is_health and kind is None:
            kind = _KINDS[word]
        elif word in _FILE_FLAGS and file is None:
            file = next(rest, "")
            if not file or file.startswith("-"):
                return None
        else:
            return None
    return Form(kind or "full", file) if is_health else None


def health(load: Callable[[], Loaded], kind: str) -> int:
    """Ask the hub and print the line; the exit code. What cannot be loaded or asked is a line and a code too."""
    from snqd.cli.asking import HubAbsent, ask  # other commands come by this module, and need it less often

    try:
        answer = ask(load().config, {"ask": "health", "kind": kind})
    except HubAbsent as error:
        word, code = ("UNKNOWN", UNKNOWN) if error.is_running else ("CRITICAL", CRITICAL)
        return _say(f"SNQD {word} - {error}", code)
    except SnqdError as error:
        return _say(f"SNQD UNKNOWN - {error}", UNKNOWN)
    return _say(answer["line"], int(answer["code"]))


def _say(line: str, code: int) -> int:
    sys.stdout.write(f"{line}\n")
    return code
