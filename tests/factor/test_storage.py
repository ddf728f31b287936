"""Saved models: the table of what a folder may hold is whole, and what is no model is refused."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from matweave.artifact import CARD, save
from matweave.data.csr import Csr
from matweave.data.interactions import Interactions
from matweave.data.vocabulary import Vocabulary
from matweave.errors import ArtifactError
from matweave.factor.checkpoint import Checkpoint
from matweave.factor.fold import FoldIn
from matweave.factor.forms import Factored
from matweave.factor.loop import FitState
from matweave.factor.popularity import Popularity
from matweave.factor.recommender import Recommender
from matweave.factor.storage import FORMS, load
from matweave.factor.weights import ItemWeights


def below(kind: type) -> Iterator[type]:
    for one in kind.__subclasses__():
        yield one
        yield from below(one)


@pytest.fixture
def model() -> Recommender:
    return Popularity().fit(Interactions.from_codes([0, 1, 1], [0, 0, 1]))


def test_every_form_and_part_of_one_can_be_loaded() -> None:
    for family in (Recommender, FoldIn, ItemWeights):
        kinds = {k.__name__ for k in below(family) if k.__module__.startswith("matweave.factor")}
        assert kinds - {Factored.__name__} <= set(FORMS)
    assert all(name == kind.__name__ for name, kind in FORMS.items())
    assert not any(getattr(kind, "__abstractmethods__", None) for kind in FORMS.values())


def test_a_model_comes_back_from_a_moved_folder(model: Recommender, tmp_path: Path) -> None:
    model.save(tmp_path / "a")
    shutil.move(tmp_path / "a", tmp_path / "b")
    back = load(tmp_path / "b")
    assert back.recommend(k=2).equals(model.recommend(k=2))
    back.save(tmp_path / "c")  # what was loaded can be saved again, to the same bytes
    assert {p.name: p.read_bytes() for p in (tmp_path / "b").iterdir()} == {
        p.name: p.read_bytes() for p in (tmp_path / "c").iterdir()
    }


@pytest.mark.parametrize(
    "part",
    [
        Vocabulary(ids=pa.array(["a"])),
        Csr.from_pairs([0], [0], shape=(1, 1)),
    ],
    ids=lambda part: type(part).__name__,
)
def test_a_part_is_not_a_model(part: object, tmp_path: Path) -> None:
    save(part, tmp_path)
    with pytest.raises(ArtifactError, match=f"holds a {type(part).__name__}, not a model"):
        load(tmp_path)


def test_a_checkpoint_is_not_a_model(tmp_path: Path) -> None:
    Checkpoint(folder=tmp_path, fingerprint="f").write(FitState(epoch=1, arrays={"x": np.zeros(1)}))
    with pytest.raises(ArtifactError, match="holds a Stored, which is not expected here"):
        load(tmp_path)


def test_parts_that_do_not_fit_together_are_refused(model: Recommender, tmp_path: Path) -> None:
    object.__setattr__(model, "item_bias", np.zeros(9, np.float32))  # as no method would make it
    save(model, tmp_path)
    with pytest.raises(ArtifactError, match="item_bias has shape"):
        load(tmp_path)


def test_another_folder_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=f"{CARD} cannot be read"):
        load(tmp_path / "absent")
    (tmp_path / CARD).write_text('{"architectures": ["theirs"]}')
    with pytest.raises(ArtifactError, match="not a matweave model"):
        load(tmp_path)


def test_what_a_folder_may_hold_is_handed_in(model: Recommender, tmp_path: Path) -> None:
    model.save(tmp_path)
    assert load(tmp_path, {**FORMS, "More": Csr}).method == "Popularity"
    fewer = {name: kind for name, kind in FORMS.items() if name != "ItemModel"}
    with pytest.raises(ArtifactError, match="holds a ItemModel, which is not expected here"):
        load(tmp_path, fewer)
