"""States of fits held side by side, for tests of resuming and of threads."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def arrays_equal(a: Mapping[str, np.ndarray], b: Mapping[str, np.ndarray]) -> bool:
    """Whether two states hold the same arrays, bit for bit.

    >>> arrays_equal({"x": np.zeros(2)}, {"x": np.zeros(2, np.float32)})
    False
    """
    return a.keys() == b.keys() and all(
        a[k].dtype == b[k].dtype and a[k].shape == b[k].shape and a[k].tobytes() == b[k].tobytes() for k in a
    )
