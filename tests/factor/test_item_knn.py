import gzip

import numpy as np
import pytest
from by_hand import item_knn as slow
from hypothesis import given
from hypothesis import strategies as st

from matweave.data.interactions import Interactions
from matweave.errors import ConfigError, DataError
from matweave.factor.ease import EASE
from matweave.factor.item_knn import ItemKNN
from matweave.factor.popularity import Popularity
from matweave.factor.pure_svd import PureSVD


def random_table(seed, users=30, items=12):
    random = np.random.default_rng(seed)
    return random.integers(1, 5, (users, items)) * (random.random((users, items)) < 0.35)


def log_of(x):
    users, items = np.nonzero(x)
    return Interactions.from_codes(
        users, items, values=x[users, items], n_users=x.shape[0], n_items=x.shape[1]
    )


def expected(x, neighbors, shrink, asymmetry, normalization, weighting):
    a = {"none": lambda t: t, "tf_idf": slow.tf_idf, "bm25": lambda t: slow.bm25(t, 1.2, 0.75)}[weighting](x)
    kept = slow.nearest(slow.similarity(a, shrink, asymmetry), neighbors)
    sums = np.maximum(kept.sum(axis=1, keepdims=True), 1e-30) ** normalization
    return (kept / sums).T


@given(
    st.integers(0, 300),
    st.sampled_from(["none", "tf_idf", "bm25"]),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.booleans(),
)
def test_scores_equal_the_slow_twin(seed, weighting, normalization, use_values):
    x = random_table(seed)
    settings = {"neighbors": 40, "shrink": 3.0, "asymmetry": 0.3, "normalization": normalization}
    model = ItemKNN(**settings, weighting=weighting, use_values=use_values).fit(log_of(x))
    h = x if use_values else (x > 0).astype(float)
    b = expected(h, 40, 3.0, 0.3, normalization, weighting)
    np.testing.assert_allclose(model.scores(model.known(np.arange(30))), h @ b, rtol=1e-4, atol=1e-5)


def test_each_item_keeps_its_nearest():
    x = random_table(1)
    model = ItemKNN(neighbors=3, shrink=0, weighting="none", normalization=0).fit(log_of(x))
    b = model.weights.matrix.scipy().toarray()
    assert ((b > 0).sum(axis=0) <= 3).all()
    np.testing.assert_allclose(
        b.sum(axis=0), expected((x > 0) * 1.0, 3, 0, 0.4, 0, "none").sum(axis=0), rtol=1e-5
    )


def test_a_stranger_gets_what_a_user_with_the_same_history_gets():
    log = log_of(random_table(2))
    model = ItemKNN().fit(log)
    known = model.scores(model.known(np.arange(30)))
    np.testing.assert_array_equal(model.scores(model.fold_in(log.by_user)), known)


def test_relabelled_items_give_relabelled_scores():
    x, order = random_table(3), np.random.default_rng(0).permutation(12)
    a, b = (ItemKNN(neighbors=12).fit(log_of(t)) for t in (x, x[:, order]))
    users = np.arange(30)
    np.testing.assert_allclose(a.scores(a.known(users))[:, order], b.scores(b.known(users)), rtol=1e-4)


def test_two_groups_of_items_never_recommend_each_other():
    x = np.kron(np.eye(2), np.ones((6, 4)))
    x[0, 0] = x[6, 4] = 0  # one gap in each group
    model = ItemKNN(shrink=0).fit(log_of(x))
    assert model.recommend([0, 6], k=1)["item"].to_pylist() == [0, 4]


def test_negative_values_are_refused_where_they_would_be_weighted_as_counts():
    log = Interactions.from_codes([0, 0, 1, 1], [0, 1, 0, 1], values=[1, -2, 3, 4])
    with pytest.raises(DataError, match="1 values of this log are negative"):
        ItemKNN(use_values=True).fit(log)
    assert ItemKNN(use_values=True, weighting="none").fit(log).similar(0, k=1)["item"].to_pylist() == [1]
    ItemKNN().fit(log)


def test_values_whose_squares_overflow_are_refused():
    log = Interactions.from_codes([0, 0, 1, 1], [0, 1, 0, 1], values=[1, 1e30, 3, 4])
    with pytest.raises(DataError, match=r"1e\+30 overflow when squared"):
        ItemKNN(use_values=True, weighting="none").fit(log)
    ItemKNN().fit(log)


def test_a_log_of_one_item_has_no_neighbours():
    model = ItemKNN().fit(Interactions.from_codes([0, 1], [0, 0]))
    assert model.weights.matrix.nnz == 0
    assert model.recommend_for([0], k=3, seen=True)["score"].to_pylist() == [0.0]


def test_settings_are_checked_all_at_once():
    with pytest.raises(ConfigError) as caught:
        ItemKNN(neighbors=0, weighting="tfidf", asymmetry=2)
    assert "neighbors is 0" in caught.value.what
    assert "did you mean 'tf_idf'" in caught.value.what
    assert "asymmetry is 2" in caught.value.what


@pytest.mark.data
def test_the_linear_methods_beat_popularity_on_given_negatives(real_data):
    """NCF's split of ml-1m, 99 given negatives: HR@10 as in benchmarks/quality/ncf_linear.py, with room below."""
    folder = real_data / "ncf-ml-1m"
    tables = {}
    for part in ("train", "test"):
        with gzip.open(folder / f"ml-1m.{part}.rating.gz") as file:
            tables[part] = np.array(file.read().split(), dtype=np.int64).reshape(-1, 4)
    with gzip.open(folder / "ml-1m.test.negative.gz", "rt") as file:
        negatives = np.array([line.split("\t")[1:] for line in file], dtype=np.int32)
    train = tables["train"]
    log = Interactions.from_codes(train[:, 0], train[:, 1], n_users=6040, n_items=3706)
    candidates = np.concatenate([tables["test"][:, 1:2].astype(np.int32), negatives], axis=1)
    at = np.repeat(np.arange(6040), 100)

    def hit_rate(recipe):
        model = recipe.fit(log)
        scores = model.pair_scores(model.known(np.arange(6040)), at, candidates.ravel()).reshape(-1, 100)
        above = (scores[:, 1:] > scores[:, :1]) & (candidates[:, 1:] != candidates[:, :1])
        return (above.sum(axis=1) < 10).mean()

    found = {type(r).__name__: hit_rate(r) for r in (Popularity(), ItemKNN(shrink=0), PureSVD(), EASE())}
    assert 0.44 < found["Popularity"] < 0.47
    assert found["ItemKNN"] > 0.67
    assert found["PureSVD"] > 0.68
    assert found["EASE"] > 0.70
