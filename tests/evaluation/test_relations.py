"""Filtered ranking of heads and tails, against each triple ranked by hand; what is lost; early stopping."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import matweave as mw
from matweave.data.relations import Relations
from matweave.errors import DataError
from matweave.evaluation import relations as module
from matweave.evaluation.relations import evaluate_relations, ranks_of, relation_validation

N, KINDS = 9, 2


class Table:
    """A model whose scores are a table of numbers."""

    method = "Table"

    def __init__(self, like: Relations, seed: int = 0, cells: np.ndarray | None = None) -> None:
        self.entities, self.kinds = like.entities, like.kinds
        self.table = np.random.default_rng(seed).integers(0, 6, like.shape).astype(np.float32)
        if cells is not None:
            self.cells = cells

    def tail_scores(self, heads: np.ndarray, relations: np.ndarray) -> np.ndarray:
        return self.table[relations, heads]

    def head_scores(self, relations: np.ndarray, tails: np.ndarray) -> np.ndarray:
        return self.table[relations, :, tails]

    def cell_scores(
        self, heads: np.ndarray, relations: np.ndarray, tails: np.ndarray, *, scaled: bool = False
    ) -> np.ndarray:
        scores = self.table[relations, heads, tails]
        return scores / np.linalg.norm(self.table[:, heads, tails], axis=0) if scaled else scores


def drawn(seed: int = 0, share: float = 0.3) -> Relations:
    cells = np.flatnonzero(np.random.default_rng(seed).random(KINDS * N * N) < share)
    return Relations.from_codes(cells // N % N, cells // (N * N), cells % N, n_entities=N, n_kinds=KINDS)


def test_triples_of_no_value_are_not_asked_and_stay_candidates() -> None:
    log = drawn()
    values = np.ones(len(log), np.float32)
    values[::3] = 0.0
    valued = Relations.from_codes(log.heads, log.relations, log.tails, values, n_entities=N, n_kinds=KINDS)
    true = log.take(values > 0)
    model, plain = Table(log, cells=np.sort(log.cells)), Table(log, cells=np.sort(true.cells))
    model.denied = np.sort(log.take(values <= 0).cells)  # type: ignore[attr-defined]
    test = valued.take(np.arange(0, len(log), 2))
    found = evaluate_relations(model, test, known=[valued])
    wanted = evaluate_relations(
        plain, true.take(np.flatnonzero(np.isin(true.cells, test.cells))), known=[true]
    )
    assert found.metrics == wanted.metrics
    assert found.counts["triples that do not hold"] == len(test) - wanted.counts["triples judged"] > 0
    asked = relation_validation(valued.take(np.arange(0, len(log), 2)), known=[valued]).measure(model)
    assert asked == pytest.approx(wanted.metrics["mrr"].mean)
    with pytest.raises(DataError, match="none holds"):
        evaluate_relations(model, valued.take(np.flatnonzero(values == 0)))


def test_a_symmetric_method_takes_what_holds_one_way_for_both() -> None:
    edges = [(a, b) for group in (range(6), range(6, 12)) for a in group for b in group if a < b]
    order = np.random.default_rng(0).permutation(len(edges))
    train, test = (mw.read_relations([edges[e] for e in part]) for part in (order[:20], order[20:]))
    fitted = mw.SymmetricNMF(rank=2, self_loops=False).fit(train)
    found, turned = (
        evaluate_relations(fitted, part)
        for part in (test, mw.read_relations([tuple(reversed(edges[e])) for e in order[20:]]))
    )
    assert found.metrics["mrr"].mean == pytest.approx(turned.metrics["mrr"].mean)
    assert found.metrics["mrr"].mean > 0.95
    again = evaluate_relations(fitted, mw.read_relations([tuple(reversed(edges[e])) for e in order[:20]]))
    assert again.counts["triples that training had"] == 20
    nothing = Relations.from_codes([0], None, [1], [0.0], n_entities=N)
    with pytest.raises(DataError, match="none holds"):
        relation_validation(nothing)


def slowly(table: np.ndarray, test: Relations, true: set[tuple], side: str) -> list[float]:
    ranks = []
    for h, r, t in zip(test.heads.tolist(), test.relations.tolist(), test.tails.tolist(), strict=True):
        own, rank = table[r, h, t], 1.0
        for e in range(N):
            other = (h, r, e) if side == "tail" else (e, r, t)
            if other == (h, r, t) or other in true:
                continue
            score = table[r, other[0], other[2]]
            rank += float(score > own) + 0.5 * float(score == own)
        ranks.append(rank)
    return ranks


@pytest.mark.parametrize("block", [8_000_000, 30])
def test_ranks_are_those_of_each_triple_by_hand(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", block)
    parts = mw.split_relations(drawn(), test=0.4, valid=0.2, covered=False)
    assert parts.valid is not None
    model = Table(parts.train)
    whole = drawn()
    true = set(zip(whole.heads.tolist(), whole.relations.tolist(), whole.tails.tolist(), strict=True))
    heads, tails = ranks_of(model, parts.test, [parts.train, parts.valid])
    assert heads.tolist() == slowly(model.table, parts.test, true, "head")
    assert tails.tolist() == slowly(model.table, parts.test, true, "tail")
    found = evaluate_relations(model, parts.test, known=[parts.train, parts.valid])
    assert found.metrics["mrr"].mean == pytest.approx((1 / np.r_[heads, tails]).mean())
    assert found.metrics["hits@3"].mean == pytest.approx((np.r_[heads, tails] <= 3).mean())
    assert found.metrics["mrr"].low < found.metrics["mrr"].mean < found.metrics["mrr"].high
    one = evaluate_relations(
        model, parts.test, known=[parts.train, parts.valid], side="tail", metrics=["mean_rank"]
    )
    assert one.metrics["mean_rank"].mean == pytest.approx(tails.mean())
    assert one.protocol == "filtered ranking of tails"
    assert sum(numbers["triples"] for numbers in found.by_relation.values()) == len(parts.test)
    assert "mrr" in str(found)


def test_triples_of_training_are_no_rivals_where_the_model_keeps_them() -> None:
    parts = mw.split_relations(drawn(), test=0.4, valid=0.0, covered=False)
    bare = evaluate_relations(Table(parts.train), parts.test, known=[parts.train])
    kept = evaluate_relations(Table(parts.train, cells=np.sort(parts.train.cells)), parts.test)
    assert kept.metrics == bare.metrics
    assert evaluate_relations(Table(parts.train), parts.test).metrics["mrr"].mean < bare.metrics["mrr"].mean


def test_triples_that_the_model_does_not_know_are_lost_and_counted() -> None:
    model = Table(drawn())
    test = Relations.of(heads=[0, 1, 77], relations=[0, 5, 0], tails=[1, 2, 3])
    found = evaluate_relations(model, test)
    assert dict(found.counts) == {"triples judged": 1, "triples lost": 2}
    with pytest.raises(DataError, match="none of the 1 test triples"):
        evaluate_relations(model, Relations.of(heads=["a"], tails=["b"]))
    with pytest.raises(DataError, match="side is 'left'"):
        evaluate_relations(model, test, side="left")
    with pytest.raises(DataError, match="'map' is no number of ranks"):
        evaluate_relations(model, test, metrics=["map"])


def test_a_perfect_model_is_first_everywhere_and_a_constant_one_in_the_middle() -> None:
    test = drawn(share=0.2)
    model = Table(test)
    model.table = np.stack([x.toarray() for x in test.slices()])
    assert evaluate_relations(model, test).metrics["mrr"].mean == 1.0
    model.table = np.zeros_like(model.table)
    lone = Relations.from_codes([0], [0], [1], n_entities=N, n_kinds=KINDS)
    assert evaluate_relations(model, lone).metrics["mean_rank"].mean == (N + 1) / 2


def test_early_stopping_measures_what_evaluation_gives() -> None:
    parts = mw.split_relations(drawn(), test=0.3, valid=0.3, covered=False)
    model = Table(parts.train, cells=np.sort(parts.train.cells))
    check = relation_validation(parts.valid, metric="mean_rank", patience=2)
    assert parts.valid is not None
    assert check.measure(model) == -evaluate_relations(model, parts.valid).metrics["mean_rank"].mean  # type: ignore[arg-type]
    alien = SimpleNamespace(entities=mw.Vocabulary.of(["a"])[0], kinds=parts.train.kinds, method="x")
    assert np.isnan(check.measure(alien))  # type: ignore[arg-type]
    with pytest.raises(DataError, match="no validation part"):
        relation_validation(None)


@pytest.mark.slow
@pytest.mark.data
def test_kinships_are_ranked_as_well_as_published_methods_do(real_data: Path) -> None:
    folder = real_data / "kinships"
    train, valid, test = (mw.read_relations(folder / f"{part}.txt.gz") for part in ("train", "valid", "test"))
    recipe = mw.RESCAL(
        rank=100, regularization=3.0, core_regularization=3.0, unobserved_weight=0.1, epochs=20
    )
    found = evaluate_relations(recipe.fit(train), test, known=[valid])
    assert found.metrics["mrr"].mean > 0.85  # measured 0.863; ConvE 0.83
    assert found.metrics["hits@10"].mean > 0.97
