"""YAML of dictionaries, lists, printable texts and numbers. Texts are quoted as in JSON, which is YAML too."""

from __future__ import annotations

import json
import re
from typing import Any

_PLAIN = re.compile(r"[A-Za-z_][\w ./-]*[\w./-]|[A-Za-z_]")
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})
"""Texts that a reader would take for something else."""


def yaml_text(found: Any, indent: str = "") -> str:
    """The lines of a dictionary or a list."""
    if isinstance(found, dict):
        return "".join(f"{indent}{_scalar(key)}:{_below(value, indent)}" for key, value in found.items())
    return "".join(f"{indent}- {_item(value, indent)}" for value in found)


def _below(value: Any, indent: str) -> str:
    """What follows a key."""
    if isinstance(value, dict | list) and value:
        return "\n" + yaml_text(value, f"{indent}  ")
    return f" {_scalar(value)}\n"


def _item(value: Any, indent: str) -> str:
    """What follows the dash, which stands in the place of the indentation of the first line."""
    if isinstance(value, dict | list) and value:
        return yaml_text(value, f"{indent}  ").removeprefix(f"{indent}  ")
    return f"{_scalar(value)}\n"


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        is_plain = _PLAIN.fullmatch(value) and value.lower() not in _WORDS
        return value if is_plain else json.dumps(value, ensure_ascii=False)
    return json.dumps(value)
