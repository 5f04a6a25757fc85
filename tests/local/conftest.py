"""Puts the package under test, and the machine to try it on, on the path."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "deploy/local")]

from machine import Machine  # noqa: E402


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    """A machine of its own, with nothing running."""
    booted = Machine()
    try:
        booted.boot()
        yield booted
    finally:
        booted.halt()


@pytest.fixture
def node(machine: Machine) -> Machine:
    """The machine with its node up."""
    machine.cluster("up")
    return machine
