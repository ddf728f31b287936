"""One seed in, named child generators out.

Adding a random step never disturbs the others, because each has its own name:
`child(seed, "implicit_als", "start")` depends on nothing but the seed and the names.
NumPy's global state is never touched.
"""

from __future__ import annotations

from hashlib import sha256

import numpy as np


def child(seed: int, *names: object) -> np.random.Generator:
    """A generator that depends on `seed` and `names` only.

    >>> float(child(7, "als", 0).random()) == float(child(7, "als", 0).random())
    True
    >>> float(child(7, "als", 0).random()) == float(child(7, "als", 1).random())
    False
    """
    keys = [int.from_bytes(sha256(str(n).encode()).digest()[:8], "little") for n in names]
    return np.random.default_rng([int(seed), *keys])


def child_seed(seed: int, *names: object) -> int:
    """A non-negative 63-bit seed that depends on `seed` and `names` only.

    >>> child_seed(7, "als") == child_seed(7, "als") != child_seed(8, "als")
    True
    """
    return int(child(seed, *names).integers(2**63 - 1))
