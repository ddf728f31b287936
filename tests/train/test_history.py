"""The history is plain numbers, needs no torch, and says which epoch was kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from matweave.artifact import load, save
from matweave.train.history import Epoch, TrainHistory


def epoch(number: int, **measures: float) -> Epoch:
    return Epoch(
        epoch=number, step=10 * number, loss=1 / number, measures=measures, learning_rate=0.1, seconds=2.0
    )


@pytest.mark.parametrize(("kept", "best"), [(1, 0.5), (2, 0.7), (0, None), (3, None)])
def test_the_best_is_the_measure_of_the_epoch_kept(kept: int, best: float | None) -> None:
    history = TrainHistory(
        epochs=(epoch(1, a=0.5, b=9.0), epoch(2, a=0.7, b=8.0)), best_epoch=kept, measure="a"
    )
    assert history.best == best


def test_without_validation_there_is_no_best() -> None:
    assert TrainHistory(epochs=(epoch(1),), best_epoch=1).best is None
    assert TrainHistory().best is None


def test_it_is_stored_and_read_back_whole(tmp_path: Path) -> None:
    history = TrainHistory(
        epochs=(epoch(1, a=float("inf")), epoch(2, a=0.25)),
        stopped="early stopping",
        best_epoch=2,
        measure="a",
        higher_is_better=True,
        seconds=3.5,
        examples=64,
    )
    kinds = {"TrainHistory": TrainHistory, "Epoch": Epoch}
    assert load(save(history, tmp_path), kinds) == history


def test_reports_need_no_torch() -> None:
    code = "import sys; import matweave.train.history; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
