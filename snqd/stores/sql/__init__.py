"""Named queries and migrations, read from files.

`queries("postgres")` reads `snqd/stores/sql/postgres.sql`: blocks that begin with `-- name: NAME` and comments on
what and why. `migrations("postgres")` reads `db/postgres/NNNN_words.sql` in order of number, from a checkout or
from an installed wheel.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from snqd.errors import SnqdError
from snqd.stores.base import Migration

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)
_NUMBERED = re.compile(r"^\d{4}_\w+$")


@cache
def queries(engine: str) -> dict[str, str]:
    """The named queries of an engine, without their comments."""
    text = (Path(__file__).parent / f"{engine}.sql").read_text()
    parts = _NAME.split(text)
    return {name: _without_comments(body) for name, body in zip(parts[1::2], parts[2::2], strict=True)}


def migrations(engine: str) -> list[Migration]:
    """The migrations of an engine, in order."""
    found = sorted(path for path in (data_folder() / "db" / engine).glob("*.sql") if _NUMBERED.match(path.stem))
    return [Migration(path.stem, path.read_text()) for path in found]


def data_folder() -> Path:
    """The folder that holds `db/` and `mibs/`: inside the wheel, else the checkout's top level."""
    package = Path(__file__).resolve().parents[2]
    for folder in (package / "_data", package.parent):
        if (folder / "db").is_dir():
            return folder
    raise SnqdError(f"the folder db/ is missing beside {package}: reinstall snqd")


def _without_comments(body: str) -> str:
    lines = (line for line in body.splitlines() if not line.lstrip().startswith("--"))
    return "\n".join(line for line in lines if line.strip()).strip()
