"""The verbs of networks: a model in its folder or nothing at all, the same weights after a break, answers as tables."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from matweave.app import net_verbs
from matweave.app.net_data import Reading
from matweave.app.net_parts import Parts, divide
from matweave.app.net_verbs import TrainedNet, judge, load_with_reading, predict, told, train
from matweave.artifact import read_card
from matweave.data.tables import Table
from matweave.data.targets import Targets
from matweave.errors import ArtifactError, ConfigError, DataError, Diverged, TooBig
from matweave.evaluation.predictions_judged import ClassesJudged, ValuesJudged
from matweave.metrics.classification import accuracy
from matweave.nets.network import Network
from matweave.train.checkpoints import Checkpoints
from matweave.train.estimate import MemoryEstimate
from matweave.train.watchers import Moment, Order, Save

RECIPE = Network(net="mlp", settings={"dropout": 0.2}, epochs=3, batch_size=8)


def weights_file(folder: Path) -> tuple[str, bytes]:
    (file,) = folder.glob("*.safetensors")
    return file.name, file.read_bytes()


def test_the_model_the_notes_and_nothing_else_are_in_the_folder(plant_net: TrainedNet) -> None:
    inside = sorted(p.name for p in plant_net.folder.iterdir())
    assert inside == [weights_file(plant_net.folder)[0], "model.json"]
    model, reading = load_with_reading(plant_net.folder)
    assert reading == Reading(kind="table", target="label")
    assert not plant_net.unfinished
    assert model.history.measure == "log_loss"
    assert isinstance(plant_net.judged, ClassesJudged)
    assert plant_net.parts.test is not None
    assert plant_net.judged.n == len(plant_net.parts.test)


def test_reading_of_a_model_saved_from_python(plant_parts: Parts, tmp_path: Path) -> None:
    Network(net="linear", epochs=1).fit(plant_parts.train).save(tmp_path)
    assert load_with_reading(tmp_path)[1] == Reading(kind="table")


class Breaks:
    """Saves at every step, and breaks off at one, by a signal or an error, before it is saved."""

    each_step = True

    def __init__(self, step: int, how: Any) -> None:
        self.step, self.how = step, how

    def __call__(self, moment: Moment) -> Order | None:
        if moment.at not in ("step", "epoch"):
            return None
        if moment.step == self.step:
            self.how()
        return Save()


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def lose_power() -> None:
    raise SystemError


@pytest.mark.parametrize("step", [2, 4, 8, 9])
@pytest.mark.parametrize("how", [interrupt, lose_power])
def test_a_broken_run_goes_on_to_the_same_file(
    how: Any, step: int, plant_parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(RECIPE, plant_parts, tmp_path / "whole", quiet=True)
    out = tmp_path / "cut"
    with monkeypatch.context() as patch:
        patch.setattr(net_verbs, "Timely", lambda seconds: Breaks(step, how))
        if how is interrupt:
            cut = train(RECIPE, plant_parts, out, quiet=True)
            assert cut.unfinished
            assert cut.model.history.stopped == "interrupted"
            assert (out / "model.json").exists()  # the best so far
        else:
            with pytest.raises(SystemError):
                train(RECIPE, plant_parts, out, quiet=True)
            assert not (out / "model.json").exists()
    assert list((out / "checkpoint").iterdir())
    done = train(RECIPE, plant_parts, out, resume=True, quiet=True)
    assert weights_file(out) == weights_file(whole.folder)
    assert not (out / "checkpoint").exists()
    assert [e.loss for e in done.model.history.epochs] == [e.loss for e in whole.model.history.epochs]


def test_a_run_that_was_not_broken_is_not_run_again(
    plant_net: TrainedNet, plant_parts: Parts, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = Network(net="linear", learning_rate=0.1, epochs=4)
    before = weights_file(plant_net.folder)
    again = train(recipe, plant_parts, plant_net.folder, resume=True)
    assert "finished; nothing to resume" in capsys.readouterr().err
    assert weights_file(plant_net.folder) == before
    assert again.judged is not None
    assert plant_net.judged is not None
    assert again.judged.as_dict() == plant_net.judged.as_dict()


def test_resume_names_what_there_is_instead(
    plant_parts: Parts, plant_net: TrainedNet, tmp_path: Path
) -> None:
    with pytest.raises(ArtifactError, match="holds neither a checkpoint nor a model to resume"):
        train(RECIPE, plant_parts, tmp_path / "new", resume=True, quiet=True)
    assert not (tmp_path / "new").exists()
    with pytest.raises(ArtifactError, match="a finished model of other settings or other data"):
        train(RECIPE, plant_parts, plant_net.folder, resume=True, quiet=True)


def test_a_checkpoint_of_another_run_is_refused_and_kept(
    plant_parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "cut"
    monkeypatch.setattr(net_verbs, "Timely", lambda seconds: Breaks(2, interrupt))
    train(RECIPE, plant_parts, out, quiet=True)
    kept = sorted(p.name for p in (out / "checkpoint").iterdir())
    monkeypatch.undo()
    for other in (replace(RECIPE, epochs=4), replace(RECIPE, seed=1)):
        with pytest.raises(ArtifactError, match="another network, other settings or other data") as error:
            train(other, plant_parts, out, resume=True, quiet=True)
        assert "start anew" in error.value.mend
    fewer = replace(plant_parts, train=plant_parts.train.take(np.arange(20)))
    with pytest.raises(ArtifactError, match="other data"):
        train(RECIPE, fewer, out, resume=True, quiet=True)
    assert sorted(p.name for p in (out / "checkpoint").iterdir()) == kept
    Checkpoints(folder=out / "checkpoint", fingerprint="").remove()
    with pytest.raises(ArtifactError, match="stopped early, and no checkpoint"):
        train(RECIPE, plant_parts, out, resume=True, quiet=True)


def test_anew_drops_the_checkpoints_and_says_so(
    plant_parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(net_verbs, "Timely", lambda seconds: Breaks(2, interrupt))
    train(RECIPE, plant_parts, tmp_path / "m", quiet=True)
    monkeypatch.undo()
    train(RECIPE, plant_parts, tmp_path / "m", quiet=True)
    assert "starting anew" in capsys.readouterr().err
    assert not (tmp_path / "m" / "checkpoint").exists()


def misfit(parts: Parts, **columns: Any) -> Parts:
    table = Table(features=pa.table(columns), targets=Targets.of_labels(["oak"]))
    return replace(parts, test=table)


@pytest.mark.parametrize(
    ("recipe", "change", "error"),
    [
        (replace(RECIPE, batch_size=1000), lambda p: p, ConfigError),
        (replace(RECIPE, device="cuda:77"), lambda p: p, ConfigError),
        (replace(RECIPE, momentum=0.5), lambda p: p, ConfigError),
        (replace(RECIPE, net="gru", settings={}), lambda p: p, ConfigError),
        (replace(RECIPE, optimizer="sgd", learning_rate=1e30), lambda p: p, Diverged),
        (RECIPE, lambda p: misfit(p, height=[1.0]), DataError),
    ],
)
def test_what_fails_leaves_nothing(
    recipe: Network, change: Any, error: type[Exception], plant_parts: Parts, tmp_path: Path
) -> None:
    with pytest.raises(error):
        train(recipe, change(plant_parts), tmp_path / "new", quiet=True, every=0.0)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_fit_into_memory_is_refused_before_a_checkpoint_is_dropped(
    plant_parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(net_verbs, "Timely", lambda seconds: Breaks(2, interrupt))
    train(RECIPE, plant_parts, tmp_path / "m", quiet=True)
    monkeypatch.undo()
    huge = MemoryEstimate(weights=10**15, gradients=0, optimizer=0, activations=0, data=0)
    monkeypatch.setattr(net_verbs, "estimate_memory", lambda *_, **__: huge)
    monkeypatch.setattr(net_verbs, "free_memory", lambda device: 10**9)
    with pytest.raises(TooBig, match="GB are free"):
        train(RECIPE, plant_parts, tmp_path / "m", quiet=True)
    assert (tmp_path / "m" / "checkpoint").exists()


def test_folders_of_others_are_refused(plant_parts: Parts, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").touch()
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError, match=r"other files \(chapter.txt\)"):
        train(RECIPE, plant_parts, tmp_path / "thesis", quiet=True)
    with pytest.raises(ArtifactError, match="is a file"):
        train(RECIPE, plant_parts, tmp_path / "file", quiet=True)
    with pytest.raises(ConfigError, match="cannot be written"):
        train(RECIPE, plant_parts, tmp_path / "file" / "in", quiet=True)


def test_a_rate_that_is_found_is_kept_with_the_model(
    plant_parts: Parts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = train(RECIPE, plant_parts, tmp_path / "m", find_rate=True)
    found = done.model.training["learning_rate"]
    assert 1e-5 < found < 1
    assert f"learning rate {found:.2g}, by a range test" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="a learning rate is given"):
        train(replace(RECIPE, learning_rate=0.1), plant_parts, tmp_path / "n", find_rate=True, quiet=True)


def test_what_will_be_trained_is_told(plant_parts: Parts) -> None:
    lines = told(replace(RECIPE, optimizer="muon").plan(plant_parts.train))
    assert lines[0].startswith("mlp by muon: ")
    assert "parameters" in lines[0]
    assert lines[1].startswith("memory: about ")
    assert len(lines) > 2  # which weights go to which rule


def test_predictions_are_a_row_for_each_example(plant_net: TrainedNet, plant_parts: Parts) -> None:
    model, test = plant_net.model, plant_parts.test
    assert test is not None
    short = predict(model, test)
    assert short.column_names == ["example", "prediction", "probability"]
    full = predict(model, test, every_class=True)
    assert full.column_names == [*short.column_names, "p(fern)", "p(oak)"]
    p = model.probabilities(test)
    np.testing.assert_array_equal(full["p(oak)"].to_numpy(), p[:, 1])
    np.testing.assert_array_equal(short["probability"].to_numpy(), p.max(axis=1))
    assert short["prediction"].to_pylist() == model.predict(test).tolist()
    assert short["example"].to_pylist() == [str(i) for i in range(len(test))]


def test_numbers_are_predicted_and_judged_in_their_units(files: Path, tmp_path: Path) -> None:
    reading = Reading(kind="table", target="price")
    parts = divide(reading, files / "houses.csv", test=None, test_share=0.25, valid=0.0, seed=0, quiet=True)
    recipe = Network(net="linear", optimizer="gd", learning_rate=0.3, schedule="constant", epochs=60)
    done = train(recipe, parts, tmp_path / "m", quiet=True)
    assert isinstance(done.judged, ValuesJudged)
    assert done.judged.metrics["rmse"].mean < 0.02
    assert parts.test is not None
    table = predict(done.model, parts.test)
    assert table.column_names == ["example", "prediction"]
    assert parts.test.targets is not None
    np.testing.assert_allclose(table["prediction"].to_numpy(), parts.test.targets.values, atol=0.05)
    few = replace(
        parts.test.take([0, 1]), targets=Targets.of_labels([40, 60])
    )  # as a reader takes few numbers
    by_hand = float(np.sqrt(((done.model.predict(few) - [40, 60]) ** 2).mean()))
    assert judge(done.model, few).metrics["rmse"].mean == pytest.approx(by_hand)


def test_a_model_is_judged_by_names_of_classes(plant_net: TrainedNet, plant_parts: Parts) -> None:
    test = plant_parts.test
    assert test is not None
    assert test.targets is not None
    found = judge(plant_net.model, test)
    whole = accuracy(plant_net.model.probabilities(test), test.targets.values)
    assert found.metrics["accuracy"].mean == pytest.approx(whole)
    oaks = test.take(test.targets.values == 1)
    alone = replace(oaks, targets=Targets.of_labels(["oak"] * len(oaks)))  # its code is 0 there
    assert judge(plant_net.model, alone).metrics["accuracy"].mean == pytest.approx(
        float(np.mean(plant_net.model.predict(oaks) == "oak"))
    )
    with pytest.raises(DataError, match="outside the 2 known classes") as error:
        judge(
            plant_net.model,
            replace(oaks, targets=Targets.of_labels(["elm"] * len(oaks))),
            where="new.csv",
        )
    assert error.value.where == "new.csv"
    with pytest.raises(DataError, match="have no labels"):
        judge(plant_net.model, replace(test, targets=None))


def test_a_folder_holds_a_fingerprint_of_its_run(plant_net: TrainedNet, plant_parts: Parts) -> None:
    recipe = Network(net="linear", learning_rate=0.1, epochs=4)
    mark = recipe.fingerprint(plant_parts.train, plant_parts.valid)
    assert read_card(plant_net.folder)["notes"]["fingerprint"] == mark
