"""Strangers by their attributes on ml-1m: items on their first day by genres, users by gender, age group and occupation.

    python benchmarks/quality/side_features.py [--data DIR] [--tune] [--seeds 3]

cold items      `split_cold_items(log, seed)`: recall@20 among the 371 held-out items, as in cold_items.py, whose methods may also read
                titles and abstracts; here genres alone, by ImplicitALS with item_features; beside popularity by genre
cold users      a tenth of the users held out whole, another for validation: recall@20 and nDCG@20 of all their ratings, by
                ImplicitALS with user_features; beside Popularity, and the zero-mean guess x = (w CᵀC + ρ I)⁻¹ w Cᵀ a
few ratings     the same users by 1 or 3 of their ratings, drawn by chance, folded in without and with their attributes
values          RMSE of the same users' ratings by ExplicitALS with user_features; beside its mean and biases of items

Settings were chosen by `--tune` on the validation items and users of seed 0; the test parts are not looked at there. One JSON line a
task: the mean of the seeds, and each.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import dataclass
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from matweave.data.csr import Csr
from matweave.data.interactions import Interactions
from matweave.data.item_content import ItemContent
from matweave.data.read import read_interactions
from matweave.data.read_content import read_content
from matweave.data.split_cold import split_cold_items
from matweave.evaluation.evaluate import evaluate
from matweave.factor.content_baselines import attribute_popularity
from matweave.factor.explicit_als import ExplicitALS
from matweave.factor.forms import FactorModel
from matweave.factor.implicit_als import ImplicitALS
from matweave.factor.popularity import Popularity
from matweave.factor.recommender import Recommender
from matweave.factor.rows import FactorRows, Rows

CHOSEN: dict[str, dict[str, Any]] = {
    "cold items": {"rank": 64, "regularization": 0.015, "item_weight": 100.0, "epochs": 8},
    "cold users": {"rank": 64, "regularization": 0.015, "user_weight": 100.0, "epochs": 8},
    "values": {"rank": 32, "regularization": 0.07, "user_weight": 100.0, "epochs": 8},
}
GRID: dict[str, dict[str, list[float]]] = {
    "cold items": {"item_weight": [10.0, 100.0, 1000.0, 3000.0], "regularization": [0.003, 0.007, 0.015]},
    "cold users": {"user_weight": [1.0, 10.0, 100.0, 1000.0], "regularization": [0.003, 0.007, 0.015]},
    "values": {"user_weight": [3.0, 30.0, 100.0], "regularization": [0.05, 0.07, 0.1]},
}
K, SHARE = 20, 0.1


@dataclass(frozen=True)
class Data:
    """The log, and attributes of both sides."""

    log: Interactions
    users: ItemContent
    items: ItemContent

    @staticmethod
    def read(folder: Path) -> Data:
        return Data(
            log=read_interactions(folder / "ratings.dat.gz"),
            users=read_content(
                folder / "users.dat.gz",
                columns=["id", "gender", "age", "occupation", "zip"],
                attributes="gender",
                levels=["age", "occupation"],
            ),
            items=read_content(
                folder / "movies.dat.gz",
                columns=["id", "title", "genres"],
                attributes="genres",
                encoding="latin-1",
            ),
        )

    def without(self, seed: int, *, valid: bool) -> tuple[Interactions, Csr, ItemContent]:
        """Training rows, and whole histories over the log's items of users that are in neither training nor the other part."""
        drawn = np.random.default_rng(seed).permutation(self.log.n_users)
        n = round(SHARE * self.log.n_users)
        out = np.isin(self.log.user_codes, drawn[: 2 * n])
        mine = np.sort(drawn[n : 2 * n] if valid else drawn[:n])
        train = self.log.take(np.flatnonzero(~out))
        people = self.log.users.take(mine)
        return train, self.log.recode(people, train.items).matrix, self.users.over(people)


def judged(model: Recommender, rows: Rows, truth: Csr, out: Csr | None = None) -> tuple[float, float]:
    """recall@20 and nDCG@20 over rows with any truth; out: items never given."""
    codes, _, counts = model.top(rows, K, out)
    recalls, gains = [], []
    discount = 1 / np.log2(np.arange(2, K + 2))
    for row in np.flatnonzero(truth.counts).tolist():
        wanted = truth.row(row)[0]
        hit = np.isin(codes[row, : counts[row]], wanted)
        recalls.append(hit.sum() / len(wanted))
        gains.append(hit @ discount[: len(hit)] / discount[: len(wanted)].sum())
    return float(np.mean(recalls)), float(np.mean(gains))


def cold_items(data: Data, seed: int, settings: dict[str, Any], *, valid: bool) -> dict[str, float]:
    split = split_cold_items(data.log, seed=seed)
    part = split.valid if valid else split.test
    assert part is not None
    models: dict[str, Recommender] = {
        "implicit_als": ImplicitALS(**settings, seed=seed).fit(split.train, item_features=data.items)
    }
    if not valid:
        models["attribute_popularity"] = attribute_popularity(split.train, data.items)
    name = f"recall@{K}"
    return {
        f"{m} {name}": evaluate(model, part, metrics=[name], among=part.items, resamples=2).metrics[name].mean
        for m, model in models.items()
    }


def cold_users(data: Data, seed: int, settings: dict[str, Any], *, valid: bool) -> dict[str, float]:
    train, truth, people = data.without(seed, valid=valid)
    model = ImplicitALS(**settings, seed=seed).fit(train, user_features=data.users)
    found: dict[str, float] = {}

    def put(name: str, numbers: tuple[float, float]) -> None:
        found.update({f"{name} recall@{K}": numbers[0], f"{name} ndcg@{K}": numbers[1]})

    put("implicit_als", judged(model, model.new_rows(people), truth))
    if valid:
        return found
    put("zero_mean", judged(model, zero_mean(model, people), truth))
    popular, nothing = Popularity().fit(train), Csr.from_pairs([], [], None, truth.shape)
    put("popularity", judged(popular, popular.fold_in(nothing), truth))
    return found


def zero_mean(model: FactorModel, people: ItemContent) -> FactorRows:
    """x = (w CᵀC + ρ I)⁻¹ w Cᵀ a, missing attributes 0, ρ that of a row without a history."""
    assert model.sides is not None
    side = model.sides.users
    assert side is not None
    c, said = side.factors.astype(np.float64), model.settings
    weight = said["unobserved_weight"] * len(model.items) + said["user_weight"]
    ridge = said["regularization"] * weight ** said["regularization_exponent"]
    right = side.weight * side.code.matrix(people) @ c
    x = np.linalg.solve(side.weight * c.T @ c + ridge * np.eye(len(c.T)), right.T).T
    return FactorRows(factors=x.astype(np.float32), bias=None)


def few_ratings(data: Data, seed: int, settings: dict[str, Any]) -> dict[str, float]:
    train, whole, people = data.without(seed, valid=False)
    model = ImplicitALS(**settings, seed=seed).fit(train, user_features=data.users)
    plain = ImplicitALS(**settings, seed=seed).fit(train)
    rng, found = np.random.default_rng(seed), {}
    for count in (1, 3):
        kept = np.zeros(whole.nnz, bool)
        for row in np.flatnonzero(whole.counts > count):
            kept[whole.indptr[row] + rng.choice(whole.counts[row], count, replace=False)] = True
        rows = np.repeat(np.arange(whole.n_rows), whole.counts)
        known, truth = (
            Csr.from_pairs(rows[at], whole.indices[at], whole.weights()[at], whole.shape)
            for at in (kept, ~kept)
        )
        for name, mine, of in (
            ("history", plain, plain.fold_in(known)),
            ("history and attributes", model, model.new_rows(people, known)),
        ):
            recall, ndcg = judged(mine, of, truth, known)
            found |= {f"{count} {name} recall@{K}": recall, f"{count} {name} ndcg@{K}": ndcg}
    return found


def values(data: Data, seed: int, settings: dict[str, Any], *, valid: bool) -> dict[str, float]:
    train, truth, people = data.without(seed, valid=valid)
    model = ExplicitALS(**settings, seed=seed).fit(train, user_features=data.users)
    at = np.repeat(np.arange(truth.n_rows), truth.counts)
    assert model.item_bias is not None
    scores = {
        "explicit_als": model.pair_scores(model.new_rows(people), at, truth.indices),
        "biases": model.mean + model.item_bias[truth.indices],
    }
    return {
        f"{name} rmse": float(np.sqrt(np.mean((model.clip(s) - truth.weights()) ** 2)))
        for name, s in scores.items()
    }


TASKS: dict[str, Any] = {"cold items": cold_items, "cold users": cold_users, "values": values}


def tune(data: Data, task: str) -> list[dict[str, Any]]:
    """Results on the validation part of seed 0, the best last."""
    found, grid = [], GRID[task]
    for drawn in product(*grid.values()):
        settings = CHOSEN[task] | dict(zip(grid, drawn, strict=True))
        numbers = TASKS[task](data, 0, settings, valid=True)
        found.append({"task": task, "settings": settings} | {n: round(v, 4) for n, v in numbers.items()})
    first = next(name for name in found[0] if name.endswith((f"@{K}", "explicit_als rmse")))
    return sorted(found, key=lambda line: line[first] * (-1 if first.endswith("rmse") else 1))


def report(data: Data, task: str, seeds: int) -> dict[str, Any]:
    """The chosen settings on the test parts of all seeds."""
    began, settings = time.perf_counter(), CHOSEN["cold users" if task == "few ratings" else task]
    if task == "few ratings":
        runs = [few_ratings(data, seed, settings) for seed in range(seeds)]
    else:
        runs = [TASKS[task](data, seed, settings, valid=False) for seed in range(seeds)]
    return {
        "benchmark": f"ml-1m, {task}",
        "settings": settings,
        "mean": {name: round(float(np.mean([run[name] for run in runs])), 4) for name in runs[0]},
        "by_seed": [{name: round(value, 4) for name, value in run.items()} for run in runs],
        "ok": all(holds(task, run) for run in runs),
        "seconds": round((time.perf_counter() - began) / seeds, 1),
        "matweave": version("matweave"),
    }


def holds(task: str, run: dict[str, float]) -> bool:
    """What must hold on each seed: items above popularity by genre, users above Popularity, values nearer than biases."""
    if task == "cold items":
        return run[f"implicit_als recall@{K}"] > run[f"attribute_popularity recall@{K}"]
    if task == "cold users":
        return all(run[f"implicit_als {m}@{K}"] > run[f"popularity {m}@{K}"] for m in ("recall", "ndcg"))
    if task == "values":
        return run["explicit_als rmse"] < run["biases rmse"]
    return run[f"1 history and attributes ndcg@{K}"] > run[f"1 history ndcg@{K}"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MATWEAVE_DATA", "../shared/data")))
    parser.add_argument("--tune", action="store_true", help="search the grids on the validation parts")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", help="tasks, by parts of their names")
    given = parser.parse_args()
    data = Data.read(given.data / "ml-1m")
    for task in [*TASKS] if given.tune else [*TASKS, "few ratings"]:
        if given.only and given.only not in task:
            continue
        for line in tune(data, task) if given.tune else [report(data, task, given.seeds)]:
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
