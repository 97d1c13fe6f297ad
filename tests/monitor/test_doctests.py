"""The examples in the docstrings of the monitor's model are run."""

from __future__ import annotations

import doctest
import importlib

import pytest

MODULES = ("formats", "sparkline", "thresholds")


@pytest.mark.parametrize(
    "name", [*(f"snqmon.model.{module}" for module in MODULES), "snqmon.keys", "snqmon.web_address"]
)
def test_examples_of_docstrings(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name), raise_on_error=False)

    assert result.attempted > 0
    assert not result.failed
