"""The conductor: fits that resume, splits by name, lists for users and strangers, tables to files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pytest

import matweave as mw
from matweave.app import verbs
from matweave.errors import ArtifactError, ConfigError, DataError, UnknownId
from matweave.factor.checkpoint import Checkpoint, fingerprint
from matweave.factor.loop import FitState, Watch


@pytest.fixture(scope="module")
def log() -> mw.Interactions:
    return mw.simulate_log(users=150, items=60, interactions=2_500, seed=4).log


@pytest.fixture(scope="module")
def folder(log: mw.Interactions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("verbs") / "model"
    verbs.fit(mw.ImplicitALS(rank=4, epochs=3), log, out, quiet=True)
    return out


def test_fit_leaves_a_model_and_no_checkpoint(folder: Path) -> None:
    assert sorted(p.suffix for p in folder.iterdir()) == [".json", ".safetensors"]
    assert mw.load(folder).history.epoch == 3


def test_resume_goes_on_from_a_checkpoint_to_the_same_bits(log: mw.Interactions, tmp_path: Path) -> None:
    recipe = mw.BiasedMF(rank=4, epochs=6, tolerance=0.0)
    states: list[FitState] = []

    def keep(state: FitState, epochs: int) -> bool:
        states.append(state)
        return state.epoch == 2

    recipe.fit(log, watch=keep)
    Checkpoint(folder=tmp_path / "cut" / "checkpoint", fingerprint=fingerprint(recipe, log)).write(states[-1])
    done = verbs.fit(recipe, log, tmp_path / "cut", resume=True, quiet=True)
    whole = verbs.fit(recipe, log, tmp_path / "whole", quiet=True)
    assert done.resumed_at == 2
    assert isinstance(done.model, mw.FactorModel)
    assert isinstance(whole.model, mw.FactorModel)
    np.testing.assert_array_equal(done.model.item_factors, whole.model.item_factors)
    again = verbs.fit(recipe, log, tmp_path / "cut", resume=True, quiet=True)
    np.testing.assert_array_equal(again.model.item_factors, whole.model.item_factors)  # type: ignore[attr-defined]


def test_resume_refuses_another_run(log: mw.Interactions, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="other settings or another log"):
        verbs.fit(mw.ImplicitALS(rank=5, epochs=3), log, folder, resume=True, quiet=True)
    with pytest.raises(ArtifactError, match="neither a checkpoint nor a model"):
        verbs.fit(mw.ImplicitALS(rank=5), log, tmp_path, resume=True, quiet=True)


def test_early_stopping_holds_out_the_latest_rows(log: mw.Interactions, tmp_path: Path) -> None:
    done = verbs.fit(mw.BiasedMF(rank=4, epochs=30), log, tmp_path / "m", valid=0.2, quiet=True)
    assert done.model.history.validation_name == "rmse"
    assert done.model.seen.nnz < len(log)
    ranked = verbs.fit(mw.ImplicitALS(rank=4, epochs=4), log, tmp_path / "r", valid=0.2, quiet=True)
    assert ranked.model.history.validation_name == "ndcg@10"
    with pytest.raises(ConfigError, match="ease is solved at once"):
        verbs.fit(mw.EASE(), log, tmp_path / "e", valid=0.2, quiet=True)


@pytest.mark.parametrize("kind", verbs.SPLITS)
def test_every_split_has_its_name(log: mw.Interactions, kind: str) -> None:
    split = verbs.split(log, kind, test=0.1, valid=0.0, seed=0, test_users=0.1)
    assert len(split.test)
    assert split.valid is None


def test_unknown_split_suggests_the_nearest(log: mw.Interactions) -> None:
    with pytest.raises(ConfigError, match="did you mean 'by-user'"):
        verbs.split(log, "by_user", test=0.1, valid=0.0, seed=0, test_users=0.1)


def test_a_history_may_carry_values(folder: Path) -> None:
    items = mw.load(folder).items.to_list()
    plain = verbs.recommend(folder, users=None, history=items[:2], k=3, exclude=[], seen=False)
    valued = [f"{items[0]}=5", f"{items[1]}=2"]
    assert (
        len(plain)
        == len(verbs.recommend(folder, users=None, history=valued, k=3, exclude=[], seen=False))
        == 3
    )
    with pytest.raises(DataError, match="1 of 2 items"):
        verbs.recommend(folder, users=None, history=[f"{items[0]}=5", items[1]], k=3, exclude=[], seen=False)


def test_ids_are_read_as_the_vocabulary_types_them() -> None:
    numbers, _ = mw.Vocabulary.of([30, 12])
    assert verbs.ids_of(numbers, ["12"]) == [12]
    with pytest.raises(UnknownId, match="x"):
        verbs.ids_of(numbers, ["x"])


def test_tables_go_to_parquet_or_csv_only(tmp_path: Path) -> None:
    table = pa.table({"item": ["a"], "rank": [1]})
    verbs.write_table(table, tmp_path / "r.csv")
    assert csv.read_csv(tmp_path / "r.csv").equals(table)
    with pytest.raises(ConfigError, match=r"neither \.parquet nor \.csv"):
        verbs.write_table(table, tmp_path / "r.txt")
    assert not (tmp_path / "r.txt").exists()


def test_a_folder_of_somebody_else_is_refused_before_the_work(
    log: mw.Interactions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "thesis.txt").write_text("mine")

    def fit(*_: object, **__: object) -> None:
        raise AssertionError("an hour of work, for nothing")

    monkeypatch.setattr(mw.Popularity, "fit", fit)
    with pytest.raises(ArtifactError, match=r"holds other files \(thesis\.txt\)"):
        verbs.fit(mw.Popularity(), log, tmp_path, quiet=True)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_checkpoints_of_another_program_are_never_deleted(log: mw.Interactions, tmp_path: Path) -> None:
    theirs = tmp_path / "model" / "checkpoint" / "epoch1.pt"
    theirs.parent.mkdir(parents=True)
    theirs.touch()
    with pytest.raises(ArtifactError, match="holds other files"):
        verbs.fit(mw.Popularity(), log, tmp_path / "model", quiet=True)
    assert theirs.exists()


def test_an_interrupted_fit_goes_on_from_its_last_epoch(
    log: mw.Interactions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Rare(Checkpoint):  # never due
        def __call__(self, state: FitState, epochs: int) -> bool | None:
            return None

    monkeypatch.setattr(verbs, "Checkpoint", Rare)

    @contextmanager
    def stop_at_three(title: str, *, quiet: bool = False) -> Iterator[Watch]:
        yield lambda state, total: state.epoch == 3

    recipe = mw.ImplicitALS(rank=4, epochs=5, tolerance=0.0)
    with monkeypatch.context() as patch:
        patch.setattr(verbs, "epochs", stop_at_three)
        cut = verbs.fit(recipe, log, tmp_path / "m", quiet=True)
    assert cut.unfinished
    done = verbs.fit(recipe, log, tmp_path / "m", resume=True, quiet=True)
    assert (done.resumed_at, done.model.history.epoch) == (3, 5)


def test_a_run_killed_in_its_first_checkpoint_is_told_as_one_without(
    log: mw.Interactions, tmp_path: Path
) -> None:
    (tmp_path / "m" / "checkpoint").mkdir(parents=True)
    with pytest.raises(ArtifactError, match="neither a checkpoint nor a model"):
        verbs.fit(mw.ImplicitALS(), log, tmp_path / "m", resume=True, quiet=True)


def test_dropping_a_checkpoint_is_told(
    log: mw.Interactions, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = mw.BiasedMF(rank=4, epochs=2)
    states: list[FitState] = []

    def keep(state: FitState, epochs: int) -> None:
        states.append(state)

    recipe.fit(log, watch=keep)
    Checkpoint(folder=tmp_path / "checkpoint", fingerprint="another").write(states[-1])
    verbs.fit(recipe, log, tmp_path, quiet=True)
    assert "unfinished run" in capsys.readouterr().err


def test_all_unknown_ids_are_named_and_an_empty_history_is_refused(folder: Path) -> None:
    with pytest.raises(UnknownId, match=r"2 of 3 ids .*'x', 'y'"):
        verbs.ids_of(mw.load(folder).users, ["x", "user-00001", "y"])
    with pytest.raises(ConfigError, match="names no item"):
        verbs.recommend(folder, users=None, history=[], k=3, exclude=[], seen=False)


def test_an_id_that_holds_an_equals_sign_is_an_id(tmp_path: Path) -> None:
    log = mw.Interactions.from_codes([0, 0, 1, 1], [0, 1, 0, 2], item_ids=["a=5", "b", "c"])
    mw.ItemKNN().fit(log).save(tmp_path / "m")
    found = verbs.recommend(tmp_path / "m", users=None, history=["a=5"], k=3, exclude=[], seen=False)
    assert "a=5" not in found["item"].to_pylist()
    assert {"b", "c"} >= set(found["item"].to_pylist())


# a start from another model


def test_a_fit_starts_from_a_model_and_goes_on_from_the_same_one_only(
    log: mw.Interactions, folder: Path, tmp_path: Path
) -> None:
    recipe = mw.LightGCN(rank=4, epochs=3, batch_size=512, device="cpu")
    start = verbs.initial(recipe, folder)
    assert start is not None
    cold = verbs.fit(recipe, log, tmp_path / "cold", quiet=True).model
    warm = verbs.fit(recipe, log, tmp_path / "warm", init=start, quiet=True).model
    assert isinstance(warm, mw.FactorModel)
    assert isinstance(cold, mw.FactorModel)
    wanted = recipe.fit(log, init=start.model)
    assert warm.item_factors.tobytes() == wanted.item_factors.tobytes()
    assert warm.item_factors.tobytes() != cold.item_factors.tobytes()
    again = verbs.fit(recipe, log, tmp_path / "warm", init=start, resume=True, quiet=True)
    assert again.resumed_at == 3
    other = mw.PureSVD(rank=4).fit(log)
    other.save(tmp_path / "other")
    for init in (None, verbs.initial(recipe, tmp_path / "other")):
        with pytest.raises(ArtifactError, match="other settings or another log"):
            verbs.fit(recipe, log, tmp_path / "warm", init=init, resume=True, quiet=True)


def test_what_starts_from_nothing_is_told_before_anything_is_read(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="EASE starts from no other model") as error:
        verbs.initial(mw.EASE(), folder)
    assert error.value.where == "--init"
    assert verbs.initial(mw.EASE(), None) is None
    with pytest.raises(ArtifactError):
        verbs.initial(mw.LightGCN(), tmp_path / "nothing")
