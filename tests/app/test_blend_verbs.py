"""The blend verb: folders to one folder, refused before a log is read, and what is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

import matweave as mw
from matweave.app.blend_verbs import blended, shown
from matweave.errors import ArtifactError, ConfigError
from matweave.factor.blend import BlendModel

LOG = mw.simulate_log(users=80, items=40, interactions=1000, seed=0).log
SPLIT = mw.split_randomly(LOG, test=0.1, valid=0.2, seed=0)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    at = tmp_path_factory.mktemp("blend")
    mw.EASE(regularization=20.0).fit(SPLIT.train).save(at / "ease")
    mw.PureSVD(rank=6).fit(SPLIT.train).save(at / "svd")
    mw.Popularity().fit(SPLIT.test).save(at / "other")
    return [at / "ease", at / "svd", at / "other"]


def valid() -> mw.Interactions:
    assert SPLIT.valid is not None
    return SPLIT.valid


def not_read() -> mw.Interactions:
    raise AssertionError("the log was read")


def test_models_of_folders_become_one_in_a_folder(folders: list[Path], tmp_path: Path) -> None:
    model = blended(folders[:2], tmp_path / "mix", valid, metric="recall@5", steps=4)
    wanted = mw.blend([mw.load(f) for f in folders[:2]], SPLIT.valid, metric="recall@5", steps=4)
    assert model.weights.tolist() == wanted.weights.tolist()
    back = mw.load(tmp_path / "mix")
    assert isinstance(back, BlendModel)
    assert back.recommend(k=2).equals(model.recommend(k=2))
    blended(folders[:2], tmp_path / "mix", valid, steps=2)  # a model of ours is replaced


def test_what_is_found_is_shown(folders: list[Path], tmp_path: Path) -> None:
    model = blended(folders[:2], tmp_path / "mix", valid, steps=4)
    lines = shown(model, folders[:2])
    check = mw.validation(SPLIT.valid)
    for line, folder, name, weight in zip(
        lines[:2], folders, ("ease", "pure_svd"), model.weights, strict=False
    ):
        assert line.split()[:3] == [f"{weight:.2f}", name, f"({folder}),"]
        assert float(line.split()[-1]) == pytest.approx(check.measure(mw.load(folder)), abs=1e-3)
    assert lines[-1].startswith(f"ndcg@10 {check.measure(model):.4f} on validation")


def test_folders_are_judged_before_a_log_is_read(folders: list[Path], tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "model.json").write_text('{"architectures": ["theirs"]}')
    with pytest.raises(ArtifactError, match=r"no saved model|not a matweave model"):
        blended([folders[0], tmp_path / "theirs"], tmp_path / "mix", not_read)
    with pytest.raises(ArtifactError):
        blended(folders[:2], tmp_path / "theirs", not_read)
    with pytest.raises(ConfigError, match="other users or items"):
        blended(folders, tmp_path / "mix", valid)
    assert not (tmp_path / "mix").exists()
