"""One knob for threads, and one way to use them.

Compiled kernels here are single-threaded and release the GIL; `in_parallel` hands them pieces of
work from a pool of Python threads. There is no OpenMP runtime of our own, so nothing dies in a
forked child, and BLAS is held to one thread inside `in_parallel`, so cores are never oversubscribed.

The pieces are fixed by the caller and independent of the number of threads: the same pieces give
the same numbers whatever `threads` is.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import copy_context
from functools import cache
from pathlib import Path
from threading import Event, RLock

from threadpoolctl import ThreadpoolController

from matweave.errors import ConfigError

_chosen: int | None = None


def cores() -> int:
    """Cores this process may use: the affinity mask, cut by the cgroup quota where there is one.

    >>> cores() >= 1
    True
    """
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows have no affinity mask
        count = os.cpu_count() or 1
    quota = _granted()
    return max(1, min(count, quota) if quota else count)


@cache
def _granted() -> int | None:
    """The quota, read once: every parallel call asks, and reading two files costs more than handing out its work."""
    return _cgroup_quota()


def _cgroup_quota(root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Whole cores granted by a cgroup v2 or v1 quota, rounded up; None where there is no quota."""
    for paths in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            said = " ".join((root / path).read_text() for path in paths)
            quota, period = (int(word) for word in said.split())
        except (OSError, ValueError):  # no such file, or "max": no quota
            continue
        if quota > 0 and period > 0:  # v1 says -1 where there is none
            return -(-quota // period)
    return None


def threads() -> int:
    """Threads that matweave uses: `set_threads`, else MATWEAVE_THREADS, else all cores allowed.

    Raises ConfigError where MATWEAVE_THREADS is not a whole number of at least 1.

    >>> set_threads(3); threads()
    3
    >>> set_threads(None)
    """
    if _chosen is not None:
        return _chosen
    said = os.environ.get("MATWEAVE_THREADS", "").strip()
    if not said:
        return cores()
    if not said.isdecimal() or int(said) < 1:
        raise ConfigError(
            f"MATWEAVE_THREADS is {said!r}, but must be an integer >= 1",
            where="the environment",
            mend="unset it to use all cores, or set for example MATWEAVE_THREADS=2",
        )
    return int(said)


def set_threads(count: int | None) -> None:
    """Set the number of threads for this process; None goes back to the default.

    Raises ConfigError for anything but an integer of at least 1.

    >>> set_threads(0)
    Traceback (most recent call last):
    matweave.errors.ConfigError: threads is 0, but must be an integer >= 1
      where: set_threads
      mend:  give at least 1, or None for all cores
    """
    if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 1):
        raise ConfigError(
            f"threads is {count!r}, but must be an integer >= 1",
            where="set_threads",
            mend="give at least 1, or None for all cores",
        )
    global _chosen
    _chosen = count


@cache
def _pool(size: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(size, thread_name_prefix="matweave")


_LOADERS = ("scipy.linalg", "torch", "faiss")
"""Modules that bring a BLAS or OpenMP of their own, seen only once they are loaded."""


@cache
def _controller(loaded: tuple[str, ...]) -> ThreadpoolController:
    return ThreadpoolController()


_blas = RLock()
_held: list[tuple[int, tuple[str, ...]]] = []  # the limits of the blocks that are open, the innermost last


@contextmanager
def blas_threads(count: int) -> Iterator[None]:
    """Hold every loaded BLAS to `count` threads inside the block; blocks may nest.

    BLAS has one setting for the whole process: while blocks of two threads overlap, the first one decides, and
    what it found comes back when it closes.

    >>> with blas_threads(1):
    ...     pass
    """
    if not _blas.acquire(blocking=False):
        # another thread's block: were this one to restore what it found, BLAS would stay limited for good
        yield
        return
    try:
        loaded = tuple(name for name in _LOADERS if name in sys.modules)
        limit = (count, loaded)
        if _held[-1:] == [limit]:  # asking every BLAS takes a quarter of a millisecond
            yield
            return
        with _controller(loaded).limit(limits=count, user_api="blas"):
            _held.append(limit)
            try:
                yield
            finally:
                _held.pop()
    finally:
        _blas.release()


def in_parallel(work: Callable[..., object], pieces: Iterable[tuple]) -> list:
    """Call `work(*piece)` for every piece on `threads()` threads; results in the order of the pieces.

    Pieces are taken from a shared queue, so give the long ones first. `work` should release the
    GIL (a kernel compiled with nogil, NumPy on large arrays) and write only what belongs to its
    piece. After an exception no further piece is begun; it is raised when those under way have ended.

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
    failed = Event()

    def drain() -> None:
        try:
            for at in queue:
                if failed.is_set():
                    return
                results[at] = work(*pieces[at])
        except BaseException:
            failed.set()
            raise

    with blas_threads(1):
        # the caller's own thread takes part, so `count` threads means `count - 1` helpers
        # in copies of the caller's context: NumPy's error state, for one, is the caller's in every piece
        helpers = [_pool(count - 1).submit(copy_context().run, drain) for _ in range(count - 1)]
        try:
            drain()
        finally:
            waiting = [h for h in helpers if not h.cancel()]  # one that never started has no work left
            wait(waiting)
        for helper in waiting:
            helper.result()
    return results
