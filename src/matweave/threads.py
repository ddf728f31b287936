"""One knob for threads, and one way to use them.

Compiled kernels here are single-threaded and release the GIL; `in_parallel` hands them pieces of
work from a pool of Python threads. There is no OpenMP runtime of our own, so nothing dies in a
forked child, and BLAS is held to one thread inside `in_parallel`, so cores are never oversubscribed.

The pieces are fixed by the caller and independent of the number of threads: the same pieces give
the same numbers whatever `threads` is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from threadpoolctl import ThreadpoolController

_chosen: int | None = None


def cores() -> int:
    """Cores this process may use: the affinity mask, cut by the cgroup quota where there is one."""
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows have no affinity mask
        count = os.cpu_count() or 1
    quota = _cgroup_quota()
    return max(1, min(count, quota) if quota else count)


def _cgroup_quota(root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Whole cores granted by a cgroup v2 or v1 quota, rounded up; None where there is no quota."""
    try:
        quota, period = (root / "cpu.max").read_text().split()[:2]
    except (OSError, ValueError):
        try:
            quota = (root / "cpu/cpu.cfs_quota_us").read_text().strip()
            period = (root / "cpu/cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    if quota in ("max", "-1"):
        return None
    return max(1, -(-int(quota) // int(period)))


def threads() -> int:
    """Threads that matweave uses: `set_threads`, else MATWEAVE_THREADS, else all cores allowed."""
    if _chosen is not None:
        return _chosen
    said = os.environ.get("MATWEAVE_THREADS", "")
    return int(said) if said.isdigit() and int(said) > 0 else cores()


def set_threads(count: int | None) -> None:
    """Set the number of threads for this process; None goes back to the default."""
    if count is not None and count < 1:
        raise ValueError(f"threads must be at least 1, not {count}")
    global _chosen
    _chosen = count


@cache
def _pool(size: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(size, thread_name_prefix="matweave")


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


@contextmanager
def blas_threads(count: int) -> Iterator[None]:
    """Hold every loaded BLAS to `count` threads inside the block."""
    with _controller().limit(limits=count, user_api="blas"):
        yield


def in_parallel(work: Callable[..., object], pieces: Iterable[tuple]) -> list:
    """Call `work(*piece)` for every piece on `threads()` threads; results in the order of the pieces.

    Pieces are taken from a shared queue, so give the long ones first. `work` should release the
    GIL (a kernel compiled with nogil, NumPy on large arrays) and write only what belongs to its
    piece. The first exception is raised after the pieces under way have ended.

    >>> in_parallel(lambda a, b: a + b, [(1, 2), (3, 4)])
    [3, 7]
    """
    pieces = list(pieces)
    count = min(threads(), len(pieces))
    if count <= 1:
        with blas_threads(1):
            return [work(*piece) for piece in pieces]
    results: list = [None] * len(pieces)
    queue = iter(range(len(pieces)))  # next() on a range iterator is atomic under the GIL

    def drain() -> None:
        for at in queue:
            results[at] = work(*pieces[at])

    with blas_threads(1):
        # the caller's own thread takes part, so `count` threads means `count - 1` helpers
        helpers = [_pool(count - 1).submit(drain) for _ in range(count - 1)]
        try:
            drain()
        finally:
            waiting = [h for h in helpers if not h.cancel()]  # one that never started has no work left
            wait(waiting)
        for helper in waiting:
            helper.result()
    return results
