"""Attributes beside a log: both ALS methods against slow twins, the objective by hand, missing cells, cold rows of training."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from by_hand.collective import explicit_row, implicit_row, side_loss, side_map
from by_hand.states import arrays_equal

from matweave.data.features import FeatureCode
from matweave.data.interactions import Interactions
from matweave.data.item_content import ItemContent
from matweave.data.vocabulary import Vocabulary
from matweave.errors import ConfigError, DataError
from matweave.factor.collective import Collective, Side
from matweave.factor.explicit_als import ExplicitALS
from matweave.factor.implicit_als import ImplicitALS
from matweave.factor.loop import FitState
from matweave.linalg.vectors import Vectors
from matweave.threads import set_threads

USERS, ITEMS = 24, 18
IMPLICIT = {
    "rank": 5,
    "unobserved_weight": 0.2,
    "regularization": 0.02,
    "user_weight": 6.0,
    "item_weight": 3.0,
}
EXPLICIT = {"rank": 4, "regularization": 0.1, "init_scale": 1.0, "user_weight": 6.0, "item_weight": 3.0}
RECIPES = pytest.mark.parametrize(
    "recipe",
    [
        ImplicitALS(**IMPLICIT, solver="cg"),
        ImplicitALS(**IMPLICIT, solver="cholesky"),
        ImplicitALS(**IMPLICIT, solver="block", block_size=16),
        ExplicitALS(**EXPLICIT, solver="cg"),
        ExplicitALS(**EXPLICIT, solver="cholesky"),
    ],
    ids=lambda r: f"{type(r).__name__}-{r.solver}",
)


def small(seed=0, missing=0.0):
    """A log whose last user and last item have no rows, and attributes of both sides: two levels and a measure."""
    rng = np.random.default_rng(seed)
    seen = rng.random((USERS, ITEMS)) < 0.4
    seen[0, 0], seen[-1], seen[:, -1] = True, False, False
    u, i = np.nonzero(seen)
    log = Interactions.from_codes(u, i, values=rng.integers(1, 6, len(u)), n_users=USERS, n_items=ITEMS)

    def features(n):
        values = np.column_stack([rng.integers(0, 2, (n, 2)), rng.normal(5, 3, n)]).astype(np.float32)
        values[rng.random(values.shape) < missing] = np.nan
        return ItemContent.of(np.arange(n), attributes=values, names=["a=x", "a=y", "size"])

    return log, {"user_features": features(USERS), "item_features": features(ITEMS)}


def coded(content, seen_rows):
    """By hand: levels as they are, the measure standardised over the log's ids (here: all)."""
    values = content.attributes.astype(np.float64)
    known = values[np.isfinite(values[:, 2]), 2]
    values[:, 2] = (values[:, 2] - known.mean()) / known.std()
    return values


def states_of(recipe, log, features):
    states = []
    model = recipe.fit(
        log, **features, watch=lambda state, _: states.append({k: v.copy() for k, v in state.arrays.items()})
    )
    return states, model


def test_exact_epochs_of_implicit_als_are_those_of_the_twin():
    recipe = ImplicitALS(**IMPLICIT, solver="cholesky", epochs=3, tolerance=0.0)
    log, features = small()
    states, model = states_of(recipe, log, features)
    seen = log.by_user.scipy().toarray() > 0
    rows, columns = seen.any(1), seen.any(0)
    a, b = coded(features["user_features"], rows), coded(features["item_features"], columns)
    wu, wi, omega, reg = 6 / 3, 3 / 3, 0.2, 0.02
    user_ridge = reg * (seen.sum(1) + 6.0 * rows + omega * ITEMS)
    item_ridge = reg * (seen.sum(0) + 3.0 * columns + omega * USERS)
    lu, li = reg * wu * rows.sum(), reg * wi * columns.sum()
    x, y = (states[0][name].astype(np.float64) for name in ("user_factors", "item_factors"))
    for done in (1, 2):
        d = side_map(b, columns, y, wi, li)
        y = np.array(
            [
                implicit_row(seen[:, i], x, item_ridge[i], omega, b[i] if columns[i] else 0 * b[i], d, wi)
                for i in range(ITEMS)
            ]
        )
        c = side_map(a, rows, x, wu, lu)
        x = np.array(
            [
                implicit_row(seen[u], y, user_ridge[u], omega, a[u] if rows[u] else 0 * a[u], c, wu)
                for u in range(USERS)
            ]
        )
        np.testing.assert_allclose(states[done]["user_factors"], x, atol=2e-4)
        np.testing.assert_allclose(states[done]["item_factors"], y, atol=2e-4)
        s = x @ y.T
        wanted = (np.where(seen, (1 - s) ** 2, 0) + omega * s**2).sum()
        wanted += user_ridge @ (x**2).sum(1) + item_ridge @ (y**2).sum(1)
        wanted += side_loss(a, rows, x, c, wu, lu)
        wanted += side_loss(b, columns, y, side_map(b, columns, y, wi, li), wi, li)
        assert model.history.objective[done] == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("scale", [True, False])
def test_exact_epochs_of_explicit_als_are_those_of_the_twin(scale):
    recipe = ExplicitALS(**EXPLICIT, solver="cholesky", epochs=3, tolerance=0.0, scale_by_count=scale)
    log, features = small(1)
    states, model = states_of(recipe, log, features)
    ratings = np.where((m := log.by_user.scipy().toarray()) > 0, m, np.nan) - model.mean
    seen = ~np.isnan(ratings)
    rows, columns = seen.any(1), seen.any(0)
    a, b = coded(features["user_features"], rows), coded(features["item_features"], columns)
    wu, wi, reg = 6 / 3, 3 / 3, 0.1

    def scales(counts, here, mass):
        return ((counts + mass * here), counts) if scale else (np.ones(len(here)), np.ones(len(here)))

    (us, ubs), (its, ibs) = scales(seen.sum(1), rows, 6.0), scales(seen.sum(0), columns, 3.0)
    lu, li = (reg * wu * rows.sum(), reg * wi * columns.sum()) if scale else (reg, reg)
    names = ("user_factors", "item_factors", "user_bias", "item_bias")
    x, y, p, q = (states[0][name].astype(np.float64) for name in names)
    for done in (1, 2):
        d = side_map(b, columns, y, wi, li)
        for i in np.flatnonzero(columns):
            y[i], q[i] = explicit_row(
                ratings[:, i], x, p, reg * its[i], 0.04 * ibs[i], b[i] if columns[i] else 0 * b[i], d, wi
            )
        c = side_map(a, rows, x, wu, lu)
        for u in np.flatnonzero(rows):
            x[u], p[u] = explicit_row(
                ratings[u], y, q, reg * us[u], 0.04 * ubs[u], a[u] if rows[u] else 0 * a[u], c, wu
            )
        for name, wanted in zip(names, (x, y, p, q), strict=True):
            np.testing.assert_allclose(states[done][name], wanted, atol=2e-4)
        wanted = np.nansum((ratings - x @ y.T - p[:, None] - q) ** 2)
        wanted += reg * (us @ (x**2).sum(1) + its @ (y**2).sum(1)) + 0.04 * (ubs @ p**2 + ibs @ q**2)
        wanted += side_loss(a, rows, x, c, wu, lu)
        wanted += side_loss(b, columns, y, side_map(b, columns, y, wi, li), wi, li)
        assert model.history.objective[done] == pytest.approx(wanted, rel=1e-5)


@RECIPES
def test_the_objective_never_rises_also_where_cells_are_missing(recipe):
    log, features = small(2, missing=0.3)
    past = replace(recipe, epochs=12, tolerance=0.0).fit(log, **features).history.objective
    assert all(b <= a * (1 + 1e-6) for a, b in pairwise(past))


@RECIPES
def test_the_same_bits_for_any_number_of_threads_and_when_resumed(recipe):
    log, features = small(3, missing=0.3)
    recipe, kept = replace(recipe, epochs=4, tolerance=0.0), []

    def watch(state: FitState, _):
        kept.append(replace(state, arrays={name: array.copy() for name, array in state.arrays.items()}))

    try:
        set_threads(2)
        recipe.fit(log, **features, watch=watch)
        set_threads(1)
        recipe.fit(log, **features, resume=kept[1], watch=watch)
    finally:
        set_threads(None)
    assert {"user_guesses", "item_guesses"} < set(kept[1].arrays)
    assert arrays_equal(kept[3].arrays, kept[5].arrays)
    assert kept[3].objective == kept[5].objective


def test_missing_cells_weigh_nothing_where_the_fit_has_settled():
    """At the end of EM, no vector can be moved so that the objective over known cells alone falls."""
    recipe = ImplicitALS(**IMPLICIT, solver="cholesky", epochs=400, tolerance=0.0)
    log, features = small(4, missing=0.4)
    model = recipe.fit(log, **features)
    seen = log.by_user.scipy().toarray() > 0
    rows = seen.any(1)
    a = coded(features["user_features"], rows)
    x, y = model.user_factors.astype(np.float64), model.item_factors.astype(np.float64)
    y[-1] = 0  # without rows: what it got from attributes came after training
    weight, mass = 6 / 3, 6 / 3 * np.isfinite(a).sum(1)
    c = side_map(a, rows, x, weight, 0.02 * weight * rows.sum())
    for u in np.flatnonzero(rows):
        known = np.isfinite(a[u])
        ridge = 0.02 * (seen[u].sum() + mass[u] + 0.2 * ITEMS)
        wanted = implicit_row(seen[u], y, ridge, 0.2, a[u, known], c[known], weight)
        np.testing.assert_allclose(x[u], wanted, atol=1e-3)


def test_relabelled_ids_and_turned_columns_change_nothing():
    log, features = small(5)
    recipe = ImplicitALS(**IMPLICIT, solver="cholesky", epochs=3)
    one = recipe.fit(log, **features)
    turned = {}
    for name, content in features.items():
        order = np.random.default_rng(0).permutation(len(content))
        some = content.take(order)
        turned[name] = ItemContent.of(
            [str(i) for i in some.items.to_list()],
            attributes=some.attributes[:, ::-1],
            names=some.attribute_names[::-1],
        )
    two = recipe.fit(log, **turned)
    np.testing.assert_allclose(
        one.user_factors @ one.item_factors.T, two.user_factors @ two.item_factors.T, atol=1e-4
    )


def test_a_row_without_a_history_takes_no_part_and_gets_what_a_stranger_gets():
    log, features = small(6)
    for recipe in (ImplicitALS(**IMPLICIT, epochs=3), ExplicitALS(**EXPLICIT, epochs=3)):
        model = recipe.fit(log, **features)
        last = features["user_features"].take([USERS - 1])
        np.testing.assert_allclose(model.new_rows(last).factors, model.user_factors[-1:], atol=1e-6)
        assert np.abs(model.user_factors[-1]).sum() > 0
        assert np.abs(model.item_factors[-1]).sum() > 0


def test_without_features_nothing_is_added():
    log, _ = small()
    sides = Collective.of(log, None, None, user_weight=1.0, item_weight=1.0, penalty=lambda mass: mass)
    assert sides.arrays() == {}
    model = ImplicitALS(**IMPLICIT, epochs=1).fit(log)
    assert sides.finished(model, {}) is model
    assert model.sides is None
    with pytest.raises(ConfigError, match="knows no attributes of users"):
        model.recommend_new({"a": "x"})


def test_features_of_others_and_weights_of_nothing_are_refused():
    log, features = small()
    strange = ItemContent.of([900], attributes=[[1.0]])
    for name in features:
        with pytest.raises(DataError, match="log"):
            ImplicitALS(epochs=1).fit(log, **{name: strange})
        with pytest.raises(ConfigError, match=r"user_weight|item_weight"):
            ImplicitALS(**{name.replace("features", "weight"): 0.0})


def test_a_map_is_the_ridge_of_each_attribute_and_its_value_what_is_left():
    rng = np.random.default_rng(0)
    values, rows = rng.normal(size=(5000, 3)).astype(np.float32), rng.normal(size=(5000, 4))
    content = ItemContent.of(np.arange(5000), attributes=values)
    code = FeatureCode.of(content, Vocabulary(ids=pa.array(np.arange(5000))))
    side = Side(code, values, np.ones(5000), 6.0, lambda mass: 0.5 * mass)
    own = Vectors.of(rows)
    wanted = side_map(values.astype(np.float64), np.ones(5000, bool), rows, 2.0, 5000.0)
    np.testing.assert_allclose(side.map(own), wanted, atol=1e-5)
    loss = side_loss(values.astype(np.float64), np.ones(5000, bool), rows, wanted, 2.0, 5000.0)
    assert side.value(own) == pytest.approx(loss, rel=1e-6)
    assert side.mass.tolist() == [6.0] * 5000
