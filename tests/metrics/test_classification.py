"""Metrics of class probabilities: against plain Python and scikit-learn, bounds, what must and must not change them."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import sklearn.metrics as reference
from by_hand import classification as by_hand
from hypothesis import given
from hypothesis import strategies as st

from matweave.errors import DataError
from matweave.metrics import classification as metrics

NAMES = ["accuracy", "log_loss", "brier", "macro_f1", "balanced_accuracy"]


def case(seed: int, n: int = 40, k: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that know something of the truth; ties and zeros among them; classes may be absent."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, k, n)
    weights = rng.integers(0, 4, (n, k)).astype(np.float64)
    weights[np.arange(n), codes] += rng.integers(0, 5, n)
    weights[weights.sum(axis=1) == 0] = 1.0
    return weights / weights.sum(axis=1, keepdims=True), codes


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 500), n=st.integers(1, 30), k=st.integers(1, 6))
def test_every_formula_agrees_with_its_slow_twin(name, seed, n, k):
    p, codes = case(seed, n, k)
    found = getattr(metrics, name)(p, codes)
    assert isinstance(found, float)
    assert found == pytest.approx(getattr(by_hand, name)(p.tolist(), codes.tolist()), rel=1e-12, abs=1e-15)


@given(seed=st.integers(0, 500), n=st.integers(1, 30), k=st.integers(1, 6))
def test_tables_agree_with_their_slow_twins(seed, n, k):
    p, codes = case(seed, n, k)
    confusion = metrics.confusion_matrix(p, codes)
    assert confusion.dtype == np.int64
    assert confusion.tolist() == by_hand.confusion(p.tolist(), codes.tolist())
    found = metrics.per_class(p, codes)
    wanted = np.array(by_hand.per_class(p.tolist(), codes.tolist()))
    np.testing.assert_allclose(
        np.stack([found.precision, found.recall, found.f1], axis=1), wanted, rtol=1e-12
    )
    assert found.support.tolist() == np.bincount(codes, minlength=k).tolist()
    assert found.predicted.tolist() == confusion.sum(axis=0).tolist()


@given(seed=st.integers(0, 500), n=st.integers(1, 30), k=st.integers(1, 6))
def test_top_k_agrees_with_its_slow_twin_and_starts_at_accuracy(seed, n, k):
    p, codes = case(seed, n, k)
    found = [metrics.top_k_accuracy(p, codes, k=at) for at in range(1, k + 1)]
    assert found == pytest.approx(
        [by_hand.top_k_accuracy(p.tolist(), codes.tolist(), at) for at in range(1, k + 1)]
    )
    assert found[0] == metrics.accuracy(p, codes)
    assert found[-1] == 1
    assert found == sorted(found)


@given(seed=st.integers(0, 500), n=st.integers(1, 30))
def test_auc_agrees_with_counting_pairs(seed, n):
    p, codes = case(seed, n, 2)
    wanted = by_hand.roc_auc(p.tolist(), codes.tolist())
    assert metrics.roc_auc(p, codes) == pytest.approx(wanted, rel=1e-12, nan_ok=True)


@pytest.mark.parametrize("k", [2, 5])
def test_scikit_learn_says_the_same(k):
    rng = np.random.default_rng(k)
    codes = rng.integers(0, k, 500)
    logits = rng.normal(size=(500, k)) + 1.5 * np.eye(k)[codes]
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels, guessed = list(range(k)), p.argmax(axis=1)
    assert metrics.accuracy(p, codes) == pytest.approx(reference.accuracy_score(codes, guessed))
    assert metrics.log_loss(p, codes) == pytest.approx(reference.log_loss(codes, p, labels=labels))
    brier = (
        2 * reference.brier_score_loss(codes, p[:, 1])
        if k == 2
        else ((p - np.eye(k)[codes]) ** 2).sum(axis=1).mean()
    )
    assert metrics.brier(p, codes) == pytest.approx(brier)
    assert metrics.macro_f1(p, codes) == pytest.approx(reference.f1_score(codes, guessed, average="macro"))
    assert metrics.balanced_accuracy(p, codes) == pytest.approx(
        reference.balanced_accuracy_score(codes, guessed)
    )
    assert (metrics.confusion_matrix(p, codes) == reference.confusion_matrix(codes, guessed)).all()
    precision, recall, f1, support = reference.precision_recall_fscore_support(codes, guessed)
    found = metrics.per_class(p, codes)
    np.testing.assert_allclose(
        [found.precision, found.recall, found.f1, found.support], [precision, recall, f1, support]
    )
    if k == 2:
        assert metrics.roc_auc(p, codes) == pytest.approx(reference.roc_auc_score(codes, p[:, 1]))
    else:
        wanted = reference.top_k_accuracy_score(codes, p, k=2)
        assert metrics.top_k_accuracy(p, codes, k=2) == pytest.approx(wanted)


def test_absent_classes_are_left_out_of_macro_means_as_scikit_learn_does():
    p = np.array([[0.8, 0.1, 0.1, 0.0], [0.2, 0.7, 0.1, 0.0], [0.1, 0.8, 0.1, 0.0]])
    codes = np.array([0, 0, 2])  # class 1 is only predicted, class 3 neither
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = reference.f1_score(codes, p.argmax(axis=1), average="macro", zero_division=0)
        recall = reference.balanced_accuracy_score(codes, p.argmax(axis=1))
    assert metrics.macro_f1(p, codes) == pytest.approx(wanted)
    assert metrics.balanced_accuracy(p, codes) == pytest.approx(recall)
    found = metrics.per_class(p, codes)
    assert np.isnan(found.precision).tolist() == [False, False, True, True]
    assert np.isnan(found.recall).tolist() == [False, True, False, True]
    assert np.isnan(found.f1).tolist() == [False, False, False, True]


@pytest.mark.parametrize("name", NAMES)
def test_relabelling_classes_and_shuffling_examples_changes_nothing(name):
    rng = np.random.default_rng(3)
    codes = rng.integers(0, 5, 300)
    p = rng.dirichlet(np.ones(5), 300)  # no ties, so that no code is preferred
    moved, order = rng.permutation(5), rng.permutation(300)
    again = np.empty_like(p)
    again[:, moved] = p
    formula = getattr(metrics, name)
    assert formula(again[order], moved[codes][order]) == pytest.approx(formula(p, codes), rel=1e-12)


def test_certain_and_right_is_the_best_and_certain_and_wrong_the_worst():
    codes = np.arange(4)
    right, wrong = np.eye(4), np.roll(np.eye(4), 1, axis=1)
    best = [getattr(metrics, name)(right, codes) for name in NAMES]
    assert best == [1, 0, 0, 1, 1]
    worst = [getattr(metrics, name)(wrong, codes) for name in NAMES]
    assert worst == [0, pytest.approx(52 * math.log(2)), 2, 0, 0]


def test_guessing_all_alike_costs_the_logarithm_of_the_classes():
    p = np.full((30, 7), 1 / 7)
    codes = np.arange(30) % 7
    assert metrics.log_loss(p, codes) == pytest.approx(math.log(7))
    assert metrics.brier(p, codes) == pytest.approx(6 / 7)
    assert metrics.accuracy(p, codes) == pytest.approx(5 / 30)  # the lowest code of equal ones


def test_float32_is_judged_in_float64_with_one_floor():
    p = np.array([[1.0, 0.0], [1e-30, 1.0]], np.float32)
    codes = np.array([1, 0], np.int32)
    assert metrics.losses(p, codes) == pytest.approx([52 * math.log(2)] * 2)
    tiny = np.array([[1e-9, 1.0]], np.float32)
    assert metrics.log_loss(tiny, np.array([0])) == pytest.approx(-math.log(np.float32(1e-9)))


def test_a_rounding_above_one_costs_nothing_less_than_nothing():
    assert metrics.losses(np.array([[1.0005, 0.0]]), np.array([0])).tolist() == [0.0]


def test_means_of_examples_are_the_metrics():
    p, codes = case(11, n=200)
    assert metrics.losses(p, codes).mean() == pytest.approx(metrics.log_loss(p, codes))
    assert metrics.squares(p, codes).mean() == pytest.approx(metrics.brier(p, codes))
    assert (metrics.ranks(p, codes) == 1).mean() == metrics.accuracy(p, codes)


def test_squares_keep_their_digits_near_zero():
    p = np.array([[1 - 1e-12, 1e-12]])
    assert metrics.squares(p, np.array([0]))[0] == pytest.approx(2e-24, rel=1e-3)


def test_auc_flips_with_the_classes_and_knows_only_order():
    rng = np.random.default_rng(0)
    codes, score = rng.integers(0, 2, 80), rng.integers(1, 9, 80) / 10
    p = np.stack([1 - score, score], axis=1)
    found = metrics.roc_auc(p, codes)
    assert 0.2 < found < 0.8
    assert metrics.roc_auc(p, 1 - codes) == pytest.approx(1 - found)
    bent = np.stack([1 - score**3, score**3], axis=1)
    assert metrics.roc_auc(bent, codes) == pytest.approx(found)
    assert np.isnan(metrics.roc_auc(p, np.zeros(80, int)))
    assert metrics.roc_auc(np.full((4, 2), 0.5), np.array([0, 1, 0, 1])) == 0.5


def test_cuts_and_numbers_of_classes_that_do_not_fit_are_errors():
    p, codes = case(1)
    for k in (0, 5):
        with pytest.raises(DataError, match=f"k={k} does not fit 4 classes"):
            metrics.top_k_accuracy(p, codes, k=k)
    with pytest.raises(DataError, match="ROC AUC is of two classes, but there are 4"):
        metrics.roc_auc(p, codes)


@pytest.mark.parametrize("name", [*NAMES, "confusion_matrix", "per_class", "losses", "squares"])
def test_bad_input_is_refused_by_every_formula(name):
    with pytest.raises(DataError, match="hold"):
        getattr(metrics, name)(np.array([[np.nan, 1.0]]), np.array([0]))
