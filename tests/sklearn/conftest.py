"""One thread: the networks here are so small that a second one only waits for the first."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from matweave.threads import set_threads


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    set_threads(1)
    yield
    set_threads(None)
