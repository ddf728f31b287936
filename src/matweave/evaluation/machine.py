"""What a result depends on besides data and settings: versions, and the memory a piece of work took."""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("matweave", "numpy", "scipy", "numba", "pyarrow", "safetensors")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that compute; absent ones are left out.

    >>> "numpy" in versions()
    True
    """
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # a source tree that was never installed
            continue
    return found


@contextmanager
def peak_memory(every: float = 0.02) -> Iterator[list[float]]:
    """The largest resident size of the whole process, in MB, while the block runs; one number in the list after it.

    Sampled every 20 ms, so a shorter peak can be missed; what was resident before counts too.
    """
    found = [_resident_mb()]
    done = threading.Event()

    def sample() -> None:
        while not done.wait(every):
            found[0] = max(found[0], _resident_mb())

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        done.set()
        thread.join()
        found[0] = max(found[0], _resident_mb())


def _resident_mb() -> float:
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except OSError:  # no /proc: the peak so far is the best there is
        import resource
        import sys

        scale = 2**20 if sys.platform == "darwin" else 2**10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale
