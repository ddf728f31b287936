"""Runs quality tables one after another, each in a process of its own: python -m benchmarks.quality [NAME ...]"""

from benchmarks import run_all

run_all(__file__)
