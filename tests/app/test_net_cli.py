"""The commands `train` and `predict`, and `evaluate` on a network: options become recipes, and mistakes are told first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest

from matweave.app.net_verbs import TrainedNet
from matweave.nets.model import NetModel
from matweave.storage import load


def model_of(folder: Path) -> NetModel:
    model = load(folder)
    assert isinstance(model, NetModel)
    return model


def test_help_tells_what_there_is(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    code, out, _ = cli("train", "--help")
    assert code == 0
    for word in ("--net", "--optimizer", "--augment", "--resume", "--find-rate", "--target", "--out"):
        assert word in out
    assert "predict" in cli("--help")[1]


def test_options_become_the_recipe(cli, files: Path, tmp_path: Path) -> None:
    words = "--net mlp --set hidden=[4,3] --set activation=tanh --optimizer momentum --learning-rate 0.01"
    words += " --weight-decay 0.1 --momentum 0.5 --schedule linear --warmup 0.1 --epochs 2 --batch-size 9"
    words += " --loss cross_entropy --label-smoothing 0.1 --class-weights balanced --clip 2 --accumulate 2"
    words += " --patience 5 --judge accuracy --valid 0.2 --test-share 0.2 --device cpu --precision float32"
    words += " --seed 7 --drop colour --threads 1 --quiet"
    code, out, err = cli("train", "table", files / "plants.csv", "--out", tmp_path / "m", *words.split())
    assert (code, err) == (0, "")
    model = model_of(tmp_path / "m")
    assert (model.net, model.settings["hidden"], model.settings["activation"]) == ("mlp", (4, 3), "tanh")
    said = model.training
    assert {k: said[k] for k in ("optimizer", "learning_rate", "weight_decay", "momentum", "schedule")} == {
        "optimizer": "momentum",
        "learning_rate": 0.01,
        "weight_decay": 0.1,
        "momentum": 0.5,
        "schedule": "linear",
    }
    assert (said["warmup"], said["batch_size"], said["loss"], said["clip"]) == (0.1, 9, "cross_entropy", 2)
    assert (said["accumulate"], said["patience"], said["judge"], said["seed"]) == (2, 5, "accuracy", 7)
    assert (said["label_smoothing"], said["class_weights"], said["device"]) == (0.1, "balanced", "cpu")
    assert model.inputs.size == (2,)  # colour was dropped
    assert "judged on the test part: 8 examples" in out


@pytest.mark.parametrize("kind", ["table", "tables"])
def test_one_and_many_are_one_kind(kind: str, cli, files: Path, tmp_path: Path) -> None:
    words = ("--net", "linear", "--epochs", 1, "--out", tmp_path / "m", "-q")
    assert cli("train", kind, files / "plants.csv", *words)[0] == 0


def test_json_on_stdout_is_nothing_but_json(cli, files: Path, tmp_path: Path) -> None:
    words = ("--net", "linear", "--epochs", 1, "--out", tmp_path / "m", "--json", "-")
    code, out, err = cli("train", "table", files / "plants.csv", *words)
    assert code == 0
    assert json.loads(out)["net"] == "linear"
    assert "epoch 1/1" in err


def test_predictions_to_files_and_as_json(cli, plant_net: TrainedNet, files: Path, tmp_path: Path) -> None:
    words = ("predict", plant_net.folder, files / "plants.csv")
    code, out, err = cli(*words, "--json", "--probabilities", "-q")
    assert (code, err) == (0, "")
    rows = json.loads(out)
    assert len(rows) == 40
    assert rows[3]["p(fern)"] + rows[3]["p(oak)"] == pytest.approx(1)
    for name in ("p.parquet", "p.csv"):
        code, _, err = cli(*words, "--out", tmp_path / name)
        assert code == 0
        assert f"40 rows: {tmp_path / name}" in err
    table = parquet.read_table(tmp_path / "p.parquet")
    assert table["prediction"].to_pylist() == [row["prediction"] for row in rows]
    assert len((tmp_path / "p.csv").read_text().splitlines()) == 41


def test_evaluate_gives_what_the_verb_found(cli, plant_net: TrainedNet, files: Path, tmp_path: Path) -> None:
    words = ("evaluate", plant_net.folder, files / "plants.csv", "--report", tmp_path / "r.html")
    code, out, err = cli(*words, "--json", tmp_path / "e.json")
    assert code == 0
    found = json.loads((tmp_path / "e.json").read_text())
    assert found["n"] == 40
    assert "judged on the data given: 40 examples of 2 classes" in out
    assert f"report: {tmp_path / 'r.html'}" in err
    assert "<html" in (tmp_path / "r.html").read_text(encoding="utf8")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-k", 5), "--k is for recommenders"),
        (("--time", "x"), "time means nothing for a table"),
        (("--metrics", "ndcg@10", "--on-bad-rows", "drop"), "--metrics, --on-bad-rows are for recommenders"),
    ],
)
def test_options_of_recommenders_are_not_passed_over(
    words: tuple[Any, ...], said: str, cli, plant_net: TrainedNet, files: Path
) -> None:
    code, out, err = cli("evaluate", plant_net.folder, files / "plants.csv", *words)
    assert (code, out) == (2, "")
    assert said in err


ABSENT = "no-such-file.csv"  # what is told is told before it is looked for


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("tabel", ABSENT), "did you mean 'table'"),
        (("table", ABSENT, "--net", "mpl"), "did you mean 'mlp'"),
        (("table", ABSENT, "--set", "hiden=3"), "did you mean 'hidden'"),
        (("sequence", ABSENT, "--set", "hidden=3"), "name it, for example --net gru"),
        (("image", ABSENT, "--target", "x"), "target means nothing for an image"),
        (("table", ABSENT, "--optimizer", "adma"), "did you mean 'adam'"),
        (("table", ABSENT, "--report", "r.html", "--test-share", 0), "there is to be none"),
        (("table", ABSENT, "--report", "none/r.html"), "cannot be written"),
        (("table", ABSENT, "--json", "none/r.json"), "cannot be written"),
        (("table", ABSENT, "--epochs", 0, "--seed", -1), "seed is -1"),
    ],
)
def test_mistakes_of_options_are_told_before_data_are_read(
    words: tuple[Any, ...], said: str, cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = cli("train", *words, "--out", "m")
    assert (code, out) == (2, "")
    assert said in err
    assert ABSENT not in err.replace("'" + ABSENT, "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("out", ["file", "file/m", "thesis"])
def test_a_place_that_is_not_ours_is_told_before_data_are_read(
    out: str, cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").touch()
    (tmp_path / "file").touch()
    code, _, err = cli("train", "table", ABSENT, "--out", out)
    assert code == 2
    assert out in err
    assert ABSENT not in err


def test_an_ending_that_cannot_be_written_is_told_before_the_model_is_read(cli, tmp_path: Path) -> None:
    code, _, err = cli("predict", "no-such-model", ABSENT, "--out", tmp_path / "p.txt")
    assert code == 2
    assert "ends in neither .parquet nor .csv" in err
