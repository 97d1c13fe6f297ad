"""Names in statsd and Ganglia: parts of letters, digits, `_` and `-`, joined by dots.

Everything else in the name of a queue, a site or a daemon becomes `_`: dots would make levels, and `:`, `|`, `@`, `#`,
`<`, spaces and line ends mean something to one server or another. Two names may become one; their figures are added
then.
"""

from __future__ import annotations

import re
from functools import lru_cache

PART_LIMIT = 100
"""Characters of a part; what is longer is cut."""
UNNAMED = "_"

_OTHER = re.compile(r"[^A-Za-z0-9_-]")


@lru_cache(maxsize=65_536)
def part(name: str) -> str:
    """`name` as one part."""
    return _OTHER.sub("_", name[:PART_LIMIT]) or UNNAMED
