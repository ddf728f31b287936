"""What training and judging print: plain words, or nothing but JSON, which never holds NaN."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from matweave.app.net_tables import as_dict, show_judged, show_training
from matweave.app.net_verbs import TrainedNet
from matweave.evaluation.predictions import judge_values
from matweave.train.history import Epoch, TrainHistory


@pytest.fixture
def unsure(plant_net: TrainedNet) -> TrainedNet:
    """A training whose measures do not all exist."""
    nan = Epoch(
        epoch=1, step=1, loss=0.5, measures={"rmse": 1.0, "r2": float("nan")}, learning_rate=0.1, seconds=1.0
    )
    past = TrainHistory(epochs=(nan,), stopped="interrupted", best_epoch=1, measure="rmse", seconds=1.0)
    return replace(plant_net, model=replace(plant_net.model, history=past))


def test_a_number_that_does_not_exist_is_null(unsure: TrainedNet, capsys: pytest.CaptureFixture[str]) -> None:
    assert as_dict(unsure)["epochs"][0]["measures"] == {"rmse": 1.0, "r2": None}
    show_training(unsure, json_to="-", report=None)
    out, err = capsys.readouterr()
    assert json.loads(out)["epochs"][0]["measures"]["r2"] is None
    assert err == ""


def test_the_end_of_a_training_in_words(
    plant_net: TrainedNet, unsure: TrainedNet, capsys: pytest.CaptureFixture[str]
) -> None:
    show_training(plant_net, json_to=None, report=Path("r.html"))
    out, err = capsys.readouterr()
    lines = out.splitlines()
    past = plant_net.model.history
    assert lines[0].startswith("linear: trained for 4 epochs, ")
    assert lines[0].endswith(f"best epoch {past.best_epoch} (log_loss {past.best:.4g})")
    assert plant_net.judged is not None
    assert lines[1] == f"judged on the test part: {plant_net.judged.n} examples of 2 classes"
    assert lines[2].split()[0] == "accuracy"
    assert lines[-1] == f"model: {plant_net.folder}"
    assert err == "report: r.html\n"
    show_training(replace(unsure, judged=None), json_to=None, report=None)
    out = capsys.readouterr().out
    assert out.splitlines()[0] == "linear: interrupted after 1 epochs, 1.0 s, best epoch 1 (rmse 1)"
    assert "judged" not in out


def test_json_to_a_file_leaves_the_words(
    plant_net: TrainedNet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show_training(plant_net, json_to=str(tmp_path / "t.json"), report=None)
    found = json.loads((tmp_path / "t.json").read_text(encoding="utf8"))
    assert "linear: trained for" in capsys.readouterr().out
    parts = plant_net.parts
    assert parts.valid is not None
    assert parts.test is not None
    sizes = {"train": len(parts.train), "valid": len(parts.valid), "test": len(parts.test)}
    assert found["examples"] == sizes
    assert found["test"]["n"] == sizes["test"]
    assert found["training"]["epochs"] == 4
    assert len(found["epochs"]) == 4
    assert as_dict(replace(plant_net, judged=None, parts=replace(parts, test=None)))["test"] is None


def test_an_evaluation_in_words_and_as_json(
    plant_net: TrainedNet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    judged = judge_values(np.array([1.0, 2.0]), np.array([2.0, 2.0]))  # r2 of equal values is none
    show_judged(judged, plant_net.model, json_to="-", report=Path("r.html"))
    out, err = capsys.readouterr()
    assert json.loads(out)["metrics"]["r2"]["mean"] is None
    assert json.loads(out)["net"] == "linear"
    assert err == "report: r.html\n"
    show_judged(judged, plant_net.model, json_to=None, report=None)
    assert capsys.readouterr().out.splitlines()[0] == "judged on the data given: 2 examples"
