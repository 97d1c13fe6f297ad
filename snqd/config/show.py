"""The configuration for people: every value with its origin, and what a reload changes. Secrets are hidden."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from snqd.config.secrets import redact_settings, redacted
from snqd.config.settings import FREE_FORM, NAMED, SECTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snqd.config.load import Loaded
    from snqd.config.schema import Config


class Shown(NamedTuple):
    """One value. `origin` is `default`, `FILE:LINE`, `environment NAME` or `flag --NAME`."""

    key: str
    value: Any
    origin: str


def shown(loaded: Loaded) -> Iterator[Shown]:
    """Every setting of every section, named tables only where they are set, and the free-form tables."""
    for key, value in _flat(loaded.config).items():
        if key.partition(".")[0] in FREE_FORM:
            yield Shown(key, value, str(loaded.path))
        else:
            yield Shown(key, value, loaded.origin(key).place())


def diff(old: Config, new: Config) -> tuple[str, ...]:
    """What changed, as `key: old -> new`; a changed secret shows only that it changed."""
    before, after = _flat(old), _flat(new)
    full_before, full_after = _flat(old, is_redacted=False), _flat(new, is_redacted=False)
    keys = [*after, *(key for key in before if key not in after)]
    return tuple(
        _change(key, before.get(key), after.get(key)) for key in keys if full_before.get(key) != full_after.get(key)
    )


def fingerprint(config: Config) -> str:
    """Twelve hexadecimal digits that change when the configuration does. A changed secret changes nothing."""
    lines = "\n".join(f"{key}={value!r}" for key, value in sorted(_flat(config).items()))
    return sha256(lines.encode()).hexdigest()[:12]


def as_text(value: Any) -> str:
    """A value as a person reads it."""
    if value is None:
        return "(unset)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return ", ".join(map(as_text, value)) or "(none)"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _change(key: str, old: Any, new: Any) -> str:
    return f"{key}: changed" if old == new else f"{key}: {_words(old)} -> {_words(new)}"


def _words(value: Any) -> str:
    text = as_text(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _flat(config: Config, *, is_redacted: bool = True) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for section, owner in SECTIONS.items():
        for name in owner._fields:
            key = f"{section}.{name}"
            value = getattr(getattr(config, section), name)
            found[key] = redacted(key, value) if is_redacted else value
    for prefix, table in NAMED.items():
        for entry_name, entry in getattr(config, table.field).items():
            for name, value in entry._asdict().items():
                key = f"{prefix}.{entry_name}.{name}"
                if isinstance(value, Mapping):
                    found[key] = redact_settings(dict(value)) if is_redacted else dict(value)
                elif value is not None:
                    found[key] = redacted(key, value) if is_redacted else value
    for free in FREE_FORM:
        values = getattr(config, free)
        for key, value in (redact_settings(values) if is_redacted else values).items():
            found[f"{free}.{key}"] = value
    return found
