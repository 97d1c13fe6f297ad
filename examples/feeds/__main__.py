"""`python -m feeds`: make the tables, follow a feed, and list those that are followed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from feeds.following import follow
from notices.app import app_on
from notices.database import transaction, upgrade
from snqd.errors import SnqdError

if TYPE_CHECKING:
    from collections.abc import Sequence

USAGE = """\
usage: python -m feeds upgrade STORE
       python -m feeds follow STORE SITE NICKNAME FEED
       python -m feeds list STORE
STORE is what store.url of snqd is, sqlite:///snqd.db or postgresql://host/queue. FEED begins with http or https."""


def main(words: Sequence[str]) -> int:
    try:
        lines = _do(list(words))
    except SnqdError as error:
        print(f"feeds: error: {error}", file=sys.stderr)
        return error.exit_code
    if lines is None:
        print(USAGE, file=sys.stderr)
        return 2
    for line in lines:
        print(line)
    return 0


def _do(words: list[str]) -> list[str] | None:
    """What there is to say; None for words that are no command."""
    match words:
        case ["upgrade", store]:
            with transaction(store) as database:
                done = upgrade(database, Path(__file__).parent)
            return done or ["nothing to do: the tables are up to date"]
        case ["follow", store, site, nickname, url]:
            if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
                raise SnqdError(f"{url!r} is no address of a feed: it begins with http:// or https://")
            with transaction(store) as database:
                return [f"feed {follow(app_on(database.connection, site), url, nickname)}"]
        case ["list", store]:
            with transaction(store) as database:
                rows = database.run("SELECT id, site, url, failures, last_error FROM feed ORDER BY id")
            return ["\t".join(map(str, row)) for row in rows]
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
