"""One seed in, named child generators out.

Adding a random step never disturbs the others, because each has its own name:
`child(seed, "implicit_als", "start")` depends on nothing but the seed and the names.
NumPy's global state is never touched.
"""

from __future__ import annotations

from hashlib import sha256
from numbers import Integral

import numpy as np

from matweave.errors import ConfigError


def child(seed: int, *names: object) -> np.random.Generator:
    """A generator that depends on `seed` and `names` only. Raises ConfigError unless seed is an integer >= 0.

    >>> float(child(7, "als", 0).random()) == float(child(7, "als", 0).random())
    True
    >>> float(child(7, "als", 0).random()) == float(child(7, "als", 1).random())
    False
    """
    if not isinstance(seed, Integral) or seed < 0:
        raise ConfigError(
            f"seed is {seed!r}, but must be an integer >= 0",
            where=str(names[0]) if names else "seed",
            mend="give seed=0",
        )
    keys = [int.from_bytes(sha256(str(n).encode()).digest()[:8], "little") for n in names]
    return np.random.default_rng([int(seed), *keys])


def child_seed(seed: int, *names: object) -> int:
    """A non-negative 63-bit seed that depends on `seed` and `names` only.

    >>> child_seed(7, "als") == child_seed(7, "als") != child_seed(8, "als")
    True
    """
    return int(child(seed, *names).integers(2**63 - 1))


def stepped(base: int, *counters: int) -> int:
    """A 63-bit seed for one step of many, from a base seed and the step's counters, in about a microsecond.

    The mixing function is SplitMix64's (Steele, Lea, Flood 2014); `child_seed` hashes names and is slower.

    >>> stepped(7, 0) != stepped(7, 1) != stepped(8, 0)
    True
    """
    mask = 0xFFFFFFFFFFFFFFFF
    z = base & mask
    for counter in counters:
        z = (z + 0x9E3779B97F4A7C15 * (counter + 1)) & mask
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        z ^= z >> 31
    return z >> 1
