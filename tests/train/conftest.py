"""The nets of these tests are tiny, and the loop gives those one thread: what they are compared with has one too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from matweave.deep import torch


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
