"""Checkpoints: written when they are cheap, refused for another run, and a fit goes on from them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from by_hand.states import arrays_equal

from matweave.config import config
from matweave.data.interactions import Interactions
from matweave.data.vocabulary import Vocabulary
from matweave.errors import ArtifactError
from matweave.factor import checkpoint
from matweave.factor.checkpoint import Checkpoint, fingerprint
from matweave.factor.loop import FitState


@config
class Toy:
    rank: int = 3
    rate: float = 0.1


@config
class Other:
    rank: int = 3
    rate: float = 0.1


def log(**changes: Any) -> Interactions:
    settings: dict[str, Any] = {
        "user_codes": [0, 1, 1],
        "item_codes": [0, 0, 1],
        "values": [1.0, 2.0, 3.0],
        "times": [5, 6, 7],
        "user_ids": ["a", "b"],
        "item_ids": ["x", "y"],
    }
    return Interactions.from_codes(**{**settings, **changes})


def state(epoch: int = 2) -> FitState:
    return FitState(
        epoch=epoch,
        arrays={"x": np.arange(6, dtype=np.float32).reshape(2, 3), "n": np.array(4)},
        objective=(3.0, 2.5),
        validation=((1, 0.25), (2, float("-inf"))),
        best_epoch=1,
        best_arrays={"x": np.ones((2, 3), np.float32)},
        seconds=1.5,
    )


# the fingerprint


def test_the_same_run_has_the_same_fingerprint() -> None:
    assert fingerprint(Toy(), log(), None) == fingerprint(Toy(), log(), None)


def test_the_frame_and_the_report_do_not_matter() -> None:
    told = replace(log(), frame="pandas", report=("3 rows dropped",))
    assert fingerprint(Toy(), told) == fingerprint(Toy(), log())


DIFFERENT = {
    "the same": (Toy(), (log(),)),
    "a setting": (Toy(rank=4), (log(),)),
    "another setting": (Toy(rate=0.2), (log(),)),
    "a method": (Other(), (log(),)),
    "a user": (Toy(), (log(user_codes=[0, 1, 0]),)),
    "an item": (Toy(), (log(item_codes=[1, 0, 1]),)),
    "a value": (Toy(), (log(values=[1.0, 2.0, 3.5]),)),
    "no values": (Toy(), (log(values=None),)),
    "a time": (Toy(), (log(times=[5, 6, 8]),)),
    "no times": (Toy(), (log(times=None),)),
    "the order": (
        Toy(),
        (log(user_codes=[1, 0, 1], item_codes=[0, 0, 1], values=[2.0, 1.0, 3.0], times=[6, 5, 7]),),
    ),
    "user ids": (Toy(), (log(user_ids=["a", "c"]),)),
    "the cut of user ids": (Toy(), (log(user_ids=["ab", ""]),)),
    "item ids": (Toy(), (log(item_ids=["x", "z"]),)),
    "the type of ids": (Toy(), (log(item_ids=pa.array([1, 2])),)),
    "a narrower type of ids": (Toy(), (log(item_ids=pa.array([1, 2], pa.int32())),)),
    "a validation log": (Toy(), (log(), log())),
    "no validation log": (Toy(), (log(), None)),
}


def test_every_difference_makes_another_fingerprint() -> None:
    made = {name: fingerprint(recipe, *logs) for name, (recipe, logs) in DIFFERENT.items()}
    assert len(set(made.values())) == len(made)


def test_ids_cut_from_a_longer_array_count_as_they_are() -> None:
    longer = pa.array(["_", "x", "y", "z"])
    first, second = (replace(log(), items=Vocabulary(ids=longer[a : a + 2])) for a in (1, 2))
    assert fingerprint(Toy(), first) == fingerprint(Toy(), log())
    assert fingerprint(Toy(), first) != fingerprint(Toy(), second)


# the folder


def test_a_state_comes_back_whole(tmp_path: Path) -> None:
    kept = Checkpoint(folder=tmp_path / "c", fingerprint="f")
    kept.write(state())
    back = kept.read()
    assert arrays_equal(back.arrays, state().arrays)
    assert arrays_equal(back.best_arrays, state().best_arrays)
    for name in ("epoch", "objective", "validation", "best_epoch", "seconds"):
        assert getattr(back, name) == getattr(state(), name)


def test_another_run_is_refused(tmp_path: Path) -> None:
    Checkpoint(folder=tmp_path, fingerprint="f").write(state())
    with pytest.raises(ArtifactError, match="other settings or another log") as error:
        Checkpoint(folder=tmp_path, fingerprint="g").read()
    assert "--resume" in error.value.mend


def test_nothing_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="holds no saved model"):
        Checkpoint(folder=tmp_path / "none", fingerprint="f").read()


def test_remove_forgets_and_may_be_called_twice(tmp_path: Path) -> None:
    kept = Checkpoint(folder=tmp_path / "c", fingerprint="f")
    kept.write(state())
    kept.remove()
    kept.remove()
    assert not (tmp_path / "c").exists()


class Clock:
    """Time passes when told to, and while a checkpoint is written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, cost: float) -> None:
        self.now, self.written = 100.0, []
        monkeypatch.setattr(checkpoint.time, "perf_counter", lambda: self.now)

        def write(_: Checkpoint, state: FitState) -> None:
            self.now += cost
            self.written.append(state.epoch)

        monkeypatch.setattr(Checkpoint, "write", write)


@pytest.mark.parametrize(
    ("epoch_seconds", "cost", "wanted"),
    [(1.0, 0.5, [1, 5, 9, 12]), (1.0, 0.25, [1, 3, 5, 7, 9, 11, 12]), (30.0, 0.5, list(range(1, 13)))],
)
def test_writing_takes_its_share_of_the_time_at_most(
    epoch_seconds: float, cost: float, wanted: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch, cost)
    watch = Checkpoint(folder=Path("unused"), fingerprint="f", share=0.125)
    for epoch in range(1, 13):
        clock.now += epoch_seconds
        assert watch(state(epoch), 12) is None
    assert clock.written == wanted
