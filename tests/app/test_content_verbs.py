"""Reading, fitting, judging and recommending with content, as the doors do it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from by_hand.cold_items import planted

import matweave as mw
from matweave.app import content_verbs as verbs
from matweave.errors import ConfigError, DataError

LOG, CONTENT, COLD, KINDS, TASTES = planted()
FAST = ["epochs=8", "width=16", "learning_rate=0.01", "device=cpu"]


def read(*paths: Path, **more):
    usual = dict(
        key=None, text=[], attributes=[], images=None, size="8", columns=[], encoding="utf-8", split="|"
    )
    return verbs.read(paths, **{**usual, **more})


def test_names_may_be_in_any_of_the_files(tmp_path):
    (tmp_path / "films.dat").write_text("1::Heat::a|b\n2::Big::b\n")
    (tmp_path / "plots.json").write_text(json.dumps({"2": "a boy", "3": "a shark"}))
    found = read(
        tmp_path / "films.dat", tmp_path / "plots.json",
        text=["title"], attributes=["genres"], columns=["id", "title", "genres"],
    )  # fmt: skip
    assert found.items.to_list() == [1, 2, 3]
    assert found.texts is not None
    assert found.texts.to_pylist() == ["Heat", "Big\na boy", "a shark"]
    with pytest.raises(DataError, match="no column 'titel'; did you mean 'title'"):
        read(tmp_path / "films.dat", text=["titel"], columns=["id", "title", "genres"])
    with pytest.raises(DataError, match=r"no column of .*films.dat is named"):
        read(tmp_path / "films.dat", columns=["id", "title", "genres"])


def test_pictures_are_one_folder(tmp_path):
    Image = pytest.importorskip("PIL.Image")
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(tmp_path / name / "7.png")
    assert read(tmp_path / "a").has_image.tolist() == [True]
    with pytest.raises(ConfigError, match="one folder"):
        read(tmp_path / "a", images=tmp_path / "b")


def test_recipes_by_name_with_settings():
    assert verbs.recipe_of("TwoTower", ["rank=8"], 3) == mw.TwoTower(rank=8, seed=3)
    assert verbs.recipe_of("content-factors", ["seed=1"], 3) == mw.ContentFactors(seed=1)
    with pytest.raises(ConfigError, match="did you mean 'two_tower'"):
        verbs.recipe_of("two_towers", [], 0)
    both = verbs.recipes_of(["content_factors", "two_tower"], ["two_tower.rank=8"], 0)
    assert (both["two_tower"].rank, both["content_factors"].rank) == (8, 64)
    with pytest.raises(ConfigError, match="'rank=8' is not METHOD"):
        verbs.recipes_of(["two_tower"], ["rank=8"], 0)


@pytest.mark.parametrize("name", ["content_factors", "two_tower"])
def test_a_fit_is_saved_and_resumed_and_gives_new_items(tmp_path, name):
    recipe = verbs.recipe_of(name, FAST, 0)
    done = verbs.fit(recipe, LOG, CONTENT, tmp_path / "model", quiet=True)
    assert not done.unfinished
    again = verbs.fit(recipe, LOG, CONTENT, tmp_path / "model", resume=True, quiet=True)
    assert again.model.history.epoch == 8
    assert verbs.cold_items(again.model).to_pylist() == sorted(COLD, key=done.model.items.to_list().index)
    table = verbs.recommend(tmp_path / "model", users=["0"], history=None, items=[], k=3)
    assert set(table["item"].to_pylist()) <= set(COLD)
    few = verbs.recommend(tmp_path / "model", users=None, history=None, items=["3", "4"], k=3)
    assert set(few["item"].to_pylist()) <= {3, 4}
    stranger = verbs.recommend(tmp_path / "model", users=None, history=["0", "3"], items=[], k=3)
    assert stranger["rank"].to_pylist() == [1, 2, 3]
    assert set(stranger["item"].to_pylist()) <= set(COLD)


def test_an_init_is_read_from_its_folder(tmp_path):
    base = mw.ImplicitALS(rank=6).fit(LOG)
    base.save(tmp_path / "base")
    done = verbs.fit(
        verbs.recipe_of("content_factors", FAST, 0),
        LOG,
        CONTENT,
        tmp_path / "model",
        init=tmp_path / "base",
        quiet=True,
    )
    assert isinstance(done.model, mw.FactorModel)
    np.testing.assert_array_equal(done.model.user_factors, base.user_factors)


def test_judging_ranks_among_cold_items_with_baselines_first():
    recipes = {"content_factors": verbs.recipe_of("content_factors", FAST, 0)}
    found = verbs.judge(recipes, LOG, CONTENT, share=0.2, k=5, seed=0, quiet=True)
    assert list(found) == ["attribute_popularity", "nearest_text", "content_factors"]
    assert {one.protocol for one in found.values()} == {"full ranking among 10 items"}
    recall = {name: one.metrics["recall@5"].mean for name, one in found.items()}
    assert recall["content_factors"] > recall["attribute_popularity"]
    texts = mw.ItemContent.of(CONTENT.items.ids, texts=CONTENT.texts)
    assert list(verbs.judge({}, LOG, texts, share=0.2, k=5, seed=0, quiet=True)) == ["nearest_text"]


def test_content_without_the_held_out_items_and_models_without_new_ones_are_refused():
    split = mw.split_cold_items(LOG, test=0.2, valid=0.0, seed=0)
    known = CONTENT.over(split.train.items)
    with pytest.raises(DataError, match="none of the held-out items"):
        verbs.judge({}, LOG, known, share=0.2, k=5, seed=0, quiet=True)
    with pytest.raises(DataError, match="has rows in training"):
        verbs.cold_items(mw.Popularity().fit(LOG.take(np.arange(len(LOG)))))


def test_every_part_of_a_content_is_in_its_digest():
    base = dict(texts=["a"], attributes=[[1.0]], names=["x"], images=np.zeros((1, 3, 8, 8), np.uint8))
    whole = {verbs.digest(mw.ItemContent.of([1], **base))}
    for name, other in (
        ("texts", ["b"]), ("attributes", [[2.0]]), ("names", ["y"]), ("images", np.ones((1, 3, 8, 8), np.uint8)),
    ):  # fmt: skip
        whole.add(verbs.digest(mw.ItemContent.of([1], **{**base, name: other})))
    whole.add(verbs.digest(mw.ItemContent.of(pa.array(["1"]), **base)))
    assert len(whole) == 6
