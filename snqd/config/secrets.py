"""What must not be shown: passwords in addresses, and values whose key says that they are secret."""

from __future__ import annotations

import re
from typing import Any

URL_KEYS = ("store.url", "store.listen_url")
SECRET_KEYS = ("telemetry.key", "snmp.community", "xmpp.password")
"""Settings that are shown as `HIDDEN`, whatever their value."""
_SECRET_NAMES = ("auth_passphrase", "privacy_passphrase", "community")
"""The same, in the tables of users and targets."""
HIDDEN = "***"

_IN_AUTHORITY = r"(://[^:/@\s]*:)\S*@"  # up to the last @: a password may hold one, a host may not
_IN_PARAMETER = r"(?i)\b((?:ssl)?password\s*=\s*)('(?:[^'\\]|\\.)*'?|[^&\s]*)"
_HIDDEN_KEY = r"(?i)(pass|passwd|password|passphrase|secret|token|credential|dsn|private|apikey|(^|_)key)s?$"


def redact_url(url: str) -> str:
    """`url` (also libpq's `key=value` form) without its password."""
    without = re.sub(_IN_AUTHORITY, rf"\g<1>{HIDDEN}@", url)
    return re.sub(_IN_PARAMETER, rf"\g<1>{HIDDEN}", without)


def redacted(key: str, value: Any) -> Any:
    """The value of the setting `key` as it may be shown."""
    if (key in SECRET_KEYS or key.rpartition(".")[2] in _SECRET_NAMES) and value is not None:
        return HIDDEN
    return redact_url(str(value)) if key in URL_KEYS and value else value


def redact_settings(value: Any, key: str = "") -> Any:
    """A copy of free-form settings in which secret-looking values are hidden, at any depth."""
    if isinstance(value, dict):
        return {name: redact_settings(inner, name) for name, inner in value.items()}
    if re.search(_HIDDEN_KEY, key):
        return HIDDEN
    if isinstance(value, list):
        return [redact_settings(inner) for inner in value]
    return redact_url(value) if isinstance(value, str) else value
