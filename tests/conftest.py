"""Shared fixtures: where the real data are, and one core for hypothesis' patience."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("matweave", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("matweave")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets, MATWEAVE_DATA or ../shared/data; skips where it is absent."""
    folder = Path(os.environ.get("MATWEAVE_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data sets at {folder}: set MATWEAVE_DATA to their folder")
    return folder
