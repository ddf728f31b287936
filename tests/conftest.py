"""Shared fixtures: where the real data are, the command line in process, and one core for hypothesis' patience."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from matweave.threads import set_threads

settings.register_profile("matweave", deadline=None, max_examples=25, derandomize=True)
settings.load_profile("matweave")

ROOT = Path(__file__).resolve().parent.parent


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Packed bytes hold the time at which they were made: processes that run parts of the tests would name them apart."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets, MATWEAVE_DATA or ../shared/data; skips where it is absent."""
    folder = Path(os.environ.get("MATWEAVE_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data sets at {folder}: set MATWEAVE_DATA to their folder")
    return folder


Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Iterator[Cli]:
    """Runs the command line in this process: words to (exit code, stdout, stderr)."""
    from matweave.app.cli import main

    def run(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            main([str(word) for word in words])
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    yield run
    set_threads(None)
