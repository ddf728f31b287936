"""Evidence: hits are found once, and what is absent is named."""

from __future__ import annotations

import numpy as np
import pytest

from matweave.errors import DataError
from matweave.metrics.evidence import Evidence


def test_hits_are_found_once():
    evidence = Evidence(
        codes=np.array([[1]]), counts=np.array([1]), relevant=(np.array([0, 1]), np.array([1]))
    )
    assert evidence.hits is evidence.hits
    assert evidence.hits.hit.all()


def test_absent_lists_are_named():
    with pytest.raises(DataError, match="no codes and counts"):
        Evidence().lists  # noqa: B018
    with pytest.raises(DataError, match="no relevant"):
        Evidence(codes=np.array([[1]]), counts=np.array([1])).hits  # noqa: B018
