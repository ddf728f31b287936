"""What the walks share."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

QUALITY = Path(__file__).resolve().parents[2] / "benchmarks" / "quality"


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """A module of the quality tables by its name."""
    monkeypatch.syspath_prepend(str(QUALITY))
    return importlib.import_module
