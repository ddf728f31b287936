"""Torch's own draws depend on the test's name alone, not on which tests ran before."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from matweave.deep import seeded


@pytest.fixture(autouse=True)
def _own_draws(request: pytest.FixtureRequest) -> Iterator[None]:
    with seeded(0, request.node.name):
        yield
