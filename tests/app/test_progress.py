"""Progress: plain lines where there is no terminal, and nothing where none is wanted."""

from __future__ import annotations

import numpy as np
import pytest

from matweave.app.progress import Bytes, epochs
from matweave.factor.loop import FitState


def state(epoch: int, validation: tuple[tuple[int, float], ...] = ()) -> FitState:
    return FitState(
        epoch=epoch,
        arrays={"x": np.zeros(1)},
        objective=(2.5,) * epoch,
        validation=validation,
        seconds=0.5 * epoch,
    )


def test_lines_tell_epoch_objective_rate_and_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    with epochs("als") as watch:
        assert watch(state(1), 3) is None
        watch(state(2), 3)  # within the first second: not told
        watch(state(3, ((3, 0.25),)), 3)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "als: epoch 1/3, objective 2.5, 2 epochs/s, at most 1.0 s left"
    assert len(lines) == 2
    assert "validation 0.2500 (best 0.2500)" in lines[1]


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with epochs("als", quiet=True) as watch:
        watch(state(1), 1)
    assert capsys.readouterr().err == ""


def test_bytes_tell_the_share_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    told = Bytes("ml-1m")
    told(1_000_000, 2_000_000)
    told(1_500_000, 2_000_000)  # too soon after the first
    told(2_000_000, 2_000_000)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["ml-1m", "ml-1m"]
    assert "100% of 2.0 MB" in lines[-1]
