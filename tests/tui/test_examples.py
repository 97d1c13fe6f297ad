"""The examples in docstrings of charts, widgets and screens are true."""

from __future__ import annotations

import doctest
import pkgutil
from importlib import import_module

import pytest

import snqmon.charts
import snqmon.screens
import snqmon.widgets

MODULES = [
    found.name
    for package in (snqmon.charts, snqmon.screens, snqmon.widgets)
    for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_are_true(name: str) -> None:
    assert doctest.testmod(import_module(name)).failed == 0
