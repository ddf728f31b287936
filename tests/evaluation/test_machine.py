"""Versions and peak memory: what is allocated inside is seen, and what was freed before the end too."""

from __future__ import annotations

import subprocess
import sys
import threading
from importlib.metadata import version

import pytest

from matweave.evaluation import machine
from matweave.evaluation.machine import peak_memory, versions


def test_versions_are_those_installed():
    found = versions()
    assert found["numpy"] == version("numpy")
    assert found["matweave"] == version("matweave")
    assert found["python"].count(".") == 2


def test_absent_packages_are_left_out(monkeypatch):
    monkeypatch.setattr(machine, "PACKAGES", ("numpy", "no-such-package"))
    assert list(versions()) == ["python", "numpy"]


def test_a_peak_inside_is_seen_though_it_is_freed(monkeypatch):
    """The sampler takes what it reads: 100, then 900 once, then 200."""
    seen = threading.Event()
    readings = iter([100.0, 900.0])

    def read():
        value = next(readings, None)
        if value is None:
            seen.set()
        return 200.0 if value is None else value

    monkeypatch.setattr(machine, "_resident_mb", read)
    with peak_memory(every=0.001) as peak:
        assert seen.wait(20)
    assert peak == [900.0]


HELD = """
import numpy as np
from matweave.evaluation.machine import peak_memory
with peak_memory() as before:
    pass
with peak_memory() as peak:
    held = np.ones(20_000_000)
print(peak[0] - before[0])
"""


def test_memory_that_is_held_counts():
    # in a process of its own: one that ran other tests may hold as much that was freed, and need no more
    done = subprocess.run([sys.executable, "-c", HELD], capture_output=True, text=True, check=True)
    assert float(done.stdout) > 100


def test_it_stops_sampling_after_an_error():
    threads = threading.active_count()
    with pytest.raises(ValueError, match="odd"), peak_memory() as peak:
        raise ValueError("odd")
    assert threading.active_count() == threads
    assert peak[0] > 0


def test_without_proc_the_peak_so_far_is_given(monkeypatch):
    here = machine._resident_mb()

    def absent(*_):
        raise FileNotFoundError

    monkeypatch.setattr("builtins.open", absent)
    assert machine._resident_mb() >= 0.5 * here
