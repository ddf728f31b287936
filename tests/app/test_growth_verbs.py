"""The verbs of growth: rows sorted into new items, new users and known ones; deletion for every kind of method."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import matweave as mw
from matweave.app.growth_verbs import forget, grow
from matweave.data.interactions import Interactions
from matweave.errors import ArtifactError, ConfigError, DataError, UnknownId
from matweave.factor.loop import Validation

MADE = mw.simulate_log(users=60, items=30, rank=3, interactions=600, newcomers=0, shape="ratings", seed=5).log
LOG = Interactions.from_codes(MADE.user_codes, MADE.item_codes, MADE.values, MADE.times)


def table(model: Any) -> np.ndarray:
    return model.scores(model.known(np.arange(len(model.users))))


def test_items_users_and_rows_are_taken_in(tmp_path: Path) -> None:
    late = (LOG.user_codes < 2) | (LOG.item_codes == 7) | (np.arange(len(LOG)) % 50 == 0)
    mw.ExplicitALS(rank=3, epochs=5).fit(LOG.take(~late)).save(tmp_path / "old")
    model, told = grow(tmp_path / "old", lambda: LOG.take(late), tmp_path / "new")
    assert model.users.to_list()[-2:] == [0, 1]
    assert model.items.to_list()[-1] == 7
    assert model.seen.nnz == len(LOG)
    assert told[0] == "1 new items, by their rows of known users"
    assert told[-1].startswith("2 new users, ")
    assert mw.load(tmp_path / "new").recommend([0], k=3).num_rows == 3  # type: ignore[union-attr]


def test_rows_that_are_known_already_change_nothing(tmp_path: Path) -> None:
    old = mw.ImplicitALS(rank=3, epochs=3).fit(LOG)
    old.save(tmp_path / "old")
    model, told = grow(tmp_path / "old", lambda: LOG.take(np.arange(100)), tmp_path / "new")
    assert told == ["100 rows are in the model already"]
    assert np.array_equal(table(model), table(old))
    changed = replace(LOG.take(np.arange(100)), values=LOG.values[:100] % 5 + 1)  # type: ignore[index]
    _, told = grow(tmp_path / "old", lambda: changed, tmp_path / "new")
    assert told[-1].startswith("0 new users, ")
    assert not told[-1].startswith("0 new users, 0 ")


def test_what_cannot_be_taken_in_is_told(tmp_path: Path) -> None:
    late = (LOG.user_codes < 2) | (LOG.item_codes == 7)
    mw.EASE(regularization=20.0).fit(LOG.take(~late)).save(tmp_path / "old")
    model, told = grow(tmp_path / "old", lambda: LOG.take(late), tmp_path / "new")
    assert 7 not in model.items.to_list()
    assert told[0].startswith("no new items: EASE cannot take more items in")
    assert "rows left out" in told[1]
    stranger = Interactions.from_codes([0], [0], [3.0], item_ids=[999])
    with pytest.raises(DataError, match="none of the log's rows"):
        grow(tmp_path / "old", lambda: stranger, tmp_path / "newer")


@pytest.mark.parametrize(
    "recipe",
    [
        mw.EASE(regularization=20.0),
        mw.Popularity(),
        mw.BiasedMF(rank=3, epochs=3),
        mw.SASRec(rank=4, blocks=1, length=8, epochs=1, device="cpu"),
    ],
    ids=lambda recipe: type(recipe).__name__,
)
def test_every_method_forgets_by_its_own_recipe(recipe: Any, tmp_path: Path) -> None:
    recipe.fit(LOG).save(tmp_path / "old")
    model, told = forget(tmp_path / "old", ["3", "9"], tmp_path / "new")
    by_cell = np.lexsort(
        (LOG.item_codes, LOG.user_codes)
    )  # a model does not keep the order of the log's rows
    rest = LOG.take(by_cell[~np.isin(LOG.user_codes[by_cell], [3, 9])])
    assert told == ["58 users left"]
    np.testing.assert_allclose(table(model), table(recipe.fit(rest)), rtol=1e-4, atol=1e-5)
    with pytest.raises(UnknownId):
        model.recommend([3])


def test_a_model_that_was_stopped_early_is_fitted_for_as_many_epochs(tmp_path: Path) -> None:
    looks = iter([1.0, 2.0, 0.0, 0.0])
    watched = Validation(measure=lambda _: next(looks), patience=2)
    model = mw.BiasedMF(rank=3, epochs=9).fit(LOG, validate=watched)
    assert model.history.epoch == 2
    model.save(tmp_path / "old")
    found, told = forget(tmp_path / "old", ["3"], tmp_path / "new")
    assert found.history.epoch == len(found.history.objective) == 2
    assert (found.history.stopped, found.settings) == (model.history.stopped, model.settings)
    assert told == ["fitted for 2 epochs, as many as the model had", "59 users left"]


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    mw.Popularity().fit(LOG).save(tmp_path / "old")
    with pytest.raises(ConfigError, match="no user is named"):
        forget(tmp_path / "old", [], tmp_path / "new")
    with pytest.raises(UnknownId, match="999"):
        forget(tmp_path / "old", ["999"], tmp_path / "new")
    with pytest.raises(ArtifactError):
        forget(tmp_path / "gone", ["1"], tmp_path / "new")
    people = mw.ItemContent.of(range(LOG.n_users), attributes=np.eye(LOG.n_users)[:, :2], names=["a", "b"])
    mw.ImplicitALS(rank=2, epochs=2).fit(LOG, user_features=people).save(tmp_path / "sided")
    with pytest.raises(ConfigError, match="fitted on more than a log"):
        forget(tmp_path / "sided", ["1"], tmp_path / "new")
    split = mw.split_randomly(LOG, test=0.2, seed=0)
    mw.blend([mw.Popularity().fit(split.train), mw.EASE().fit(split.train)], split.test).save(
        tmp_path / "mix"
    )
    with pytest.raises(ConfigError, match="fitted on more than a log"):
        forget(tmp_path / "mix", ["1"], tmp_path / "new")
    assert not (tmp_path / "new").exists()
