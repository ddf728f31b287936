"""Threads: one knob, results in order and equal for any count, no deadlock, BLAS held inside."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from matweave import threads
from matweave.errors import ConfigError
from matweave.threads import blas_threads, cores, in_parallel, set_threads


@pytest.fixture(autouse=True)
def _knob(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("MATWEAVE_THREADS", raising=False)
    set_threads(None)
    yield
    set_threads(None)


def blas() -> set[int]:
    return {i["num_threads"] for i in threadpool_info() if i["user_api"] == "blas"}


# the knob


def test_set_threads_comes_before_the_environment_before_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    assert threads.threads() == cores()
    monkeypatch.setenv("MATWEAVE_THREADS", " 7 ")
    assert threads.threads() == 7
    set_threads(1)
    assert threads.threads() == 1
    set_threads(None)
    assert threads.threads() == 7
    monkeypatch.setenv("MATWEAVE_THREADS", "1")
    assert threads.threads() == 1
    monkeypatch.setenv("MATWEAVE_THREADS", "")
    assert threads.threads() == cores()


@pytest.mark.parametrize("said", ["0", "-1", "four", "2.5", "²"])
def test_an_unusable_environment_is_told_and_not_ignored(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATWEAVE_THREADS", said)
    with pytest.raises(ConfigError, match="MATWEAVE_THREADS"):
        threads.threads()
    set_threads(2)
    assert threads.threads() == 2


@pytest.mark.parametrize("count", [0, -1, 1.5, "2", True])
def test_an_unusable_count_is_refused_and_changes_nothing(count: object) -> None:
    set_threads(5)
    with pytest.raises(ConfigError, match="must be an integer >= 1"):
        set_threads(count)  # type: ignore[arg-type]
    assert threads.threads() == 5


# how many cores


def v2(root: Path, text: str) -> Path:
    (root / "cpu.max").write_text(text)
    return root


def v1(root: Path, quota: str, period: str) -> Path:
    (root / "cpu").mkdir()
    (root / "cpu/cpu.cfs_quota_us").write_text(quota)
    (root / "cpu/cpu.cfs_period_us").write_text(period)
    return root


@pytest.mark.parametrize(
    ("text", "quota"),
    [
        ("max 100000\n", None),
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),
        ("1000 100000\n", 1),
        ("1 100000\n", 1),
        ("0 100000\n", None),
        ("1600000 50000", 32),
        ("", None),
        ("200000\n", None),
        ("many 100000\n", None),
        ("200000 0\n", None),
    ],
)
def test_cgroup_v2(tmp_path: Path, text: str, quota: int | None) -> None:
    assert threads._cgroup_quota(v2(tmp_path, text)) == quota


@pytest.mark.parametrize(
    ("quota", "period", "wanted"),
    [
        ("-1\n", "100000\n", None),
        ("250000\n", "100000\n", 3),
        ("50000", "100000", 1),
        ("x", "1", None),
        ("", "", None),
    ],
)
def test_cgroup_v1(tmp_path: Path, quota: str, period: str, wanted: int | None) -> None:
    assert threads._cgroup_quota(v1(tmp_path, quota, period)) == wanted


def test_no_cgroup_is_no_quota(tmp_path: Path) -> None:
    assert threads._cgroup_quota(tmp_path / "none") is None


@pytest.mark.parametrize(("affinity", "quota", "wanted"), [(4, 2, 2), (2, 8, 2), (3, None, 3), (1, 1, 1)])
def test_cores_is_the_smaller_of_affinity_and_quota(
    affinity: int, quota: int | None, wanted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(affinity)), raising=False)
    monkeypatch.setattr(threads, "_granted", lambda: quota)
    assert cores() == wanted


def test_cores_without_an_affinity_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(threads, "_granted", lambda: None)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores() == 1


# pieces


@pytest.mark.parametrize("count", [1, 2, 5])
def test_every_piece_is_done_once_and_answers_in_order(count: int) -> None:
    set_threads(count)
    done: list[int] = []

    def work(i: int, twice: int) -> int:
        done.append(i)
        return i * twice

    assert in_parallel(work, ((i, 2) for i in range(300))) == [2 * i for i in range(300)]
    assert sorted(done) == list(range(300))
    assert in_parallel(work, []) == []


def test_the_same_numbers_for_any_number_of_threads() -> None:
    data = np.random.default_rng(0).standard_normal((64, 120, 40)).astype(np.float32)
    found = []
    for count in (1, 2, 3, 8):
        set_threads(count)
        found.append(np.stack(in_parallel(lambda i: data[i].T @ data[i], [(i,) for i in range(64)])))
    assert all(np.array_equal(found[0], other) for other in found[1:])


def test_so_many_threads_work_at_once() -> None:
    set_threads(3)
    together = threading.Barrier(3, timeout=20)  # breaks, and raises, unless all three come
    names = in_parallel(lambda: (together.wait(), threading.current_thread().name)[1], [()] * 3)
    assert len(set(names)) == 3
    assert threading.current_thread().name in names


@pytest.mark.parametrize("count", [1, 2, 3])
def test_never_more_than_so_many_work_at_once(count: int) -> None:
    set_threads(count)
    lock, now, most = threading.Lock(), 0, 0

    def work(_: int) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        sum(range(2000))
        with lock:
            now -= 1

    in_parallel(work, [(i,) for i in range(200)])
    assert 1 <= most <= count


@pytest.mark.parametrize("count", [1, 2, 4])
def test_an_exception_is_raised_and_no_further_piece_begun(count: int) -> None:
    set_threads(count)
    begun: list[int] = []
    failed = threading.Event()

    def work(i: int) -> None:
        begun.append(i)
        if i == 0:
            failed.set()
            raise KeyError("the first")
        assert failed.wait(20)  # the others are under way when the first one fails

    with pytest.raises(KeyError, match="the first"):
        in_parallel(work, [(i,) for i in range(1000)])
    # one more each may have begun between the failure and its being noted
    assert len(begun) <= 2 * count
    assert in_parallel(lambda i: i, [(i,) for i in range(9)]) == list(range(9))  # the pool is fit for use


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_call_within_a_piece_ends_and_is_right(count: int) -> None:
    set_threads(count)

    def inner(i: int, j: int) -> int:
        return 10 * i + j

    def outer(i: int) -> list[int]:
        return in_parallel(inner, [(i, j) for j in range(5)])

    assert in_parallel(outer, [(i,) for i in range(8)]) == [[10 * i + j for j in range(5)] for i in range(8)]


def test_pieces_see_the_callers_numpy_error_state() -> None:
    set_threads(3)
    together = threading.Barrier(3, timeout=20)

    def overflow(_: int) -> float:
        together.wait()  # every thread takes one
        return float(np.float32(1e30) * np.float32(1e30))

    with np.errstate(over="ignore"):
        assert in_parallel(overflow, [(i,) for i in range(3)]) == [np.inf] * 3
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        in_parallel(overflow, [(i,) for i in range(3)])


# BLAS


@pytest.mark.parametrize("count", [1, 2])
def test_blas_is_held_to_one_thread_inside_and_given_back(count: int) -> None:
    import scipy.linalg  # noqa: F401  (its own BLAS, loaded after the first use of ours, is held too)

    set_threads(count)
    with blas_threads(2):
        assert in_parallel(lambda _: blas(), [(i,) for i in range(4)]) == [{1}] * 4
        assert blas() == {2}


def test_blas_loaded_later_is_held_too(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    monkeypatch.setattr(threads, "ThreadpoolController", lambda: made.append(1) or _Nothing())
    monkeypatch.setattr(threads, "_LOADERS", ("matweave_test_loads_a_blas",))
    threads._controller.cache_clear()
    with blas_threads(1):
        pass
    with blas_threads(1):
        pass
    assert len(made) == 1
    monkeypatch.setitem(__import__("sys").modules, "matweave_test_loads_a_blas", threads)
    with blas_threads(1):
        pass
    assert len(made) == 2
    threads._controller.cache_clear()


class _Nothing:
    def limit(self, **_: object) -> _Nothing:
        return self

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


def test_blocks_nest() -> None:
    before = blas()
    with blas_threads(2):
        with blas_threads(1):
            assert blas() == {1}
            with blas_threads(1):
                pass
            assert blas() == {1}
        assert blas() == {2}
    assert blas() == before


def test_blocks_of_two_threads_that_overlap_leave_blas_as_it_was() -> None:
    before = blas()
    entered, leave = threading.Event(), threading.Event()

    def other() -> None:
        with blas_threads(1):
            entered.set()
            assert leave.wait(20)

    worker = threading.Thread(target=other)
    with blas_threads(1):
        worker.start()
        assert entered.wait(20)
    leave.set()
    worker.join()
    assert blas() == before


def test_an_exception_gives_blas_back() -> None:
    before = blas()
    with pytest.raises(ZeroDivisionError), blas_threads(1):
        raise ZeroDivisionError
    assert blas() == before
