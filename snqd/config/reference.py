"""Writes `docs/configuration.md` from the schema: `python -m snqd.config.reference > docs/configuration.md`."""

from __future__ import annotations

import ast
import inspect
import itertools
import re
import sys
import textwrap
from collections.abc import Mapping
from typing import Any

from snqd.config import schema
from snqd.config.schema import (
    AlarmsConfig,
    DaemonConfig,
    HandlersConfig,
    QueueConfig,
    ScheduleConfig,
    SitesConfig,
    SnmpConfig,
    SnmpTargetConfig,
    SnmpUserConfig,
    StoreConfig,
    TelemetryConfig,
    XmppConfig,
)
from snqd.config.settings import Kind, Setting, settings
from snqd.config.values import LIMITS

_TABLES: dict[str, Any] = {
    "daemon": DaemonConfig,
    "store": StoreConfig,
    "telemetry": TelemetryConfig,
    "alarms": AlarmsConfig,
    "snmp": SnmpConfig,
    "snmp.user.*": SnmpUserConfig,
    "snmp.target.*": SnmpTargetConfig,
    "xmpp": XmppConfig,
    "handlers": HandlersConfig,
    "queue.*": QueueConfig,
    "schedule.*": ScheduleConfig,
    "sites": SitesConfig,
}
_KINDS = {
    Kind.TEXT: "text",
    Kind.WHOLE: "whole number",
    Kind.NUMBER: "number",
    Kind.TRUTH: "true or false",
    Kind.NAMES: "list of texts",
    Kind.TABLE: "table",
}

_INTRODUCTION = """\
# Configuration

<!-- Written by `python -m snqd.config.reference > docs/configuration.md` from snqd/config/schema.py. Do not edit. -->

Nothing has to be configured: without a file, `snqd` keeps its items in `./snqd.db` and serves one site, `default`.

A value is looked for in this order; the first found counts:

1. **flags** of the command, such as `snqd run --threads 4`;
2. **environment** variables `SNQD_<SECTION>_<KEY>`, such as `SNQD_STORE_URL`. An empty variable counts as not set.
   Lists are separated by commas, truths are `true` or `false`;
3. **the file**: `--config FILE`, else `$SNQD_CONFIG`, else `./snqd.toml`, else `/etc/snqd/snqd.toml`. Only one file is
   read;
4. **the default** given below.

`snqd config show` prints every value and where it came from, without passwords. `snqd config check` reports everything
that is wrong, each with file and line, and leaves with an exit code that is not 0. A running daemon reads everything
again at `SIGHUP`; if something is wrong then, it says so and goes on with what it had.

Durations are seconds. Relative paths in the file begin at the file's folder, those in the environment and in flags at
the working directory; `sqlite:///relative.db` always begins at the working directory, `sqlite:////var/lib/snqd.db`
(four slashes) is absolute.

An unknown key is an error, so that a spelling mistake does not pass for a setting. Your own values go into
`[settings]`.

```toml
[store]
url = "postgresql://snqd@db.example/queue"

[handlers]
modules = ["myapp.handlers"]

[queue.mail]
concurrency = 8
time_limit_seconds = 30

[settings]                      # what every handler sees as context.site.settings
smtp_host = "localhost"

[site."a.example"]              # one table per site, or one file per site: see [sites]
smtp_host = "mx.a.example"      # overrides [settings] for this site
```
"""

_SITES = """\
### Declaring sites

A site (tenant) is a name and its settings. It is declared as a table `[site."a.example"]`, as a file `a.example.toml`
in `sites.directory` whose keys are the site's settings, or as a row of the table `site` with `sites.table`; in two
places at once is an error. A site's settings override `[settings]`, table by table; its table `snqd` is about queues,
handlers and limits of the site ([sites](sites.md)). Files whose name begins with a dot, or does not end in `.toml`, are
not looked at.

With no site declared and neither `sites.directory` nor `sites.table` there is exactly one site, `default`. With one of
them there are only the sites declared, so an empty folder means no site.

A site whose declaration is bad (a file that is not TOML, a name that cannot be one) is set aside by name, with a line
that says why; the others run on. Items of a site that is set aside or unknown stay in the store until it is put right.

Handlers cannot change settings: lists arrive as tuples and tables as read-only mappings.

### `[settings]`

Free-form values of the application. `snqd` carries them to the handlers and does not look inside, except that
`snqd config show` hides values whose key sounds secret (`password`, `token`, `api_key` …).
"""

_OTHER = """\
## Other environment variables

| variable | meaning |
|---|---|
| `SNQD_CONFIG` | path of the configuration file, when there is no `--config` |
| `SNQD_DEBUG` | `1`: errors show their traceback |
| `SNQD_TEST_DSN` | PostgreSQL server that the test suite uses |
| `RUNTIME_DIRECTORY`, `XDG_RUNTIME_DIR`, `TMPDIR` | where the runtime folder is, see `daemon.runtime_dir` |
"""


def reference() -> str:
    """The whole of `docs/configuration.md`."""
    parts = [_INTRODUCTION, "## Settings\n"]
    for table, owner in _TABLES.items():
        title, _colon, about = (inspect.getdoc(owner) or "").partition(":")
        parts.append(f"### {title}\n\n{_sentence(about)}\n")
        texts = _field_texts(owner)
        parts.extend(_entry(setting, texts[name]) for name, setting in _of(table))
    return "\n".join([*parts, _SITES, _OTHER])


def _of(table: str) -> list[tuple[str, Setting]]:
    return [(setting.name, setting) for key, setting in settings().items() if key.rpartition(".")[0] == table]


def _entry(setting: Setting, text: str) -> str:
    facts = [_kind(setting), f"default {_default(setting)}"]
    if setting.variable_words:
        facts.append(f"`{setting.variable_words}`")
    about = textwrap.fill(text, 118, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
    return f"- **`{setting.name}`** — {', '.join(facts)}.\n{about}\n"


def _kind(setting: Setting) -> str:
    if setting.kind is Kind.CHOICE:
        return " or ".join(f"`{choice}`" for choice in setting.choices)
    limits = LIMITS.get(setting.key)
    return _KINDS[setting.kind] + (f", {limits.words}" if limits else "")


def _default(setting: Setting) -> str:
    value = setting.default
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, Mapping):
        return "empty"
    if isinstance(value, tuple):
        return ", ".join(f"`{part}`" for part in value) or "empty"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _field_texts(owner: Any) -> dict[str, str]:
    """The string below each field, which Python itself does not keep."""
    tree = ast.parse(inspect.getsource(schema))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == owner.__name__)
    texts = {}
    for field, below in itertools.pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            assert isinstance(below, ast.Expr), f"{owner.__name__}.{field.target.id} has no text below it"
            assert isinstance(below.value, ast.Constant), f"{owner.__name__}.{field.target.id} has no text below it"
            texts[field.target.id] = re.sub(r"\s+", " ", str(below.value.value)).strip()
    return texts


def _sentence(text: str) -> str:
    words = re.sub(r"\s+", " ", text).strip()
    return words[:1].upper() + words[1:]


if __name__ == "__main__":
    sys.stdout.write(reference())
