"""What a person can do about a source that is not heard: sentences, with the line of configuration that is missing.

Pure. The first sentence says what is wrong and where, the next ones what to do.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

from snqd.telemetry import addresses
from snqd.telemetry.subscription import Trouble
from snqd.telemetry.words import duration_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snqd.telemetry.feed import Source

_PATIENCE_SECONDS: Final = 3.0
"""Before that, nothing is wrong yet: names are looked up, hubs answer."""
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound


def advice_on(source: Source, now: float, *, has_key: bool) -> list[str]:
    """Lines on one source that is not heard; none while it is too early to say. `now` is of the source's clock."""
    return list(_pushed(source, now, has_key=has_key) if source.is_pushing else _asked(source, now, has_key=has_key))


def _asked(source: Source, now: float, *, has_key: bool) -> Iterator[str]:
    """Of a hub at which we subscribe."""
    where = source.address
    if source.since == -inf:
        return  # it has not been asked yet
    match source.trouble:
        case Trouble.ASKING:
            if now - source.since >= _PATIENCE_SECONDS:
                yield f"{where} has not answered for {duration_words(now - source.since)}."
                yield _listen_line(where, has_key=has_key)
                yield "A firewall on the way may drop UDP; a hub of a very old version may not answer at all."
        case Trouble.LOOKING_UP:
            if now - source.since >= _PATIENCE_SECONDS:
                yield f"The address of {where} has been looked up for {duration_words(now - source.since)}."
        case Trouble.NOBODY_THERE:
            yield f"Nobody listens at udp://{where}: is the daemon running ('snqd status' on its host)?"
            yield _listen_line(where, has_key=has_key)
        case Trouble.SILENT:
            yield f"{where} has been silent for {duration_words(now - source.last_heard)}; it is asked again."
        case Trouble.UNRESOLVED | Trouble.NETWORK:
            yield f"{where}: {source.words}; it is tried again."
        case Trouble.WRONG_KEY:
            yield f"{where} has another key than ours: give the daemon's telemetry.key with --key-file FILE."
        case Trouble.KEY_NEEDED:
            yield f"{where} wants a key: give the daemon's telemetry.key with --key-file FILE or $SNQMON_KEY_FILE."
        case Trouble.NO_KEY_THERE:
            yield f"{where} has no key, and does not answer those who have one."
            yield 'Ask without one, or put into its configuration: [telemetry] key_file = "FILE"'
        case _:  # version, refused for another reason
            yield f"{where}: {source.words}."
            if source.trouble is Trouble.VERSION:
                yield "Upgrade whichever is older: 'snqmon --version' here, 'snqd --version' there."


def _pushed(source: Source, now: float, *, has_key: bool) -> Iterator[str]:
    """Of one that pushes, or of the place where nothing has come."""
    where = source.address
    if source.since == -inf:
        return  # it has not been asked yet
    match source.trouble:
        case Trouble.ASKING:
            yield f"Nothing has come to udp://{where} for {duration_words(now - source.since)}."
            if now - source.since >= _PATIENCE_SECONDS:
                yield f'In the daemon\'s configuration: [telemetry] monitors = ["udp://{reached(where)}"]'
                if has_key:
                    yield 'and the same key as here: key_file = "FILE"'
        case Trouble.SILENT:
            yield f"{where} has pushed nothing for {duration_words(now - source.last_heard)}."
        case Trouble.WRONG_KEY:
            yield f"What {where} pushes is not authentic with our key: both need the same telemetry.key."
        case Trouble.KEY_NEEDED:
            yield f"What {where} pushes has a key: give the same with --key-file FILE or $SNQMON_KEY_FILE."
        case Trouble.CLOCK:
            yield f"What {where} pushes was not sent now by our clock: set the clocks of both hosts."
        case Trouble.VERSION:
            yield f"What {where} pushes is of another version: upgrade whichever is older, snqmon here or snqd there."
        case _:
            yield f"{where} {source.words}: it is no daemon of snqd."


def _listen_line(address: str, *, has_key: bool) -> str:
    """The line that makes a daemon listen at that address."""
    try:
        host, port = addresses.parse(address)
    except ValueError:
        return ""
    if host in LOOPBACK:
        return f'In its configuration: [telemetry] listen = "{addresses.written((host, port))}"'
    key = "" if has_key else ' and key_file = "FILE", since others can reach it'
    return f'In its configuration: [telemetry] listen = "0.0.0.0:{port}"{key}'


def reached(address: str) -> str:
    """Where a daemon sends what is to arrive at `address`: an address of every interface has no name of its own."""
    host, port = addresses.parse(address)
    return f"THIS-HOST:{port}" if host in _EVERYWHERE else addresses.written((host, port))


def near(address: str) -> str:
    """How a hub that listens at `address` is reached from its own host."""
    host, port = addresses.parse(address)
    return addresses.written((_EVERYWHERE.get(host, host), port))
