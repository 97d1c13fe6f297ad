"""`python -m notices upgrade URL`: make the application's tables in the store's database, or bring them up to date."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from notices.database import transaction, upgrade
from snqd.errors import SnqdError

if TYPE_CHECKING:
    from collections.abc import Sequence

USAGE = "usage: python -m notices upgrade sqlite:///snqd.db|postgresql://host/database"


def main(words: Sequence[str]) -> int:
    if len(words) != 2 or words[0] != "upgrade":
        print(USAGE, file=sys.stderr)
        return 2
    try:
        with transaction(words[1]) as database:
            done = upgrade(database, Path(__file__).parent)
    except SnqdError as error:
        print(f"notices: error: {error}", file=sys.stderr)
        return error.exit_code
    print("\n".join(done) or "nothing to do: the tables are up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
