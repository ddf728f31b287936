"""Checkpoints: the last few are kept, whole or not there, and only the same run goes on from them."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from by_hand.states import arrays_equal

from matweave import artifact
from matweave.artifact import CARD, save
from matweave.errors import ArtifactError, ConfigError
from matweave.train.checkpoints import Checkpointed, Checkpoints, TrainState
from matweave.train.history import Epoch


def state(step: int = 7, **changes: Any) -> TrainState:
    settings: dict[str, Any] = {
        "module": {
            "0.weight": np.arange(6, dtype=np.float32).reshape(2, 3) + step,
            "1.num_batches_tracked": np.array(step),
            "1.mask": np.array([True, False]),
        },
        "optimizer": {
            "lr": np.array([0.1]),
            "0.step": np.array(3.0, np.float32),
            "0.exp_avg": np.ones((2, 3)),
        },
        "best": {"0.weight": np.array([[np.nan, -0.0]], np.float64)},
        "best_epoch": 1,
        "epochs": (
            Epoch(
                epoch=1,
                step=4,
                loss=0.5,
                measures={"a": 0.1 + 0.2, "b": math.inf},
                learning_rate=0.1,
                seconds=2.0,
            ),
        ),
        "loss_sum": 1 / 3,
        "loss_count": 21,
        "rates": (1.0, 0.1 * 3),
        "seconds": 1.5,
    }
    return TrainState(step=step, **{**settings, **changes})


def kept(folder: Path, **settings: Any) -> Checkpoints:
    return Checkpoints(folder=folder / "kept", fingerprint="f", **settings)


def steps(checkpoints: Checkpoints) -> list[int]:
    return [int(folder.name.partition("-")[2]) for folder in checkpoints.found()]


def test_a_state_comes_back_to_the_bit(tmp_path: Path) -> None:
    store = kept(tmp_path)
    store(state())
    back = store.latest()
    for name in ("module", "optimizer", "best"):
        assert arrays_equal(getattr(back, name), getattr(state(), name)), name
    for name in ("step", "best_epoch", "epochs", "loss_sum", "loss_count", "rates", "seconds"):
        assert getattr(back, name) == getattr(state(), name), name


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_the_last_few_are_kept(keep: int, tmp_path: Path) -> None:
    store = kept(tmp_path, keep=keep)
    for step in (1, 2, 30, 30, 400):
        store(state(step))
    assert steps(store) == [2, 30, 400][-keep:]
    assert store.latest().step == 400


def test_steps_are_sorted_as_numbers(tmp_path: Path) -> None:
    store = kept(tmp_path, keep=9)
    for step in (99_999_999, 100_000_000, 1_000_000_000):
        store(state(step))
    assert steps(store) == [99_999_999, 100_000_000, 1_000_000_000]


def test_later_steps_of_a_run_given_up_do_not_push_out_the_new_ones(tmp_path: Path) -> None:
    store = kept(tmp_path)
    for step in (90, 100):
        store(state(step))
    anew = Checkpoints(folder=store.folder, fingerprint="g")
    anew(state(10))
    assert steps(anew) == [10]
    assert anew.latest().step == 10


# killed in the middle


def test_one_that_was_never_finished_is_passed_over(tmp_path: Path) -> None:
    store = kept(tmp_path)
    store(state(1))
    store(state(2))
    newest = store.found()[-1]
    (newest / CARD).unlink()
    assert steps(store) == [1]
    assert store.latest().step == 1
    store(state(2))  # the same step again: written over what was left
    assert store.latest().step == 2


@pytest.mark.parametrize("at", range(2))
def test_a_write_that_fails_leaves_the_ones_before(
    at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = kept(tmp_path)
    store(state(1))
    store(state(2))
    real, calls = os.replace, []

    def fails(*paths: Any) -> None:
        calls.append(paths)
        if len(calls) > at:
            raise OSError(28, "no space left on the disk")
        real(*paths)

    monkeypatch.setattr(artifact.os, "replace", fails)
    with pytest.raises(OSError, match="no space"):
        store(state(3))
    monkeypatch.undo()
    assert steps(store) == [1, 2]
    assert store.latest().step == 2
    store(state(3))
    assert steps(store) == [2, 3]


def truncated(folder: Path) -> None:
    path = next(folder.glob("*.safetensors"))
    path.write_bytes(path.read_bytes()[:-1])


def without_tensors(folder: Path) -> None:
    next(folder.glob("*.safetensors")).unlink()


def edited(folder: Path) -> None:
    card = folder / CARD
    card.write_text(card.read_text().replace('"loss_count": 21', '"loss_count": 22'))


def emptied(folder: Path) -> None:
    (folder / CARD).write_bytes(b"")


@pytest.mark.parametrize("damage", [truncated, without_tensors, edited, emptied])
def test_a_damaged_one_is_passed_over_for_the_one_before(damage: Any, tmp_path: Path) -> None:
    store = kept(tmp_path)
    store(state(1))
    store(state(2))
    damage(store.found()[1])
    assert store.latest().step == 1
    damage(store.found()[0])
    with pytest.raises(ArtifactError) as error:
        store.latest()
    newer, older = error.value.what.splitlines()
    assert "step-00000002" in newer
    assert "step-00000001" in older
    assert error.value.mend == "start anew without --resume"


# refused


def test_nothing_there_is_told(tmp_path: Path) -> None:
    store = kept(tmp_path)
    assert store.found() == []
    with pytest.raises(ArtifactError, match="holds no checkpoint") as error:
        store.latest()
    assert "--resume" in error.value.mend


def test_another_run_is_refused_and_not_passed_over(tmp_path: Path) -> None:
    kept(tmp_path)(state(1))
    other = Checkpoints(folder=tmp_path / "kept", fingerprint="g")
    save(Checkpointed(fingerprint="g", state=state(2)), other.folder / "step-00000002")
    with pytest.raises(ArtifactError, match="step-00000002 was made with another network"):
        kept(tmp_path).latest()
    assert other.latest().step == 2


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    store = kept(tmp_path)
    save(state(3), store.folder / "step-00000003")
    with pytest.raises(ArtifactError, match="was made with another"):
        store.latest()


def test_keep_is_checked(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="keep is 0"):
        kept(tmp_path, keep=0)


# forgotten


def test_remove_takes_all_that_is_ours(tmp_path: Path) -> None:
    store = kept(tmp_path)
    for step in (1, 2, 3):
        store(state(step))
    (store.found()[0] / CARD).unlink()  # a half-written one too
    store.remove()
    store.remove()
    assert not store.folder.exists()


def test_remove_leaves_what_is_not_ours(tmp_path: Path) -> None:
    store = kept(tmp_path)
    store(state(1))
    (store.folder / "thesis.txt").touch()
    (store.folder / "step-1").mkdir()
    store.remove()
    assert sorted(p.name for p in store.folder.iterdir()) == ["step-1", "thesis.txt"]
