"""Whose address stands behind `--web`: the page's own, or that of a hub, as in `snqmon --web db7:5480`."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

from snqd.telemetry import addresses

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_OPTION: Final = "--web"


def is_of_this_host(host: str) -> bool:
    """Whether something can listen there: loopback, an address of ours, or all of them. Asks the resolver."""
    try:
        (family, address), *_others = addresses.places(host, 0, is_passive=True)
        with socket.socket(family, socket.SOCK_DGRAM) as trial:
            trial.bind(address)
    except OSError:
        return False
    return True


def told_apart(words: Sequence[str], is_here: Callable[[str], bool] = is_of_this_host) -> list[str]:
    """A command line in which the page's address is attached to the option, `--web=HOST:PORT`, or nothing is: `--web=`.

    What follows `--web` is a hub when its host is another one, or its port is one of those where hubs are.

    >>> told_apart(["--web", "db7:5480"], lambda host: False), told_apart(["--web", "0.0.0.0:80"], lambda host: True)
    (['--web=', 'db7:5480'], ['--web=0.0.0.0:80'])
    """
    told: list[str] = []
    left = list(words)
    while left and left[0] != "--":
        word = left.pop(0)
        if word != _OPTION:
            told.append(word)
        elif left and not left[0].startswith("-") and _is_the_pages(left[0], is_here):
            told.append(f"{_OPTION}={left.pop(0)}")
        else:
            told.append(f"{_OPTION}=")
    return told + left


def without_web(words: Sequence[str]) -> list[str]:
    """A command line of `told_apart` without the option.

    >>> without_web(["--web=", "db7:5480"]), without_web(["--web=127.0.0.1:80", "--demo", "--", "--web=x"])
    (['db7:5480'], ['--demo', '--', '--web=x'])
    """
    end = words.index("--") if "--" in words else len(words)
    return [word for word in words[:end] if not word.startswith(f"{_OPTION}=")] + list(words[end:])


def _is_the_pages(text: str, is_here: Callable[[str], bool]) -> bool:
    try:
        host, port = addresses.parse(text, default_port=0)
    except ValueError:
        return True  # whatever it is meant to be, the option says what is wrong with it
    return not addresses.PORT <= port <= addresses.LAST_PORT and is_here(host)
